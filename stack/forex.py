"""The forex week: open from Sunday 17:00 to Friday 17:00 New York time.

The market is also closed on 25 December and 1 January (New York dates).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
CLOSE = time(17, 0)
MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=4096)
def day_start(day: date) -> datetime:
    """The UTC moment the FX day dated ``day`` begins: 17:00 New York on the eve."""
    return datetime.combine(day - timedelta(days=1), CLOSE, NEW_YORK).astimezone(UTC)


def is_trading_day(day: date) -> bool:
    """Whether the FX day has any bars: Monday to Friday."""
    return day.weekday() < 5


def is_holiday(day: date) -> bool:
    """Whether the market is shut on this New York date."""
    return (day.month, day.day) in {(12, 25), (1, 1)}


def is_open(moment: datetime) -> bool:
    """Whether the market is open at the moment."""
    local = moment.astimezone(NEW_YORK)
    if is_holiday(local.date()):
        return False
    weekday = local.weekday()
    if weekday == 4:
        return local.time() < CLOSE
    if weekday == 6:
        return local.time() >= CLOSE
    return weekday != 5


def fx_day(moment: datetime) -> date:
    """The FX day a moment belongs to (from 17:00 New York it is the next date's)."""
    local = moment.astimezone(NEW_YORK)
    return local.date() + timedelta(days=1) if local.time() >= CLOSE else local.date()


def open_spans(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches of ``[start, end)`` in which the market is open, in UTC, in order."""
    spans: list[tuple[datetime, datetime]] = []
    day = fx_day(start)
    while day_start(day) < end:
        if is_trading_day(day):
            # An FX day touches two dates, either of which may be a holiday.
            midnight = datetime.combine(day, time(0), NEW_YORK).astimezone(UTC)
            halves = (
                (day - timedelta(days=1), day_start(day), midnight),
                (day, midnight, day_start(day + timedelta(days=1))),
            )
            for calendar_day, begin, finish in halves:
                begin, finish = max(begin, start), min(finish, end)
                if begin < finish and not is_holiday(calendar_day):
                    spans.append((begin, finish))
        day += timedelta(days=1)
    return spans


def open_time(start: datetime, end: datetime) -> timedelta:
    """How long the market was open between two moments."""
    return sum((b - a for a, b in open_spans(start, end)), timedelta())


def bar_age(newest: datetime, now: datetime) -> timedelta:
    """Open time since the bar that began at ``newest`` was closed."""
    return open_time(newest + MINUTE, now)
