"""The stack's price feed and its client in one light process: ``python -m stack.trader``.

It stores newly closed bars every few seconds and asks the API for predictions all the time,
symbol after symbol. Outages of either are waited out.
"""

from __future__ import annotations

import http.client
import json
import logging
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import psycopg

from stack import logs
from stack.load import top_up
from stack.settings import Settings, read_settings

log = logging.getLogger("stack.trader")

WARN_EVERY = 10.0
REPORT_EVERY = 60.0
READY_EVERY = 0.1
API_TIMEOUT = 5.0


@dataclass
class Outage:
    """Tells of a failure when it begins, every ten seconds while it lasts, and of its end."""

    what: str
    _last: float | None = field(default=None)

    def failed(self, error: Exception) -> None:
        """Log the failure, unless one was logged just now."""
        now = time.monotonic()
        if self._last is None or now - self._last >= WARN_EVERY:
            self._last = now
            # Not an error: waiting an outage out is the normal course.
            log.warning("%s unavailable", self.what, extra={"detail": " ".join(str(error).split())})

    def worked(self) -> None:
        """Log the end of an outage."""
        if self._last is not None:
            self._last = None
            log.info("%s available again", self.what)


class Feed:
    """Stores closed bars."""

    def __init__(self, settings: Settings) -> None:
        """No connection is made before the first step."""
        self._settings = settings
        self._conn: psycopg.Connection[Any] | None = None
        self._outage = Outage("database")
        self.added = 0

    def step(self) -> None:
        """Store the bars closed since the last time."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(
                    self._settings.database_url,
                    autocommit=True,
                    connect_timeout=2,
                    prepare_threshold=None,
                    application_name="mt5_feed",
                )
            now = datetime.now(UTC)
            self.added += top_up(self._conn, now, self._settings.bars_seed, self._settings.symbols)
        except (psycopg.Error, OSError) as error:
            self._outage.failed(error)
            self.close()
        else:
            self._outage.worked()

    def close(self) -> None:
        """Let go of the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


class Client:
    """Asks the API for predictions over one kept connection."""

    def __init__(self, settings: Settings) -> None:
        """No connection is made before the first step."""
        address = urlsplit(settings.api_url)
        self._conn = http.client.HTTPConnection(
            address.hostname or "127.0.0.1", address.port or 80, timeout=API_TIMEOUT
        )
        self._symbols = cycle(settings.symbols)
        self._outage = Outage("api")
        self._signals: dict[str, str] = {}
        self.answered = self.unanswered = 0

    def step(self) -> None:
        """One prediction of the next symbol."""
        symbol = next(self._symbols)
        try:
            self._conn.request("GET", f"/predict?symbol={symbol}")
            response = self._conn.getresponse()
            body = json.loads(response.read())
            if response.status != 200:
                raise OSError(f"status {response.status}: {body.get('error')}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.unanswered += 1
            self._outage.failed(error)
            self._conn.close()
            return
        self.answered += 1
        self._outage.worked()
        if self._signals.get(symbol) != body["signal"]:
            self._signals[symbol] = body["signal"]
            log.info("signal", extra={k: body[k] for k in ("symbol", "signal", "probability")})

    def is_welcome(self) -> bool:
        """Whether the API says that its model is loaded."""
        try:
            self._conn.request("GET", "/health")
            parts = json.loads(self._conn.getresponse().read())["checks"]
            return bool(parts["model"]["status"] == "ok")
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            self._outage.failed(error)
            self._conn.close()
            return False

    def close(self) -> None:
        """Let go of the connection."""
        self._conn.close()


def feed_forever(feed: Feed, interval: float, stop: threading.Event) -> None:
    """Store bars until told to stop."""
    while not stop.is_set():
        feed.step()
        stop.wait(interval)
    feed.close()


def ask_forever(client: Client, feed: Feed, per_second: float, stop: threading.Event) -> None:
    """Ask for predictions at a steady pace until told to stop."""
    # Requests before the model is loaded would count as errors of the API.
    while not stop.is_set() and not client.is_welcome():
        stop.wait(READY_EVERY)
    due = time.monotonic()
    report_at = due + REPORT_EVERY
    while not stop.is_set():
        client.step()
        now = time.monotonic()
        if now >= report_at:
            report_at = now + REPORT_EVERY
            log.info(
                "minute",
                extra={
                    "answered": client.answered,
                    "unanswered": client.unanswered,
                    "bars_added": feed.added,
                },
            )
        # After an outage the pace goes on from now: what was missed isn't made up for.
        due = max(due + 1 / per_second, now)
        stop.wait(due - now)
    client.close()


def main() -> None:
    """Feed and ask until SIGTERM or SIGINT."""
    settings = read_settings()
    logs.configure(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    feed, client = Feed(settings), Client(settings)
    # In a thread of its own: a database that hangs must not silence the client.
    feeder = threading.Thread(
        target=feed_forever, args=(feed, settings.feed_interval, stop), daemon=True
    )
    feeder.start()
    log.info("trader started", extra={"symbols": list(settings.symbols)})
    ask_forever(client, feed, settings.requests_per_second, stop)
    feeder.join(timeout=2)
    log.info("trader stopped", extra={"answered": client.answered, "bars_added": feed.added})


if __name__ == "__main__":
    main()
