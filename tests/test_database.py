"""The database's probes and checks against a real server with real faults."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fixtures import database as connections
from fixtures.database import Database, connected
from fixtures.database_sessions import Sessions, database_sessions
from fixtures.database_statements import database_statements
from fixtures.database_upkeep import Upkeep, database_upkeep
from fixtures.target_file import Limits
from runbook.verdict import NotPart, TookTooLong, Unreachable, Unreadable
from runbook.waiting import NotYet, wait_until
from tests.embedded_postgres import EmbeddedPostgres, embedded_postgres
from tests.judged import red as judged

CHECKS = "morning/test_database.py"
LIMITS = Limits()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for the whole module; a test leaves it as it was."""
    folder = tmp_path_factory.mktemp("postgres")
    settings = {
        "max_connections": "20",
        "autovacuum_naptime": "1h",
        "max_prepared_transactions": "2",
    }
    with embedded_postgres(folder / "server", settings) as made:
        yield made


@pytest.fixture
def database(server: EmbeddedPostgres) -> Iterator[Database]:
    """A connection of the suite's own kind."""
    made = connected(server.section())
    yield made
    made.close()


@pytest.fixture
def scratch(server: EmbeddedPostgres) -> Iterator[None]:
    """An empty schema `public`, before and after."""
    empty = "drop schema public cascade; create schema public"
    server.execute(*empty.split("; "))
    yield
    server.execute(*empty.split("; "))


def sessions(database: Database) -> Sessions:
    found: Sessions = database_sessions.measure(database)
    return found


def upkeep(database: Database) -> Upkeep:
    found: Upkeep = database_upkeep.measure(database)
    return found


def red(check: str, **given: Any) -> list[str]:
    return judged(CHECKS, check, **({"limits": LIMITS} | given))


# The connection


def test_it_answers(server: EmbeddedPostgres, database: Database) -> None:
    assert database.down is None
    assert 0 < database.connect_ms < 1000
    assert database.started_at is not None
    assert database.started_at.utcoffset() is not None
    assert database.version >= 170000
    assert red("test_database_answers", database=database) == []
    assert red("test_database_is_writable", database=database) == []


def test_the_session_is_a_light_guest(database: Database) -> None:
    names = (
        "application_name",
        "default_transaction_read_only",
        "statement_timeout",
        "lock_timeout",
        "TimeZone",
    )
    settings = ", ".join(f"current_setting('{name}')" for name in names)
    assert database.rows(f"select {settings}") == [("mt5-runbook", "on", "5s", "2s", "UTC")]
    with pytest.raises(Unreadable, match="read-only transaction"):
        database.rows("create table made_by_the_suite ()")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"port": 9}, "connection refused"),
        ({"host": "nowhere.invalid"}, "unknown host"),
        ({"name": "absent"}, 'database "absent" does not exist'),
        ({"sslmode": "require"}, "server does not support SSL, but SSL was required"),
    ],
)
def test_a_server_that_refuses_is_down(
    server: EmbeddedPostgres, changed: dict[str, Any], why: str
) -> None:
    refused = connected(server.section(**changed))
    assert refused.down == why
    assert red("test_database_answers", database=refused) == [f"database: {why}, limit = answers"]
    with pytest.raises(Unreachable, match=r"^database \S+:\d+: "):
        refused.rows("select 1")
    with pytest.raises(Unreachable):
        red("test_database_is_writable", database=refused)


def test_the_environment_leads_nowhere_else(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOSTADDR": "127.0.0.9",
        "PGPORT": "9",
        "PGOPTIONS": "-c statement_timeout=1",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    found = connected(server.section())
    assert found.down is None
    found.close()


def test_no_connection_is_left(server: EmbeddedPostgres) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(contextlib.closing(server.connect()))
        assert connected(server.section()).down == "too many clients"


def test_connections_run_short(server: EmbeddedPostgres, database: Database) -> None:
    assert red("test_connections_are_left", database_sessions=sessions(database)) == []
    with contextlib.ExitStack() as stack:
        for _ in range(13):
            stack.enter_context(contextlib.closing(server.connect()))
        found = sessions(database)
        # 20 less 3 for superusers; one is ours.
        assert (found.used, found.usable) == (14, 17)
        assert round(found.used_percent) == 82
        [line] = red("test_connections_are_left", database_sessions=found)
        assert line.startswith("connections used: 82.")


def test_it_is_read_only(server: EmbeddedPostgres) -> None:
    server.execute("alter system set default_transaction_read_only = on", "select pg_reload_conf()")
    try:
        found = wait_until(lambda: _frozen(server), "the setting", within_s=5)
        assert red("test_database_is_writable", database=found) == [
            "database: read-only by default_transaction_read_only, limit = writable"
        ]
    finally:
        server.execute(
            "set default_transaction_read_only = off",
            "alter system reset default_transaction_read_only",
            "select pg_reload_conf()",
        )


def _frozen(server: EmbeddedPostgres) -> Database | NotYet:
    found = connected(server.section())
    found.close()
    return found if found.read_only else NotYet("writable")


def test_a_role_that_may_only_read_does_not_make_the_server_read_only(
    server: EmbeddedPostgres,
) -> None:
    server.execute(
        "create role watcher login password 'of-a-watcher'",
        "alter role watcher set default_transaction_read_only = on",
    )
    try:
        found = connected(server.section(user="watcher", password="of-a-watcher"))
        assert not found.read_only
        with pytest.raises(Unreadable, match="GRANT pg_monitor TO watcher"):
            sessions(found)
        found.close()
    finally:
        server.execute("drop role watcher")


def test_a_standby_is_in_recovery(server: EmbeddedPostgres) -> None:
    server.stop()
    (server.data / "standby.signal").touch()
    try:
        server.start()
        found = connected(server.section())
        assert found.in_recovery
        assert red("test_database_answers", database=found) == []
        assert red("test_database_is_writable", database=found) == [
            "database: in recovery, limit = writable"
        ]
        sessions(found)
        upkeep(found)
        found.close()
    finally:
        server.stop()
        (server.data / "standby.signal").unlink(missing_ok=True)
        server.start()


def test_a_restart_shows_and_ends_the_connection(
    server: EmbeddedPostgres, database: Database
) -> None:
    server.restart()
    with pytest.raises(Unreachable, match="connection lost"):
        database.rows("select 1")
    after = connected(server.section())
    assert after.started_at is not None
    assert database.started_at is not None
    assert after.started_at > database.started_at
    after.close()


def test_a_killed_server_is_down(server: EmbeddedPostgres) -> None:
    server.stop(signal.SIGKILL)
    try:
        assert connected(server.section()).down == "connection refused"
    finally:
        server.start()


def test_a_hung_server_holds_nobody(server: EmbeddedPostgres) -> None:
    section = server.section(connect_timeout_s=2, statement_timeout_s=0.5)
    found = connected(section)
    server.signal(signal.SIGSTOP)
    try:
        with pytest.raises(TookTooLong, match=r"no answer within 1\.5 s"):
            found.rows("select 1")
        assert connected(section).down == "no answer in time"
    finally:
        server.signal(signal.SIGCONT)
    found.close()


def test_threads_share_the_connection(database: Database) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.extend(database.rows(f"select {n}")[0]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == list(range(8))


def test_errors_say_what_to_do(server: EmbeddedPostgres, scratch: None) -> None:
    server.execute(
        "create role watcher login password 'of-a-watcher'", "create table bars (ts timestamptz)"
    )
    try:
        found = connected(
            server.section(user="watcher", password="of-a-watcher", lock_timeout_s=0.2)
        )
        keys = {"candles": "market.table", "ts": "market.time_column"}
        with pytest.raises(Unreadable, match=r"^market.table: .*candles.* does not exist"):
            found.rows("select ts from candles", keys=keys)
        with pytest.raises(Unreadable, match=r"^market.time_column: .*ts.* does not exist"):
            found.rows("select ts from pg_class", keys=keys)
        with pytest.raises(Unreadable, match="GRANT USAGE ON SCHEMA public TO watcher"):
            found.rows("select * from public.bars")
        server.execute("grant usage on schema public to watcher")
        with pytest.raises(Unreadable, match="GRANT SELECT ON bars TO watcher"):
            found.rows("select * from public.bars")
        server.execute("grant select on bars to watcher")
        with contextlib.closing(server.connect(autocommit=False)) as holder:
            holder.execute("lock table bars")
            with pytest.raises(TookTooLong, match=r"a lock was not granted within 0\.2 s"):
                found.rows("select * from public.bars")
        found.close()
        brief = connected(server.section(statement_timeout_s=0.2))
        with pytest.raises(TookTooLong, match=r"a statement did not end within 0\.2 s"):
            brief.rows("select pg_sleep(5)")
        brief.close()
    finally:
        server.execute("drop owned by watcher", "drop role watcher")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("connection failed: FATAL:  the database system is starting up", "starting up"),
        ("FATAL:  the database system is in recovery mode", "in recovery after a crash"),
        ("FATAL:  Datenbank »x« existiert nicht", "Datenbank »x« existiert nicht"),
        ("connection timeout expired", "no answer in time"),
        ("", "no reason given"),
    ],
)
def test_reasons_are_short(text: str, short: str) -> None:
    assert connections.reason(text) == short


# Sessions and locks


def test_an_idle_transaction_grows_old(server: EmbeddedPostgres, database: Database) -> None:
    assert red("test_no_transaction_is_old", database_sessions=sessions(database)) == []
    with contextlib.closing(
        server.connect(autocommit=False, application_name="forgetful")
    ) as holder:
        holder.execute("select 1")
        found = sessions(database)
        assert found.oldest is not None
        assert "postgres@postgres (forgetful), idle in transaction" in str(found.oldest)
        strict = Limits(transaction_max_s=0.001)
        [line] = judged(
            CHECKS, "test_no_transaction_is_old", limits=strict, database_sessions=found
        )
        assert line.startswith("longest transaction: ")
        assert "idle in transaction" in found.queries()


def test_a_prepared_transaction_counts(server: EmbeddedPostgres, database: Database) -> None:
    server.execute("begin", "select txid_current()", "prepare transaction 'forgotten'")
    try:
        oldest = sessions(database).oldest
        assert str(oldest) == "postgres@postgres (forgotten), prepared"
    finally:
        server.execute("rollback prepared 'forgotten'")


def test_a_waiting_lock_shows_who_holds_it(
    server: EmbeddedPostgres, database: Database, scratch: None
) -> None:
    server.execute("create table bars (ts timestamptz)")
    assert red("test_no_lock_is_waiting", database_sessions=sessions(database)) == []
    with (
        contextlib.closing(server.connect(autocommit=False, application_name="holder")) as holder,
        contextlib.closing(server.connect(application_name="waiter")) as waiter,
    ):
        holder.execute("lock table bars in access exclusive mode")
        thread = threading.Thread(target=waiter.execute, args=("select * from bars",))
        thread.start()
        try:
            found = wait_until(lambda: _waits_long(database), "a long wait", within_s=5)
            assert red("test_no_lock_is_waiting", database_sessions=found) == [
                "locks waited for longer than 1 s: 1, limit <= 0"
            ]
            chain = found.lock_chain()
            assert "(waiter), active waits" in chain
            assert "for AccessShareLock on bars" in chain
            assert "(holder), idle in transaction: lock table bars" in chain
        finally:
            holder.rollback()
            thread.join(5)


def _waits_long(database: Database) -> Sessions | NotYet:
    found = sessions(database)
    return found if found.waiting_longer_than(1) else NotYet("no wait")


def test_passwords_in_statements_are_left_out(server: EmbeddedPostgres, database: Database) -> None:
    with contextlib.closing(server.connect(autocommit=False)) as holder:
        holder.execute("create role made password 'hunter2'")
        text = sessions(database).queries()
        assert "create role made password ***" in text
        holder.rollback()


# Upkeep


def test_nothing_to_do_on_an_empty_server(database: Database, scratch: None) -> None:
    found = upkeep(database)
    for check in (
        "test_cache_hit_ratio_is_good",
        "test_indexes_are_valid",
        "test_sequences_have_room",
        "test_vacuum_keeps_up",
    ):
        assert red(check, target=None, database_upkeep=found) == []


def test_a_cold_cache(server: EmbeddedPostgres, database: Database, scratch: None) -> None:
    server.execute(
        "create table bars (n int, filler text)",
        "insert into bars select n, repeat('x', 1000) from generate_series(1, 20000) n",
        "checkpoint",
    )
    # After a restart all of it has to be read again.
    server.restart()
    server.execute("select pg_stat_reset()", "select count(filler) from bars")
    after = connected(server.section())
    found = upkeep(after)
    after.close()
    assert found.cache.accesses > 1000
    fewer = Limits(cache_accesses_min=1000)
    [line] = red("test_cache_hit_ratio_is_good", database_upkeep=found, limits=fewer)
    assert line.startswith("cache hits: ")


def test_an_invalid_index(server: EmbeddedPostgres, database: Database, scratch: None) -> None:
    server.execute("create table bars (n int)", "insert into bars values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        server.execute("create unique index concurrently bars_n on bars (n)")
    assert red("test_indexes_are_valid", database_upkeep=upkeep(database)) == [
        "indexes: bars_n is invalid, limit = all valid"
    ]
    server.execute("drop index bars_n")
    assert red("test_indexes_are_valid", database_upkeep=upkeep(database)) == []


def test_sequences_near_their_end(
    server: EmbeddedPostgres, database: Database, scratch: None
) -> None:
    server.execute(
        "create table fresh (id bigint generated always as identity)",
        "create table narrow (id int generated by default as identity)",
        "select setval('narrow_id_seq', 2000000000)",
        # A bigint sequence behind an integer column, not owned by it.
        "create sequence wide",
        "create table filled (id int default nextval('wide'))",
        "select setval('wide', 1900000000)",
        "create sequence down increment -1 minvalue -100",
        "select setval('down', -90)",
        "create sequence turns maxvalue 10 cycle",
        "select setval('turns', 10)",
    )
    found = {one.name: one for one in upkeep(database).sequences}
    assert set(found) == {"fresh_id_seq", "narrow_id_seq", "wide", "down"}
    assert found["fresh_id_seq"].used_percent == 0
    assert found["wide"].used_percent == pytest.approx(88.5, abs=0.1)
    assert found["wide"].fills == "filled.id"
    assert found["down"].used_percent == pytest.approx(90)
    lines = red("test_sequences_have_room", target=None, database_upkeep=upkeep(database))
    assert [line.partition(":")[0] for line in lines] == [
        "sequence narrow_id_seq",
        "sequence down",
        "sequence wide",
    ]


def test_a_sequence_that_may_not_be_read_is_no_empty_one(
    server: EmbeddedPostgres, scratch: None
) -> None:
    server.execute(
        "create role watcher login password 'of-a-watcher' in role pg_monitor",
        "grant usage on schema public to watcher",
        "create sequence secret",
        "select setval('secret', 9223372036854775000)",
    )
    try:
        target = server.target(database=server.section(user="watcher", password="of-a-watcher"))
        found: Database = connections.database.measure(target)
        with pytest.raises(Unreadable, match="GRANT SELECT ON SEQUENCE secret TO watcher"):
            red("test_sequences_have_room", target=target, database_upkeep=upkeep(found))
        assert sessions(found).used >= 1
        found.close()
    finally:
        server.execute("drop owned by watcher", "drop role watcher")


def test_vacuum_falls_behind(server: EmbeddedPostgres, database: Database, scratch: None) -> None:
    server.execute(
        "create table bars (n int) with (autovacuum_enabled = off)",
        "create table patient (n int) with (autovacuum_enabled = off, "
        "autovacuum_vacuum_threshold = 1000000)",
        "insert into bars select generate_series(1, 20000)",
        "insert into patient select generate_series(1, 20000)",
        "update bars set n = n",
        "update patient set n = n",
        "vacuum analyze pg_class",
        "analyze bars",
        "select pg_stat_force_next_flush()",
    )
    assert [one.table for one in upkeep(database).overdue] == ["bars"]
    assert red("test_vacuum_keeps_up", database_upkeep=upkeep(database)) == [
        "overdue for vacuum: 1 tables, limit <= 0"
    ]
    server.execute("vacuum bars", "select pg_stat_force_next_flush()")
    assert red("test_vacuum_keeps_up", database_upkeep=upkeep(database)) == []


def test_small_tables_are_left_alone(
    server: EmbeddedPostgres, database: Database, scratch: None
) -> None:
    server.execute(
        "create table few (n int) with (autovacuum_enabled = off)",
        "insert into few select generate_series(1, 500)",
        "update few set n = n",
        "select pg_stat_force_next_flush()",
    )
    assert [one.dead_rows for one in upkeep(database).overdue] == [500]
    assert red("test_vacuum_keeps_up", database_upkeep=upkeep(database)) == []


# Statements


def test_without_statistics_statements_are_not_part(database: Database) -> None:
    with pytest.raises(NotPart, match="shared_preload_libraries"):
        database_statements.measure(database)


def test_slow_statements(server: EmbeddedPostgres, database: Database, scratch: None) -> None:
    server.execute(
        "create schema monitoring",
        "create extension pg_stat_statements schema monitoring",
        "select monitoring.pg_stat_statements_reset()",
        *["select pg_sleep(0.12)"] * 5,
        *["select 'quick'"] * 5,
        *["select pg_sleep(0.13), 'rare'"] * 2,
    )
    try:
        found = {one.query: one for one in database_statements.measure(database)}
        assert "select pg_sleep($1)" in found
        assert "select pg_sleep($1), $2" not in found, "too few calls say nothing"
        [missed] = red("test_statements_are_fast", database_statements=tuple(found.values()))
        assert missed.startswith("statement select pg_sleep($1): 12")
        assert missed.endswith(" ms, limit < 100")
        quick = tuple(one for one in found.values() if one.mean_ms < 100)
        assert quick
        assert red("test_statements_are_fast", database_statements=quick) == []
        assert red("test_statements_are_fast", database_statements=()) == []
    finally:
        server.execute("drop schema monitoring cascade")
