"""Collects what each check saw and said, once, for every report."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from runbook.verdict import Verdict

Record = dict[str, Any]


@dataclass
class Run:
    """One run: when it began, and the record of every check by its node id."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)
    records: dict[str, Record] = field(default_factory=dict)

    def count(self, verdict: Verdict) -> int:
        """How many checks ended so."""
        return sum(record["verdict"] == verdict for record in self.records.values())

    @property
    def took_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.clock


RUN = pytest.StashKey[Run]()


class Collector:
    """Keeps the last word on each check: a broken teardown outweighs a pass."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the record a report carries."""
        if record := getattr(report, "record", None):
            self.run.records[report.nodeid] = record


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run."""
    run = config.stash[RUN] = Run()
    config.pluginmanager.register(Collector(run), "records")
