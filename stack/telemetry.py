"""What every request leaves behind: its metrics, a log line and the identity headers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("stack.request")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ROUTES = frozenset({"/health", "/metrics", "/predict", "/reload"})

disable_created_metrics()  # type: ignore[no-untyped-call]
REQUESTS = Counter("requests", "Requests answered", ["route", "method", "status"])
ERRORS = Counter(
    "errors", "Requests that failed (status 500 or more; /health apart)", ["route", "method"]
)
DURATION = Histogram(
    "request_duration_seconds",
    "Time from a request's arrival to the end of its answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
ACCURACY = Gauge("model_accuracy", "Accuracy of the live model on its test rows")
ACCURACY.set(float("nan"))


class Telemetry:
    """ASGI middleware; ``identity`` gives what every answer says about its origin."""

    def __init__(self, app: ASGIApp, identity: Callable[[], dict[str, Any]]) -> None:
        """Wrap the application."""
        self.app = app
        self.identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                message["headers"] = [*message["headers"], *self._headers()]
            await send(message)

        # Anything else than the known routes shares a label, or a scanner could fill the memory.
        route = scope["path"] if scope["path"] in ROUTES else "unmatched"
        method = scope["method"] if scope["method"] in METHODS else "other"
        try:
            await self.app(scope, receive, tell)
        except Exception:
            log.exception("request failed", extra={"method": method, "route": route})
            if status:
                raise
            await self._fail(tell)
        finally:
            duration = time.perf_counter() - begun
            status = status or 500
            REQUESTS.labels(route, method, str(status)).inc()
            # An unhealthy /health is an answer like any other, no failed request.
            if status >= 500 and route != "/health":
                ERRORS.labels(route, method).inc()
            DURATION.labels(route).observe(duration)
            log.info(
                "request",
                extra={
                    "method": method,
                    "route": route,
                    "status": status,
                    "duration_ms": round(duration * 1000, 2),
                },
            )

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (f"x-{name}".replace("_", "-").encode(), str(value).encode())
            for name, value in self.identity().items()
            if value is not None
        ]

    async def _fail(self, send: Send) -> None:
        body = json.dumps({"error": "internal error", **self.identity()}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})
