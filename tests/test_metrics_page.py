"""Pages and histograms: read whole, or refused in one line."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.histogram import quantile, summed
from fixtures.metrics_page import Wrong
from runbook.verdict import Unreadable
from tests.metrics_page import URL, one_line_at_most, page, parsed


def test_open_metrics_with_exemplars() -> None:
    body = (
        b"# TYPE requests counter\n"
        b'requests_total{route="/predict",status="200"} 4.0 # {trace_id="a"} 1.0 1700000000.0\n'
        b'requests_created{route="/predict",status="200"} 1700000000.0\n'
        b"# EOF\n"
    )
    series = parsed(body, "application/openmetrics-text; version=1.0.0")
    assert list(series.series("requests", "requests").values()) == [4]
    with pytest.raises(Unreadable):
        parsed(body.replace(b"# EOF\n", b""), "application/openmetrics-text")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"<html><body>Log in</body></html>\n",
        b'{"status": "ok"}\n',
        b'requests_total{status="200"} twelve\n',
        b"requests_total{status=\n",
        b"# TYPE requests_total wrong\n",
        b"\xff\xfe 1\n",
        b"x" * 30_000 + b" 1\n",
        page(ok=123)[:-1],
        page(ok=123)[:-40],
    ],
)
def test_no_page_of_metrics(body: bytes) -> None:
    with pytest.raises(Unreadable, match=URL) as raised:
        parsed(body)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"0.1": 1, "0.5": 2}, "no bucket le="),
        ({"+Inf": 2}, "no bucket besides"),
        ({"0.1": 3, "0.5": 2, "+Inf": 3}, "less in a wider bucket"),
        ({"quick": 3, "+Inf": 3}, "has the bound 'quick'"),
        ({"nan": 3, "+Inf": 3}, "has the bound 'nan'"),
        ({"1": 3, "1.0": 3, "+Inf": 3}, "the bound 1 twice"),
    ],
)
def test_a_histogram_that_can_not_be(counts: Mapping[str, float], says: str) -> None:
    series = {frozenset({("le", le)}): float(count) for le, count in counts.items()}
    with pytest.raises(Wrong, match=says):
        summed(series, "x")


def test_histograms_with_other_bounds_are_not_added() -> None:
    series = {
        frozenset({("le", le), ("route", route)}): 1.0
        for route, bounds in {"/a": ("1", "+Inf"), "/b": ("2", "+Inf")}.items()
        for le in bounds
    }
    with pytest.raises(Wrong, match="other bounds"):
        summed(series, "x")


@pytest.mark.parametrize(
    ("buckets", "q", "value"),
    [
        ({1: 0, 2: 10, math.inf: 10}, 0.5, 1.5),
        ({1: 10, 2: 10, math.inf: 10}, 0.5, 0.5),
        ({1: 1, 2: 2, math.inf: 10}, 0.95, 2),
        ({-1: 5, 2: 10, math.inf: 10}, 0.1, -1),
        ({1: 0, math.inf: 0}, 0.5, math.nan),
        ({}, 0.5, math.nan),
    ],
)
def test_quantiles(buckets: dict[float, float], q: float, value: float) -> None:
    assert quantile(buckets, q) == pytest.approx(value, nan_ok=True)


@settings(deadline=None)
@given(kind=st.sampled_from(["text/plain", "application/openmetrics-text"]), body=st.binary())
def test_any_bytes_are_read_or_refused(kind: str, body: bytes) -> None:
    with one_line_at_most():
        parsed(body + b"\n", kind)
