"""`metrics.prom` for the node exporter: what each check saw, and when it last passed.

An alert on the age of `runbook_run_last_success_timestamp_seconds` is the dead man's switch: a
morning that did not run is told too.
"""

import fcntl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reports.places import OUT
from reports.records import RUN, Record
from runbook.redaction import REDACTOR
from runbook.selection import whole_occasions
from runbook.verdict import Verdict

if TYPE_CHECKING:
    from prometheus_client import Metric

_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: 1,
    Verdict.BROKEN: 2,
    Verdict.BLOCKED: 3,
    Verdict.SKIPPED: 4,
}
_HELP = {
    "runbook_check_status": "0 passed, 1 failed, 2 broken, 3 blocked, 4 not part of the target.",
    "runbook_check_value": "What the check saw, in the unit its label says.",
    "runbook_check_last_success_timestamp_seconds": "When the check passed last.",
    "runbook_run_last_success_timestamp_seconds": "When everything on this occasion passed last.",
    "runbook_run_timestamp_seconds": "When this occasion was judged last.",
}
_LABELS = ("target", "occasion", "component", "check", "subject")
_LASTING = (
    "runbook_check_last_success_timestamp_seconds",
    "runbook_run_last_success_timestamp_seconds",
)
Key = tuple[str, tuple[tuple[str, str], ...]]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Merge this run into the file: other targets and occasions keep their lines."""
    config = session.config
    run = config.stash[RUN]
    if (out := config.stash.get(OUT, None)) is None or not run.records:
        return
    records = config.stash[REDACTOR].cleaned(list(run.records.values()))
    # What failed without a record was not judged: a worker that died, a file not collected.
    known = run.count(Verdict.FAILED) + run.count(Verdict.BROKEN)
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    whole = whole_occasions(config) if ended and session.testsfailed <= known else frozenset()
    path = out / "metrics.prom"
    with (out / ".metrics.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write(path, merged(read(path), records, run.began, whole))


def merged(
    old: dict[Key, float], records: Iterable[Record], now: datetime, whole: frozenset[str]
) -> dict[Key, float]:
    """The old samples with those of this run's checks replaced.

    Args:
        old: samples as `read` gives them.
        records: this run's.
        now: when the run began.
        whole: the occasions whose checks were all selected. Checks that no longer exist go with
            such a run; and only such a run can say that the occasion passed.
    """
    found = list(records)
    judged = {(r["target"], r["occasion"]) for r in found}
    replaced = {_check(r) for r in found}

    def stays(key: Key) -> bool:
        labels = dict(key[1])
        if key[0] in _LASTING:
            return True
        if (labels["target"], labels["occasion"]) not in judged:
            return True
        return labels["occasion"] not in whole and _check(labels) not in replaced

    samples = {key: value for key, value in old.items() if stays(key)}
    stamp = now.timestamp()
    for record in found:
        labels = {name: record[name] for name in _LABELS}
        samples[_key("runbook_check_status", labels)] = _CODES[Verdict(record["verdict"])]
        if record["verdict"] == Verdict.PASSED:
            samples[_key("runbook_check_last_success_timestamp_seconds", labels)] = stamp
        for line in record["seen"]:
            if isinstance(line["value"], int | float):
                more = {"of": line["subject"], "unit": line["unit"]}
                samples[_key("runbook_check_value", labels | more)] = float(line["value"])
    for target, occasion in judged:
        if occasion not in whole:
            continue
        labels = {"target": target, "occasion": occasion}
        samples[_key("runbook_run_timestamp_seconds", labels)] = stamp
        mine = {Verdict(r["verdict"]) for r in found if _of(r) == (target, occasion)}
        if Verdict.PASSED in mine and not any(verdict.is_red for verdict in mine):
            samples[_key("runbook_run_last_success_timestamp_seconds", labels)] = stamp
    return samples


def read(path: Path) -> dict[Key, float]:
    """The samples of an earlier file; one that can't be understood is put aside."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_bytes().decode("utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, IndexError, OSError):
        path.replace(path.with_name(f"{path.name}.unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
        return {}
    return {_key(s.name, s.labels): float(s.value) for family in families for s in family.samples}


def write(path: Path, samples: dict[Key, float]) -> None:
    """Write all samples atomically."""
    from prometheus_client import CollectorRegistry, write_to_textfile
    from prometheus_client.core import GaugeMetricFamily

    class Collected:
        def collect(self) -> "Iterable[Metric]":
            for name, text in _HELP.items():
                family = GaugeMetricFamily(name, text)
                for (sample, labels), value in sorted(samples.items()):
                    if sample == name:
                        family.add_sample(name, dict(labels), value)
                yield family

    registry = CollectorRegistry()
    registry.register(Collected())
    write_to_textfile(str(path), registry)


def _key(name: str, labels: dict[str, Any]) -> Key:
    return name, tuple(sorted((key, str(value)) for key, value in labels.items()))


def _check(labels: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(labels.get(name) for name in _LABELS)


def _of(record: Record) -> tuple[str, str]:
    return record["target"], record["occasion"]
