"""The moments of lines, and no others."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.log_times import LineClock

NOW = datetime(2026, 11, 25, tzinfo=UTC)
EIGHT = datetime(2026, 11, 24, 8, tzinfo=UTC)
CLOCK = LineClock(UTC, NOW)


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-24 08:00:00 INFO x",
        "2026-11-24T08:00:00Z x",
        "2026-11-24T09:00:00+01:00 x",
        "2026-11-24 08:00:00 UTC [12] LOG:  x",
        "[2026-11-24 03:00:00 -0500] [12] [INFO] x",
        "2026-11-24 03:00:00-05 x",
        "2026/11/24 08:00:00 [error] 1#1: x",
        "Nov 24 08:00:00 host app[12]: x",
        "[Tue Nov 24 08:00:00.000000 2026] [core:error] x",
        '127.0.0.1 - - [24/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 1',
        "24-Nov-2026 08:00:00.000 INFO x",
        '{"ts":"2026-11-24T08:00:00Z"}',
        '{"level":30,"time":1795507200000,"msg":"x"}',
        '{"timestamp": 1795507200.0}',
        '{"asctime": "2026-11-24 08:00:00,000"}',
        '{"@timestamp": "2026-11-24T08:00:00.000Z"}',
        "ts=2026-11-24T08:00:00Z level=info",
        'time="2026-11-24T08:00:00Z" level=info',
        "level=info ts=2026-11-24T08:00:00Z",
        "ERROR 2026-11-24 08:00:00 x",
        "1795507200.0 x",
        "<30>1 2026-11-24T08:00:00Z host x",
        "api-1  | 2026-11-24 08:00:00 x",
    ],
)
def test_forms_of_a_moment(line: str) -> None:
    assert CLOCK.read(line.encode()) == EIGHT


@pytest.mark.parametrize(
    "line",
    [
        "",
        "INFO:     bars until 2026-11-24 08:00:00",
        "ERROR:root:no bar at 2026-11-24 08:00:00",
        "2026-13-24 08:00:00 x",
        "1234 x",
        '{"msg":"2026-11-24 08:00:00"}',
        '{"time":"soon"}',
        '  File "a.py", line 3',
    ],
)
def test_a_date_in_a_message_is_no_moment(line: str) -> None:
    assert CLOCK.read(line.encode()) is None


def test_fractions_are_kept() -> None:
    moment = CLOCK.read(b"2026-11-24 08:00:00,123456789 x")
    assert moment == EIGHT.replace(microsecond=123456)


def test_a_naive_moment_is_in_the_zone_of_the_target() -> None:
    clock = LineClock(ZoneInfo("Europe/Athens"), NOW)
    assert clock.read(b"2026-11-24 10:00:00 x") == EIGHT
    assert clock.read(b"2026-11-24 08:00:00 UTC x") == EIGHT


def test_a_moment_without_year_is_the_last_one() -> None:
    moment = CLOCK.read(b"Dec  4 08:00:00 host x")
    assert moment == datetime(2025, 12, 4, 8, tzinfo=UTC)


def test_of_an_hour_that_comes_twice_it_is_the_later_one() -> None:
    clock = LineClock(ZoneInfo("Europe/Athens"), NOW)
    assert clock.read(b"2026-10-25 03:30:00 x") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@given(st.binary(max_size=120) | st.text('0123456789-/:.,TZ+ [](){}"tsime=NovDec|', max_size=60))
def test_no_line_breaks_the_clock(line: bytes | str) -> None:
    moment = CLOCK.read(line if isinstance(line, bytes) else line.encode())
    assert moment is None or moment.tzinfo is UTC
