"""One case per name in the target's file, and one run of every check per target.

`@each(symbol="market.symbols")` makes a case for each name of that list or table. Names come from
the file alone, so collecting touches nothing; parameters are the operator's own names.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from runbook.verdict import NotPart

TARGETS = pytest.StashKey[dict[str, Any]]()


def each(**paths: str) -> pytest.MarkDecorator:
    """Make a case of the check for each name that the target lists under a dotted path."""
    return pytest.mark.each(**paths)


class Absent:
    """Stands for the name of a case whose section the target leaves out."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"no {self.path}"


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Any:
    """The system this case judges."""
    return request.config.stash[TARGETS][request.param]


@pytest.fixture(scope="session")
def limits(target: Any) -> Any:
    """The numbers this target is compared with."""
    return target.limits


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each check its targets, and its names within each target."""
    targets = metafunc.config.stash[TARGETS]
    if "target" not in metafunc.fixturenames or not targets:
        return
    marker = metafunc.definition.get_closest_marker("each")
    paths: dict[str, str] = dict(marker.kwargs) if marker else {}
    if len(paths) > 1:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: each takes one name")
    rows: list[Any] = []
    for name, value in targets.items():
        label = [] if len(targets) == 1 else [name]
        if not paths:
            rows.append(pytest.param(name, id="-".join(label) or pytest.HIDDEN_PARAM))
        for path in paths.values():
            rows += [
                pytest.param(name, subject, id="-".join([*label, str(subject)]))
                for subject in names(value, path)
            ]
    # Session scope, or the parameter would narrow the scope of the fixture it is given to.
    metafunc.parametrize(["target", *paths], rows, indirect=["target"], scope="session")


def names(target: Any, path: str) -> Iterable[str | Absent]:
    """The names listed under a dotted path of the target; one `Absent` where there are none."""
    value = target
    for key in path.split("."):
        value = getattr(value, key, None)
    if not value:
        return [Absent(path)]
    return list(value) if isinstance(value, Mapping | tuple) else [str(value)]


def refuse_absent(item: pytest.Item) -> None:
    """Raise `NotPart` for a case whose section the target leaves out."""
    for value in getattr(getattr(item, "callspec", None), "params", {}).values():
        if isinstance(value, Absent):
            raise NotPart(f"{value.path} is not part of this target")
