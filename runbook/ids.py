"""Runbook ids: what each check covers, and whether everything is covered."""

import functools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

INDEX = Path(__file__).with_name("index.toml")


@dataclass(frozen=True)
class Entry:
    """One step of the runbook; `planned` while no check covers it."""

    id: str
    step: str
    severity: str
    planned: bool
    order: int


@functools.cache
def index() -> dict[str, Entry]:
    """Every id of the runbook, in the runbook's order."""
    entries: dict[str, Entry] = {}
    for area, steps in tomllib.loads(INDEX.read_text("utf-8")).items():
        for name, step in steps.items():
            key = f"{area}.{name}"
            entries[key] = Entry(
                key, step["step"], step["severity"], step.get("planned", False), len(entries)
            )
    return entries


@dataclass(frozen=True)
class Covered:
    """What a check says about itself."""

    entry: Entry
    likely: str
    look: str
    do: str
    layer: Callable[..., str] | None
    stands_on: Callable[..., str] | None


def runbook(
    id: str,
    *,
    likely: str,
    look: str,
    do: str,
    layer: Callable[..., str] | None = None,
    stands_on: Callable[..., str] | None = None,
) -> pytest.MarkDecorator:
    """Say which step of the runbook a check covers, and what to do when it is red.

    Args:
        id: the runbook id.
        likely: the usual cause, a few words.
        look: a command that shows more; `{name}` stands for a parameter of the case.
        do: the runbook id to go to next.
        layer: the layer that the case itself judges, where its parameter decides that; called
            with `target` and the case's parameters. Only layers below it can block the case.
        stands_on: likewise the layer that the case needs: it and those below can block the case.
    """
    words = {"likely": likely, "look": look, "do": do, "layer": layer, "stands_on": stands_on}
    return pytest.mark.runbook(id, **words)


_COVERED = pytest.StashKey[Covered | None]()


def covered(item: pytest.Item) -> Covered | None:
    """What the check says about itself; `None` for the suite's own tests.

    Raises:
        pytest.UsageError: the id is not in the index.
    """
    # Everything that looks at a check asks this, a dozen times each.
    if _COVERED not in item.stash:
        item.stash[_COVERED] = _covered(item)
    return item.stash[_COVERED]


def _covered(item: pytest.Item) -> Covered | None:
    marker = item.get_closest_marker("runbook")
    if marker is None:
        return None
    entries = index()
    words: dict[str, Any] = dict(marker.kwargs)
    for name in (marker.args[0], words["do"]):
        if name not in entries:
            raise pytest.UsageError(f"{item.nodeid}: {name} is not in {INDEX.name}")
    return Covered(entry=entries[marker.args[0]], **words)
