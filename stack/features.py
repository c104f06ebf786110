"""Features of one-minute bars, the same for training and prediction.

A row uses its own bar and bars before it, never a later one. Bars are taken as they come: over
a weekend the window spans the gap. Every sum runs over its window in a fixed order, so that a
row comes out identical whether it is computed from a short slice or from the whole history.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEATURE_NAMES = (
    "return_1",
    "return_5",
    "return_15",
    "volatility_30",
    "range_1",
    "rsi_14",
    "hour_sin",
    "hour_cos",
)
# Bars a row needs, itself included.
LOOKBACK = 31
HORIZON = 1


def _rolling_sum(values: Array, size: int) -> Array:
    """Sum of the last ``size`` values at each place from the first complete window on."""
    count = len(values) - size + 1
    total = values[:count].copy()
    for shift in range(1, size):
        total += values[shift : shift + count]
    return total


def features(bars: Array) -> Array:
    """One row per bar from the ``LOOKBACK``-th on: ``features(bars)[0]`` is ``bars[LOOKBACK-1]``'s.

    Returns are in units of the recent volatility, the range is too; volatility is in basis
    points; the hour is that of UTC, as a point on a circle.
    """
    count = max(len(bars) - LOOKBACK + 1, 0)
    if not count:
        return np.empty((0, len(FEATURE_NAMES)), dtype="f4")
    last = slice(len(bars) - count, None)
    log_close = np.log(bars["close"])
    moves = np.diff(log_close)
    volatility = np.sqrt(_rolling_sum(moves * moves, 30) / 30)
    # A market that doesn't move at all would divide by zero.
    unit = np.maximum(volatility, 1e-7)
    gains = _rolling_sum(np.maximum(moves, 0), 14)[-count:]
    losses = _rolling_sum(np.maximum(-moves, 0), 14)[-count:]
    hours = (bars["ts"].astype("datetime64[s]").astype("i8")[last] % 86400) / 3600
    angle = hours * (2 * np.pi / 24)

    def back(bars_ago: int) -> Array:
        change: Array = (log_close[bars_ago:] - log_close[:-bars_ago])[-count:]
        scaled: Array = change / (unit * np.sqrt(bars_ago))
        return scaled

    columns = (
        back(1),
        back(5),
        back(15),
        volatility * 1e4,
        (bars["high"][last] - bars["low"][last]) / bars["close"][last] / unit,
        100 * gains / np.maximum(gains + losses, 1e-9),
        np.sin(angle),
        np.cos(angle),
    )
    return np.stack(columns, axis=1).astype("f4")


def labels(bars: Array) -> Array:
    """1 where the close ``HORIZON`` bars on is higher, else 0; the newest bars have none yet."""
    close = bars["close"]
    rises: Array = (close[HORIZON:] > close[:-HORIZON]).astype("i2")
    return rises
