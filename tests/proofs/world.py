"""The system the proofs break and heal: a sandbox of their own, with a proxy and an alert server."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixtures import sandbox, targets
from fixtures import sandbox_data as data
from runbook import process
from runbook.waiting import NotYet, wait_until
from tests.http_server import HttpServer
from tests.proxy import Proxy
from tests.server_certificate import make_certificate

PROJECT = Path(__file__).parent.parent.parent


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
            f"{r['occasion']}/{r['check'].removeprefix('test_')}"
            + (f"[{r['subject']}]" if r["subject"] else ""): (r["verdict"], r["reason"])
            for r in records["checks"].values()
        }
        return Outcome(done.returncode, text, verdicts, reports / "latest")

    def sql(self, *statements: str, user: str = data.OWNER) -> list[tuple[Any, ...]]:
        """Run statements one by one; the rows of the last one that has some."""
        rows: list[tuple[Any, ...]] = []
        with data.connect(self.box.folder, user, self.port) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else rows
        return rows

    def send(self, name: str, number: int) -> None:
        """Send one of the stack's processes a signal."""
        os.killpg(sandbox.pids(self.root)[name], number)

    def end(self, name: str, number: int = signal.SIGKILL) -> None:
        """End one of the stack's processes and see it gone."""
        self.send(name, number)
        wait_until(
            lambda: name not in sandbox.pids(self.root) or NotYet("still there"),
            f"{name} to end",
            within_s=10,
        )
        for child in self.box.children:
            child.poll()

    def start_database(self) -> None:
        """Start the database where it was."""
        argv_port = self.port
        folder = self.box.folder
        started = process.start(
            data.postgres.server(folder.pgdata, argv_port, tie=True),
            output=folder.logs / "db.log",
        )
        sandbox._remember(folder, "db", started)
        self.box.children.append(started)
        data.connect(folder, "postgres", argv_port, database="postgres").close()

    def start_api(self, **env: str) -> None:
        """Start the API where it was, and wait until it is healthy again or says why not."""
        import socket

        upstream = self.proxy.upstream
        listener = socket.create_server(("127.0.0.1", upstream.port or 0))
        settings = dict(data.stack_env(self.box.folder, self.port, 7)) | env
        self.box.children.append(
            sandbox.start_api(self.box.folder, settings, listener, tie=True)
        )
        listener.close()
        self.wait_for_api()

    def wait_for_api(self) -> None:
        """Wait until the API answers that it is healthy."""
        url = self.box.places["api_url"]
        wait_until(lambda: sandbox._healthy(self.box.folder, url), "the API", within_s=30)

    def start_trader(self) -> None:
        """Start the trader again."""
        env = dict(data.stack_env(self.box.folder, self.port, 7))
        env["API_URL"] = self.box.places["api_url"]
        self.box.children.append(sandbox.start_trader(self.box.folder, env, tie=True))

    def restart_api(self, **env: str) -> None:
        """End the API and start it, without leaving a trace of it in its own history."""
        self.end("api")
        self.start_api(**env)
        self.forget_restarts()

    def forget_restarts(self) -> None:
        """Remove the API's note of its earlier starts."""
        for path in (self.root / "state").iterdir():
            lines = path.read_text("utf-8").splitlines()
            path.write_text("".join(f"{line}\n" for line in lines[-1:]), "utf-8")

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
            for name in ("models", "backups"):
                shutil.rmtree(self.root / name, ignore_errors=True)
                shutil.copytree(kept / name, self.root / name)
            shutil.copy2(kept / "approvals.toml", self.box.folder.approvals)
            for path in self.box.folder.logs.iterdir():
                if path in sizes:
                    os.truncate(path, sizes[path]) if path.stat().st_size > sizes[path] else None


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

[alerts]
kind = "alertmanager"
url = "{alerts}"
ca_file = "{ca_file}"

[certificates]
ca_file = "{ca_file}"

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

# Short, so that a proof need not wait: set before any fault, never changed by one.
[limits]
transaction_max_s = 4
"""


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start it, and end it whatever happens."""
    certificate = make_certificate(folder, days=90)
    box = sandbox.start(
        targets.cache_folder(), 7, keep=False, tell=lambda text: None, private=True
    )
    proxy = Proxy(box.places["api_url"])
    try:
        with HttpServer(certificate) as alerts:
            alerts.behave("alertmanager_ok")
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


def background(connection: Any, statement: str) -> None:
    """Send a statement that will wait, without waiting for it."""
    connection.pgconn.send_query(statement.encode())


__all__ = ["Outcome", "World", "background", "subprocess", "world"]
