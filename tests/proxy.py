"""A real reverse proxy in front of the API, as a stack has one; a fault changes how it behaves."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Passing:
    """An answer on its way back; a fault edits it."""

    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_s: float = 0


Change = Callable[[Passing], None]


class Proxy:
    """Forwards to `upstream`; `changed` puts a fault in its place for the length of a block."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self._changes: list[Change] = []
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)
        self._thread.start()

    @contextmanager
    def changed(self, change: Change) -> Iterator[None]:
        """Let every answer go through `change`."""
        self._changes.append(change)
        try:
            yield
        finally:
            self._changes.remove(change)

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            upstream: http.client.HTTPConnection | None = None

            def do_GET(self) -> None:
                try:
                    answer = self.forwarded()
                except OSError:
                    # As a proxy that has nobody behind it: the connection ends.
                    self.close_connection = True
                    return
                for change in proxy._changes:
                    change(answer)
                if answer.wait_s:
                    proxy._over.wait(answer.wait_s)
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                # A client that went away is what the proofs are about.
                with contextlib.suppress(OSError):
                    self.end_headers()
                    self.wfile.write(answer.body)

            def forwarded(self) -> Passing:
                if self.upstream is None:
                    host, port = proxy.upstream.hostname, proxy.upstream.port
                    self.upstream = http.client.HTTPConnection(str(host), port, timeout=30)
                try:
                    self.upstream.request("GET", self.path)
                    response = self.upstream.getresponse()
                    body = response.read()
                except (OSError, http.client.HTTPException) as error:
                    self.upstream.close()
                    self.upstream = None
                    raise ConnectionError(str(error)) from error
                hop = ("connection", "transfer-encoding", "content-length", "keep-alive")
                headers = {n.lower(): v for n, v in response.getheaders() if n.lower() not in hop}
                return Passing(self.path, response.status, headers, body)

            def finish(self) -> None:
                if self.upstream is not None:
                    self.upstream.close()
                super().finish()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Handler
