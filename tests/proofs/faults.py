"""Every fault the proofs inject, and exactly which checks it turns, with the words they say.

A fault changes the system: its processes, data, files or network. It never changes a limit, a
probe, a clock of the checks or the target file.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures import sandbox_data as data
from fixtures import sandbox_database as database
from tests.proofs.world import World
from tests.proxy import Passing

Inject = Callable[[World], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """One way to break the system.

    `proves` names the check that this fault is the proof of: `tests` runs the first fault of each
    check, `tests --full` all. What it turns stands in `turns.toml` under its name. A fault
    `in_market_hours` can't be seen at the weekend, when nothing is asked of the stack.
    """

    name: str
    proves: str
    occasion: str
    in_market_hours: bool
    inject: Callable[[World], AbstractContextManager[None]]


FAULTS: list[Fault] = []


def fault(
    proves: str, occasion: str = "morning", *, in_market_hours: bool = False
) -> Callable[[Inject], Inject]:
    """Add a fault to the table; the function's name is the fault's."""

    def add(inject: Inject) -> Inject:
        name = inject.__name__.replace("_", " ")
        FAULTS.append(Fault(name, proves, occasion, in_market_hours, contextmanager(inject)))
        return inject

    return add


# --- services ---------------------------------------------------------------------------------


@fault("service_is_healthy")
def api_killed(world: World) -> Iterator[None]:
    world.end("api")
    yield
    world.restart_api()


@fault("service_is_healthy")
def api_frozen(world: World) -> Iterator[None]:
    world.send("api", signal.SIGSTOP)
    yield
    world.send("api", signal.SIGCONT)
    world.wait_for_api()
    world.pause_s(1.5, "the API to write today's time into its answers again")


@fault("service_is_healthy")
def api_answers_200_with_a_bad_body(world: World) -> Iterator[None]:
    def change(answer: Passing) -> None:
        if answer.path == "/health":
            answer.status, answer.body = 200, b"<html><body>It works!</body></html>"
            answer.headers["content-type"] = "text/html"

    with world.proxy.changed(change):
        yield


@fault("service_is_healthy")
def api_has_no_model(world: World) -> Iterator[None]:
    model = world.root / "models" / "rf_m1.pkl"
    model.rename(model.with_suffix(".away"))
    world.end("api")
    world.start_api_ill()
    yield
    model.with_suffix(".away").rename(model)
    world.restart_api()


@fault("service_answers_quickly")
def proxy_slows_health_answers(world: World) -> Iterator[None]:
    def change(answer: Passing) -> None:
        if answer.path == "/health":
            answer.wait_s = 0.3

    with world.proxy.changed(change):
        yield


@fault("service_has_not_restarted")
def api_crashed_and_was_restarted(world: World) -> Iterator[None]:
    world.end("api")
    world.start_api()
    yield
    world.restart_api()


# --- alerts -----------------------------------------------------------------------------------


@fault("no_alert_is_firing")
def an_alert_fires(world: World) -> Iterator[None]:
    world.alerts.behave("grafana_firing")
    yield
    world.alerts.behave("grafana_ok")


@fault("no_alert_is_firing")
def alert_server_shows_a_login_page(world: World) -> Iterator[None]:
    world.alerts.behave("login_page")
    yield
    world.alerts.behave("grafana_ok")


@fault("alert_rules_are_evaluated")
def an_alert_rule_is_in_error(world: World) -> Iterator[None]:
    world.alerts.behave("grafana_rule_error")
    yield
    world.alerts.behave("grafana_ok")


# --- logs -------------------------------------------------------------------------------------


@fault("log_is_free_of_errors")
def a_statement_fails_in_the_database(world: World) -> Iterator[None]:
    with database.connect(world.box.folder, data.OWNER, world.port) as connection:
        connection.pgconn.exec_(b"select 1/0")
    yield


@fault("log_is_free_of_errors")
def a_log_was_cut(world: World) -> Iterator[None]:
    log = world.box.folder.logs / "db.log"
    kept = log.read_bytes()
    os.truncate(log, 0)
    world.pause_s(4, "the service to be older than what is left of its log")
    world.sql("select pg_reload_conf()", user="postgres")
    yield
    log.write_bytes(kept)


# --- disk -------------------------------------------------------------------------------------


@fault("disk_has_headroom")
def a_volume_is_full_of_bytes(world: World) -> Iterator[None]:
    with world.volume("size=4m", size=4_150_000):
        yield


@fault("inodes_have_headroom")
def a_volume_is_full_of_files(world: World) -> Iterator[None]:
    with world.volume("size=4m,nr_inodes=64", files=62):
        yield


# --- metrics ----------------------------------------------------------------------------------


@fault("requests_are_arriving", in_market_hours=True)
def nobody_asks_the_api(world: World) -> Iterator[None]:
    world.end("trader")
    yield
    world.start_trader()


@fault("error_rate_is_low", in_market_hours=True)
def a_symbol_has_no_bars(world: World) -> Iterator[None]:
    world.sql(
        "create table bars_kept as select * from market_data where symbol = 'USDCHF'",
        "update market_data set symbol = 'OLDCHF' where symbol = 'USDCHF'",
    )
    with world.feed_stopped():
        world.pause_s(2.5, "requests to fail")
        yield
    world.sql(
        "delete from market_data where symbol in ('OLDCHF', 'USDCHF')",
        "insert into market_data select * from bars_kept",
        "drop table bars_kept",
    )
    world.start_trader()
    world.restart_api()


@fault("latency_p95_is_low")
def the_bars_are_locked_most_of_the_time(world: World) -> Iterator[None]:
    with world.locked_in_turns("market_data", held_s=0.6, free_s=0.005):
        world.pause_s(3, "requests to wait")
        yield
    world.restart_api()


# --- training ---------------------------------------------------------------------------------


@fault("model_belongs_to_its_metrics")
def metrics_of_another_model(world: World) -> Iterator[None]:
    world.edit_json("models/rf_m1_metrics.json", model_sha256="0" * 64)
    yield


@fault("last_training_succeeded")
def a_training_run_failed(world: World) -> Iterator[None]:
    world.sql("alter table trainset_m1 rename to trainset_kept")
    world.train(fails=True)
    world.sql("alter table trainset_kept rename to trainset_m1")
    yield


@fault("training_is_recent")
def nothing_was_trained_for_two_weeks(world: World) -> Iterator[None]:
    world.edit_json("models/rf_m1_metrics.json", trained_at=world.ago(days=14))
    world.edit_json("models/rf_m1_last_run.json", finished_at=world.ago(days=14))
    yield


@fault("model_loads_without_trust")
def a_model_that_runs_a_command(world: World) -> Iterator[None]:
    marker = world.folder / "it-ran"
    evil = b"cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    (world.root / "models" / "rf_m1.pkl").write_bytes(evil)
    yield
    assert not marker.exists(), "the model was unpickled"


@fault("served_model_is_approved")
def a_retrained_model_nobody_approved(world: World) -> Iterator[None]:
    # On other rows: the same rows and seed give the same model, and that one is approved.
    world.sql(
        "delete from trainset_m1 where ts < (select min(ts) + interval '2 days' from trainset_m1)"
    )
    world.train()
    world.restart_api()
    yield
    world.models_back()
    world.restart_api()


# --- market data ------------------------------------------------------------------------------


@fault("bars_are_fresh", in_market_hours=True)
def no_bars_for_half_an_hour(world: World) -> Iterator[None]:
    with world.feed_stopped():
        world.sql(
            "delete from market_data where ts >= (select max(ts) from market_data)"
            " - interval '30 minutes'"
        )
        yield
    world.top_up()
    world.start_trader()
    world.restart_api()


@fault("bars_have_no_gap", in_market_hours=True)
def half_an_hour_of_bars_is_missing(world: World) -> Iterator[None]:
    newest = "select ts from market_data where symbol = 'GBPUSD' order by ts desc"
    where = f"symbol = 'GBPUSD' and ts in ({newest} limit 30 offset 15)"
    world.sql(
        f"create table bars_kept as select * from market_data where {where}",
        "delete from market_data where symbol = 'GBPUSD' and ts in (select ts from bars_kept)",
    )
    yield
    world.sql("insert into market_data select * from bars_kept", "drop table bars_kept")


@fault("bars_are_not_in_the_future")
def a_bar_of_tomorrow(world: World) -> Iterator[None]:
    world.sql(
        "insert into market_data select symbol, now() + interval '1 day', open, high, low, close,"
        " volume, spread from market_data where symbol = 'AUDUSD' order by ts desc limit 1"
    )
    yield
    world.sql("delete from market_data where ts > now() + interval '1 hour'")


@fault("bars_are_unique", in_market_hours=True)
def a_bar_twice(world: World) -> Iterator[None]:
    newest = "symbol = 'USDJPY' and ts = (select max(ts) from market_data where symbol = 'USDJPY')"
    world.sql(
        "create index stands_in on market_data (symbol, ts)",
        "alter table market_data drop constraint market_data_pkey",
        f"insert into market_data select * from market_data where {newest}",
    )
    yield
    world.sql(
        "delete from market_data a using market_data b"
        " where a.ctid > b.ctid and a.symbol = b.symbol and a.ts = b.ts",
        "alter table market_data add primary key (symbol, ts)",
        "drop index stands_in",
    )


# --- database ---------------------------------------------------------------------------------


@fault("database_answers")
def database_killed(world: World) -> Iterator[None]:
    world.end("db")
    yield
    world.start_database()
    world.wait_for_api()
    world.settle()
    world.restart_api()


@fault("database_answers")
def database_frozen(world: World) -> Iterator[None]:
    # How many requests end while the suite counts would be chance; so nobody asks.
    world.end("trader")
    world.send_all("db", signal.SIGSTOP)
    yield
    world.send_all("db", signal.SIGCONT)
    world.wait_for_api()
    world.restart_api()
    world.start_trader()
    world.pause_s(1.2, "requests to come in")


@fault("database_is_writable")
def database_is_read_only(world: World) -> Iterator[None]:
    world.sql(
        "alter system set default_transaction_read_only = on", "select pg_reload_conf()",
        user="postgres",
    )  # fmt: skip
    world.pause_s(3.5, "somebody to try to write")
    yield
    world.sql(
        "set default_transaction_read_only = off",
        "alter system reset default_transaction_read_only", "select pg_reload_conf()",
        user="postgres",
    )  # fmt: skip


@fault("connections_are_left")
def nearly_all_connections_are_used(world: World) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(28):
            stack.enter_context(database.connect(world.box.folder, data.OWNER, world.port))
        yield


@fault("no_transaction_is_old")
def a_transaction_was_left_open(world: World) -> Iterator[None]:
    with database.connect(world.box.folder, data.OWNER, world.port) as connection:
        connection.execute("begin")
        connection.execute("select 1")
        world.pause_s(5, "the transaction to grow old")
        yield


@fault("no_lock_is_waiting")
def a_statement_waits_for_a_lock(world: World) -> Iterator[None]:
    folder, port = world.box.folder, world.port
    with (
        database.connect(folder, data.OWNER, port) as one,
        database.connect(folder, data.OWNER, port) as two,
    ):
        one.execute("begin")
        one.execute("lock table trainset_m1 in access exclusive mode")
        waiting = threading.Thread(target=two.execute, args=["select 1 from trainset_m1 limit 1"])
        waiting.start()
        world.pause_s(1.5, "the lock to be waited for")
        yield
        one.execute("rollback")
        waiting.join()


@fault("cache_hit_ratio_is_good")
def everything_is_read_from_disk(world: World) -> Iterator[None]:
    world.sql("select pg_stat_reset()", user="postgres")
    for _ in range(2):
        world.sql("set max_parallel_workers_per_gather = 0", "select sum(volume) from market_data")
    yield
    world.sql("select pg_stat_reset()", user="postgres")


@fault("indexes_are_valid")
def an_index_build_failed(world: World) -> Iterator[None]:
    with database.connect(world.box.folder, data.OWNER, world.port) as connection:
        connection.pgconn.exec_(
            b"create unique index concurrently half_built on trainset_m1 (symbol)"
        )
    yield
    world.sql("drop index half_built")


@fault("sequences_have_room")
def a_sequence_is_near_its_end(world: World) -> Iterator[None]:
    world.sql("create table old_ids (id smallint generated always as identity)")
    world.sql(
        f"grant select on all sequences in schema public to {data.READER}",
        "select setval('old_ids_id_seq', 32000)",
    )
    yield
    world.sql("drop table old_ids")


@fault("statements_are_fast")
def a_statement_is_slow(world: World) -> Iterator[None]:
    for _ in range(6):
        world.sql("select count(*) from trainset_m1, (select pg_sleep(0.2)) slow")
    yield
    world.settle()


@fault("vacuum_keeps_up")
def autovacuum_does_not_keep_up(world: World) -> Iterator[None]:
    world.sql(
        "create table bloated (n int) with (autovacuum_vacuum_threshold = 1000,"
        " autovacuum_enabled = off)",
        "insert into bloated select generate_series(1, 40000)",
        "update bloated set n = n + 1",
        "select pg_stat_force_next_flush()",
    )
    world.pause_s(1.2, "the statistics to be written")
    yield
    world.sql("drop table bloated")


# --- backups ----------------------------------------------------------------------------------


@fault("newest_backup_is_recent")
def no_backup_was_taken_for_two_days(world: World) -> Iterator[None]:
    world.age_backups(days=2)
    yield


@fault("newest_backup_is_recent")
def there_is_no_backup(world: World) -> Iterator[None]:
    for path in (world.root / "backups").iterdir():
        path.unlink()
    yield


@fault("newest_backup_is_not_small")
def a_backup_of_the_schema_alone(world: World) -> Iterator[None]:
    world.dump("--schema-only")
    yield


@fault("newest_backup_matches_its_checksum")
def a_bit_of_the_backup_flipped(world: World) -> Iterator[None]:
    newest = max((world.root / "backups").glob("*.dump"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    yield


# --- clock, certificates ----------------------------------------------------------------------


@fault("clocks_agree")
def the_apis_clock_is_ahead(world: World) -> Iterator[None]:
    world.restart_api(PYTHONPATH=str(Path(__file__).parent / "clock_ahead"))
    yield
    world.restart_api()


@fault("certificates_last")
def a_certificate_is_about_to_expire(world: World) -> Iterator[None]:
    with world.certificate(days=3):
        yield


@fault("certificates_last")
def a_certificate_of_another_host(world: World) -> Iterator[None]:
    with world.certificate(days=90, host="other.example.org"):
        yield


# --- smoke ------------------------------------------------------------------------------------


@fault("api_is_healthy", "smoke")
def smoke_without_a_model(world: World) -> Iterator[None]:
    with contextmanager(api_has_no_model)(world):
        yield


@fault("expected_version_is_served", "smoke")
def the_old_version_still_serves(world: World) -> Iterator[None]:
    world.restart_api(STACK_VERSION="v1.1.0")
    yield
    world.restart_api()


@fault("expected_build_is_served", "smoke")
def another_build_serves(world: World) -> Iterator[None]:
    world.restart_api(STACK_BUILD="0f0f0f0")
    yield
    world.restart_api()


@fault("request_counter_is_there", "smoke")
def the_metrics_page_lost_its_counter(world: World) -> Iterator[None]:
    def change(answer: Passing) -> None:
        answer.body = answer.body.replace(b"requests_total", b"hits_total")

    with world.proxy.changed(change):
        yield


@fault("prediction_is_a_probability", "smoke")
def a_probability_above_one(world: World) -> Iterator[None]:
    with world.predictions_changed(probability=1.7):
        yield


@fault("prediction_is_for_its_symbol", "smoke")
def symbols_are_mixed_up(world: World) -> Iterator[None]:
    with world.predictions_changed(symbol="EURUSD"):
        yield


@fault("prediction_is_of_the_approved_model", "smoke")
def predictions_of_a_model_nobody_approved(world: World) -> Iterator[None]:
    with contextmanager(a_retrained_model_nobody_approved)(world):
        yield


@fault("prediction_is_quick", "smoke")
def predictions_are_slow(world: World) -> Iterator[None]:
    def change(answer: Passing) -> None:
        if answer.path.startswith("/predict"):
            answer.wait_s = 0.3

    with world.proxy.changed(change):
        yield


@fault("wrong_request_gets_a_json_error", "smoke")
def errors_are_answered_as_predictions(world: World) -> Iterator[None]:
    def change(answer: Passing) -> None:
        if answer.status in (400, 404):
            answer.status = 200

    with world.proxy.changed(change):
        yield


# --- triage -----------------------------------------------------------------------------------


@fault("database_layer_is_up", "triage")
def triage_without_a_database(world: World) -> Iterator[None]:
    with contextmanager(database_killed)(world):
        yield


@fault("api_layer_is_up", "triage")
def triage_without_an_api(world: World) -> Iterator[None]:
    with contextmanager(api_killed)(world):
        yield
