"""What is written of a run: the checklist, Allure, the Prometheus file, the run's folder."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from reports import checklist, prometheus, triage
from runbook.ids import index
from runbook.verdict import Verdict

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
WHOLE = frozenset({"morning", "smoke"})


def record(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "target": "t",
        "occasion": "morning",
        "component": "disk",
        "check": "test_disk_has_headroom",
        "subject": "",
        "id": "morning.disk",
        "severity": "P1",
        "verdict": "passed",
        "reason": "",
        "layer": "host",
        "is_gate": False,
        "blocked_by": "",
        "seen": [seen("disk /", 63, "%", "< 80")],
        "notes": [],
        "likely": "a cause",
        "look": "a command",
        "do": "maintenance.disk",
        "do_step": "old logs",
        "evidence": {},
        "why": "Why.",
    }
    return made | changes


def seen(
    subject: str, value: Any, unit: str = "", limit: str = "", ok: bool = True
) -> dict[str, Any]:
    text = f"{subject}: {value} {unit}, limit {limit}"
    return {"subject": subject, "value": value, "unit": unit, "limit": limit, "ok": ok,
            "seen": f"{value} {unit}".rstrip(), "text": text}  # fmt: skip


def failed(reason: str = "disk /: 91 %, limit < 80", **changes: Any) -> dict[str, Any]:
    lines = [seen("disk /", 91, "%", "< 80", ok=False)]
    return record(verdict="failed", reason=reason, seen=lines, **changes)


# The checklist


def test_the_order_is_the_runbooks():
    records = [
        record(id=name, component=name.split(".")[1], check=f"test_{name.split('.')[1]}_is_good")
        for name in reversed(list(index()))
        if name.startswith("morning.")
    ]
    lines = [line for _, line in checklist.checklist(records, 120)]
    wanted = [name.split(".")[1] for name in index() if name.startswith("morning.")]
    assert [line.split()[1] for line in lines] == wanted


def test_passed_cases_share_a_line_that_shows_the_worst():
    records = [
        record(subject=s, seen=[seen(s, v, "%", "< 80")]) for s, v in (("/a", 10), ("/b", 79))
    ]
    [(verdict, line)] = checklist.checklist(records, 120)
    assert verdict == "passed"
    assert "2 × 79 % < 80  /b" in line


def test_cases_that_arrive_apart_share_their_line_all_the_same():
    other = record(check="test_inodes_have_headroom")
    records = [record(subject="/a"), other, record(subject="/b")]
    lines = [line for _, line in checklist.checklist(records, 120)]
    assert len(lines) == 2
    assert "2 × " in lines[0]


def test_the_worst_is_the_one_nearest_to_its_own_limit():
    lines = [seen("p95", 300, "ms", "< 500"), seen("errors", 0.99, "%", "< 1")]
    [(_, line)] = checklist.checklist([record(seen=lines)], 120)
    assert "2 × 0.99 % < 1  errors" in line
    lines = [seen("free", 90, "GB", "> 10"), seen("left", 12, "GB", "> 10")]
    [(_, line)] = checklist.checklist([record(seen=lines)], 120)
    assert "12 GB > 10  left" in line


def test_each_verdict_of_a_check_has_its_line():
    records = [failed(subject="/a"), failed(subject="/b"), record(subject="/c")]
    lines = [line for _, line in checklist.checklist(records, 120)]
    assert len(lines) == 2
    assert "[/a +1]" in lines[0]


def test_what_needs_doing_is_worst_first_and_whole():
    long = "disk /a/very/long/path/" + "x" * 90 + ": 91 %, limit < 80"
    records = [
        failed(severity="P2", id="morning.logs", component="logs"),
        record(verdict="broken", reason=long, severity="P0", notes=["a note"]),
    ]
    text = "\n".join(line for _, line in checklist.what_needs_doing(records, 80))
    assert text.index("P0 BROKEN") < text.index("P2 FAILED")
    for words in (
        long.split()[1],
        "91 %, limit < 80",
        "a note",
        "a cause",
        "a command",
        "old logs",
    ):
        assert words in text


TEXT = st.text(max_size=200) | st.sampled_from(["a" * 300, "line\nbreak", "ünï ✓ 漢字", ""])
RECORDS = st.lists(
    st.builds(
        record,
        subject=TEXT,
        verdict=st.sampled_from([str(v) for v in Verdict]),
        reason=TEXT,
        notes=st.lists(TEXT, max_size=2),
        likely=TEXT,
        look=TEXT,
        severity=st.sampled_from(["P0", "P1", "P2", "P3"]),
        id=st.sampled_from(list(index())),
        seen=st.lists(
            st.builds(seen, TEXT, st.floats() | st.integers() | TEXT | st.booleans(), TEXT,
                      st.sampled_from(["< 80", "> 1", "= x", "not y"]), st.booleans()),
            max_size=3,
        ),
    ),
    max_size=6,
)  # fmt: skip


@given(RECORDS, st.sampled_from([80, 120]))
def test_no_line_of_the_checklist_is_wider_than_the_screen(records, width):
    for _, line in checklist.checklist(records, width):
        assert len(line) <= width
        assert "\n" not in line
    assert sum(checklist.totals(records).count(str(v)) for v in Verdict) >= bool(records)


@given(RECORDS, st.sampled_from([80, 120]))
def test_every_report_takes_any_record(records, width):
    told = [line for _, line in checklist.what_needs_doing(records, width)]
    red = [r for r in records if r["verdict"] in ("failed", "broken")]
    assert bool(told) == bool(red)
    list(checklist.blocked(records, width))
    list(checklist.skipped(records, width))
    list(triage.headline(records, width))


# Triage


def test_the_cause_is_the_lowest_gate_that_is_red():
    services = failed(id="morning.services", severity="P0", layer="api")
    api = failed(
        id="triage.layers", layer="api", is_gate=True, evidence={"log": '{"message": "m"}'}
    )
    database = failed(id="triage.layers", layer="db", is_gate=True)
    assert triage.cause([services, api]) is api
    assert triage.cause([services, api, database]) is database
    assert triage.cause([record(verdict="blocked"), record()]) is None


def test_sure_before_unsure_and_worse_before_mild():
    broken = record(verdict="broken", severity="P0")
    sure, mild = failed(severity="P1"), failed(severity="P3")
    assert triage.cause([broken, mild, sure]) is sure


def test_the_headline_fits_and_names_the_next_step():
    gate = failed(id="triage.layers", layer="api", is_gate=True, evidence={"log": "x" * 300})
    stuck = record(verdict="blocked", component="metrics")
    lines = [line for line, _ in triage.headline([gate, stuck], 80)]
    assert all(len(line) < 80 for line in lines)
    text = "\n".join(lines)
    assert "CAUSE  api" in text
    assert "blocks    1 checks: metrics" in text
    assert "maintenance.disk: old logs" in text


# The Prometheus file


def test_the_file_can_be_read_back(tmp_path):
    odd = 'quote " backslash \\ and\nline'
    samples = prometheus.merged({}, [record(subject=odd), failed(subject="b")], NOW, WHOLE)
    prometheus.write(tmp_path / "metrics.prom", samples)
    text = (tmp_path / "metrics.prom").read_text("utf-8")
    families = {f.name for f in text_string_to_metric_families(text)}
    assert families == set(prometheus._HELP)
    assert prometheus.read(tmp_path / "metrics.prom") == samples


def status(samples: dict[Any, float], name: str, **labels: str) -> list[float]:
    return [
        value
        for (sample, pairs), value in samples.items()
        if sample == name and labels.items() <= dict(pairs).items()
    ]


def test_a_run_replaces_its_own_lines_and_no_others():
    first = prometheus.merged(
        {}, [record(), record(target="u"), record(occasion="smoke")], NOW, WHOLE
    )
    second = prometheus.merged(first, [failed()], NOW.replace(hour=9), WHOLE)
    check, passed = "runbook_check_status", "runbook_check_last_success_timestamp_seconds"
    assert status(second, check, target="t", occasion="morning") == [1]
    assert status(second, check, target="u") == [0]
    assert status(second, check, occasion="smoke") == [0]
    assert status(second, passed, target="t", occasion="morning") == [NOW.timestamp()]
    last = "runbook_run_last_success_timestamp_seconds"
    assert status(second, last, target="t", occasion="morning") == [NOW.timestamp()]


@pytest.mark.parametrize("verdict", ["failed", "broken", "blocked"])
def test_a_red_run_is_no_success(verdict):
    samples = prometheus.merged({}, [record(), record(check="test_b", verdict=verdict)], NOW, WHOLE)
    assert status(samples, "runbook_run_last_success_timestamp_seconds") == []
    assert status(samples, "runbook_run_timestamp_seconds") == [NOW.timestamp()]


def test_a_selection_says_nothing_about_its_occasion():
    first = prometheus.merged({}, [record(), failed(check="test_b")], NOW, WHOLE)
    second = prometheus.merged(first, [record()], NOW.replace(hour=9), frozenset())
    assert status(second, "runbook_check_status", check="test_b") == [1]
    assert status(second, "runbook_check_status", check="test_disk_has_headroom") == [0]
    assert status(second, "runbook_run_last_success_timestamp_seconds") == []
    assert status(second, "runbook_run_timestamp_seconds") == [NOW.timestamp()]


def test_a_whole_run_forgets_checks_that_are_no_more():
    first = prometheus.merged({}, [record(), record(check="test_b")], NOW, WHOLE)
    second = prometheus.merged(first, [record()], NOW, WHOLE)
    assert status(second, "runbook_check_status", check="test_b") == []


def test_nothing_but_skips_is_no_success():
    samples = prometheus.merged({}, [record(verdict="skipped")], NOW, WHOLE)
    assert status(samples, "runbook_run_last_success_timestamp_seconds") == []


def test_a_file_that_cant_be_read_is_put_aside(tmp_path):
    path = tmp_path / "metrics.prom"
    path.write_text("this is { no metric", "utf-8")
    assert prometheus.read(path) == {}
    [aside] = tmp_path.glob("metrics.prom.unreadable-*")
    assert aside.read_text("utf-8") == "this is { no metric"
    assert prometheus.read(path) == {}


# A run's folder

ONE = '''
@runbook("morning.disk", **said)
def test_good(measured, evidence):
    """Why."""
    evidence("kept to itself", "of a pass")
    assert measured(1, "%", of="x") < 2

@runbook("morning.services", **said)
def test_bad(measured, evidence):
    """Why."""
    evidence("what was there", "of a failure")
    assert measured(3, "%", of="x") < 2
'''


def results(folder: Path) -> dict[str, dict[str, Any]]:
    files = (folder / "latest" / "allure-results").glob("*-result.json")
    made = [json.loads(path.read_text("utf-8")) for path in files]
    return {one["fullName"].rpartition("#")[2]: one for one in made}


def test_allure_has_what_was_seen(small):
    small.write(morning=ONE)
    ran = small.run("-m", "morning")
    good, bad = results(ran.folder)["test_good"], results(ran.folder)["test_bad"]
    labels = {label["name"]: label["value"] for label in bad["labels"]}
    assert labels["severity"] == "blocker"
    assert labels["runbook"] == "morning.services"
    assert labels["target"] == "t"
    assert labels["feature"] == "things"
    assert [(s["name"], s["status"]) for s in bad["steps"]] == [("x: 3 %, limit < 2", "failed")]
    assert [a["name"] for a in bad["attachments"]] == ["what was there"]
    assert bad["statusDetails"]["message"].startswith("x: 3 %, limit < 2\n")
    assert "attachments" not in good
    assert good["steps"][0]["status"] == "passed"
    folder = ran.folder / "latest" / "allure-results"
    assert "occasion=morning" in (folder / "environment.properties").read_text("utf-8")
    assert len(json.loads((folder / "categories.json").read_text("utf-8"))) == 4


def test_allure_has_a_word_for_each_severity(small):
    ids = {"blocker": "morning.services", "critical": "morning.disk", "normal": "morning.logs",
           "minor": "smoke.errors"}  # fmt: skip
    check = '@runbook("{id}", **said)\ndef test_{name}(measured):\n    "W."\n'
    body = "    assert measured(1, of='x') < 2\n"
    small.write(
        morning="".join(check.format(id=key, name=name) + body for name, key in ids.items())
    )
    found = results(small.run("-m", "morning").folder)
    for name in ids:
        assert {"name": "severity", "value": name} in found[f"test_{name}"]["labels"]


def test_allure_knows_what_is_blocked(small):
    small.write(
        probes="class Gate:\n    down = 'refused'\n"
        "@probe(gate='db')\ndef db_gate(): return Gate()\n"
        "@probe(layer='db')\ndef fact(): return 3\n",
        morning='@runbook("morning.database", **said)\ndef test_above(fact, measured):\n'
        '    "W."\n    assert measured(fact, of="x") < 1\n',
    )
    [one] = results(small.run("-m", "morning").folder).values()
    assert one["status"] == "skipped"
    assert one["statusDetails"]["message"] == "blocked by db: refused"
    assert {"name": "blocked", "value": "db"} in one["labels"]


def test_latest_is_the_newest_and_old_ones_go(small):
    small.write(morning=ONE)
    runs = small.folder / "out" / "runs"
    for number in range(34):
        (runs / f"20200101T0000{number:02}-1").mkdir(parents=True)
    ran = small.run("-m", "morning")
    left = sorted(path.name for path in runs.iterdir())
    assert len(left) == 30
    assert (ran.folder / "latest").resolve().name == left[-1]
    again = small.run("-m", "morning")
    assert (again.folder / "latest").resolve().name == max(p.name for p in runs.iterdir())


def test_two_runs_at_once_leave_one_latest_and_both_folders(small):
    small.write(morning=ONE)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: small.run("-m", "morning"), range(2)))
    assert [ran.exit for ran in both] == [1, 1]
    out = small.folder / "out"
    runs = sorted((out / "runs").iterdir())
    assert len(runs) == 2
    assert all((run / "records.json").is_file() and (run / "junit.xml").is_file() for run in runs)
    assert (out / "latest").resolve() in runs
    assert not [*out.glob(".latest-*")]
    samples = prometheus.read(out / "metrics.prom")
    assert len(status(samples, "runbook_check_status", target="t")) == 2


def test_reports_that_cant_be_written_end_with_4(small):
    small.write(morning=ONE)
    (small.folder / "out").write_text("a file", "utf-8")
    ran = small.run("-m", "morning")
    assert ran.exit == 4
    assert "can't be written" in ran.screen
    assert len(ran.screen.strip().splitlines()) == 1


def test_records_say_how_long_each_probe_took(small):
    small.write(
        probes="@probe()\ndef fact():\n    time.sleep(0.2)\n    return 1\n",
        morning='@runbook("morning.disk", **said)\ndef test_it(fact, measured):\n'
        '    "W."\n    assert measured(fact, of="x") == 1\n',
    )
    ran = small.run("-m", "morning")
    content = json.loads((ran.folder / "latest" / "records.json").read_text("utf-8"))
    assert 0.2 <= content["probes_s"]["t fact"] < 5
    assert content["occasion"] == "morning"
    [one] = content["checks"].values()
    assert one["seen"][0]["text"] == "x: 1, limit = 1"


def test_a_screen_of_80_columns_is_enough(small):
    small.write(morning=ONE)
    ran = small.run("-m", "morning", env={"COLUMNS": "80"})
    assert all(len(line) <= 80 for line in ran.screen.splitlines())


CRASH = """
@runbook("morning.services", **said)
def test_good(measured):
    "W."
    assert measured(1, of="x") < 2

@runbook("morning.disk", **said)
def test_ends_its_worker(measured):
    "W."
    import os
    os._exit(3)
"""


def test_a_run_with_a_worker_that_died_is_no_success(small):
    small.write(morning=CRASH)
    ran = small.run("-m", "morning", "-n", "1")
    assert ran.exit == 1
    samples = prometheus.read(ran.folder / "metrics.prom")
    assert status(samples, "runbook_check_status", check="test_good") == [0]
    assert status(samples, "runbook_run_last_success_timestamp_seconds") == []


def test_a_file_that_cant_be_collected_is_no_success(small):
    small.write(morning=CRASH.split('@runbook("morning.disk', 1)[0])
    (small.folder / "checks" / "morning" / "test_bad.py").write_text("1 / 0", "utf-8")
    ran = small.run("-m", "morning", "--continue-on-collection-errors")
    samples = prometheus.read(ran.folder / "metrics.prom")
    assert status(samples, "runbook_run_last_success_timestamp_seconds") == []


def test_a_carriage_return_in_a_label_survives(tmp_path):
    samples = prometheus.merged({}, [record(subject="a\rb")], NOW, WHOLE)
    prometheus.write(tmp_path / "metrics.prom", samples)
    assert prometheus.read(tmp_path / "metrics.prom") == samples


def test_a_long_cause_is_wrapped():
    lines = [line for line, _ in triage.headline([failed(subject="s" * 60)], 80)]
    assert all(len(part) < 80 for line in lines for part in line.splitlines())


def test_a_folder_named_latest_is_refused_before_the_run(small):
    small.write(morning=ONE)
    (small.folder / "out" / "latest").mkdir(parents=True)
    ran = small.run("-m", "morning")
    assert ran.exit == 4
    assert len(ran.screen.strip().splitlines()) == 1
