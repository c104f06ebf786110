"""Alert servers: what fires is seen, and what isn't understood is never taken for silence."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from fixtures import alert_answers
from fixtures.alerts import AlertReport, ask
from fixtures.target_file import Alerts
from runbook.verdict import CannotMeasure, TookTooLong, Unreachable, Unreadable
from tests.http_answers import ANSWERS, managed, prometheus_alerts, rule, rules
from tests.http_server import FAULTS, HttpServer
from tests.metrics_page import one_line_at_most

KINDS = ("grafana", "alertmanager", "prometheus")


@pytest.fixture(scope="module")
def running() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture
def server(running: HttpServer) -> HttpServer:
    running.reset()
    return running


def asked(server: HttpServer, kind: str, **more: Any) -> AlertReport:
    return ask(Alerts.model_validate({"kind": kind, "url": server.url, "anonymous": True, **more}))


@pytest.mark.parametrize(
    ("answer", "firing", "silenced", "inhibited", "pending"),
    [
        ("grafana_ok", [], [], [], []),
        ("grafana_firing", ["API Down"], [], [], []),
        ("grafana_no_data", ["DatasourceNoData"], [], [], []),
        ("grafana_datasource_error", ["DatasourceError"], [], [], []),
        ("grafana_rule_error", [], [], [], []),
        ("grafana_silenced", [], ["API Down"], ["Disk usage"], []),
        ("grafana_pending", [], [], [], ["API Down"]),
        ("grafana_external", ["API Down"], [], [], []),
        ("alertmanager_ok", [], [], [], []),
        ("alertmanager_firing", ["API Down"], [], [], []),
        ("alertmanager_silenced", [], ["API Down"], [], []),
        ("prometheus_ok", [], [], [], []),
        ("prometheus_firing", ["API Down"], [], [], []),
        ("prometheus_pending", [], [], [], ["API Down"]),
    ],
)
def test_documented_answers(
    server: HttpServer,
    answer: str,
    firing: list[str],
    silenced: list[str],
    inhibited: list[str],
    pending: list[str],
) -> None:
    server.behave(answer)
    report = asked(server, answer.partition("_")[0])
    seen = (report.firing, report.silenced, report.inhibited, report.pending)
    assert [[a.name for a in alerts] for alerts in seen] == [firing, silenced, inhibited, pending]


def test_an_alert_has_what_an_operator_wants_to_know(server: HttpServer) -> None:
    server.behave("prometheus_firing")
    (alert,) = asked(server, "prometheus").firing
    assert str(alert) == "API Down (critical)"
    assert alert.summary == "API Down is on"
    assert alert.since == datetime(2026, 3, 2, 7, 0, 0, 123456, UTC)


def test_rules_that_can_not_be_evaluated(server: HttpServer) -> None:
    server.behave("grafana_rule_error")
    (broken,) = asked(server, "grafana").rules or ()
    assert (broken.health, broken.error) == ("error", "failed to query the data source")
    server.behave("alertmanager_ok")
    assert asked(server, "alertmanager").rules is None


def test_alerts_that_have_to_fire(server: HttpServer) -> None:
    server.behave("alertmanager_watchdog")
    report = asked(server, "alertmanager", expected=["Watchdog"])
    assert (report.unexpected, report.missing) == ([], [])
    server.behave("alertmanager_ok")
    assert asked(server, "alertmanager", expected=["Watchdog"]).missing == ["Watchdog"]


@pytest.mark.parametrize(
    ("extra", "header"),
    [
        ({"token": SecretStr("abc")}, "Bearer abc"),
        ({"user": "u", "password": SecretStr("p")}, "Basic dTpw"),
        ({}, None),
    ],
)
def test_how_it_says_who_it_is(
    server: HttpServer, extra: dict[str, Any], header: str | None
) -> None:
    server.behave("grafana_ok")
    asked(server, "grafana", **extra)
    assert [sent.get("Authorization") for sent in server.headers] == [header] * 2


# Faults that cost the whole deadline are in the client's own tests.
QUICK = sorted(
    name for name in FAULTS if not name.startswith(("trickles", "hangs", "huge", "bomb"))
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [*QUICK, "wrong_shape"])
def test_no_fault_looks_green(server: HttpServer, kind: str, fault: str) -> None:
    server.behave(fault)
    with pytest.raises(CannotMeasure) as raised:
        asked(server, kind)
    assert "\n" not in str(raised.value)
    assert server.url in str(raised.value)


@pytest.mark.parametrize("fault", ["login_page", "redirect", "forbidden", "wrong_json"])
@pytest.mark.parametrize(
    ("answer", "path"), [("grafana_ok", "/api/prometheus"), ("prometheus_ok", "/api/v1/rules")]
)
def test_no_fault_of_the_rules_alone_looks_green(
    server: HttpServer, answer: str, path: str, fault: str
) -> None:
    server.behave(answer)
    server.behave(fault, on=path)
    with pytest.raises(Unreadable):
        asked(server, answer.partition("_")[0])


@pytest.mark.parametrize("fault", ["hangs", "trickles_body"])
def test_a_slow_one_is_late_and_not_green(
    server: HttpServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.alerts.ANSWER_S", 0.3)
    server.behave(fault)
    began = time.monotonic()
    with pytest.raises(TookTooLong):
        asked(server, "grafana")
    assert time.monotonic() - began < 1


def test_nobody_there() -> None:
    with HttpServer() as gone:
        pass
    with pytest.raises(Unreachable, match="connection refused"):
        asked(gone, "prometheus")


def test_an_error_answer_says_its_reason(server: HttpServer) -> None:
    server.behave("prometheus_error")
    with pytest.raises(Unreadable, match="status 'error': 'no'"):
        asked(server, "prometheus")


READERS = {
    "managed": (alert_answers.managed, [managed("A"), managed("B", "suppressed", mutedBy=["x"])]),
    "alerts": (alert_answers.prometheus_alerts, prometheus_alerts(("A", "firing"))),
    "rules": (alert_answers.rules, rules(rule("A", "firing"), rule("B", health="error"))),
}

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("reader", READERS)
@settings(deadline=None)
@given(value=VALUES)
def test_any_json_is_read_or_refused(reader: str, value: Any) -> None:
    read, _ = READERS[reader]
    with one_line_at_most():
        found = read(value, "http://127.0.0.1/")
        # Only an empty list is silence.
        assert value == []
        assert found == alert_answers.Sorted()


@pytest.mark.parametrize("reader", READERS)
@settings(deadline=None)
@given(data=st.data())
def test_a_good_answer_with_one_thing_wrong_is_read_or_refused(
    reader: str, data: st.DataObject
) -> None:
    read, good = READERS[reader]
    value = json.loads(json.dumps(good))
    places = list(_places(value))
    holder, key = data.draw(st.sampled_from(places))
    if data.draw(st.booleans()):
        holder[key] = data.draw(VALUES)
    else:
        del holder[key]
    with one_line_at_most():
        read(value, "http://127.0.0.1/")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def test_every_documented_answer_is_used() -> None:
    assert {name.partition("_")[0] for name in ANSWERS} == {*KINDS, "wrong"}
