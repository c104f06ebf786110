"""The system the proofs break and heal: a sandbox of their own, with a proxy and an alert server."""

import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fixtures import embedded_postgres as postgres
from fixtures import sandbox, targets
from fixtures import sandbox_data as data
from fixtures import sandbox_database as database
from fixtures import sandbox_processes as processes
from runbook import process
from runbook.waiting import NotYet, wait_until
from tests.embedded_postgres import children, is_alive
from tests.http_server import HttpServer
from tests.proxy import Passing, Proxy
from tests.server_certificate import Certificate, make_certificate

PROJECT = Path(__file__).parent.parent.parent
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "USDCHF")


@dataclass
class Outcome:
    """What one run of the suite said."""

    exit: int
    screen: str
    verdicts: dict[str, tuple[str, str]]
    folder: Path

    @property
    def red(self) -> dict[str, tuple[str, str]]:
        """Verdict and reason of every check that is neither passed nor skipped."""
        return {k: v for k, v in self.verdicts.items() if v[0] not in ("passed", "skipped")}


@dataclass
class World:
    """A running stack; every method that breaks something has one that mends it."""

    box: sandbox.Sandbox
    proxy: Proxy
    alerts: HttpServer
    folder: Path
    target: Path
    wrapper: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The sandbox's files."""
        return self.box.folder.root

    @property
    def port(self) -> int:
        """The database's port."""
        return int(self.box.places["database_port"])

    def judge(self, occasion: str = "morning", *more: str, screen: int = 100) -> Outcome:
        """Run the suite on this world, as an operator would, in a process of its own."""
        reports = self.folder / "reports"
        done = process.run(
            [
                *self.wrapper, sys.executable, "-m", "pytest", "-m", occasion, "-p", "no:cacheprovider",
                "--target", self.target, "--reports", reports, *more,
            ],
            cwd=PROJECT,
            env={"COLUMNS": str(screen)},
            within_s=120,
        )  # fmt: skip
        text = done.text + done.stderr.decode("utf-8", "replace")
        path = reports / "latest" / "records.json"
        assert path.exists(), f"the run wrote no records:\n{text}"
        records = json.loads(path.read_text("utf-8"))
        verdicts = {
            r["check"].removeprefix("test_") + (f"[{r['subject']}]" if r["subject"] else ""): (
                r["verdict"],
                r["reason"],
            )
            for r in records["checks"].values()
        }
        return Outcome(done.returncode, text, verdicts, reports / "latest")

    def sql(self, *statements: str, user: str = data.OWNER) -> list[tuple[Any, ...]]:
        """Run statements one by one; the rows of the last one that has some."""
        rows: list[tuple[Any, ...]] = []
        with database.connect(self.box.folder, user, self.port) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else rows
        return rows

    def send(self, name: str, number: int) -> None:
        """Send one of the stack's processes a signal."""
        os.killpg(processes.pids(self.root)[name], number)

    def end(self, name: str, number: int = signal.SIGKILL) -> None:
        """End one of the stack's processes and see it and its children gone."""
        leader = processes.pids(self.root)[name]
        family = [leader, *children(leader)]
        self.send(name, number)
        wait_until(
            lambda: not any(map(is_alive, family)) or NotYet("still there"),
            f"{name} to end",
            within_s=20,
        )
        for child in self.box.children:
            child.poll()

    def start_database(self) -> None:
        """Start the database where it was."""
        argv_port = self.port
        folder = self.box.folder
        started = process.start(
            postgres.server(folder.pgdata, argv_port, tie=True),
            output=folder.logs / "db.log",
        )
        processes.remember(folder.root, "db", started)
        self.box.children.append(started)
        database.connect(folder, "postgres", argv_port, database="postgres").close()

    def start_api(self, **env: str) -> None:
        """Start the API where it was, and wait until it is healthy."""
        self._start_api(env)
        self.wait_for_api()

    def _start_api(self, env: dict[str, str]) -> None:
        listener = wait_until(self._bound, "the API's port to be free", within_s=5)
        settings = dict(data.stack_env(self.box.folder, self.port, 7)) | env
        started = sandbox.start_api(self.box.folder, settings, listener, tie=True)
        self.box.children.append(started)
        listener.close()

    def wait_for_api(self) -> None:
        """Wait until the API answers that it is healthy."""
        wait_until(self._is_healthy, "the API to be healthy", within_s=30)

    def _is_healthy(self) -> bool | NotYet:
        status, text = self._health()
        return status == 200 or NotYet(text)

    def _answers(self) -> bool | NotYet:
        status, text = self._health()
        return (status > 0 and "loading" not in text) or NotYet(text)

    def _health(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.box.places['api_url']}/health", timeout=5) as it:
                return it.status, it.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def _bound(self) -> socket.socket | NotYet:
        # A killed process's last thread may hold the port a moment longer than its first.
        try:
            return socket.create_server(("127.0.0.1", self.proxy.upstream.port or 0))
        except OSError as error:
            return NotYet(str(error))

    def start_trader(self, **more: str) -> None:
        """Start the trader again."""
        env = dict(data.stack_env(self.box.folder, self.port, 7))
        env |= {"API_URL": self.box.places["api_url"]} | more
        self.box.children.append(sandbox.start_trader(self.box.folder, env, tie=True))

    def restart_api(self, **env: str) -> None:
        """End the API and start it, without a trace of it in its own history.

        The trader pauses meanwhile: requests before the model is loaded count as errors.
        """
        trading = "trader" in processes.pids(self.root)
        if trading:
            self.end("trader")
        if "api" in processes.pids(self.root):
            self.end("api")
        self.start_api(**env)
        self.forget_restarts()
        if trading:
            self.start_trader()
            self.pause_s(1.2, "requests to come in")

    def start_api_ill(self) -> None:
        """Start the API and wait until it answers, whatever it says."""
        self._start_api({})
        wait_until(self._answers, "any answer of the API", within_s=20)

    @contextmanager
    def locked_in_turns(self, table: str, *, held_s: float, free_s: float) -> Iterator[None]:
        """Somebody locks a table, lets go of it, and locks it again, all the time."""
        over = threading.Event()

        def lock() -> None:
            with database.connect(self.box.folder, data.OWNER, self.port) as connection:
                while not over.is_set():
                    with connection.transaction():
                        connection.execute(f"lock table {table} in access exclusive mode")
                        over.wait(held_s)
                    over.wait(free_s)

        thread = threading.Thread(target=lock)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def send_all(self, name: str, number: int) -> None:
        """Send a signal to a process's children too: each of PostgreSQL's leads its own group."""
        leader = processes.pids(self.root)[name]
        for pid in (leader, *children(leader)):
            os.kill(pid, number)

    def pause_s(self, seconds: float, what: str) -> None:
        """Let time pass, where the fault is that time passes."""
        assert what
        threading.Event().wait(seconds)

    def settle(self) -> None:
        """Forget what a restart of the database left in its statistics."""
        self.sql("select pg_stat_reset(), pg_stat_statements_reset()", user="postgres")

    @contextmanager
    def feed_stopped(self) -> Iterator[None]:
        """No new bars, while the trader goes on asking for predictions."""
        self.end("trader")
        self.start_trader(DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
        try:
            yield
        finally:
            self.end("trader")

    def top_up(self) -> None:
        """Add the bars that are missing, as the feed does."""
        env = data.stack_env(self.box.folder, self.port, 7)
        argv = [sys.executable, "-m", "stack.load"]
        process.run(argv, cwd=PROJECT, env=env, within_s=60).checked()

    def train(self, *, fails: bool = False) -> None:
        """Run the trainer."""
        env = data.stack_env(self.box.folder, self.port, 7)
        argv = [sys.executable, "-m", "stack.train"]
        done = process.run(argv, cwd=PROJECT, env=env, within_s=60)
        assert bool(done.returncode) == fails, done.text

    def edit_json(self, name: str, **changes: Any) -> None:
        """Change keys of one of the stack's JSON files."""
        path = self.root / name
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")

    def ago(self, **span: float) -> str:
        """A moment in the past, as the trainer writes it."""
        return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="seconds")

    def age_backups(self, days: int) -> None:
        """Leave one backup, taken that long ago by its own header, with its right checksum."""
        *others, newest = sorted((self.root / "backups").glob("*.dump"))
        for path in others:
            path.unlink()
        content = bytearray(newest.read_bytes())
        then = datetime.now(UTC) - timedelta(days=days)
        # Magic, version, sizes, format and compression take 12 bytes; then come second, minute,
        # hour, day, month and year, each as a sign and four bytes, least significant first.
        values = (then.second, then.minute, then.hour, then.day, then.month - 1, then.year - 1900)
        for place, value in enumerate(values):
            start = 12 + 5 * place
            content[start : start + 5] = b"\0" + value.to_bytes(4, "little")
        newest.write_bytes(content)
        write_checksum(newest)

    def dump(self, *options: str) -> None:
        """Take a backup with other options than the runbook's."""
        path = self.root / "backups" / f"mt5_trading_{datetime.now(UTC):%Y%m%d_%H%M%S}.dump"
        env = data._pg_env(self.box.folder, data.OWNER, self.port)
        argv = [postgres.program("pg_dump"), "-Fc", "-f", path, "-d", database.DATABASE, *options]
        process.run(argv, env=env, within_s=60).checked()
        write_checksum(path)

    @contextmanager
    def volume(self, options: str, *, size: int = 0, files: int = 0) -> Iterator[None]:
        """A volume that the suite finds mounted, filled with that many bytes and files."""
        folder = self.root / "volume"
        folder.mkdir(exist_ok=True)
        script = PROJECT / "tests" / "proofs" / "in_volume.py"
        self.wrapper = [
            "unshare", "--user", "--map-root-user", "--mount", sys.executable, str(script),
            str(folder), options, str(size), str(files), "--",
        ]  # fmt: skip
        try:
            yield
        finally:
            self.wrapper = []
            folder.rmdir()

    @contextmanager
    def certificate(self, *, days: float, host: str = "127.0.0.1") -> Iterator[None]:
        """Another certificate on the alert server."""
        self._use(make_certificate(self.folder, days=days, host=host))
        try:
            yield
        finally:
            self._use(make_certificate(self.folder, days=90))

    def _use(self, certificate: Certificate) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.alerts._listener.context = context

    @contextmanager
    def predictions_changed(self, **fields: Any) -> Iterator[None]:
        """The proxy hands out predictions with other values."""

        def change(answer: Passing) -> None:
            if answer.path.startswith("/predict") and answer.status == 200:
                answer.body = json.dumps(json.loads(answer.body) | fields).encode()

        with self.proxy.changed(change):
            yield

    def forget_restarts(self) -> None:
        """Remove the API's note of its earlier starts."""
        for path in (self.root / "state").iterdir():
            lines = path.read_text("utf-8").splitlines()
            path.write_text("".join(f"{line}\n" for line in lines[-1:]), "utf-8")

    def models_back(self) -> None:
        """Put the models and the approvals back as they were before the fault."""
        kept = self.folder / "kept"
        shutil.rmtree(self.root / "models", ignore_errors=True)
        shutil.copytree(kept / "models", self.root / "models")
        shutil.copy2(kept / "approvals.toml", self.box.folder.approvals)

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Put files that a fault touches back as they were: models, backups, logs, approvals."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        sizes = {path: path.stat().st_size for path in self.box.folder.logs.iterdir()}
        for name in ("models", "backups"):
            shutil.copytree(self.root / name, kept / name)
        shutil.copy2(self.box.folder.approvals, kept / "approvals.toml")
        try:
            yield
        finally:
            self.models_back()
            shutil.rmtree(self.root / "backups", ignore_errors=True)
            shutil.copytree(kept / "backups", self.root / "backups")
            for path in self.box.folder.logs.iterdir():
                if path.stat().st_size > sizes.get(path, 0):
                    os.truncate(path, sizes.get(path, 0))


_TARGET = """
[services.api]
url = "{proxy}/health"

[services.db]
kind = "postgres"
layer = "db"

[api]
url = "{proxy}"
expected_version = "v1.2.0"
expected_build = "sandbox"

[database]
host = "127.0.0.1"
port = {port}
name = "mt5_trading"
user = "watcher"

[market]
symbols = ["EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "USDCHF"]

[metrics]
url = "{proxy}/metrics"
window_s = 2

[alerts]
kind = "grafana"
url = "{alerts}"
ca_file = "{ca_file}"

[certificates]
ca_file = "{ca_file}"

[logs]
window_h = 0.05

[logs.sources.api]
files = "{root}/logs/api.log*"
service = "api"

[logs.sources.db]
files = "{root}/logs/db.log*"
service = "db"

[logs.sources.trader]
files = "{root}/logs/trader.log*"

[disk]

[training]
folder = "{root}/models"
approvals = "{root}/approvals.toml"

[backups]
folder = "{root}/backups"
database = "mt5_trading"

[clock]

# These and the log's window are short, so that a proof need not wait: set before any fault, and
# never changed by one.
[limits]
transaction_max_s = 4
disk_used_max_percent = 95
inodes_used_max_percent = 95
"""


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start it, and end it whatever happens."""
    certificate = make_certificate(folder, days=90)
    box = sandbox.start(targets.cache_folder(), 7, keep=False, tell=lambda text: None, private=True)
    (box.folder.secrets / "alerts__token").write_text("glsa_proof_token", "utf-8")
    proxy = Proxy(box.places["api_url"])
    try:
        with HttpServer(certificate) as alerts:
            alerts.behave("grafana_ok")
            target = folder / "proofs.toml"
            text = _TARGET.format(
                proxy=proxy.url, alerts=alerts.url, port=box.places["database_port"],
                root=box.places["root"], ca_file=certificate.ca_file,
            )  # fmt: skip
            target.write_text(f'secrets_dir = "{box.places["root"]}/secrets"\n{text}', "utf-8")
            yield World(box, proxy, alerts, folder, target)
    finally:
        proxy.close()
        sandbox.end(box)


def write_checksum(path: Path) -> None:
    """Write the checksum file that belongs to a dump."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n", "utf-8")
