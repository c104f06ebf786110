"""Every prediction is made from the last bars; without them the system trades blind."""

from runbook.each import each
from runbook.ids import runbook


@runbook(
    "morning.market_data",
    likely="the terminal lost its connection to the broker, or the collector died",
    look='psql -c "select symbol, max(ts) from market_data group by 1"',
    do="incident.api-down",
)
@each(symbol="market.symbols")
def test_bars_are_fresh(symbol, market_data, limits, measured):
    """A prediction from old bars is an order at an old price."""
    bars = market_data[symbol]
    if bars.newest is None:
        assert measured(0, "bars up to now", of=symbol) > 0
    measured.note(f"newest bar of {symbol}: {bars.newest:%a %d %b %H:%M} UTC")
    age = measured(bars.age_open_minutes, "open minutes", of=f"{symbol} newest bar's age")
    assert age <= limits.bar_age_max_open_minutes


@runbook(
    "morning.market_data",
    likely="the collector was down for a while and nothing filled the hole",
    look='psql -c "select symbol, ts from market_data order by ts desc limit 7200"',
    do="maintenance.database",
)
@each(symbol="market.symbols")
def test_bars_have_no_gap(symbol, market_data, limits, measured):
    """A hole in the bars makes every indicator computed across it wrong."""
    bars, limit = market_data[symbol], limits.bar_gap_max_open_minutes
    measured.note(f"{symbol}: {bars.bars} bars in 24 h")
    widest = bars.widest_gap
    if widest:
        measured.note(f"{symbol}: widest gap {widest}; {bars.gaps_over(limit)} over the limit")
    minutes = widest.open_minutes if widest else 0
    assert measured(minutes, "open minutes", of=f"{symbol} widest gap") <= limit


@runbook(
    "morning.market_data",
    likely="market.time_zone is not the broker's, or the collector's clock is wrong",
    look='psql -c "select symbol, max(ts), now() from market_data group by 1"',
    do="maintenance.database",
)
@each(symbol="market.symbols")
def test_bars_are_not_in_the_future(symbol, market_data, measured):
    """A bar from the future hides that the newest one is old."""
    assert measured(market_data[symbol].future, "bars", of=f"{symbol} in the future") == 0


@runbook(
    "morning.market_data",
    likely="two collectors run, or the table lost its key",
    look='psql -c "select symbol, ts, count(*) from market_data group by 1, 2 having count(*) > 1"',
    do="maintenance.database",
)
@each(symbol="market.symbols")
def test_bars_are_unique(symbol, market_data, measured):
    """A minute counted twice weighs twice in training and in every indicator."""
    assert measured(market_data[symbol].duplicates, "bars in 24 h", of=f"{symbol} duplicates") == 0
