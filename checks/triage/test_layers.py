"""The lowest layer that does not answer is where to look first."""

from runbook.ids import runbook


@runbook(
    "triage.layers",
    likely="the database process died or its disk is full",
    look="docker compose ps db; docker compose logs --tail 100 db",
    do="incident.api-down",
)
def test_database_layer_is_up(database, log_tails, waiting_queries, evidence, measured):
    """Everything stands on the database."""
    evidence("what the database is busy with", waiting_queries)
    evidence("last lines of the database's log", log_tails.get("db", ""))
    assert measured(database.down or "answers", of="db") == "answers"


@runbook(
    "triage.layers",
    likely="the API's process died, hangs, or was never started",
    look="docker compose ps api; docker compose logs --tail 100 api",
    do="incident.api-down",
)
def test_api_layer_is_up(api_gate, log_tails, resource_use, evidence, measured):
    """Without the API no prediction reaches the trader."""
    evidence("last lines of the API's log", log_tails.get("api", ""))
    evidence("resource use of this machine", resource_use)
    assert measured(api_gate.down or "answers", of="api") == "answers"
