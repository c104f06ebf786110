"""The forex week: its edges in summer and winter, its holidays and pauses, and its arithmetic."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fixtures.forex_week import ForexWeek, pause_times
from fixtures.target_file import Market

WEEK = ForexWeek()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        # Winter: 17:00 in New York is 22:00 UTC.
        (utc(2026, 1, 11, 21, 59, 59), False),
        (utc(2026, 1, 11, 22), True),
        (utc(2026, 1, 16, 21, 59, 59), True),
        (utc(2026, 1, 16, 22), False),
        (utc(2026, 1, 17, 12), False),
        # Summer time from 8 March: 21:00 UTC, though the week before it opened at 22:00.
        (utc(2026, 3, 1, 21, 30), False),
        (utc(2026, 3, 6, 21, 30), True),
        (utc(2026, 3, 8, 21), True),
        (utc(2026, 3, 13, 21), False),
        # Winter again from 1 November.
        (utc(2026, 10, 30, 20, 59), True),
        (utc(2026, 10, 30, 21), False),
        (utc(2026, 11, 1, 21, 30), False),
        (utc(2026, 11, 1, 22), True),
        # Christmas 2026 is a Friday: closed from the eve at 17:00, and then it is the weekend.
        (utc(2026, 12, 24, 21, 59), True),
        (utc(2026, 12, 24, 22), False),
        (utc(2026, 12, 25, 23), False),
        # New Year 2025 was a Wednesday.
        (utc(2024, 12, 31, 21, 59), True),
        (utc(2024, 12, 31, 22), False),
        (utc(2025, 1, 1, 21, 59), False),
        (utc(2025, 1, 1, 22), True),
    ],
)
def test_open_and_closed(at: datetime, is_open: bool) -> None:
    assert WEEK.is_open(at) is is_open


def test_a_holiday_closes_the_day_that_ends_on_it() -> None:
    week = ForexWeek(holidays=(date(2026, 4, 3),))
    assert week.is_open(utc(2026, 4, 2, 20, 59))
    assert not week.is_open(utc(2026, 4, 2, 21))
    assert not week.is_open(utc(2026, 4, 3, 20, 59))
    assert week.open_minutes(utc(2026, 3, 29), utc(2026, 4, 5)) == 4 * 1440


def test_a_pause_is_of_its_symbol_or_of_all() -> None:
    week = ForexWeek(daily_pauses={"*": "17:00-17:05", "XAUUSD": "16:55-18:00"})
    at = utc(2026, 1, 13, 22, 3)
    assert not week.is_open(at)
    assert not week.is_open(at, "EURUSD")
    assert week.is_open(utc(2026, 1, 13, 22, 5), "EURUSD")
    assert not week.is_open(utc(2026, 1, 13, 21, 55), "XAUUSD")
    assert not week.is_open(utc(2026, 1, 13, 22, 30), "XAUUSD")
    assert week.open_minutes(utc(2026, 1, 11), utc(2026, 1, 17), "EURUSD") == 5 * 1435
    # The Sunday has the part after 17:00, the Friday the part before it.
    assert week.open_minutes(utc(2026, 1, 11), utc(2026, 1, 17), "XAUUSD") == 5 * 1375


def test_a_pause_may_cross_midnight() -> None:
    week = ForexWeek(daily_pauses={"EURUSD": "23:58-00:01"})
    assert not week.is_open(utc(2026, 1, 13, 4, 58), "EURUSD")
    assert not week.is_open(utc(2026, 1, 13, 5, 0), "EURUSD")
    assert week.is_open(utc(2026, 1, 13, 5, 1), "EURUSD")
    assert week.is_open(utc(2026, 1, 13, 5, 0))


def test_a_year_end_has_its_minutes() -> None:
    # 21 to 25 December 2026 less Friday; 28 December to 1 January less Friday.
    assert WEEK.open_minutes(utc(2026, 12, 20), utc(2027, 1, 3)) == 8 * 1440


def test_intervals_are_as_long_as_they_can_be() -> None:
    assert WEEK.open_intervals(utc(2026, 3, 1), utc(2026, 3, 15)) == [
        (utc(2026, 3, 1, 22), utc(2026, 3, 6, 22)),
        (utc(2026, 3, 8, 21), utc(2026, 3, 13, 21)),
    ]


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = utc(2026, 1, 1).replace(tzinfo=None)
    for use in (WEEK.is_open, lambda at: WEEK.open_minutes(at, at)):
        with pytest.raises(ValueError, match="has no time zone"):
            use(naive)


@pytest.mark.parametrize(
    "text", ["17:00", "17:00-25:00", "5pm-6pm", "17:00-17:00", "17:00 - 17:05"]
)
def test_a_pause_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"17:00|5pm"):
        pause_times(text)
    with pytest.raises(ValidationError):
        Market(symbols=("EURUSD",), daily_pauses={"EURUSD": text})


def test_a_pause_of_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(ValidationError, match="not in symbols"):
        Market(symbols=("EURUSD",), daily_pauses={"EURUSX": "17:00-17:05"})


def test_of_a_target() -> None:
    market = Market(
        symbols=("EURUSD",), holidays=(date(2026, 4, 3),), daily_pauses={"*": "17:00-17:05"}
    )
    assert ForexWeek.of(market) == ForexWeek((date(2026, 4, 3),), {"*": "17:00-17:05"})
    assert ForexWeek.of(None) == WEEK


WEEKS = st.builds(
    ForexWeek,
    holidays=st.tuples(st.dates(date(2025, 12, 20), date(2027, 1, 10))),
    daily_pauses=st.sampled_from(
        [
            {},
            {"*": "17:00-17:05"},
            {"*": "16:50-17:10"},
            {"EURUSD": "23:30-01:00", "*": "02:00-03:00"},
        ]
    ),
)
MINUTES = st.integers(0, 380 * 1440).map(lambda n: utc(2025, 12, 22) + timedelta(minutes=n))


@given(week=WEEKS, moments=st.tuples(MINUTES, MINUTES, MINUTES))
@settings(max_examples=150, deadline=None)
def test_open_minutes_add_up(week: ForexWeek, moments: tuple[datetime, ...]) -> None:
    a, b, c = sorted(moments)
    whole = week.open_minutes(a, c, "EURUSD")
    assert whole == week.open_minutes(a, b, "EURUSD") + week.open_minutes(b, c, "EURUSD")
    assert week.open_minutes(c, a, "EURUSD") == 0


@given(week=WEEKS, start=MINUTES, length=st.integers(0, 1500))
@settings(max_examples=60, deadline=None)
def test_open_minutes_are_the_minutes_that_are_open(
    week: ForexWeek, start: datetime, length: int
) -> None:
    minutes = [start + timedelta(minutes=n) for n in range(length)]
    end = start + timedelta(minutes=length)
    assert week.open_minutes(start, end, "EURUSD") == sum(
        week.is_open(minute, "EURUSD") for minute in minutes
    )
