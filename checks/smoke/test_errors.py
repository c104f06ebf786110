"""Wrong requests are answered as errors, not with a number that looks right."""

import pytest

from runbook.ids import runbook
from runbook.verdict import CannotMeasure


@runbook(
    "smoke.errors",
    likely="the route lost its validation",
    look="docker compose logs --tail 100 api",
    do="rollback.api.image",
)
@pytest.mark.parametrize("wrong", ["unknown symbol", "malformed symbol"])
def test_wrong_request_gets_a_json_error(wrong, wrong_requests, measured):
    """A client that mistypes a pair must be told, not traded for."""
    reply = wrong_requests[wrong]
    if reply.problem and not reply.status:
        raise CannotMeasure(reply.problem)
    body = "a JSON object" if isinstance(reply.content, dict) else "something else"
    assert all(
        [
            measured(reply.status, of=f"{wrong}: status") >= 400,
            measured(reply.status, of=f"{wrong}: status") < 500,
            measured(body, of=f"{wrong}: body") == "a JSON object",
        ]
    )
