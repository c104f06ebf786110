"""The mechanisms together, as a run of them shows: verdicts, blocking, deadlines, exit status."""

import pytest

FIVE = '''
@runbook("morning.disk", **said)
def test_passes(measured):
    """Why."""
    assert measured(63, "%", of="disk /") < 80

@runbook("morning.disk", **said)
def test_fails(measured):
    """Why."""
    assert all([measured(91, "%", of="disk /a") < 80, measured(7, "%", of="disk /b") < 80])

@runbook("morning.disk", **said)
def test_breaks(measured):
    """Why."""
    raise Unreachable("http://127.0.0.1:1: connection refused")

@runbook("morning.disk", **said)
def test_is_not_offered(measured):
    """Why."""
    raise NotPart("mounts are not part of this target")

@runbook("morning.disk", **said)
def test_has_a_bug(measured):
    """Why."""
    {}["missing"]
'''


def test_each_verdict_has_its_word(small):
    small.write(morning=FIVE)
    ran = small.run("-m", "morning")
    assert ran.exit == 1
    assert ran.verdict("test_passes")[0] == "passed"
    assert ran.verdict("test_fails") == ("failed", "disk /a: 91 %, limit < 80")
    assert ran.verdict("test_breaks") == ("broken", "http://127.0.0.1:1: connection refused")
    assert ran.verdict("test_is_not_offered")[0] == "skipped"
    assert ran.verdict("test_has_a_bug")[0] == "broken"
    assert "1 failed, 2 broken, 1 skipped, 1 passed" in ran.screen
    assert "maintenance.disk" in ran.screen
    assert "Traceback" not in ran.screen


def test_verdicts_reach_junit_and_allure(small):
    small.write(morning=FIVE)
    ran = small.run("-m", "morning")
    junit = (ran.folder / "latest" / "junit.xml").read_text("utf-8")
    assert 'name="verdict" value="broken"' in junit
    assert "disk /a: 91 %, limit &lt; 80" in junit
    results = [p.read_text("utf-8") for p in (ran.folder / "latest").rglob("*-result.json")]
    broken = [text for text in results if '"status": "broken"' in text]
    assert len(broken) == 2
    assert any('"message": "http://127.0.0.1:1: connection refused' in text for text in broken)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pass", "measured nothing"),
        ("measured(1, of='x')", "compared with nothing"),
        ("measured(1, of='x') < 0", "x: 1, limit < 0"),
        ("assert measured(float('nan'), '%', of='x') < 80", "x: nan %, limit < 80"),
        ("assert measured(float('nan'), '%', of='x') != 80", "x: nan %, limit not 80"),
        ("assert measured(1, of='x')", "compared with nothing"),
    ],
)
def test_a_check_that_judges_nothing_is_red(small, body, words):
    small.write(
        morning=f'@runbook("morning.disk", **said)\ndef test_it(measured):\n    "W."\n    {body}'
    )
    ran = small.run("-m", "morning")
    assert ran.exit == 1
    verdict, reason = ran.verdict("test_it")
    assert verdict in ("failed", "broken")
    assert words in reason


def test_everything_skipped_is_red(small):
    small.write(
        morning='@runbook("morning.disk", **said)\ndef test_it(measured):\n    "W."\n    raise NotPart("x")'
    )
    assert small.run("-m", "morning").exit == 1


def test_nothing_selected_is_red(small):
    small.write(morning=FIVE)
    assert small.run("-m", "smoke").exit == 5


def test_the_bare_command_is_the_morning(small):
    one = '@runbook("{id}", **said)\ndef test_{name}(measured):\n    "W."\n    assert measured(1, of="x") < 2\n'
    small.write(
        morning=one.format(id="morning.disk", name="early"),
        smoke=one.format(id="smoke.health", name="late"),
    )
    assert [key.rpartition("::")[2] for key in small.run().records] == ["test_early"]


PROBES = """
class Gate:
    def __init__(self, down): self.down = down

@probe(gate="db")
def db_gate(): return Gate("connection refused")

@probe(layer="db")
def db_fact(db_gate): raise Unreachable("no connection")

@probe(layer="api")
def api_fact(): return 3

@probe(section="alerts")
def alert_fact(): return 1

@probe(deadline_s=0.3)
def slow(): time.sleep(30)

@probe(deadline_s=0.3)
def after_slow(slow=None): return "measured without it"

@probe()
def careless(): return {}["missing"]
"""
BLOCKING = '''
@runbook("morning.database", **said)
def test_gate(db_gate, measured):
    """Why."""
    assert measured(db_gate.down or "answers", of="db") == "answers"

@runbook("morning.database", **said)
def test_fact(db_fact, measured):
    """Why."""

@runbook("morning.metrics", **said)
def test_above_good(api_fact, measured):
    """Why."""
    assert measured(api_fact, of="x") < 5

@runbook("morning.metrics", **said)
def test_above_bad(api_fact, measured):
    """Why."""
    assert measured(api_fact, of="x") < 1

@runbook("morning.alerts", **said)
def test_absent(alert_fact, measured):
    """Why."""

@runbook("morning.disk", **said)
def test_hung(slow, measured):
    """Why."""

@runbook("morning.disk", **said)
def test_without_the_hung(after_slow, measured):
    """Why."""
    assert measured(after_slow, of="x") == "measured without it"

@runbook("morning.disk", **said)
def test_bug_in_a_probe(careless, measured):
    """Why."""
'''


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_layer_that_is_down_blocks_what_stands_on_it(small, workers):
    small.write(probes=PROBES, morning=BLOCKING)
    ran = small.run("-m", "morning", *workers)
    assert ran.verdict("test_gate") == ("failed", "db: connection refused, limit = answers")
    assert ran.verdict("test_fact") == ("blocked", "blocked by db: connection refused")
    assert ran.verdict("test_above_good")[0] == "passed"
    assert ran.verdict("test_above_bad") == ("blocked", "blocked by db: connection refused")
    assert ran.verdict("test_absent") == ("skipped", "alerts is not part of this target")
    assert ran.verdict("test_hung") == ("broken", "slow took longer than 0.3 s")
    assert ran.verdict("test_without_the_hung")[0] == "passed"
    assert ran.verdict("test_bug_in_a_probe")[0] == "broken"
    assert ran.exit == 1


def test_blocked_alone_is_red(small):
    small.write(probes=PROBES, morning=BLOCKING)
    ran = small.run("-m", "morning", "-k", "test_above_bad or test_above_good")
    assert ran.exit == 1
    assert "1 blocked, 1 passed" in ran.screen


def test_collecting_measures_nothing(small):
    touched = small.folder / "touched"
    small.write(
        probes=f"@probe()\ndef fact(): open({str(touched)!r}, 'w').close(); return 1\n",
        morning='@runbook("morning.disk", **said)\ndef test_it(fact, measured):\n    "W."\n',
    )
    assert small.run("-m", "morning", "--collect-only").exit == 0
    assert small.run("-m", "morning", "--setup-plan").exit == 0
    assert not touched.exists()
    small.run("-m", "morning")
    assert touched.exists()


def test_probes_run_together(small):
    probes = "".join(
        f"@probe()\ndef fact_{n}():\n    time.sleep(0.5)\n    return {n}\n" for n in range(12)
    )
    checks = "".join(
        f'@runbook("morning.disk", **said)\ndef test_{n}(fact_{n}, measured):\n    "W."\n'
        f'    assert measured(fact_{n}, of="x") == {n}\n'
        for n in range(12)
    )
    small.write(probes=probes, morning=checks)
    ran = small.run("-m", "morning")
    assert ran.exit == 0
    assert float(ran.screen.rpartition(" in ")[2].split()[0]) < 3


def test_every_target_is_judged_and_told_apart(small):
    small.write(
        probes=PROBES,
        morning='@runbook("morning.disk", **said)\n@each(symbol="market.symbols")\n'
        'def test_it(symbol, api_fact, measured):\n    "W."\n    assert measured(1, of=symbol) < 2\n',
        target='[market]\nsymbols = ["EURUSD", "GBPUSD"]\n',
    )
    (small.folder / "u.toml").write_text('[market]\nsymbols = ["EURUSD"]\n', "utf-8")
    ran = small.run("-m", "morning", targets="t.toml u.toml")
    assert ran.exit == 0
    assert [key.rpartition("::")[2] for key in ran.records] == [
        "test_it[t-EURUSD]",
        "test_it[t-GBPUSD]",
        "test_it[u-EURUSD]",
    ]
    alone = small.run("-m", "morning", "-k", "EURUSD")
    assert [key.rpartition("::")[2] for key in alone.records] == ["test_it[EURUSD]"]


def test_a_timeout_is_broken(small):
    small.write(
        morning='@runbook("morning.disk", **said)\ndef test_it(measured):\n    "W."\n    time.sleep(30)'
    )
    ran = small.run("-m", "morning", "-o", "timeout=1")
    verdict, reason = ran.verdict("test_it")
    assert verdict == "broken"
    assert "Timeout" in reason


def test_an_unreachable_target_blocks_only_itself(small):
    small.write(
        probes="""
class Gate:
    def __init__(self, down): self.down = down

@probe(section="database", gate="db")
def db_gate(target): return Gate("connection refused" if target.name == "u" else None)

@probe(section="database", layer="db")
def fact(target, db_gate):
    if db_gate.down: raise Unreachable(db_gate.down)
    return 1
""",
        morning="""
@runbook("morning.database", **said)
def test_gate(db_gate, measured):
    "W."
    assert measured(db_gate.down or "answers", of="db") == "answers"

@runbook("morning.database", **said)
def test_fact(fact, measured):
    "W."
    assert measured(fact, of="x") == 1
""",
        target='[database]\nhost = "h"\nname = "n"\nuser = "u"\npasswordless = true\n',
    )
    text = (small.folder / "t.toml").read_text("utf-8")
    (small.folder / "u.toml").write_text(text, "utf-8")
    ran = small.run("-m", "morning", targets="t.toml u.toml")
    assert ran.verdict("test_gate[t]")[0] == ran.verdict("test_fact[t]")[0] == "passed"
    assert ran.verdict("test_gate[u]")[0] == "failed"
    assert ran.verdict("test_fact[u]") == ("blocked", "blocked by db: connection refused")
    assert ran.exit == 1
