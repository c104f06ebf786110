"""Fills the database with bars and the training set made from them.

``top_up`` does both the first load and every later one: it adds the closed bars after each
symbol's newest, so running it twice changes nothing. Rows travel by binary COPY, built by numpy
as the very bytes the protocol wants.

``python -m stack.load`` creates the tables and fills them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import numpy.typing as npt
import psycopg

from stack.bars import BAR, bars, closed_until
from stack.features import FEATURE_NAMES, HORIZON, LOOKBACK, features, labels
from stack.settings import DEFAULT_SYMBOLS, read_settings

Array = npt.NDArray[Any]
Connection = psycopg.Connection[Any]

HISTORY = timedelta(days=125)
TRAINSET_HISTORY = timedelta(days=60)
# The training set holds every fifth minute: neighbours tell a model little that is new.
TRAINSET_STRIDE = 5
# Wide enough for a window of bars before a weekend next to a holiday.
WINDOW = timedelta(days=5)

SCHEMA = Path(__file__).with_name("schema.sql")
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
POSTGRES_EPOCH = np.datetime64("2000-01-01", "us")
PRICES = ("open", "high", "low", "close")

COPY_BARS: LiteralString = (
    "copy market_data (symbol, ts, open, high, low, close, volume, spread)"
    " from stdin (format binary)"
)
COPY_TRAINSET: LiteralString = (
    "copy trainset_m1 (ts, symbol, return_1, return_5, return_15, volatility_30, range_1,"
    " rsi_14, hour_sin, hour_cos, label) from stdin (format binary)"
)
NEWEST_BARS: LiteralString = (
    "select s, (select max(ts) from market_data where symbol = s) from unnest(%s::text[]) s"
)
NEWEST_TRAINSET: LiteralString = (
    "select s, (select max(ts) from trainset_m1 where symbol = s) from unnest(%s::text[]) s"
)


def create_tables(conn: Connection) -> None:
    """Create what is missing of the tables."""
    conn.execute(SCHEMA.read_bytes())


def top_up(
    conn: Connection,
    now: datetime,
    seed: int = 7,
    symbols: Sequence[str] = DEFAULT_SYMBOLS,
    history: timedelta = HISTORY,
    *,
    trainset: bool = True,
) -> int:
    """Add the closed bars up to ``now`` and the training rows they allow; how many bars."""
    end = closed_until(now)
    with conn.transaction():
        # Two feeds at once would insert the same keys.
        conn.execute("select pg_advisory_xact_lock(735001)")
        newest = _newest(conn, NEWEST_BARS, symbols)
        known = _newest(conn, NEWEST_TRAINSET, symbols) if trainset else {}
        first_load = not any(newest.values()) and _is_empty(conn)
        if first_load:
            # A key built over sorted rows afterwards takes a third of the time.
            conn.execute("alter table market_data drop constraint market_data_pkey")
        added = 0
        train_rows = []
        fresh = []
        for symbol in symbols:
            since = newest[symbol]
            start = since + timedelta(minutes=1) if since else end - history
            after = known.get(symbol) or end - TRAINSET_HISTORY
            # One draw serves both tables: what is stored is what the generator gives.
            window = bars(symbol, min(start, after - WINDOW) if trainset else start, end, seed)
            new = window[window["ts"] >= _second(start)]
            added += len(new)
            fresh.append((symbol, new))
            if trainset:
                train_rows.append((symbol, *trainset_rows(window, after)))
        _copy(conn, COPY_BARS, (_bar_bytes(*item) for item in fresh if len(item[1])))
        _copy(conn, COPY_TRAINSET, (_train_bytes(*item) for item in train_rows if len(item[1])))
        if first_load:
            conn.execute("alter table market_data add primary key (symbol, ts)")
    return added


def trainset_rows(window: Array, after: datetime) -> tuple[Array, Array, Array]:
    """Moments, features and labels of the bars later than ``after`` whose outcome is known."""
    if len(window) < LOOKBACK + HORIZON:
        return window["ts"][:0], features(window[:0]), labels(window[:HORIZON])
    ts = window["ts"][LOOKBACK - 1 : -HORIZON]
    minute = ts.astype("datetime64[m]").astype("i8")
    keep = (ts > _second(after)) & (minute % TRAINSET_STRIDE == 0)
    return ts[keep], features(window)[:-HORIZON][keep], labels(window[LOOKBACK - 1 :])[keep]


def _newest(
    conn: Connection, query: LiteralString, symbols: Sequence[str]
) -> dict[str, datetime | None]:
    return dict(conn.execute(query, [list(symbols)]).fetchall())


def _is_empty(conn: Connection) -> bool:
    return conn.execute("select 1 from market_data limit 1").fetchone() is None


def _second(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "s")


def _record(fields: Sequence[tuple[str, str]], count: int) -> Array:
    """Empty COPY rows: the number of fields, then each field's length and big-endian value."""
    layout = [("fields", ">i2")]
    for name, kind in fields:
        layout += [(f"{name}_size", ">i4"), (name, kind)]
    rows = np.empty(count, dtype=np.dtype(layout))
    rows["fields"] = len(fields)
    for name, kind in fields:
        rows[f"{name}_size"] = np.dtype(kind).itemsize
    return rows


def _bar_bytes(symbol: str, new: Array) -> bytes:
    text = f"S{len(symbol)}"
    kinds = [("symbol", text), ("ts", ">i8"), *((name, ">f8") for name in PRICES)]
    rows = _record([*kinds, ("volume", ">i8"), ("spread", ">f8")], len(new))
    rows["symbol"] = symbol.encode()
    rows["ts"] = _postgres_time(new["ts"])
    for name in (*PRICES, "volume", "spread"):
        rows[name] = new[name]
    return rows.tobytes()


def _train_bytes(symbol: str, ts: Array, values: Array, label: Array) -> bytes:
    kinds = [("ts", ">i8"), ("symbol", f"S{len(symbol)}")]
    kinds += [(name, ">f4") for name in FEATURE_NAMES]
    rows = _record([*kinds, ("label", ">i2")], len(ts))
    rows["symbol"] = symbol.encode()
    rows["ts"] = _postgres_time(ts)
    for column, name in enumerate(FEATURE_NAMES):
        rows[name] = values[:, column]
    rows["label"] = label
    return rows.tobytes()


def _postgres_time(ts: Array) -> Array:
    since: Array = (ts.astype("datetime64[us]") - POSTGRES_EPOCH).astype("i8")
    return since


def _copy(conn: Connection, statement: LiteralString, blocks: Iterator[bytes]) -> None:
    first = next(blocks, None)
    if first is None:
        return
    with conn.cursor().copy(statement) as copy:
        copy.write(COPY_HEADER + first)
        for block in blocks:
            copy.write(block)
        copy.write(COPY_TRAILER)


def recent_bars(rows: Sequence[Sequence[Any]]) -> Array:
    """Bars from rows of (ts, open, high, low, close), whatever their order."""
    result = np.zeros(len(rows), dtype=BAR)
    for place, (ts, *prices) in enumerate(sorted(rows, key=lambda row: row[0])):
        result[place] = (_second(ts), *prices, 0, 0.0)
    return result


def main() -> None:
    """Create and fill the tables of the database the environment names."""
    settings = read_settings()
    with psycopg.connect(settings.database_url, connect_timeout=5) as conn:
        create_tables(conn)
        added = top_up(conn, datetime.now(UTC), settings.bars_seed, settings.symbols)
    print(f"{added} bars added")


if __name__ == "__main__":
    main()
