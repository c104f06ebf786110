"""A throw-away PostgreSQL for tests, on a loopback port and in a folder of its own."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import psycopg
from pydantic import SecretStr

from fixtures import target_file
from fixtures.embedded_postgres import initdb, server
from fixtures.targets import Target
from runbook.process import run, start, stop
from runbook.waiting import NotYet, wait_until

PASSWORD = "of-a-throw-away-server"


@dataclass
class EmbeddedPostgres:
    """A running server; its superuser is `postgres`, its database `postgres`."""

    data: Path
    port: int
    settings: Mapping[str, str]
    _process: Popen[bytes] | None = field(default=None, repr=False)

    def start(self, *, ready: bool = True) -> None:
        """Start the server, and wait until it answers."""
        extra = [
            word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")
        ]
        self._process = start(
            [*server(self.data, self.port, tie=True), *extra], output=self.data.parent / "log"
        )
        if ready:
            wait_until(self._answers, "the embedded PostgreSQL", within_s=20)

    def stop(self, first: int = signal.SIGINT) -> None:
        """End it; SIGKILL as `first` is a crash."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            sessions = children(self._process.pid)
            stop(self._process, within_s=10, first=first)
            self._process = None
            # Those of a killed server end a moment later, and until then it can't start again.
            wait_until(
                lambda: not any(map(is_alive, sessions)) or NotYet("its sessions are there"),
                "the server's processes to end",
                within_s=20,
            )

    def signal(self, number: int) -> None:
        """Send a signal to the server and all its sessions: SIGSTOP makes it hang."""
        assert self._process is not None
        # Each session is a process group of its own.
        pid = self._process.pid
        for one in (pid, *children(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start()

    def connect(self, **changed: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A session in autocommit mode; the caller closes it."""
        wanted: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "postgres",
            "dbname": "postgres",
            "password": PASSWORD,
            "connect_timeout": 5,
            "autocommit": True,
        }
        return psycopg.connect(**wanted | changed)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in a session of their own; the rows of the last one."""
        with contextlib.closing(self.connect()) as session:
            for statement in statements:
                cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def section(self, **changed: Any) -> target_file.Database:
        """What a target file would say about it."""
        wanted: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "name": "postgres",
            "user": "postgres",
            "password": SecretStr(PASSWORD),
            "sslmode": "disable",
        }
        return target_file.Database(**wanted | changed)

    def target(self, **sections: Any) -> Target:
        """A target with this database."""
        wanted: dict[str, Any] = {"name": "embedded", "database": self.section()}
        return Target(**wanted | sections)

    def _answers(self) -> bool | NotYet:
        assert self._process is not None
        if self._process.poll() is not None:
            log = self.data.parent / "log"
            raise AssertionError(f"PostgreSQL ended: {log.read_text()[-500:]}")
        try:
            self.connect().close()
        except psycopg.OperationalError as error:
            return NotYet(str(error).splitlines()[0])
        return True


def children(pid: int) -> list[int]:
    """The ids of a process's children; none when it has ended."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether a process is there and not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def embedded_postgres(
    folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedPostgres]:
    """Make a server in a new `folder` and start it. `settings` are configuration parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "password").write_text(PASSWORD)
    run(initdb(folder / "data", folder / "password"), within_s=30).checked()
    made = EmbeddedPostgres(folder / "data", _free_port(), settings or {})
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
