"""Fixtures of the suite's own tests: a small suite in a folder of its own, judged by a child run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runbook import process
from tests.small_suite import MECHANISMS, PYPROJECT

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full."""
    parser.addoption("--full", action="store_true", help="all faults, not one for each check")


_HEAD = """
import time
from runbook.each import each
from runbook.ids import runbook
from runbook.verdict import CannotMeasure, NotPart, Unreachable
said = dict(likely="a cause", look="a command", do="maintenance.disk")
"""


@dataclass
class Ran:
    """What a child run left."""

    exit: int
    screen: str
    records: dict[str, Any]
    folder: Path

    def verdict(self, name: str) -> tuple[str, str]:
        """Verdict and reason of the one check whose node id holds `name`."""
        [found] = [r for key, r in self.records.items() if name in key]
        return found["verdict"], found["reason"]


@dataclass
class Small:
    """A small suite with the real mechanisms."""

    folder: Path

    def write(self, *, probes: str = "", target: str = "[disk]\n", **occasions: str) -> None:
        """Write its probes, its target, and one file of checks per occasion."""
        (self.folder / "pyproject.toml").write_text(PYPROJECT, "utf-8")
        (self.folder / "conftest.py").write_text(f"pytest_plugins = {MECHANISMS!r}\n", "utf-8")
        head = "import time\nfrom runbook.probe import probe\nfrom runbook.verdict import *\n"
        (self.folder / "probes.py").write_text(head + probes, "utf-8")
        (self.folder / "t.toml").write_text(target, "utf-8")
        for occasion, checks in occasions.items():
            path = self.folder / "checks" / occasion / "test_things.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_HEAD + checks, "utf-8")

    def run(self, *more: str, env: dict[str, str] | None = None, targets: str = "t.toml") -> Ran:
        """Run it in a process of its own."""
        import sys

        chosen = [word for name in targets.split() for word in ("--target", name)]
        out = self.folder / "out"
        done = process.run(
            [sys.executable, "-m", "pytest", *chosen, "--reports", "out", *more],
            cwd=self.folder,
            env={"COLUMNS": "100"} | (env or {}),
            within_s=60,
        )
        records: dict[str, Any] = {}
        if (path := out / "latest" / "records.json").exists():
            records = json.loads(path.read_text("utf-8"))["checks"]
        text = done.text + done.stderr.decode("utf-8", "replace")
        return Ran(done.returncode, text, records, out)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """A small suite in a folder of its own."""
    return Small(tmp_path)
