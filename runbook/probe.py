"""Observe, then judge: read-only measurements that all start at once, each with its own deadline.

A probe is a plain function of the target and of other probes, registered as a fixture. What the
selected checks need starts when the run begins, one daemon thread each: a hung probe spoils its
own checks and holds nobody's exit. With xdist a worker measures what its next check needs.
"""

import importlib
import inspect
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from runbook.layers import below
from runbook.verdict import CannotMeasure, NotPart, TookTooLong


@dataclass(frozen=True)
class Probe:
    """A registered measurement; it can't do without the probes it `needs`, but without `uses`."""

    name: str
    function: Callable[..., Any]
    sections: tuple[str, ...]
    layer: str
    gate: str | None
    deadline_s: float
    libraries: tuple[str, ...]
    needs: tuple[str, ...]
    uses: tuple[str, ...]


REGISTRY: dict[str, Probe] = {}
GATES: dict[str, Probe] = {}


def probe(
    *,
    section: str | tuple[str, ...] = (),
    layer: str = "host",
    gate: str | None = None,
    deadline_s: float = 5,
    libraries: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as a probe and as the session fixture of its name.

    Args:
        section: the sections of the target it needs; without them its checks are skipped.
        layer: the layer that has to be up for it to say anything.
        gate: the layer this probe is the gate of; its value has `down: str | None`.
        deadline_s: seconds from the moment its inputs are there.
        libraries: modules it imports late; they are imported before its thread starts.
    """

    def register(function: Callable[..., Any]) -> Any:
        name = function.__name__
        others = [p for p in inspect.signature(function).parameters.values() if p.name != "target"]
        made = Probe(
            name=name,
            function=function,
            sections=(section,) if isinstance(section, str) else section,
            layer=gate or layer,
            gate=gate,
            deadline_s=deadline_s,
            libraries=libraries,
            needs=tuple(p.name for p in others if p.default is p.empty),
            uses=tuple(p.name for p in others if p.default is not p.empty),
        )
        REGISTRY[name] = made
        if gate:
            GATES[gate] = made

        def answer(request: pytest.FixtureRequest, target: Any) -> Any:
            return request.config.stash[PROBES].value(target, name)

        answer.__doc__ = function.__doc__
        fixture = pytest.fixture(scope="session", name=name)(answer)
        fixture.measure = function  # type: ignore[attr-defined]
        return fixture

    return register


class Measurement:
    """One probe's run against one target. Its answer is sealed once: a late one changes nothing."""

    def __init__(self, made: Probe, target: Any, inputs: Mapping[str, "Measurement"]) -> None:
        self.probe = made
        self.libraries = made.libraries
        self._target = target
        self._inputs = inputs
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._done = threading.Event()
        self._began = 0.0
        self._value: Any = None
        self._error: Exception | None = None
        self.took_s = 0.0

    def start(self) -> None:
        """Begin in a thread of its own."""
        threading.Thread(target=self._run, name=f"probe {self.probe.name}", daemon=True).start()

    def value(self) -> Any:
        """What the probe returned, waiting for it until its deadline.

        Raises:
            CannotMeasure: whatever the probe raised, or `TookTooLong`.
            NotPart: the target does not offer it.
        """
        self._ready.wait()
        left = self._began + self.probe.deadline_s - time.monotonic()
        if not self._done.wait(max(0.0, left)):
            self._seal(error=self._late())
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._value

    def refuse(self, error: CannotMeasure) -> None:
        """End it before it begins."""
        self._seal(error=error)
        self._ready.set()

    def _run(self) -> None:
        try:
            taken = self._taken()
        except (CannotMeasure, NotPart) as error:
            self._seal(error=error)
            self._ready.set()
            return
        self._began = time.monotonic()
        self._ready.set()
        try:
            value = self.probe.function(**taken)
            # Late is late, whether a check was already waiting or not.
            if time.monotonic() - self._began > self.probe.deadline_s:
                self._seal(error=self._late())
            else:
                self._seal(value=value)
        except (CannotMeasure, NotPart) as error:
            self._seal(error=error)
        except Exception as error:
            # A fault of the suite or a library is no verdict on the target.
            where = f"{self.probe.name} broke: {type(error).__name__}: {error}"
            self._seal(error=CannotMeasure(" ".join(where.split())))

    def _taken(self) -> dict[str, Any]:
        parameters = inspect.signature(self.probe.function).parameters
        taken: dict[str, Any] = {"target": self._target} if "target" in parameters else {}
        for name in self.probe.needs:
            taken[name] = self._inputs[name].value()
        for name in self.probe.uses:
            try:
                taken[name] = self._inputs[name].value()
            except (CannotMeasure, NotPart):
                taken[name] = None
        return taken

    def _late(self) -> TookTooLong:
        return TookTooLong(f"{self.probe.name} took longer than {self.probe.deadline_s:g} s")

    def _seal(self, value: Any = None, error: Exception | None = None) -> None:
        with self._lock:
            if not self._done.is_set():
                self._value, self._error = value, error
                self.took_s = time.monotonic() - self._began if self._began else 0.0
                self._done.set()


class Probes:
    """Every measurement of this run, by target and probe."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Measurement] = {}
        self._lock = threading.Lock()

    def start(self, target: Any, names: Iterable[str]) -> None:
        """Start these probes and all they take, those that are not started yet."""
        with self._lock:
            fresh: list[Measurement] = []
            for name in names:
                self._add(target, REGISTRY[name], fresh)
        # Here and one after the other: two threads that import the same library at once can meet
        # in the middle, and pytest changes the process's warning filters with every check.
        missing: dict[str, str] = {}
        for name in dict.fromkeys(library for made in fresh for library in made.libraries):
            try:
                importlib.import_module(name)
            except Exception as error:
                missing[name] = " ".join(f"{name} can't be imported: {error}".split())
        for measurement in fresh:
            lacking = [missing[name] for name in measurement.libraries if name in missing]
            if lacking:
                measurement.refuse(CannotMeasure(f"{measurement.probe.name}: {lacking[0]}"))
            else:
                measurement.start()

    def value(self, target: Any, name: str) -> Any:
        """The probe's value for this target, started now where nothing started it before."""
        self.start(target, [name])
        return self._made[target.name, name].value()

    def down(self, target: Any, layer: str) -> str | None:
        """Why the layer's gate is down; `None` when it is up, or the target has none."""
        gate = GATES.get(layer)
        if gate is None or missing_sections(gate, target):
            return None
        try:
            reason: str | None = self.value(target, gate.name).down
        except NotPart:
            return None
        except CannotMeasure as error:
            return str(error)
        return reason

    def durations(self) -> dict[tuple[str, str], float]:
        """Seconds each measurement took, by target and probe."""
        return {key: made.took_s for key, made in self._made.items()}

    def _add(self, target: Any, made: Probe, fresh: list[Measurement]) -> Measurement:
        key = (target.name, made.name)
        if key not in self._made:
            inputs = {n: self._add(target, REGISTRY[n], fresh) for n in (*made.needs, *made.uses)}
            absent = missing_sections(made, target)
            measurement = _Absent(made, absent) if absent else Measurement(made, target, inputs)
            self._made[key] = measurement
            fresh.append(measurement)
        return self._made[key]


class _Absent(Measurement):
    """Stands for a probe whose section the target leaves out."""

    def __init__(self, made: Probe, sections: list[str]) -> None:
        super().__init__(made, None, {})
        self.libraries = ()
        self._ready.set()
        self._seal(error=NotPart(f"{sections[0]} is not part of this target"))

    def start(self) -> None:
        """Nothing to measure."""


PROBES = pytest.StashKey[Probes]()


def probes_of(item: pytest.Item) -> list[Probe]:
    """The probes a check asks for by name, not those that they take in turn."""
    names: Iterable[str] = getattr(item, "fixturenames", ())
    return [REGISTRY[name] for name in names if name in REGISTRY]


def closure(made: Iterable[Probe]) -> list[Probe]:
    """These probes and the ones that they can't do without."""
    found: dict[str, Probe] = {}
    waiting = list(made)
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one
            waiting += [REGISTRY[name] for name in one.needs]
    return list(found.values())


def gates_under(made: Iterable[Probe]) -> list[str]:
    """The layers that must be up for these probes to say anything, lowest first.

    A probe that is itself a layer's gate is judged, so its own layer does not count.
    """
    own = {one.gate for one in made if one.gate}
    layers: list[str] = []
    for one in closure(made):
        layers += [name for name in (*below(one.layer), one.layer) if name not in layers]
    return [name for name in layers if name not in own]


def missing_sections(made: Probe, target: Any) -> list[str]:
    """The sections this probe needs and the target leaves out."""
    return [name for name in made.sections if getattr(target, name) is None]
