"""Features: nothing of the future, the same from any slice, one order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stack.bars import bars
from stack.features import FEATURE_NAMES, HORIZON, LOOKBACK, features, labels
from stack.load import recent_bars, trainset_rows

START = datetime(2026, 3, 4, tzinfo=UTC)
END = START + timedelta(days=6)


@pytest.fixture(scope="module")
def week() -> npt.NDArray[Any]:
    """Bars that span a weekend."""
    return bars("EURUSD", START, END)


@pytest.fixture(scope="module")
def rows(week: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Their features."""
    return features(week)


def test_one_finite_row_per_bar_with_history(
    week: npt.NDArray[Any], rows: npt.NDArray[Any]
) -> None:
    assert rows.shape == (len(week) - LOOKBACK + 1, len(FEATURE_NAMES))
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert len(features(week[: LOOKBACK - 1])) == 0


def test_later_bars_change_nothing(week: npt.NDArray[Any], rows: npt.NDArray[Any]) -> None:
    for length in (LOOKBACK, 500, 3333, len(week) - 1):
        prefix = features(week[:length])
        np.testing.assert_allclose(prefix, rows[: len(prefix)], rtol=1e-6)
    changed = week.copy()
    changed["close"][4000:] *= 1.01
    before = 4000 - LOOKBACK + 1
    np.testing.assert_allclose(features(changed)[:before], rows[:before], rtol=1e-6)
    assert not np.allclose(features(changed)[before], rows[before])


def test_a_short_slice_gives_the_same_row(week: npt.NDArray[Any], rows: npt.NDArray[Any]) -> None:
    for place in (0, 1, 777, len(rows) - 1):
        single = features(week[place : place + LOOKBACK])
        assert single.shape == (1, len(FEATURE_NAMES))
        np.testing.assert_allclose(single[0], rows[place], rtol=1e-6)


def test_rows_from_the_database_give_the_same_features(
    week: npt.NDArray[Any], rows: npt.NDArray[Any]
) -> None:
    last = week[-LOOKBACK:]
    stored = [
        (datetime.fromtimestamp(int(b["ts"].astype("i8")), UTC), *b.tolist()[1:5]) for b in last
    ]
    random.Random(1).shuffle(stored)
    np.testing.assert_allclose(features(recent_bars(stored))[0], rows[-1], rtol=1e-6)


def test_a_label_is_the_next_close(week: npt.NDArray[Any]) -> None:
    found = labels(week)
    assert len(found) == len(week) - HORIZON
    for place in (0, 10, 4000):
        assert found[place] == (week["close"][place + HORIZON] > week["close"][place])


def test_training_rows_reach_up_to_the_label_horizon(
    week: npt.NDArray[Any], rows: npt.NDArray[Any]
) -> None:
    after = START + timedelta(days=1)
    ts, values, label = trainset_rows(week, after)
    assert len(ts) == len(values) == len(label)
    assert ts[0] == np.datetime64("2026-03-05T00:05:00")
    assert (ts.astype("M8[m]").astype("i8") % 5 == 0).all()
    assert week["ts"][-1] - ts[-1] <= np.timedelta64(5 * 60, "s")
    place = int(np.searchsorted(week["ts"], ts[3]))
    np.testing.assert_allclose(values[3], rows[place - LOOKBACK + 1], rtol=1e-6)
    assert label[3] == (week["close"][place + HORIZON] > week["close"][place])
    nothing = trainset_rows(week[:5], after)
    assert [len(part) for part in nothing] == [0, 0, 0]


def test_a_market_that_stands_still_has_features(week: npt.NDArray[Any]) -> None:
    still = week[:100].copy()
    for name in ("open", "high", "low", "close"):
        still[name] = 1.1
    assert np.isfinite(features(still)).all()
