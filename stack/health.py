"""Whether the API can do its work, with the bad part named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from stack.database import Database, DatabaseError
from stack.forex import bar_age
from stack.model import LiveModel

# The key answers this with one look-up per symbol, however many bars there are.
NEWEST = "select s, (select max(ts) from market_data where symbol = s) from unnest(%s::text[]) s"


def check(ok: bool, detail: str, **facts: Any) -> dict[str, Any]:
    """One part's result."""
    return {"status": "ok" if ok else "degraded", "detail": detail, **facts}


def model_check(live: LiveModel) -> dict[str, Any]:
    """The model is loaded; a failed reload is told but doesn't hurt while the old one serves."""
    if live.model is None:
        return check(False, live.problem or "loading")
    return check(True, live.problem or f"version {live.model.version}")


async def data_checks(
    database: Database, symbols: Sequence[str], limit_minutes: int, now: datetime
) -> dict[str, dict[str, Any]]:
    """The database answers, and no symbol's newest bar is older than the limit in open time."""
    try:
        rows = await database.fetch(NEWEST, [list(symbols)])
    except DatabaseError as error:
        return {
            "database": check(False, str(error)),
            "data": check(False, "unknown", newest_bar=None, age_minutes=None),
        }
    return {"database": check(True, "answers"), "data": freshness(rows, limit_minutes, now)}


def freshness(rows: Sequence[Sequence[Any]], limit_minutes: int, now: datetime) -> dict[str, Any]:
    """How old the newest bar of the symbol that is furthest behind is."""
    missing = sorted(symbol for symbol, ts in rows if ts is None)
    known = [(ts, symbol) for symbol, ts in rows if ts is not None]
    newest = max(known)[0].isoformat() if known else None
    if missing:
        return check(False, f"no bars of {missing[0]}", newest_bar=newest, age_minutes=None)
    last, symbol = min(known)
    age = round(bar_age(last, now).total_seconds() / 60, 2)
    fresh = age <= limit_minutes
    detail = "fresh" if fresh else f"{symbol}: {age:g} open minutes old, limit {limit_minutes}"
    return check(fresh, detail, newest_bar=newest, age_minutes=age)
