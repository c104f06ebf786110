"""Starts the probes when the run begins."""

import pytest

from runbook.each import TARGETS, Absent
from runbook.ids import covered
from runbook.probe import GATES, PROBES, Probes, gates_under, probes_of


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
    dry = config.option.collectonly or config.option.setupplan or config.option.setuponly
    if dry or hasattr(config, "workerinput"):
        return
    wanted: dict[str, set[str]] = {}
    for item in session.items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if covered(item) is None or any(isinstance(value, Absent) for value in params.values()):
            continue
        probes = probes_of(item)
        gates = [GATES[layer] for layer in gates_under(probes) if layer in GATES]
        wanted.setdefault(params["target"], set()).update(made.name for made in (*probes, *gates))
    for name, names in wanted.items():
        # In a fixed order: what starts first is measured in the quietest moment.
        config.stash[PROBES].start(config.stash[TARGETS][name], sorted(names))
