"""Without its metrics page the new version runs unseen."""

from runbook.ids import runbook


@runbook(
    "smoke.metrics",
    likely="the metrics route is missing from the new version",
    look="docker compose logs --tail 100 api",
    do="rollback.api.image",
)
def test_request_counter_is_there(metrics_page, target, measured):
    """The watch after a deploy is kept on this counter."""
    name = target.metrics.requests
    assert measured("there" if metrics_page.has(name) else "missing", of=name) == "there"
