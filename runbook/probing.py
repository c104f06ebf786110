"""Starts the probes when the run begins."""

import gc

import pytest

from runbook.each import TARGETS, Absent, refuse_absent
from runbook.ids import covered
from runbook.probe import (
    GATES,
    PROBES,
    Probes,
    closure,
    gates_under,
    missing_sections,
    probes_of,
)
from runbook.selection import is_dry
from runbook.verdict import NotPart


def pytest_configure(config: pytest.Config) -> None:
    """Every run measures anew."""
    config.stash[PROBES] = Probes()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start all that the selected checks need, at once.

    An xdist worker doesn't know its share yet: it starts a check's probes when the check's turn
    comes.
    """
    config = session.config
    if is_dry(config) or hasattr(config, "workerinput"):
        return
    # What was collected stays to the end: no need to look through it again and again.
    gc.freeze()
    wanted: dict[str, set[str]] = {}
    for item in session.items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if (
            covered(item) is None
            or "target" not in params
            or any(isinstance(value, Absent) for value in params.values())
        ):
            continue
        probes = probes_of(item)
        gates = [GATES[layer] for layer in gates_under(probes) if layer in GATES]
        wanted.setdefault(params["target"], set()).update(made.name for made in (*probes, *gates))
    for name, names in wanted.items():
        # In a fixed order: what starts first is measured in the quietest moment.
        config.stash[PROBES].start(config.stash[TARGETS][name], sorted(names))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a check of what the target leaves out, before any of its fixtures asks for it."""
    if covered(item) is None or is_dry(item.config):
        return
    refuse_absent(item)
    params = item.callspec.params if hasattr(item, "callspec") else {}
    target = item.config.stash[TARGETS].get(params.get("target", ""))
    for made in closure(probes_of(item)) if target is not None else ():
        for section in missing_sections(made, target):
            raise NotPart(f"{section} is not part of this target")
