"""What the mechanisms cost a check: one suite twice, with them and in bare pytest."""

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from runbook import process
from tests.small_suite import BARE, MECHANISMS, PYPROJECT

_CHECKS, _PROBES, _FILES = 1000, 50, 10
_CHECK = """
@runbook("morning.disk", likely="a cause", look="a command", do="maintenance.disk")
def test_number_{n}_is_small(probe_{p}, limits, measured):
    \"\"\"Why it matters.\"\"\"
    assert measured(probe_{p} + {n}, "%", of="number {n}") < 2000
"""
_BARE = """
def test_number_{n}_is_small(probe_{p}):
    \"\"\"Why it matters.\"\"\"
    assert probe_{p} + {n} < 2000
"""
_WITHIN_S = 120


def compared(folder: Path, rounds: int) -> Iterator[tuple[str, float, str]]:
    """Milliseconds a check, whole commands in turn; one check alone shows what is the start."""
    ours, bare = folder / "ours", folder / "bare"
    _write_ours(ours)
    _write_bare(bare)
    one = "checks/morning/test_things_0.py::test_number_0_is_small"
    with_s, without_s, after_ms, difference_ms = [], [], [], []
    for _ in range(max(3, rounds)):
        whole = _bare(bare), _ours(ours)
        start = _bare(bare, one), _ours(ours, one)
        without_s.append(whole[0])
        with_s.append(whole[1])
        difference_ms.append((whole[1] - whole[0]) / _CHECKS * 1000)
        grown = (whole[1] - start[1]) - (whole[0] - start[0])
        after_ms.append(grown / (_CHECKS - 1) * 1000)
    yield "checks.bare", min(without_s), "s"
    yield "checks.ours", min(with_s), "s"
    yield "checks.ratio", min(with_s) / min(without_s), "x"
    for name, values in (("difference", difference_ms), ("after_start", after_ms)):
        yield f"checks.{name}", statistics.median(values), "ms"
        yield f"checks.{name}.min", min(values), "ms"
        yield f"checks.{name}.max", max(values), "ms"


def _ours(folder: Path, *words: str) -> float:
    return _timed(folder, "--target", "t.toml", "--reports", "out", *(words or ("-m", "morning")))


def _bare(folder: Path, *words: str) -> float:
    return _timed(folder, "--alluredir", "out/allure", "--junit-xml", "out/junit.xml", "-q", *words)


def _timed(folder: Path, *words: str) -> float:
    began = time.monotonic()
    process.run([sys.executable, "-m", "pytest", *words], within_s=_WITHIN_S, cwd=folder).checked()
    return time.monotonic() - began


def _write_ours(folder: Path) -> None:
    probes = [
        f"@probe(section='disk')\ndef probe_{p}(target):\n    return {p}\n" for p in range(_PROBES)
    ]
    _write(folder, _CHECK, "from runbook.ids import runbook\n")
    (folder / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    (folder / "conftest.py").write_text(f"pytest_plugins = {MECHANISMS!r}\n", "utf-8")
    head = "from runbook.probe import probe\n"
    (folder / "probes.py").write_text(head + "\n".join(probes), "utf-8")
    (folder / "t.toml").write_text("[disk]\n", "utf-8")


def _write_bare(folder: Path) -> None:
    probes = [
        f"@pytest.fixture(scope='session')\ndef probe_{p}():\n    return {p}\n"
        for p in range(_PROBES)
    ]
    _write(folder, _BARE, "")
    (folder / "pyproject.toml").write_text(BARE, "utf-8")
    (folder / "conftest.py").write_text("import pytest\n" + "\n".join(probes), "utf-8")


def _write(folder: Path, check: str, head: str) -> None:
    checks = folder / "checks" / "morning"
    checks.mkdir(parents=True)
    for number in range(_FILES):
        mine = range(number, _CHECKS, _FILES)
        text = head + "".join(check.format(n=n, p=n % _PROBES) for n in mine)
        (checks / f"test_things_{number}.py").write_text(text, "utf-8")
