"""The forex week: open from Sunday 17:00 to Friday 17:00 New York time.

The market's day runs from 17:00 to 17:00 and bears the date it ends on; the days of 25 December
and 1 January are closed.
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
    """Whether the FX day has any bars: Monday to Friday, but no holiday."""
    return day.weekday() < 5 and (day.month, day.day) not in {(12, 25), (1, 1)}


def is_open(moment: datetime) -> bool:
    """Whether the market is open at the moment."""
    return is_trading_day(fx_day(moment))


def fx_day(moment: datetime) -> date:
    """The FX day a moment belongs to (from 17:00 New York it is the next date's)."""
    local = moment.astimezone(NEW_YORK)
    return local.date() + timedelta(days=1) if local.time() >= CLOSE else local.date()


def open_spans(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches of ``[start, end)`` in which the market is open, in UTC, in order."""
    spans: list[tuple[datetime, datetime]] = []
    day = fx_day(start)
    while day_start(day) < end:
        begin, finish = max(day_start(day), start), min(day_start(day + timedelta(days=1)), end)
        if is_trading_day(day) and begin < finish:
            spans.append((begin, finish))
        day += timedelta(days=1)
    return spans


def open_time(start: datetime, end: datetime) -> timedelta:
    """How long the market was open between two moments."""
    return sum((b - a for a, b in open_spans(start, end)), timedelta())


def bar_age(newest: datetime, now: datetime) -> timedelta:
    """Open time since the bar that began at ``newest`` was closed."""
    return open_time(newest + MINUTE, now)
