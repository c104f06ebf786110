"""The one place that attaches evidence to a check: kept with its record, shown when it is red."""

import pytest


class Evidence:
    """The `evidence` fixture: call it with a name and a text."""

    # A report is read by people; what is longer than this is kept at its end, where the news is.
    LONGEST = 64 * 1024

    def __init__(self) -> None:
        self.attached: dict[str, str] = {}

    def __call__(self, name: str, text: str) -> None:
        """Attach a text under a name."""
        self.attached[name] = text[-self.LONGEST :]


EVIDENCE = pytest.StashKey[Evidence]()


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """Attaches what a person would look at next."""
    kept: Evidence = request.node.stash[EVIDENCE]
    return kept
