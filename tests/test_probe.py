"""Probes: deadlines, dependencies and what is left out, without pytest around them."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runbook import layers
from runbook.probe import GATES, REGISTRY, Probes, closure, gates_under, probe
from runbook.verdict import CannotMeasure, NotPart, TookTooLong, Unreachable

TARGET = SimpleNamespace(name="t", here=1, absent=None)


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """Probes made here are gone afterwards."""
    kept, gates = dict(REGISTRY), dict(GATES)
    REGISTRY.clear()
    GATES.clear()
    yield
    for registry, before in ((REGISTRY, kept), (GATES, gates)):
        registry.clear()
        registry.update(before)


def value(name: str) -> Any:
    return Probes().value(TARGET, name)


def test_a_value_and_the_inputs_it_was_made_of():
    @probe(section="here")
    def one(target):
        return target.here

    @probe()
    def two(one):
        return one + 1

    assert value("two") == 2


def test_each_is_measured_once():
    counted = []

    @probe()
    def fact():
        counted.append(1)
        return len(counted)

    probes = Probes()
    assert [probes.value(TARGET, "fact") for _ in range(3)] == [1, 1, 1]


def test_a_late_answer_stays_broken():
    answer = threading.Event()

    @probe(deadline_s=0.2)
    def slow():
        answer.wait(20)
        return "late"

    probes = Probes()
    with pytest.raises(TookTooLong, match=r"slow took longer than 0\.2 s"):
        probes.value(TARGET, "slow")
    answer.set()
    probes._made["t", "slow"]._done.wait(5)
    with pytest.raises(TookTooLong):
        probes.value(TARGET, "slow")


def test_a_deadline_begins_when_the_inputs_are_there():
    @probe(deadline_s=20)
    def first():
        threading.Event().wait(1.3)
        return 1

    @probe(deadline_s=1)
    def second(first):
        return first

    assert value("second") == 1


def test_a_required_input_that_broke_breaks_it_with_the_same_error():
    @probe()
    def broken():
        raise Unreachable("db: refused")

    @probe()
    def above(broken):
        return "never"

    with pytest.raises(Unreachable, match="db: refused"):
        value("above")


def test_an_optional_input_that_broke_is_none():
    @probe()
    def broken():
        raise Unreachable("db: refused")

    @probe(section="absent")
    def left_out():
        return "never"

    @probe()
    def above(broken=1, left_out=2):
        return broken, left_out

    assert value("above") == (None, None)


def test_a_section_that_is_absent_is_no_part():
    @probe(section=("here", "absent"))
    def fact():
        return "never"

    with pytest.raises(NotPart, match="absent is not part of this target"):
        value("fact")


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError("x"), ZeroDivisionError()])
def test_a_fault_of_the_suite_is_broken_in_one_line(error):
    @probe()
    def careless():
        raise error

    with pytest.raises(CannotMeasure, match="careless broke: ") as caught:
        value("careless")
    assert "\n" not in str(caught.value)


def test_libraries_are_imported_before_the_threads(monkeypatch):
    order: list[str] = []
    monkeypatch.setattr("importlib.import_module", lambda name: order.append(f"import {name}"))

    @probe(libraries=("json",))
    def fact():
        order.append(threading.current_thread().name)
        return 1

    value("fact")
    assert order == ["import json", "probe fact"]


def test_independent_probes_run_together():
    for number in range(8):

        def fact():
            threading.Event().wait(0.4)

        fact.__name__ = f"fact_{number}"
        probe(deadline_s=20)(fact)
    probes = Probes()
    began = time.monotonic()
    probes.start(TARGET, list(REGISTRY))
    for name in list(REGISTRY):
        probes.value(TARGET, name)
    assert time.monotonic() - began < 2.4


def test_gates_and_what_stands_on_them():
    @probe(gate="db")
    def db_gate():
        return SimpleNamespace(down="refused")

    @probe(layer="db")
    def fact(db_gate):
        return 1

    @probe(layer="api")
    def above(fact):
        return 1

    made = REGISTRY["above"]
    assert [one.name for one in closure([made])] == ["above", "fact", "db_gate"]
    assert gates_under([made]) == ["host", "db", "pgbouncer", "api"]
    assert gates_under([REGISTRY["db_gate"]]) == ["host"]
    probes = Probes()
    assert probes.down(TARGET, "db") == "refused"
    assert probes.down(TARGET, "api") is None


def test_layers():
    assert layers.below("api") == ["host", "db", "pgbouncer"]
    assert layers.below("host") == []


def test_late_is_late_though_nobody_was_waiting():
    answer = threading.Event()

    @probe(deadline_s=0.2)
    def slow():
        answer.wait(20)
        return "late"

    probes = Probes()
    probes.start(TARGET, ["slow"])
    threading.Event().wait(0.5)
    answer.set()
    assert probes._made["t", "slow"]._done.wait(20)
    with pytest.raises(TookTooLong, match=r"slow took longer than 0\.2 s"):
        probes.value(TARGET, "slow")


def test_a_library_that_is_not_there_breaks_its_own_probes_alone():
    @probe(libraries=("no_such_library",))
    def lacking():
        return "never"

    @probe()
    def above(lacking):
        return "never"

    @probe()
    def other(lacking=None):
        return "measured"

    probes = Probes()
    probes.start(TARGET, ["above", "other"])
    for name in ("lacking", "above", "above"):
        with pytest.raises(CannotMeasure, match="no_such_library can't be imported"):
            probes.value(TARGET, name)
    assert probes.value(TARGET, "other") == "measured"
