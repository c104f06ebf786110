"""How much of a log was seen, what the allow-list does, and what the check makes of it."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from checks.morning.test_logs import test_log_is_free_of_errors as check
from fixtures.logs import LogReport, scanned
from fixtures.services import ServiceState
from fixtures.target_file import AllowedLine, Limits, Logs, LogSource
from runbook.evidence import Evidence
from runbook.measured import Recorder
from runbook.verdict import CannotMeasure

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Scan = Callable[..., LogReport]


def at(hours_ago: float) -> str:
    return f"{NOW - timedelta(hours=hours_ago):%Y-%m-%d %H:%M:%S}"


def runs(hours: float | None) -> dict[str, ServiceState]:
    started = None if hours is None else NOW - timedelta(hours=hours)
    return {"api": ServiceState("api", started_at=started)}


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """Scans one log of the given text; `None` makes no file."""

    def scan(
        text: str | None,
        services: dict[str, ServiceState] | None = None,
        allow: tuple[AllowedLine, ...] = (),
    ) -> LogReport:
        if text is not None:
            path = tmp_path / "api.log"
            path.write_text(text)
            os.utime(path, (NOW.timestamp(), NOW.timestamp()))
        source = LogSource(files=str(tmp_path / "api.log*"))
        return scanned(Logs(sources={"api": source}, allow=allow), services, NOW)

    return scan


def judged(report: LogReport) -> tuple[str, Recorder, Evidence]:
    recorder, evidence = Recorder(), Evidence()
    try:
        check("api", report, Limits(), recorder, evidence)
    except AssertionError:
        return "failed", recorder, evidence
    except CannotMeasure as error:
        return f"broken: {error}", recorder, evidence
    return "passed", recorder, evidence


@pytest.mark.parametrize(
    ("first_line_h", "runs_h", "verdict"),
    [
        (30, 100, "passed"),
        (24, 100, "passed"),
        (3.2, 100, "broken: saw 3.2 of 24 h of api's log"),
        (
            3.2,
            10,
            "broken: saw 3.2 of 24 h of api's log, and it runs since 11-24 02:00 UTC",
        ),
        (3.2, 3.3, "passed"),
        (3.2, None, "passed"),
        (None, 100, "broken: saw 0 of 24 h of api's log"),
        (None, 1, "passed"),
        (None, None, "passed"),
    ],
)
def test_a_log_must_reach_back_as_far_as_its_service(
    scan: Scan, first_line_h: float | None, runs_h: float | None, verdict: str
) -> None:
    text = "" if first_line_h is None else f"{at(first_line_h)} INFO up\n{at(0)} INFO on\n"
    report = scan(text, runs(runs_h))
    assert judged(report)[0] == verdict


def test_what_was_seen_is_judged_before_what_was_not(scan: Scan) -> None:
    verdict, recorder, evidence = judged(scan(f"{at(3)} ERROR order 7 failed\n", runs(100)))
    assert verdict == "failed"
    assert str(recorder.records[0]) == "log api: 1 findings, limit <= 0"
    assert "1 x ERROR order # failed (11-24 09:00 UTC)" in recorder.notes
    assert "saw 3 of 24 h of api's log" in recorder.notes
    assert "ERROR order 7 failed" in evidence.attached["findings api"]


def test_an_unknown_age_narrows(scan: Scan) -> None:
    _, recorder, _ = judged(scan(f"{at(3)} INFO up\n{at(0)} INFO on\n", None))
    assert recorder.notes == ["saw 3 of 24 h of api's log; since when the service runs is unknown"]


def test_a_source_without_files_is_broken(scan: Scan, tmp_path: Path) -> None:
    verdict, _, _ = judged(scan(None))
    assert verdict == f"broken: logs.sources.api: no file matches {tmp_path}/api.log*"


def allowed(expires: date) -> tuple[AllowedLine, ...]:
    return (AllowedLine(pattern="order .* failed", reason="known, ticket 7", expires=expires),)


def test_an_allowed_line_is_listed_with_its_reason(scan: Scan) -> None:
    report = scan(
        f"{at(30)} INFO up\n{at(3)} ERROR order 7 failed\n{at(0)} INFO\n", None, allowed(NOW.date())
    )
    verdict, recorder, _ = judged(report)
    assert verdict == "passed"
    assert recorder.notes == [
        "allowed, known, ticket 7: 1 x ERROR order # failed (11-24 09:00 UTC)"
    ]


def test_an_expired_entry_stops_working_and_is_told(scan: Scan) -> None:
    yesterday = NOW.date() - timedelta(days=1)
    report = scan(
        f"{at(30)} INFO up\n{at(3)} ERROR order 7 failed\n{at(0)} INFO\n", None, allowed(yesterday)
    )
    verdict, recorder, _ = judged(report)
    assert verdict == "failed"
    assert "allow-list entry 'order .* failed' expired on 2026-11-23" in recorder.notes


def test_the_tail_is_kept_for_triage(scan: Scan) -> None:
    assert scan(f"{at(3)} INFO up\n").tails == {"api": f"{at(3)} INFO up"}
