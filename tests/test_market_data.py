"""The bars' probe and checks against a real table: time zones, gaps, weekends, faults."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fixtures.database import Database, connected
from fixtures.market_data import Bars, market_data, measured_at
from fixtures.target_file import Limits, Market
from runbook.verdict import Unreachable, Unreadable
from tests.embedded_postgres import EmbeddedPostgres, embedded_postgres
from tests.judged import red as judged

MINUTE = timedelta(minutes=1)
# A Wednesday at noon in winter.
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
SERIES = (
    "insert into {table} select '{symbol}', at from"
    " generate_series('{first}'::{type}, '{last}'::{type}, '1 minute') at on conflict do nothing"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as made:
        yield made


@pytest.fixture
def database(server: EmbeddedPostgres) -> Iterator[Database]:
    server.execute(
        "drop table if exists market_data",
        "create table market_data (symbol text, ts timestamptz, primary key (symbol, ts))",
    )
    made = connected(server.section())
    yield made
    made.close()


def fill(
    server: EmbeddedPostgres,
    first: datetime,
    last: datetime,
    *,
    symbol: str = "EURUSD",
    table: str = "market_data",
    type: str = "timestamptz",
) -> None:
    server.execute(SERIES.format(table=table, symbol=symbol, first=first, last=last, type=type))


def eurusd(database: Database, now: datetime = NOON, **market: Any) -> Bars:
    return measured_at(now, Market(symbols=("EURUSD",), **market), database)["EURUSD"]


def red(check: str, bars: Bars) -> list[str]:
    return judged(
        "morning/test_market_data.py",
        check,
        symbol=bars.symbol,
        market_data={bars.symbol: bars},
        limits=Limits(),
    )


def all_red(bars: Bars) -> dict[str, list[str]]:
    checks = (
        "test_bars_are_fresh",
        "test_bars_have_no_gap",
        "test_bars_are_not_in_the_future",
        "test_bars_are_unique",
    )
    return {check: lines for check in checks if (lines := red(check, bars))}


def test_bars_up_to_now(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=2), NOON - 2 * MINUTE)
    found = eurusd(database)
    assert found.newest == NOON - 2 * MINUTE
    assert found.age_open_minutes == 1
    assert found.bars == 1439
    assert found.gaps == ()
    assert all_red(found) == {}


def test_the_bar_of_this_minute_has_no_age(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=1), NOON)
    assert eurusd(database, NOON + timedelta(seconds=30)).age_open_minutes == 0


def test_old_bars(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=1), NOON - 31 * MINUTE)
    assert all_red(eurusd(database)) == {
        "test_bars_are_fresh": ["EURUSD newest bar's age: 30 open minutes, limit <= 5"]
    }


def test_no_bar_at_all(database: Database) -> None:
    assert all_red(eurusd(database)) == {
        "test_bars_are_fresh": ["EURUSD: 0 bars up to now, limit > 0"],
        "test_bars_have_no_gap": ["EURUSD widest gap: 1440 open minutes, limit <= 5"],
    }


def test_symbols_are_told_apart(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=1), NOON - MINUTE, symbol="EURUSD")
    fill(server, NOON - timedelta(days=1), NOON - 61 * MINUTE, symbol="USDJPY")
    market = Market(symbols=("USDJPY", "EURUSD", "GBPUSD"))
    found = measured_at(NOON, market, database)
    assert {name: bars.age_open_minutes for name, bars in found.items()} == {
        "USDJPY": 60,
        "EURUSD": 0,
        "GBPUSD": None,
    }


def test_a_gap(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=1), NOON - 120 * MINUTE)
    fill(server, NOON - 100 * MINUTE, NOON - MINUTE)
    server.execute(f"delete from market_data where ts = '{NOON - 50 * MINUTE}'")
    found = eurusd(database)
    assert [gap.open_minutes for gap in found.gaps] == [19, 1]
    assert str(found.widest_gap) == "Wed 14 Jan 10:01 to 10:20 UTC"
    assert found.gaps_over(5) == 1
    assert all_red(found) == {
        "test_bars_have_no_gap": ["EURUSD widest gap: 19 open minutes, limit <= 5"]
    }


def test_a_gap_that_began_before_the_window(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=2), NOON - timedelta(hours=30))
    fill(server, NOON - timedelta(hours=22), NOON - MINUTE)
    assert [gap.open_minutes for gap in eurusd(database).gaps] == [120]


def test_history_that_only_begins_has_no_gap(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(hours=2), NOON - MINUTE)
    assert all_red(eurusd(database)) == {}


def test_the_weekend_is_no_gap(server: EmbeddedPostgres, database: Database) -> None:
    friday, sunday = datetime(2026, 1, 9, 21, 59, tzinfo=UTC), datetime(2026, 1, 11, 22, tzinfo=UTC)
    fill(server, friday - timedelta(days=1), friday)
    saturday = eurusd(database, datetime(2026, 1, 10, 12, tzinfo=UTC))
    assert saturday.age_open_minutes == 0
    assert all_red(saturday) == {}
    # Seven minutes after the opening nothing has come yet.
    late = eurusd(database, sunday + 7 * MINUTE)
    assert late.age_open_minutes == 7
    assert list(all_red(late)) == ["test_bars_are_fresh", "test_bars_have_no_gap"]
    fill(server, sunday, sunday + timedelta(hours=9))
    assert all_red(eurusd(database, sunday + timedelta(hours=9, minutes=1))) == {}


def test_holidays_and_pauses_are_no_gap(server: EmbeddedPostgres, database: Database) -> None:
    closed = datetime(2026, 1, 12, 22, tzinfo=UTC)
    fill(server, closed - timedelta(days=1), closed - MINUTE)
    reopened = closed + timedelta(days=1, minutes=10)
    fill(server, reopened, reopened + timedelta(hours=2))
    now = reopened + timedelta(hours=2, minutes=1)
    assert eurusd(database, now).age_open_minutes == 0
    assert red("test_bars_have_no_gap", eurusd(database, now)) != []
    market: dict[str, Any] = {
        "holidays": (date(2026, 1, 13),),
        "daily_pauses": {"EURUSD": "17:00-17:10"},
    }
    assert all_red(eurusd(database, now, **market)) == {}


def test_bars_from_the_future(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=1), NOON - 61 * MINUTE)
    fill(server, NOON + 2 * MINUTE, NOON + 4 * MINUTE)
    # They do not hide that the newest real bar is old.
    assert all_red(eurusd(database)) == {
        "test_bars_are_fresh": ["EURUSD newest bar's age: 60 open minutes, limit <= 5"],
        "test_bars_are_not_in_the_future": ["EURUSD in the future: 3 bars, limit = 0"],
    }


def test_duplicates_where_no_key_forbids_them(server: EmbeddedPostgres, database: Database) -> None:
    server.execute("alter table market_data drop constraint market_data_pkey")
    for _ in range(3):
        fill(server, NOON - 10 * MINUTE, NOON - MINUTE)
    assert all_red(eurusd(database)) == {
        "test_bars_are_unique": ["EURUSD duplicates: 20 bars in 24 h, limit = 0"]
    }


@pytest.mark.parametrize(
    ("zone", "ahead_h", "now"),
    [
        ("Europe/Helsinki", 0, NOON),
        ("Europe/Helsinki", 0, datetime(2026, 7, 15, 12, tzinfo=UTC)),
        # In these weeks Europe's clocks differ from America's by an hour less.
        ("America/New_York", 7, datetime(2026, 3, 18, 12, tzinfo=UTC)),
        ("UTC", 3, NOON),
        ("UTC", 0, NOON),
    ],
)
@pytest.mark.parametrize("type", ["timestamp", "timestamptz"])
def test_broker_time(
    server: EmbeddedPostgres, database: Database, zone: str, ahead_h: int, now: datetime, type: str
) -> None:
    server.execute(f"alter table market_data alter ts type {type}")
    market = {"time_zone": zone, "ahead_of_time_zone_h": ahead_h}
    ahead = f"interval '{ahead_h} hours'"
    wall = f"at at time zone '{zone}' + {ahead}"
    # What a collector does that hands the terminal's time on as it is, in a session at UTC.
    stored = wall if type == "timestamp" else f"({wall}) at time zone 'UTC'"
    first, last = now - timedelta(days=1), now - 2 * MINUTE
    server.execute(
        f"insert into market_data select 'EURUSD', {stored} from"
        f" generate_series('{first}'::timestamptz, '{last}'::timestamptz, '1 minute') at"
    )
    found = eurusd(database, now, **market)
    assert found.newest == now - 2 * MINUTE
    assert found.age_open_minutes == 1
    assert found.bars == 1439
    assert found.gaps == ()
    if zone != "UTC" or ahead_h:
        wrong = all_red(eurusd(database, now))
        assert "test_bars_are_not_in_the_future" in wrong


def test_any_names(server: EmbeddedPostgres, database: Database) -> None:
    server.execute(
        "drop schema if exists feed cascade",
        "create schema feed",
        "create type feed.pair as enum ('EURUSD')",
        'create table feed."Candles" ("Pair" feed.pair, "when" timestamptz)',
    )
    fill(server, NOON - 10 * MINUTE, NOON - MINUTE, table='feed."Candles"')
    names = {"table": "feed.Candles", "symbol_column": "Pair", "time_column": "when"}
    assert all_red(eurusd(database, **names)) == {}
    server.execute("drop schema feed cascade")


@pytest.mark.parametrize(
    ("market", "message"),
    [
        ({"table": "candles"}, r"^market\.table: .* has no table candles$"),
        ({"table": "a.candles"}, r"^market\.table: .* has no table a\.candles$"),
        ({"symbol_column": "pair"}, r"^market\.symbol_column: .* has no column pair$"),
        ({"time_column": "at"}, r"^market\.time_column: .* has no column at$"),
        ({"time_column": "symbol"}, r"^market\.time_column: symbol is text"),
    ],
)
def test_wrong_names_name_the_key(database: Database, market: dict[str, str], message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        eurusd(database, **market)


def test_missing_rights_say_what_to_grant(server: EmbeddedPostgres, database: Database) -> None:
    server.execute("create role watcher login password 'of-a-watcher'")
    try:
        found = connected(server.section(user="watcher", password="of-a-watcher"))
        with pytest.raises(Unreadable, match="GRANT SELECT ON market_data TO watcher"):
            eurusd(found)
        found.close()
    finally:
        server.execute("drop role watcher")


def test_the_probe_asks_as_of_now(server: EmbeddedPostgres, database: Database) -> None:
    target = server.target(market=Market(symbols=("EURUSD",)))
    now = datetime.now(UTC)
    fill(server, now - 10 * MINUTE, now)
    [bars] = market_data.measure(target, database).values()
    assert bars.bars == 11
    down = Database("127.0.0.1:9", "postgres", down="connection refused")
    with pytest.raises(Unreachable, match="connection refused"):
        market_data.measure(target, down)


def test_the_index_serves_it(server: EmbeddedPostgres, database: Database) -> None:
    fill(server, NOON - timedelta(days=60), NOON - MINUTE)
    server.execute("analyze market_data")
    before = _sequential_scans(server)
    eurusd(database)
    assert _sequential_scans(server) == before


def _sequential_scans(server: EmbeddedPostgres) -> int:
    count: int = server.execute(
        "select pg_stat_force_next_flush()", "select seq_scan from pg_stat_user_tables"
    )[0][0]
    return count
