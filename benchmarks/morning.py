"""The morning as an operator waits for it: `python -m benchmarks.morning`.

Prints `name value unit` lines. Whatever is measured runs in turn with a counterpart in the same
run, so that a slow or busy machine shows in both. Cached data lies in a folder of its own; a
sandbox that somebody kept is neither used nor ended. The limits hold on two quiet cores:

    morning.whole        the whole command on the sandbox, data and model cached   5 s
    morning.whole_ratio  the same, in times of only collecting
    morning.made         the same when data and model have to be made first
    morning.up.overhead  on a system that runs already, beyond its slowest probe    1.5 s
    morning.red_runs     runs that were not green: their figures mean little
    morning.sklearn_imported  whether the morning's own process had it at its end   0
    checks.difference    what the mechanisms add to a check, among 1,000 over 50
                         probes with Allure and JUnit, against bare pytest; the
                         command's start is in it                                   1 ms
    checks.after_start   the same without the command's start
    first.whole          a new clone with an empty home, from `python3 -m venv` to
                         the verdict; only with --with-install, needs the index     25 s
    first.installing     of these, what was not the suite's own run
    first.second         the same command again
"""

import argparse
import json
import statistics
import string
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import checks, first_run
from fixtures.targets import cache_folder
from runbook import process

_ROOT = Path(__file__).parent.parent
_WITHIN_S = 180
_COLLECTING = ("--collect-only", "-q")
_MORNING = ("-m", "morning")
# Writes at the very end, after every plugin of the suite has had its say.
_SPY = """
import os, sys, pytest
@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    with open(os.environ["SPY_OUT"], "w") as file:
        file.write(" ".join(sys.modules))
"""
Line = tuple[str, float, str]


@dataclass
class Bench:
    """Child runs of the suite, their reports and the sandbox's data in a folder of their own."""

    folder: Path
    red_runs: int = 0
    imported: set[str] = field(default_factory=set)

    def pytest(self, *words: str, spied: bool = False) -> float:
        """Seconds that a whole `python -m pytest` command takes."""
        env = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        spy = self.folder / "modules.txt"
        if spied:
            words = ("-p", "morning_spy", *words)
            env |= {"PYTHONPATH": str(self.folder), "SPY_OUT": str(spy)}
            (self.folder / "morning_spy.py").write_text(_SPY, "utf-8")
        argv = [sys.executable, "-m", "pytest", "--reports", str(self.folder / "out"), *words]
        began = time.monotonic()
        done = process.run(argv, within_s=_WITHIN_S, cwd=_ROOT, env=env)
        took_s = time.monotonic() - began
        if done.returncode > 1:
            raise SystemExit(f"pytest {' '.join(words)} ended with {done.returncode}:\n{done.text}")
        self.red_runs += done.returncode
        if spied:
            self.imported |= set(spy.read_text("utf-8").split())
        return took_s

    def slowest_probe_s(self) -> float:
        """Seconds of the last run's slowest probe."""
        records = json.loads((self.folder / "out/latest/records.json").read_text("utf-8"))
        slowest: float = max(records["probes_s"].values())
        return slowest


def main() -> None:
    """Measure what was asked for, everything but the installation by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("whole", "up", "checks"), action="append")
    parser.add_argument("--with-install", action="store_true")
    options = parser.parse_args()
    wanted = options.only or ["whole", "up", "checks"]
    # Where the sandbox lies for an operator too: a disk, not a temporary file system in memory.
    cache = cache_folder().parent
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="morning-", dir=cache) as folder:
        bench = Bench(Path(folder))
        if {"whole", "up"} & set(wanted):
            _print("morning.made", bench.pytest(*_MORNING, spied=True), "s")
        if "whole" in wanted:
            _tell(_whole(bench, options.rounds))
        if "up" in wanted:
            _tell(_up(bench, options.rounds))
        if bench.imported:
            _tell(_imported(bench))
        if "checks" in wanted:
            _tell(checks.compared(Path(folder) / "checks", options.rounds))
        if options.with_install:
            _tell(first_run.measured(_ROOT, Path(folder) / "first"))


def _whole(bench: Bench, rounds: int) -> Iterator[Line]:
    whole_s, collecting_s, python_s = [], [], []
    for _ in range(rounds):
        collecting_s.append(bench.pytest(*_COLLECTING))
        whole_s.append(bench.pytest(*_MORNING))
        began = time.monotonic()
        process.run([sys.executable, "-c", "pass"], within_s=_WITHIN_S).checked()
        python_s.append(time.monotonic() - began)
    yield from _spread("morning.whole", whole_s)
    yield from _spread("morning.collecting", collecting_s)
    yield from _spread("morning.bare_python", python_s)
    yield "morning.whole_ratio", min(whole_s) / min(collecting_s), "x"


def _up(bench: Bench, rounds: int) -> Iterator[Line]:
    try:
        bench.pytest(*_MORNING, "--keep")
        target = ("--target", str(_plain_target(bench.folder)))
        whole_s, slowest_s, collecting_s = [], [], []
        for _ in range(rounds):
            collecting_s.append(bench.pytest(*target, *_COLLECTING))
            whole_s.append(bench.pytest(*target, *_MORNING))
            slowest_s.append(bench.slowest_probe_s())
    finally:
        # A run that doesn't keep it takes it over and ends it.
        bench.pytest(*_MORNING, spied=True)
    yield from _spread("morning.up.whole", whole_s)
    yield from _spread("morning.up.slowest_probe", slowest_s)
    overhead_s = [whole - slow for whole, slow in zip(whole_s, slowest_s, strict=True)]
    yield from _spread("morning.up.overhead", overhead_s)
    yield from _spread("morning.up.collecting", collecting_s)


def _plain_target(folder: Path) -> Path:
    """The kept sandbox as a system that the suite has not started: a file with its addresses."""
    [state] = (folder / "cache").glob("mt5-runbook/runs/*/sandbox.json")
    places: dict[str, str] = json.loads(state.read_text("utf-8"))["places"]
    text = string.Template((_ROOT / "targets" / "sandbox.toml").read_text("utf-8"))
    tables = text.safe_substitute(places).split("\n\n")
    path = folder / "up.toml"
    kept = [table for table in tables if not table.startswith("[sandbox]")]
    path.write_text("\n\n".join(kept), "utf-8")
    return path


def _imported(bench: Bench) -> Iterator[Line]:
    yield "morning.red_runs", bench.red_runs, "runs"
    for name in ("sklearn", "numpy"):
        yield f"morning.{name}_imported", int(name in bench.imported), "bool"
    yield "morning.modules", len(bench.imported), "modules"


def _spread(name: str, seconds: list[float]) -> Iterator[Line]:
    yield name, statistics.median(seconds), "s"
    yield f"{name}.min", min(seconds), "s"
    yield f"{name}.max", max(seconds), "s"


def _tell(lines: Iterator[Line]) -> None:
    for line in lines:
        _print(*line)


def _print(name: str, value: float, unit: str) -> None:
    shown = str(value) if isinstance(value, int) else f"{value:.3f}"
    sys.stdout.write(f"{name} {shown} {unit}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
