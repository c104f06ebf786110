"""The API's metrics: what is counted, what is nobody's traffic, and pages that say nonsense."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import http, metrics
from fixtures.metrics import ApiMetrics, Scrape, compared, observed
from fixtures.target_file import Metrics
from runbook.verdict import CannotMeasure, TookTooLong, Unreachable, Unreadable
from tests.http_server import FAULTS, HttpServer
from tests.metrics_page import URL, one_line_at_most, page, parsed

SECTION = Metrics(url=URL)


def looked(first: bytes, second: bytes, **section: Any) -> ApiMetrics:
    """Two looks at these pages, a second apart, at a time when nothing else was asked."""
    scrapes = [Scrape(parsed(body), float(at), at + 0.1) for at, body in enumerate((first, second))]
    return compared(SECTION.model_copy(update=section), *scrapes, market_open=True)


def test_traffic_of_the_window() -> None:
    seen = looked(page(ok=1000, own=7), page(ok=1090, failed=10, own=500))
    assert (seen.traffic.in_window, seen.traffic.total) == (100, 1100)
    assert (seen.traffic.error_percent, seen.traffic.over) == (10, "the window")
    assert (seen.traffic.problem, seen.notes, seen.window_s) == (None, (), 1)


def test_health_checks_and_scrapes_are_no_traffic() -> None:
    seen = looked(page(ok=5, own=7), page(ok=5, own=500))
    assert seen.traffic.in_window == 0
    assert looked(page(own=7), page(own=500), own_routes=()).traffic.in_window == 493


def test_few_requests_are_judged_over_the_lifetime() -> None:
    traffic = looked(page(ok=980, failed=9), page(ok=990, failed=10)).traffic
    assert (traffic.error_percent, traffic.judged) == (1, 1000)
    assert traffic.over == "the process's lifetime"


def test_few_requests_that_fail_by_half_are_not_hidden_by_a_good_day() -> None:
    traffic = looked(page(ok=1_000_000), page(ok=1_000_002, failed=3)).traffic
    assert (traffic.error_percent, traffic.over) == (60, "the window")


def test_no_request_at_all_is_no_error_rate() -> None:
    assert looked(page(), page()).traffic.error_percent is None
    empty = b"# TYPE requests_total counter\n# TYPE request_duration_seconds histogram\n"
    seen = looked(empty, empty)
    assert seen.traffic == metrics.Traffic(total=0, over="the process's lifetime")
    assert seen.latency == metrics.Latency(over="the process's lifetime")


def test_a_counter_that_began_anew() -> None:
    seen = looked(page(ok=1000, fast=1000), page(ok=30, fast=30))
    assert seen.traffic.in_window == 30
    assert seen.latency is not None
    assert seen.latency.judged == 30
    assert seen.notes == ("the process restarted between the two looks",)


def test_a_restart_is_seen_by_its_start_time() -> None:
    start = "process_start_time_seconds {}\n"
    seen = looked(page(ok=10, extra=start.format(1)), page(ok=25, extra=start.format(2)))
    assert seen.traffic.in_window == 25
    with pytest.raises(Unreadable, match="two processes answer in turn"):
        looked(page(extra=start.format(2)), page(extra=start.format(1)))


def test_latency_of_the_window() -> None:
    latency = looked(page(fast=10), page(fast=90, slow=20)).latency
    # 100 in the window, the 95th is the 15th of 20 between 0.5 and 1 s.
    assert latency is not None
    assert latency.p95_ms == pytest.approx(875)
    assert latency.judged == 100
    ms = looked(page(fast=10), page(fast=90, slow=20), latency_unit="ms").latency
    assert ms is not None
    assert ms.p95_ms == pytest.approx(0.875)


def test_few_latencies_are_judged_over_the_lifetime_and_by_their_median() -> None:
    latency = looked(page(fast=1000), page(fast=1002, slow=8)).latency
    assert latency is not None
    assert latency.p95_ms == pytest.approx(100 * 0.95 * 1010 / 1002)
    assert latency.over == "the process's lifetime"
    assert latency.recent_median_ms == pytest.approx(500 + 500 * 3 / 8)


def test_latencies_without_routes_say_so() -> None:
    bodies = [page(ok=n, fast=n).replace(b'_bucket{route="/predict",', b"_bucket{") for n in (1, 9)]
    bodies = [re.sub(rb"(?m)^request_duration.*metrics.*\n", b"", body) for body in bodies]
    assert looked(*bodies).notes[0].startswith("latencies are not told apart by route")


def test_a_stack_without_latencies() -> None:
    assert looked(page(), page(), latency_histogram="").latency is None


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ('requests_total{route="/x",status="200"} NaN', "is nan"),
        ('requests_total{route="/x",status="200"} -3', "is -3"),
        ('requests_total{route="/x",status="200"} 1e400', "is inf"),
        (f'requests_total{{route="/x",status="200"}} {"9" * 400}', "is inf"),
    ],
)
def test_a_counter_that_can_not_be(extra: str, says: str) -> None:
    problem = looked(page(), page(extra=f"{extra}\n")).traffic.problem
    assert problem is not None
    assert says in problem
    assert "requests_total" in problem


def test_missing_metrics_are_named() -> None:
    seen = looked(b"up 1\n", b"up 1\n")
    assert seen.traffic.problem == f"requests_total is missing from {URL}"
    assert seen.latency is not None
    assert seen.latency.problem == f"request_duration_seconds_bucket is missing from {URL}"


@pytest.mark.parametrize(("key", "value"), [("status_label", "code"), ("route_label", "handler")])
def test_a_label_that_is_not_there(key: str, value: str) -> None:
    with pytest.raises(Unreadable, match=rf"^metrics.{key}: requests_total at .* no label"):
        looked(page(), page(), **{key: value})


def test_names_with_and_without_total() -> None:
    assert looked(page(ok=1), page(ok=40), requests="requests").traffic.in_window == 39
    body = b'# TYPE hits counter\nhits{route="/predict",status="200"} 4\n'
    assert looked(body, body, requests="hits").traffic.total == 4


def test_timestamps_and_comments_are_understood() -> None:
    body = page(ok=4).replace(b" 4\n", b" 4 1700000000000\n") + b"# a remark\n\n"
    assert looked(body, body).traffic.total == 4


def test_the_same_series_twice() -> None:
    with pytest.raises(Unreadable, match="occurs twice"):
        looked(page(), page(extra='requests_total{status="200",route="/predict"} 9\n'))


LINES = st.lists(
    st.sampled_from(page(3, 1, 2, 3, 1).decode().splitlines())
    | st.text(max_size=40)
    | st.builds(
        'requests_total{{route="/predict",status="{}"}} {}'.format,
        st.text(max_size=5),
        st.floats() | st.integers() | st.text(max_size=5),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(lines=LINES, cut=st.integers(0, 60))
def test_any_page_is_read_or_refused(lines: list[str], cut: int) -> None:
    body = ("\n".join(lines) + "\n").encode("utf-8", "replace")
    with one_line_at_most():
        looked(page(), body[: len(body) - cut])


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def section(server: HttpServer, **more: Any) -> Metrics:
    return Metrics.model_validate({"url": f"{server.url}/metrics", "window_s": 0.05, **more})


def test_the_suite_s_own_requests_are_no_traffic(server: HttpServer) -> None:
    server.answer("/metrics", page(ok=100), page(ok=105))
    server.answer("/predict", b"{}")
    assert observed(section(server), market_open=True).traffic.in_window == 5
    server.answer("/metrics", page(ok=100), page(ok=105))
    first = metrics._scraped(section(server))
    http.get(f"{server.url}/predict", params={"symbol": "EURUSD"})
    http.get(f"{server.url}/predict")
    second = metrics._scraped(section(server))
    assert compared(section(server), first, second, market_open=True).traffic.in_window == 3
    server.answer("/metrics", page(ok=100), page(ok=101))
    first = metrics._scraped(section(server))
    for _ in range(3):
        http.get(f"{server.url}/predict")
    second = metrics._scraped(section(server))
    assert compared(section(server), first, second, market_open=True).traffic.in_window == 0


@pytest.mark.parametrize(
    "fault",
    [name for name in FAULTS if not name.startswith(("trickles", "hangs", "huge", "bomb"))],
)
def test_no_fault_looks_like_metrics(server: HttpServer, fault: str) -> None:
    server.behave(fault)
    with pytest.raises(CannotMeasure, match=server.url):
        observed(section(server), market_open=True)


@pytest.mark.parametrize("fault", ["hangs", "trickles_body", "trickles_unsized_body"])
def test_a_slow_page_costs_its_deadline(
    server: HttpServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.metrics.SCRAPE_S", 0.3)
    server.behave(fault)
    began = time.monotonic()
    with pytest.raises(TookTooLong):
        observed(section(server), market_open=True)
    assert time.monotonic() - began < 1


def test_nobody_there() -> None:
    with HttpServer() as gone:
        pass
    with pytest.raises(Unreachable, match="connection refused"):
        observed(section(gone), market_open=True)


def test_the_market_decides_whether_traffic_is_required(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer("/metrics", page())
    target = SimpleNamespace(market=None, metrics=section(server))
    for day, is_open in ((4, True), (7, False)):
        at = datetime(2026, 3, day, 12, tzinfo=UTC)
        monkeypatch.setattr(metrics, "datetime", SimpleNamespace(now=lambda _, at=at: at))
        assert metrics.api_metrics.measure(target).market_open is is_open
