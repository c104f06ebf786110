"""What alert servers answer, as their documentation has it."""

from typing import Any


def rules(*found: dict[str, Any]) -> dict[str, Any]:
    """The documented rules answer of Prometheus and Grafana, all rules in one group."""
    group = {"name": "stack", "file": "stack.yml", "rules": list(found), "interval": 60}
    return {"status": "success", "data": {"groups": [group]}}


def rule(name: str, state: str = "inactive", health: str = "ok", **more: Any) -> dict[str, Any]:
    """One alerting rule; the instances of one that is not inactive are in `alerts`."""
    alert = {
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"summary": f"{name} is on"},
        "state": {"pending": "Pending", "firing": "Alerting"}.get(state, "Normal"),
        "activeAt": "2026-03-02T07:00:00Z",
        "value": "1",
    }
    alerts = [] if state == "inactive" else [alert]
    return {
        "name": name,
        "type": "alerting",
        "query": "up == 0",
        "duration": 60,
        "labels": {"severity": "critical"},
        "annotations": {},
        "state": state,
        "health": health,
        "alerts": alerts,
        **more,
    }


def managed(name: str, state: str = "active", **status: list[str]) -> dict[str, Any]:
    """One alert as the Alertmanager lists it, that of Grafana too."""
    return {
        "annotations": {"summary": f"{name} is on"},
        "endsAt": "2036-03-02T07:05:00.000Z",
        "fingerprint": "0123456789abcdef",
        "receivers": [{"name": "mail"}],
        "startsAt": "2026-03-02T07:00:00.000Z",
        "status": {"inhibitedBy": [], "silencedBy": [], "mutedBy": [], "state": state, **status},
        "updatedAt": "2026-03-02T07:01:00.000Z",
        "labels": {"alertname": name, "severity": "critical"},
    }


def prometheus_alerts(*found: tuple[str, str]) -> dict[str, Any]:
    """The documented answer of Prometheus, from names and states."""
    alerts = [
        {
            "activeAt": "2026-03-02T07:00:00.123456789Z",
            "annotations": {"summary": f"{name} is on"},
            "labels": {"alertname": name, "severity": "critical"},
            "state": state,
            "value": "1e+00",
        }
        for name, state in found
    ]
    return {"status": "success", "data": {"alerts": alerts}}


_GRAFANA = "/api/alertmanager/grafana/api/v2/alerts"
_GRAFANA_RULES = "/api/prometheus/grafana/api/v1/rules"
_QUIET = rules(rule("API Down"), rule("Disk usage"))


def _grafana(alerts: Any, found: Any = _QUIET) -> dict[str, Any]:
    return {_GRAFANA: alerts, _GRAFANA_RULES: found}


def _prometheus(alerts: Any, found: Any = _QUIET) -> dict[str, Any]:
    return {"/api/v1/alerts": alerts, "/api/v1/rules": found}


# What each kind of alert server answers, by path.
ANSWERS: dict[str, dict[str, Any]] = {
    "grafana_ok": _grafana([]),
    "grafana_firing": _grafana([managed("API Down")], rules(rule("API Down", "firing"))),
    "grafana_no_data": _grafana([managed("DatasourceNoData")]),
    "grafana_datasource_error": _grafana([managed("DatasourceError")]),
    "grafana_rule_error": _grafana(
        [], rules(rule("Slow", health="error", lastError="failed to query the data source"))
    ),
    "grafana_silenced": _grafana(
        [
            managed("API Down", "suppressed", silencedBy=["b0a1"]),
            managed("Disk usage", "suppressed", inhibitedBy=["c0a1"]),
        ]
    ),
    "grafana_pending": _grafana([], rules(rule("API Down", "pending"))),
    "grafana_no_rules": _grafana([], rules()),
    # Its alerts are handed over to another Alertmanager, and its own knows nothing.
    "grafana_external": _grafana([], rules(rule("API Down", "firing"))),
    "alertmanager_ok": {"/api/v2/alerts": []},
    "alertmanager_firing": {"/api/v2/alerts": [managed("API Down")]},
    "alertmanager_watchdog": {"/api/v2/alerts": [managed("Watchdog")]},
    "alertmanager_silenced": {
        "/api/v2/alerts": [managed("API Down", "suppressed", silencedBy=["b0a1"])]
    },
    "prometheus_ok": _prometheus(prometheus_alerts()),
    "prometheus_firing": _prometheus(prometheus_alerts(("API Down", "firing"))),
    "prometheus_pending": _prometheus(prometheus_alerts(("API Down", "pending"))),
    "prometheus_error": _prometheus({"status": "error", "errorType": "bad_data", "error": "no"}),
    "wrong_shape": _grafana({"alerts": []}) | _prometheus({"data": []}) | {"/api/v2/alerts": {}},
}
