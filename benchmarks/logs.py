"""The log scan against plain grep on the same file, side by side: `python -m benchmarks.logs`.

Prints `name value unit` lines. Needs 1 GB of room in the folder for temporary files, and the page
cache to hold it. `--gigabytes` makes it smaller for a trial.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runbook import process

_ROOT = Path(__file__).parent.parent
_LINE_BYTES = 107
_SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY")


def main() -> None:
    """Measure both shares of matching lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scan", type=Path, help="scan one file and print its findings")
    options = parser.parse_args()
    if options.scan:
        sys.stdout.write(_scan(options.scan))
        return
    for percent in (0.2, 5.0):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "api.log"
            _write(path, int(options.gigabytes * 1e9), percent)
            for name, value, unit in _compared(path, options.rounds):
                sys.stdout.write(f"logs.{percent:g}_percent.{name} {value} {unit}\n")
                sys.stdout.flush()


def _compared(path: Path, rounds: int) -> Iterator[tuple[str, str, str]]:
    plain: list[str | Path] = ["grep", "-iE", "error|critical|exception", path]
    ours: list[str | Path] = [sys.executable, "-m", "benchmarks.logs", "--scan", path]
    matches = process.run([*plain, "-c"], within_s=120).text.strip()
    grep_s, scan_s, probe_s, peaks, found = [], [], [], [], ""
    for _ in range(rounds):
        began = time.monotonic()
        with process.streaming(plain, within_s=120) as grep:
            assert grep.stdout is not None
            while os.read(grep.stdout.fileno(), 1 << 18):
                pass
        grep_s.append(time.monotonic() - began)
        began = time.monotonic()
        with _Peak() as peak:
            found, probe = process.run(ours, within_s=120, cwd=_ROOT).checked().text.split()
        scan_s.append(time.monotonic() - began)
        probe_s.append(float(probe))
        peaks.append(peak.mb)
    yield "matching_lines", matches, "lines"
    yield "findings", found, "findings"
    yield "grep", f"{statistics.median(grep_s):.3f}", "s"
    yield "scan", f"{statistics.median(probe_s):.3f}", "s"
    yield "scan_with_start", f"{statistics.median(scan_s):.3f}", "s"
    yield "ratio", f"{statistics.median(probe_s) / statistics.median(grep_s):.2f}", "x"
    yield "peak_memory", f"{max(peaks):.0f}", "MB"


def _scan(path: Path) -> str:
    from fixtures.logs import scanned
    from fixtures.target_file import Logs, LogSource

    began = time.monotonic()
    report = scanned(Logs(sources={"api": LogSource(files=str(path))}), None, datetime.now(UTC))
    log = report.sources["api"]
    assert log.unseen is None, log.unseen
    return f"{log.count} {time.monotonic() - began:.3f}"


class _Peak:
    """The most memory that the processes below this one took at one time, sampled."""

    mb = 0.0

    def __enter__(self) -> "_Peak":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.mb = max(self.mb, sum(map(_resident_mb, _below(os.getpid()))))


def _below(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from _below(child)


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _write(path: Path, size: int, percent: float) -> None:
    """A day of a service's log, in order of time; writing it leaves it in the page cache."""
    chance = random.Random(7)  # noqa: S311  # lines of an example
    count = size // _LINE_BYTES
    moment = datetime.now(UTC) - timedelta(hours=23.5)
    step = timedelta(hours=23.5) / count
    with path.open("wb") as file:
        while file.tell() < size:
            lines = []
            for _ in range(20_000):
                moment += step
                stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"
                telling = chance.random() * 100 < percent
                lines.append(f"{stamp} {_telling(chance) if telling else _ordinary(chance)}\n")
            file.write("".join(lines).encode())


def _ordinary(chance: random.Random) -> str:
    return (
        f"INFO api.predict symbol={chance.choice(_SYMBOLS)} probability={chance.random():.4f} "
        f"latency_ms={chance.random() * 20:.2f} request={chance.randrange(10**8)}"
    )


def _telling(chance: random.Random) -> str:
    kind = chance.random()
    symbol = chance.choice(_SYMBOLS)
    if kind < 0.4:
        return (
            f"ERROR api.trade order {chance.randrange(10**6)} for {symbol} rejected after "
            f"{chance.random() * 100:.2f} ms id={chance.getrandbits(32):08x}"
        )
    if kind < 0.7:
        number = uuid.UUID(int=chance.getrandbits(128))
        return f"ERROR api.db TimeoutError: query {number} took {chance.randrange(10**5)} ms"
    if kind < 0.8:
        return f"api.feed lost '{symbol}' after {chance.randrange(10**4)} bars: exception {kind}"
    if kind < 0.9:
        return f"api.feed finished {symbol} with 0 errors in {chance.randrange(10**4)} ms"
    return f"INFO api.health errors: 0 in {chance.randrange(10**5)} requests of '{symbol}'"


if __name__ == "__main__":
    main()
