"""Which checks run: the occasion, the runbook's order, and nothing at all being red."""

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from runbook.each import TARGETS
from runbook.ids import covered
from runbook.verdict import Verdict

# The folders under checks/; pyproject.toml registers the same words as markers.
DEFAULT_OCCASION = "morning"
# On call the morning's verdicts are read through the layers.
ON_CALL = "triage"
_SEEN = pytest.StashKey[list[str]]()


def judges(config: pytest.Config) -> bool:
    """Whether this run judges a target, rather than being one of the suite's own tests."""
    own = (config.rootpath / "tests").resolve()
    paths = [Path(config.invocation_params.dir, arg.split("::", 1)[0]) for arg in config.args]
    return not any(own in (path.resolve(), *path.resolve().parents) for path in paths)


def is_dry(config: pytest.Config) -> bool:
    """Whether this run only lists what it would do."""
    option = config.option
    return bool(option.collectonly or option.setupplan or option.setuponly)


def whole_occasions(config: pytest.Config) -> frozenset[str]:
    """The occasions of which every check was selected: only they can be called passed.

    By the command line alone, as an xdist controller doesn't see what its workers left out.
    """
    option = config.option
    narrowed = (
        option.keyword
        or getattr(option, "deselect", None)
        or getattr(option, "lf", False)
        or getattr(option, "stepwise", False)
        or config.args_source == pytest.Config.ArgsSource.ARGS
    )
    if narrowed or not re.fullmatch(r"\w+( or \w+)*", option.markexpr or ""):
        return frozenset()
    named = frozenset(option.markexpr.split(" or "))
    return named | {DEFAULT_OCCASION} if ON_CALL in named else named


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the bare command the morning."""
    config.stash[_SEEN] = []
    config.pluginmanager.register(_Verdicts(config.stash[_SEEN]), "verdicts")
    chosen = config.option.markexpr or config.option.keyword
    if judges(config) and not chosen and config.args_source != pytest.Config.ArgsSource.ARGS:
        config.option.markexpr = DEFAULT_OCCASION


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark each check with its folder's occasion, and keep the runbook's order."""
    for item in items:
        if covered(item):
            item.add_marker(item.path.parent.name)
            if item.path.parent.name == DEFAULT_OCCASION:
                item.add_marker(ON_CALL)
    yield
    chosen = config.stash[TARGETS]
    targets = list(chosen)
    items.sort(key=lambda item: _order(item, targets))


def _order(item: pytest.Item, targets: list[str]) -> tuple[int, int, str, int]:
    about = covered(item)
    if about is None:
        return 0, 0, "", 0
    callspec = getattr(item, "callspec", None)
    name = callspec.params.get("target", "") if callspec else ""
    place = targets.index(name) if name in targets else 0
    return place, about.entry.order, str(item.path), item.location[1] or 0


class _Verdicts:
    """Remembers how checks ended."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict a report carries."""
        if record := getattr(report, "record", None):
            self._seen.append(record["verdict"])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End with 1 when something is blocked, or when nothing was judged at all."""
    if not judges(session.config) or exitstatus != pytest.ExitCode.OK:
        return
    if is_dry(session.config) or hasattr(session.config, "workerinput"):
        return
    seen = session.config.stash[_SEEN]
    if Verdict.PASSED not in seen or Verdict.BLOCKED in seen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
