"""A real HTTP(S) server on a free port of this machine whose behaviour is switched at run time.

with HttpServer() as server:
    server.behave("grafana_ok")                   # documented answers: `ANSWERS`
    server.behave("hangs", on="/api/prometheus")  # a fault of `FAULTS`, here for some paths only
    server.answer("/metrics", page1, page2)       # your own bodies, the last one for ever

`HttpServer(make_certificate(folder, days=30))` speaks https; trust its `ca_file`.
"""

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_answers import ANSWERS
from tests.server_certificate import Certificate

JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
HTML = "text/html; charset=UTF-8"
LOGIN = (
    b"<!DOCTYPE html><html><head><title>Grafana</title></head><body>Log in, password</body></html>"
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Listener"

    def do_GET(self) -> None:
        owner = self.server.owner
        path = self.path.partition("?")[0]
        owner.asked.append(self.path)
        owner.headers.append(dict(self.headers))
        owner.behaviour(path)(self)

    def reply(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        """A whole answer."""
        self.begin(status, kind, Content_Length=str(len(body)), **headers)
        self.wfile.write(body)

    def begin(self, status: int, kind: str, **headers: str) -> None:
        """Status line and headers."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def wait(self, seconds: float | None = None) -> bool:
        """Until that time or the end of the server, which it says."""
        return self.server.owner.over.wait(seconds)

    def log_message(self, *_: object) -> None:
        """Quiet."""


Behaviour = Callable[[_Handler], None]


def _status(code: int, body: bytes, kind: str = JSON, **headers: str) -> Behaviour:
    return lambda handler: handler.reply(code, body, kind, **headers)


def _trickles_body(handler: _Handler) -> None:
    handler.begin(200, JSON, Content_Length="100000")
    while not handler.wait(0.02):
        handler.wfile.write(b" ")


def _trickles_unsized_body(handler: _Handler) -> None:
    handler.close_connection = True
    handler.begin(200, JSON, Connection="close")
    handler.wfile.write(b"[]")
    while not handler.wait(0.02):
        handler.wfile.write(b" ")


def _trickles_headers(handler: _Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.wait(0.02):
        handler.wfile.write(b"x")


def _hangs(handler: _Handler) -> None:
    handler.wait()


def _hangs_in_body(handler: _Handler) -> None:
    handler.begin(200, JSON, Content_Length="10")
    handler.wfile.flush()
    handler.wait()


def _resets(handler: _Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _closes(handler)


def _closes(handler: _Handler) -> None:
    handler.close_connection = True
    handler.connection.close()


def _cut_off(handler: _Handler) -> None:
    handler.begin(200, JSON, Content_Length="5000")
    handler.wfile.write(b"[")
    _closes_after(handler)


def _closes_after(handler: _Handler) -> None:
    handler.close_connection = True


def _huge(handler: _Handler) -> None:
    handler.close_connection = True
    handler.begin(200, JSON, Connection="close")
    for _ in range(100):
        handler.wfile.write(b" " * 1_000_000)


def _bomb(handler: _Handler) -> None:
    handler.reply(200, gzip.compress(bytes(60_000_000), 6), JSON, Content_Encoding="gzip")


def _no_http(handler: _Handler) -> None:
    handler.close_connection = True
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


FAULTS: dict[str, Behaviour] = {
    "login_page": _status(200, LOGIN, HTML),
    "redirect": _status(302, b"", HTML, Location="/login?redirectTo=%2Falerts&token=hunter2"),
    "redirect_loop": lambda h: h.reply(307, b"", HTML, Location=h.path),
    "html": _status(200, b"<html><body>It works!</body></html>", HTML),
    "wrong_json": _status(200, b'{"status": "succ', JSON),
    "json_null": _status(200, b"null", JSON),
    "nan_json": _status(200, b'{"status": NaN}', JSON),
    "deep_json": _status(200, b"[" * 100_000, JSON),
    "binary": _status(200, bytes(range(256)), "application/octet-stream"),
    "empty": _status(200, b"", JSON),
    "unauthorized": _status(401, b'{"message":"Unauthorized"}', JSON),
    "forbidden": _status(403, b'{"message":"Access denied"}', JSON),
    "not_found": _status(404, b'{"message":"Not found"}', JSON),
    "gone": _status(410, b'{"message":"legacy alerting is gone"}', JSON),
    "server_error": _status(500, b"boom", "text/plain"),
    "no_content": lambda h: h.begin(204, JSON),
    "trickles_body": _trickles_body,
    "trickles_unsized_body": _trickles_unsized_body,
    "trickles_headers": _trickles_headers,
    "hangs": _hangs,
    "hangs_in_body": _hangs_in_body,
    "resets": _resets,
    "closes": _closes,
    "cut_off": _cut_off,
    "huge": _huge,
    "bomb": _bomb,
    "no_http": _no_http,
}


class HttpServer:
    """The server; `asked` has the paths it was asked for, `headers` what came with each."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self._rules: list[tuple[str, bool, Behaviour]] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.over = threading.Event()
        self.ca_file = certificate.ca_file if certificate else None
        self._listener = _Listener(self)
        self.port: int = self._listener.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if certificate else 'http'}://{self.address}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            self._listener.context = context
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,))

    def behave(self, name: str, *, on: str = "/") -> None:
        """Answer as `name` of `ANSWERS` says, or have the fault `name` for paths that begin so.

        Where this and what was asked for earlier meet, the later one counts.
        """
        if name in FAULTS:
            self._rules.append((on, False, FAULTS[name]))
            return
        for path, answer in ANSWERS[name].items():
            self.answer(path, json.dumps(answer).encode(), kind=JSON)

    def answer(self, path: str, *bodies: bytes, status: int = 200, kind: str = TEXT) -> None:
        """Answer these bodies there, one after the other and then the last one for ever."""
        left = list(bodies)

        def next_one(handler: _Handler) -> None:
            handler.reply(status, left.pop(0) if len(left) > 1 else left[0], kind)

        self._rules.append((path, True, next_one))

    def reset(self) -> None:
        """Forget every behaviour and what was asked."""
        for known in (self._rules, self.asked, self.headers):
            known.clear()

    def behaviour(self, path: str) -> Behaviour:
        """What is done with a request for that path."""
        for rule, whole, behaviour in reversed(self._rules):
            if path == rule or (not whole and path.startswith(rule)):
                return behaviour
        return FAULTS["not_found"]

    def __enter__(self) -> "HttpServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join(5)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: HttpServer) -> None:
        self.owner = owner
        self.context: ssl.SSLContext | None = None
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a handshake holds up nobody else."""
        self.owner.connections += 1
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.context is not None:
            with contextlib.suppress(OSError):
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what the tests are about."""
