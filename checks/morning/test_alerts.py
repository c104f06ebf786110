"""A firing alert is the system's own word that something is wrong, and the first thing to read."""

from runbook.ids import runbook
from runbook.verdict import NotPart


@runbook(
    "morning.alerts",
    likely="what the alert's own name says",
    look="docker compose logs --since 1h",
    do="morning.logs",
)
def test_no_alert_is_firing(alert_report, measured):
    """Nothing that someone thought worth an alert stands between the market and the orders."""
    report = alert_report
    for word in ("silenced", "inhibited", "pending"):
        if alerts := getattr(report, word):
            measured.note(f"{word}: {', '.join(map(str, alerts))}")
    for alert in report.unexpected:
        since = f"since {alert.since:%a %d %b %H:%M} UTC" if alert.since else ""
        measured.note(" ".join(filter(None, (f"{alert.name}:", since, alert.summary[:200]))))
    if report.rules is None and not report.expected:
        measured.note("nothing shows that alerts arrive: name one that always fires in expected")
    firing = [measured("firing", of=f"alert {alert}") != "firing" for alert in report.unexpected]
    missing = [measured("not firing", of=f"alert {name}") == "firing" for name in report.missing]
    count = measured(len(report.unexpected), "firing", of=f"alerts of {report.source}") == 0
    assert all([*firing, *missing, count])


@runbook(
    "morning.alerts",
    likely="a data source of the rule is down, or the rule was made for a metric that is gone",
    look="docker compose logs --since 1h grafana prometheus",
    do="deploy.grafana",
)
def test_alert_rules_are_evaluated(alert_report, measured):
    """A rule that can't be evaluated stays silent however much money is being lost."""
    report = alert_report
    if report.rules is None:
        raise NotPart(f"{report.source} doesn't know the rules: an alerts section of Grafana does")
    for rule in report.rules:
        if rule.paused or rule.health not in ("ok", "error"):
            measured.note(f"{rule.alert.name}: {'paused' if rule.paused else rule.health}")
    broken = [
        measured(f"error: {rule.error or 'no reason given'}", of=f"rule {rule.alert}") == "ok"
        for rule in report.rules
        if rule.health == "error"
    ]
    active = sum(not rule.paused for rule in report.rules)
    assert all([*broken, measured(active, "alert rules", of=report.source) > 0])
