"""Bars, predictions and trades all live in one database; when it struggles, everything does."""

from runbook.ids import runbook
from runbook.verdict import Unreachable, Unreadable


def _stands_on_the_database(target):
    return "pgbouncer"


@runbook(
    "morning.database",
    likely="the server is stopped, restarting, or out of connections; or the password changed",
    look="docker compose ps db; docker compose logs --tail 100 db",
    do="incident.api-down",
)
def test_database_answers(database, measured):
    """Without it no bar is stored and no prediction is made."""
    if database.started_at:
        measured.note(f"up since {database.started_at:%a %d %b %H:%M} UTC")
    assert measured(database.down or "answers", of="database") == "answers"


@runbook(
    "morning.database",
    likely="it is a standby, a restore has not finished, or someone froze it for maintenance",
    look='psql -c "show default_transaction_read_only" -c "select pg_is_in_recovery()"',
    do="maintenance.database",
    layer=_stands_on_the_database,
)
def test_database_is_writable(database, measured):
    """A database that only reads loses every bar that arrives."""
    if database.down:
        raise Unreachable(f"database {database.address}: {database.down}")
    state = "in recovery" if database.in_recovery else "writable"
    if database.read_only:
        state = "read-only by default_transaction_read_only"
    assert measured(state, of="database") == "writable"


@runbook(
    "morning.database",
    likely="a service leaks connections, or runs without the pooler",
    look='psql -c "select application_name, state, count(*) from pg_stat_activity group'
    ' by 1, 2 order by 3"',
    do="incident.slow-database",
)
def test_connections_are_left(database_sessions, limits, measured):
    """When none is left the API can't connect again after its next restart."""
    measured.note(f"{database_sessions.used} of {database_sessions.usable} connections")
    used = measured(database_sessions.used_percent, "%", of="connections used")
    assert used < limits.connections_used_max_percent


@runbook(
    "morning.database",
    likely="a client forgot to commit, or a report runs in working hours",
    look='psql -c "select pid, state, xact_start, query from pg_stat_activity order by xact_start"',
    do="incident.slow-database",
)
def test_no_transaction_is_old(database_sessions, limits, measured, evidence):
    """An open transaction keeps its locks and stops vacuum, until trading crawls."""
    oldest = database_sessions.oldest
    if oldest:
        measured.note(f"oldest: {oldest}")
    evidence("sessions", database_sessions.queries())
    age_s = measured(oldest.transaction_s if oldest else 0, "s", of="longest transaction")
    assert age_s < limits.transaction_max_s


@runbook(
    "morning.database",
    likely="an open transaction, or a change of the schema, holds what others need",
    look='psql -c "select pid, pg_blocking_pids(pid), wait_event, query from pg_stat_activity"',
    do="incident.slow-database",
)
def test_no_lock_is_waiting(database_sessions, limits, measured, evidence):
    """Whoever waits for a lock stores no bar and answers no request."""
    evidence("lock waits", database_sessions.lock_chain())
    waits = database_sessions.waiting_longer_than(limits.waiting_lock_max_s)
    for wait in waits:
        measured.note(f"process {wait.pid} waits for {wait.lock}")
    of = f"locks waited for longer than {limits.waiting_lock_max_s:g} s"
    assert measured(len(waits), of=of) <= limits.waiting_locks_max


@runbook(
    "morning.database",
    likely="shared_buffers is too small, or a query reads whole tables",
    look='psql -c "select relname, heap_blks_read, heap_blks_hit from'
    ' pg_statio_user_tables order by 2 desc"',
    do="incident.slow-database",
)
def test_cache_hit_ratio_is_good(database_upkeep, limits, measured):
    """What is not in memory comes from the disk, a hundred times slower."""
    cache = database_upkeep.cache
    if cache.accesses < limits.cache_accesses_min:
        measured.note("too few blocks were asked for since the statistics began to tell a ratio")
        asked = measured(cache.accesses, "blocks asked for", of="cache")
        assert asked < limits.cache_accesses_min
        return
    measured.note(f"{cache.accesses} blocks asked for")
    assert measured(cache.hit_percent, "%", of="cache hits") >= limits.cache_hit_min_percent


@runbook(
    "morning.database",
    likely="CREATE INDEX CONCURRENTLY failed, and what it began was left",
    look='psql -c "select indexrelid::regclass from pg_index where not indisvalid"',
    do="maintenance.database",
)
def test_indexes_are_valid(database_upkeep, measured):
    """An invalid index slows every write and serves no read; a unique one guards nothing."""
    if building := database_upkeep.indexes_being_built:
        measured.note(f"being built now: {', '.join(building)}")
    invalid = ", ".join(f"{name} is invalid" for name in database_upkeep.invalid_indexes)
    assert measured(invalid or "all valid", of="indexes") == "all valid"


@runbook(
    "morning.database",
    likely="an integer key that was never widened to bigint",
    look='psql -c "select * from pg_sequences order by last_value desc nulls last"',
    do="maintenance.database",
)
def test_sequences_have_room(target, database_upkeep, limits, measured):
    """A sequence at its end refuses every further row."""
    readable = [one for one in database_upkeep.sequences if one.used_percent is not None]
    limit = limits.sequence_used_max_percent
    shown = [one for one in readable if one.used_percent >= limit] or readable[:1]
    for one in shown:
        if one.fills:
            measured.note(f"{one.name} fills {one.fills}")
    fullest = [measured(one.used_percent, "%", of=f"sequence {one.name}") for one in shown]
    assert all([used < limit for used in fullest])
    if hidden := [one.name for one in database_upkeep.sequences if one.used_percent is None]:
        grant = f"GRANT SELECT ON SEQUENCE {', '.join(hidden)} TO {target.database.user}"
        raise Unreadable(f"database.user: {target.database.user} can't read sequences; {grant}")
    if not readable:
        assert measured(0, "%", of="sequences, of which there are none") < limit


@runbook(
    "morning.database",
    likely="autovacuum is off or too slow, or an old transaction holds it back",
    look='psql -c "select relname, n_dead_tup, last_autovacuum from pg_stat_user_tables'
    ' order by 2 desc"',
    do="maintenance.database",
)
def test_vacuum_keeps_up(database_upkeep, limits, measured):
    """Dead rows slow every query; a database that runs out of transaction ids stops writing."""
    overdue = database_upkeep.vacuum_overdue(limits.vacuum_dead_rows_min)
    for one in overdue:
        measured.note(str(one))
    tables = measured(len(overdue), "tables", of="overdue for vacuum")
    assert tables <= limits.vacuum_overdue_max_tables


@runbook(
    "morning.database",
    likely="a missing index, old statistics, or a query that reads whole tables",
    look='psql -c "select mean_exec_time, calls, query from pg_stat_statements order by'
    ' 1 desc limit 10"',
    do="incident.slow-database",
)
def test_statements_are_fast(database_statements, limits, measured, evidence):
    """A prediction waits for every statement it needs."""
    limit = limits.statement_mean_max_ms
    lines = [f"{one.mean_ms:.1f} ms, {one.calls} calls: {one.query}" for one in database_statements]
    evidence("slowest statements", "\n".join(lines) or "none was called often enough")
    measured.note("dumps, maintenance and this suite's own statements are left out")
    slow = [one for one in database_statements if one.mean_ms >= limit] or database_statements[:1]
    if not slow:
        assert measured(0, "ms", of="statements, none called often enough") < limit
    assert all([measured(s.mean_ms, "ms", of=f"statement {s.query[:60]}") < limit for s in slow])
