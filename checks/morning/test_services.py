"""A trading stack trades only while every service says that it is well."""

from datetime import UTC, datetime

from runbook.each import each
from runbook.ids import runbook
from runbook.verdict import CannotMeasure, NotPart


def _layer(target, service):
    return target.services[service].layer if isinstance(service, str) else "host"


@runbook(
    "morning.services",
    likely="the process died, or something it depends on did",
    look="docker compose ps; docker compose logs --tail 100 {service}",
    do="incident.api-down",
    layer=_layer,
)
@each(service="services")
def test_service_is_healthy(service, services, log_tails, evidence, measured):
    """A service that runs but is not well answers orders wrongly or not at all."""
    evidence(f"last lines of {service}'s log", log_tails.get(service, ""))
    assert measured(services[service].health, of=service) == "healthy"


@runbook(
    "morning.services",
    likely="the machine is overloaded, or the database is slow",
    look="docker stats --no-stream {service}",
    do="incident.slow-database",
    stands_on=_layer,
)
@each(service="services")
def test_service_answers_quickly(service, services, limits, measured):
    """A late answer is a late order."""
    state = services[service]
    if state.latency_ms is None:
        raise CannotMeasure(f"{service}: {state.health}")
    assert measured(state.latency_ms, "ms", of=service) < limits.service_latency_max_ms


@runbook(
    "morning.services",
    likely="it crashed in the night: out of memory, or an unhandled error",
    look="docker compose logs --since 24h {service}",
    do="incident.api-down",
    stands_on=_layer,
)
@each(service="services")
def test_service_has_not_restarted(service, services, limits, measured):
    """Whatever ended it in the night can end it again in the session."""
    state = services[service]
    if state.down:
        raise CannotMeasure(f"{service}: {state.down}")
    if state.started_at:
        measured.note(f"runs since {state.started_at:%a %d %b %H:%M} UTC")
    if state.restarts is not None:
        seen = measured(state.restarts, "restarts in 24 h", of=service)
        assert seen <= limits.service_restarts_max_per_day
    elif state.started_at:
        up_h = (datetime.now(UTC) - state.started_at).total_seconds() / 3600
        assert measured(up_h, "h up", of=service) >= limits.service_uptime_min_h
    else:
        raise NotPart(f"{service} tells neither its restarts nor its start: see restarts_key")
