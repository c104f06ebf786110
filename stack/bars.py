"""Seeded one-minute bars that come out the same whatever range is asked for.

Every FX day of a symbol has its own random stream, and the level each day opens at is a
function of the date alone. A day's path is pinned to its own open and the next day's, so the
price runs on from day to day without having to start at the beginning of time.

The paths hold a modest pattern to learn: a minute tends to take back part of the move before
it, and more so after a large move.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from stack.forex import day_start, fx_day, is_trading_day, open_spans

Array = npt.NDArray[Any]

MINUTES = 1440
SIGMA = 1.1e-4
REVERSION = 0.42
CALM_REVERSION = 0.18
LARGE_MOVE = 0.8
EPOCH = date(2015, 1, 1)
MEMORY_DAYS = 250
DAY_SIGMA = 0.003
DAY_DECAY = 0.985

START_PRICE = {
    "EURUSD": 1.09,
    "GBPUSD": 1.27,
    "USDJPY": 149.0,
    "AUDUSD": 0.66,
    "USDCAD": 1.36,
    "USDCHF": 0.89,
}
BAR = np.dtype(
    [
        ("ts", "datetime64[s]"),
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "i8"),
        ("spread", "f8"),
    ]
)


def digits(symbol: str) -> int:
    """Decimals of the symbol's quote: three for yen pairs, five for the others."""
    return 3 if symbol.endswith("JPY") else 5


def _stream(seed: int, symbol: str, day: int) -> np.random.Generator:
    entropy = np.random.SeedSequence((seed, crc32(symbol.encode()), day))
    return np.random.Generator(np.random.SFC64(entropy))


def _day_levels(symbol: str, first: date, last: date, seed: int) -> Array:
    """Logarithm of the opening price of each day from ``first`` to ``last``, both included."""
    offset = (first - EPOCH).days
    if offset < MEMORY_DAYS:
        raise ValueError(f"no bars before {EPOCH + timedelta(days=MEMORY_DAYS)}")
    count = (last - first).days + 1
    steps = _stream(seed, symbol, 0).standard_normal(offset + count)[offset - MEMORY_DAYS :]
    weights = DAY_DECAY ** np.arange(MEMORY_DAYS)
    # Summed per day and not convolved: the last digit must not depend on the range asked for.
    windows = np.lib.stride_tricks.sliding_window_view(steps, MEMORY_DAYS)[1:, ::-1]
    levels: Array = np.log(START_PRICE.get(symbol, 1.0)) + DAY_SIGMA * np.array(
        [float((window * weights).sum()) for window in windows]
    )
    return levels


def _activity() -> Array:
    """Relative volatility of each minute of the FX day: low in Asia, high from London on."""
    hour = (np.arange(MINUTES) / 60 + 17) % 24
    london, new_york = np.exp(-(((hour - 4) / 3) ** 2)), np.exp(-(((hour - 10) / 3) ** 2))
    activity: Array = 0.6 + 0.6 * london + 0.8 * new_york
    return activity


def _revert(shocks: Array) -> Array:
    """Moves in units of volatility: each shock less part of the one before (day by minute)."""
    before = shocks[:, :-1]
    moves = shocks.copy()
    moves[:, 1:] -= np.where(np.abs(before) > LARGE_MOVE, REVERSION, CALM_REVERSION) * before
    return moves


def _days(start: datetime, end: datetime) -> list[date]:
    first, last = fx_day(start), fx_day(end)
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in every if is_trading_day(day)]


def _open_mask(ts: Array, start: datetime, end: datetime) -> Array:
    mask = np.zeros(len(ts), dtype=bool)
    for span in open_spans(start, end):
        low, high = np.searchsorted(ts, np.array([_instant(edge) for edge in span]))
        mask[low:high] = True
    return mask


def _instant(moment: datetime) -> np.datetime64:
    """The moment in whole seconds, a fraction counting as a second more."""
    whole = moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    return np.datetime64(whole + timedelta(seconds=moment.microsecond > 0), "s")


def bars(symbol: str, start: datetime, end: datetime, seed: int = 7) -> Array:
    """The symbol's bars with ``start <= ts < end``, in order, as an array of ``BAR``."""
    days = _days(start, end) if start < end else []
    if not days:
        return np.empty(0, dtype=BAR)
    levels = _day_levels(symbol, days[0], days[-1] + timedelta(days=3), seed)
    # Friday's path leads to Monday's open: prices don't jump over the weekend.
    following = [day + timedelta(days=3 if day.weekday() == 4 else 1) for day in days]
    opens = levels[[(day - days[0]).days for day in days]]
    closes = levels[[(day - days[0]).days for day in following]]

    shocks = np.empty((len(days), MINUTES))
    wicks = np.empty((len(days), 2, MINUTES))
    ticks = np.empty((len(days), MINUTES))
    for row, day in enumerate(days):
        stream = _stream(seed, symbol, day.toordinal())
        shocks[row] = stream.standard_normal(MINUTES)
        wicks[row] = stream.random((2, MINUTES))
        ticks[row] = stream.random(MINUTES)

    activity = _activity()
    steps = _revert(shocks) * (SIGMA * activity)
    path = np.cumsum(steps, axis=1)
    # Spreading the gap to the next open over the day moves a minute by a hundredth of its size.
    path += (closes - opens - path[:, -1])[:, None] * (np.arange(1, MINUTES + 1) / MINUTES)

    result = np.empty(MINUTES * len(days), dtype=BAR)
    places = digits(symbol)
    close = np.round(np.exp(path + opens[:, None]), places)
    open_ = np.concatenate([np.round(np.exp(opens), places)[:, None], close[:, :-1]], axis=1)
    wick = wicks * (SIGMA * activity * 0.6) * close[:, None, :]
    starts = np.array([_instant(day_start(day)) for day in days], dtype="datetime64[s]")
    minutes = np.arange(MINUTES) * np.timedelta64(60, "s")
    result["ts"] = (starts[:, None] + minutes).ravel()
    result["open"] = open_.ravel()
    result["high"] = np.round(np.maximum(open_, close) + wick[:, 0], places).ravel()
    result["low"] = np.round(np.minimum(open_, close) - wick[:, 1], places).ravel()
    result["close"] = close.ravel()
    result["volume"] = (20 + 120 * ticks * activity).ravel().astype("i8")
    point = 10.0**-places
    result["spread"] = np.round(np.tile(8 / activity, len(days)) + 2) * point
    return result[_open_mask(result["ts"], start, end)]


def closed_until(now: datetime) -> datetime:
    """The end of the range of closed bars: a bar that opened a minute ago is just closed."""
    return now.astimezone(UTC).replace(second=0, microsecond=0)
