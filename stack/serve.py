"""Runs the API: ``python -m stack.serve [--fd N | --host H --port P]``.

With ``--fd`` it serves a listening TCP socket its parent opened, so that nobody can take the
port in between.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from typing import TYPE_CHECKING

# Begins to load the model while the imports below go on.
import stack.live_model  # noqa: F401

if TYPE_CHECKING:
    import uvicorn

GRACE_SECONDS = 5


def listening_socket(fd: int | None, host: str, port: int) -> socket.socket:
    """The socket to serve on, known to be TCP."""
    if fd is not None:
        # Python asks the kernel for family and protocol; uvicorn's own --fd takes every socket
        # for a Unix one, and answers over kept connections are then held back for 40 ms.
        sock = socket.socket(fileno=fd)
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    # Accepted connections inherit it.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def server() -> uvicorn.Server:
    """A server for the API that leaves logging as the API configured it."""
    import uvicorn

    from stack.api import app

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return uvicorn.Server(config)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m stack.serve", description=__doc__)
    parser.add_argument("--fd", type=int, help="a listening TCP socket that was passed on")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    # uvicorn raises the signal again once it has shut down; being told to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    sock = listening_socket(options.fd, options.host, options.port)
    server().run(sockets=[sock])


if __name__ == "__main__":
    main()
