"""A Prometheus page of the reference stack's shape, and what may come of a bad one."""

import contextlib
from collections.abc import Iterator

from fixtures.http import Answer
from fixtures.metrics_page import Page, parse
from runbook.verdict import CannotMeasure

URL = "http://127.0.0.1:8001/metrics"
BOUNDS = ("0.1", "0.5", "1.0", "+Inf")


def page(
    ok: float = 0,
    failed: float = 0,
    own: float = 0,
    fast: float = 0,
    slow: float = 0,
    extra: str = "",
) -> bytes:
    """A page with that many requests, of which `fast` took under 0.1 s and `slow` 0.5 to 1 s."""
    buckets = zip(BOUNDS, (fast, fast, fast + slow, fast + slow), strict=True)
    lines = [
        "# HELP requests_total Requests answered",
        "# TYPE requests_total counter",
        f'requests_total{{route="/predict",status="200"}} {ok}',
        f'requests_total{{route="/predict",status="500"}} {failed}',
        f'requests_total{{route="/metrics",status="200"}} {own}',
        "# TYPE request_duration_seconds histogram",
        *(f'request_duration_seconds_bucket{{route="/predict",le="{b}"}} {n}' for b, n in buckets),
        *(f'request_duration_seconds_bucket{{route="/metrics",le="{b}"}} {own}' for b in BOUNDS),
    ]
    return ("\n".join(lines) + "\n" + extra).encode()


def parsed(body: bytes, kind: str = "text/plain") -> Page:
    return parse(Answer(URL, 200, {"content-type": kind}, body, 1.0))


@contextlib.contextmanager
def one_line_at_most() -> Iterator[None]:
    """Let nothing escape but our own exceptions, each with a message of one line."""
    said = ""
    with contextlib.suppress(CannotMeasure):
        try:
            yield
        except CannotMeasure as error:
            said = str(error)
            raise
    assert said.isprintable()
