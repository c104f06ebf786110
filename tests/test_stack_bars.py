"""The seeded bars: the same path whatever is asked for, the forex week, something to learn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.forex_week import ForexWeek
from stack.bars import bars, closed_until, digits
from stack.forex import MINUTE, NEW_YORK, bar_age, is_open, open_spans, open_time
from stack.settings import DEFAULT_SYMBOLS

START = datetime(2026, 3, 2, tzinfo=UTC)


def moments(found: npt.NDArray[Any]) -> list[datetime]:
    """The bars' opening minutes as aware datetimes."""
    return [datetime.fromtimestamp(int(s), UTC) for s in found["ts"].astype("i8")]


@pytest.mark.parametrize("symbol", ["EURUSD", "USDJPY"])
def test_any_range_gives_the_same_bars(symbol: str) -> None:
    whole = bars(symbol, START, START + timedelta(days=21))
    cuts = [0, 1, 700, 1440, 5000, 9000, 9001, 21 * 1440]
    edges = [START + timedelta(minutes=m) for m in cuts]
    parts = [bars(symbol, a, b) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole["ts"])) == len(whole)
    assert (np.diff(whole["ts"]) > np.timedelta64(0, "s")).all()


def test_symbols_and_seeds_differ() -> None:
    end = START + timedelta(hours=3)
    first = bars("EURUSD", START, end, seed=1)
    assert not np.array_equal(first, bars("EURUSD", START, end, seed=2))
    assert not np.array_equal(first["close"], bars("USDCHF", START, end, seed=1)["close"])


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(datetime(2026, 3, 8, 12, tzinfo=UTC), id="clocks go forward"),
        pytest.param(datetime(2026, 11, 1, 12, tzinfo=UTC), id="clocks go back"),
        pytest.param(datetime(2026, 7, 5, 12, tzinfo=UTC), id="summer"),
        pytest.param(datetime(2025, 12, 25, 12, tzinfo=UTC), id="christmas"),
        pytest.param(datetime(2026, 1, 1, 12, tzinfo=UTC), id="new year"),
    ],
)
def test_bars_exist_exactly_while_the_market_is_open(around: datetime) -> None:
    start, end = around - timedelta(days=4), around + timedelta(days=4)
    every = [start + n * MINUTE for n in range(8 * 1440)]
    assert moments(bars("EURUSD", start, end)) == [m for m in every if is_open(m)]
    assert open_time(start, end) == sum(map(is_open, every)) * MINUTE


def test_the_week_opens_and_closes_at_five_in_new_york() -> None:
    for sunday in (datetime(2026, 3, 1), datetime(2026, 3, 8), datetime(2026, 11, 1)):
        local = sunday.replace(hour=12, tzinfo=NEW_YORK)
        week = moments(bars("EURUSD", local, local + timedelta(days=6)))
        first, last = week[0].astimezone(NEW_YORK), week[-1].astimezone(NEW_YORK)
        assert (first.weekday(), first.hour, first.minute) == (6, 17, 0)
        assert (last.weekday(), last.hour, last.minute) == (4, 16, 59)
        assert len(week) == 5 * 1440


def test_a_weekend_does_not_age_a_bar() -> None:
    last = datetime(2026, 3, 6, 21, 59, tzinfo=UTC)
    assert bar_age(last, datetime(2026, 3, 8, 20, 0, tzinfo=UTC)) == timedelta(0)
    assert bar_age(last, datetime(2026, 3, 8, 21, 12, tzinfo=UTC)) == timedelta(minutes=12)
    assert open_spans(last + MINUTE, datetime(2026, 3, 8, 20, tzinfo=UTC)) == []


def test_only_closed_bars_are_in_range() -> None:
    now = datetime(2026, 3, 4, 10, 7, 59, 999999, tzinfo=UTC)
    newest = moments(bars("EURUSD", now - timedelta(hours=1), closed_until(now)))[-1]
    assert newest + MINUTE <= now < newest + 2 * MINUTE


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_prices_are_plausible(symbol: str) -> None:
    found = bars(symbol, START, START + timedelta(days=30))
    close, places = found["close"], digits(symbol)
    assert (found["high"] >= np.maximum(found["open"], close)).all()
    assert (found["low"] <= np.minimum(found["open"], close)).all()
    assert (found["spread"] > 0).all()
    assert (found["volume"] > 0).all()
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(np.round(found[name], places), found[name])
    moves = np.diff(np.log(close))
    assert 0.5e-4 < moves.std() < 2e-4
    # Continuous over day and weekend borders alike.
    assert np.abs(moves).max() < 2e-3
    assert np.abs(np.log(found["open"][1:] / close[:-1])).max() < 1e-4
    assert np.ptp(close) / close.mean() < 0.2


def test_the_pattern_is_modest() -> None:
    close = np.log(bars("EURUSD", START, START + timedelta(days=60))["close"])
    moves = np.diff(close)
    turned = ((moves[1:] > 0) == (moves[:-1] <= 0)).mean()
    assert 0.56 < turned < 0.63


@given(st.datetimes(datetime(2019, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)))
def test_the_stack_and_the_suite_agree_on_when_the_market_is_open(moment: datetime) -> None:
    assert is_open(moment) == ForexWeek().is_open(moment)


@pytest.mark.parametrize("year", range(2020, 2031))
def test_they_agree_around_the_holidays(year: int) -> None:
    start = datetime(year, 12, 23, tzinfo=UTC)
    for minutes in range(0, 11 * 24 * 60, 20):
        moment = start + timedelta(minutes=minutes)
        assert is_open(moment) == ForexWeek().is_open(moment), moment
