"""The API's own numbers: is it asked, does it answer, is it quick enough."""

from runbook.ids import runbook
from runbook.verdict import NotPart


@runbook(
    "morning.metrics",
    likely="the strategies stopped asking, or their requests don't reach the API",
    look="docker compose logs --since 1h api",
    do="incident.api-down",
)
def test_requests_are_arriving(api_metrics, limits, measured):
    """While the market is open, an API that nobody asks means that nobody trades."""
    traffic = _sound(api_metrics, api_metrics.traffic, measured)
    if not api_metrics.market_open:
        measured.note("the market is closed: no request is required")
    minimum = limits.requests_min_in_window if api_metrics.market_open else 0
    seen = f"requests within {api_metrics.window_s:.1f} s"
    assert measured(traffic.in_window, "", of=seen) >= minimum


@runbook(
    "morning.metrics",
    likely="the database or the model can't be reached from the API",
    look="docker compose logs --since 1h api",
    do="morning.logs",
)
def test_error_rate_is_low(api_metrics, limits, measured):
    """Each failed request is an order that was not thought about."""
    traffic = _sound(api_metrics, api_metrics.traffic, measured)
    if traffic.error_percent is None:
        return _nothing_to_judge(api_metrics, measured, "requests")
    measured.note(f"over {traffic.over}: {traffic.judged:g} requests")
    rate = measured(traffic.error_percent, "%", of="requests that failed")
    assert rate <= limits.error_rate_max_percent


@runbook(
    "morning.metrics",
    likely="the database is slow, or the machine is overloaded",
    look="docker stats --no-stream",
    do="incident.slow-database",
)
def test_latency_p95_is_low(api_metrics, limits, measured):
    """A late prediction is a price that is no longer there."""
    if api_metrics.latency is None:
        raise NotPart("no request latencies: metrics.latency_histogram names the histogram")
    latency = _sound(api_metrics, api_metrics.latency, measured)
    if latency.p95_ms is None:
        return _nothing_to_judge(api_metrics, measured, "latencies")
    measured.note(f"over {latency.over}: {latency.judged:g} requests")
    slow = [measured(latency.p95_ms, "ms", of="request latency p95")]
    if latency.recent_median_ms is not None:
        slow.append(measured(latency.recent_median_ms, "ms", of="median of the last requests"))
    assert all([value <= limits.request_p95_max_ms for value in slow])


def _sound(api_metrics, metric, measured):
    """The metric when what it says can be true."""
    for note in api_metrics.notes:
        measured.note(note)
    if metric.problem:
        assert measured(metric.problem, of="metrics page") == "sound"
    return metric


def _nothing_to_judge(api_metrics, measured, what):
    """Nothing at all since the process started is right only while nobody asks."""
    wanted = api_metrics.market_open or api_metrics.traffic.total > 0
    counted = measured(0, "", of=f"{what} since the process started")
    assert counted >= (1 if wanted else 0)
