"""What is selected, and whether it is the whole occasion."""

import pytest

ONE = '@runbook("{id}", **said)\ndef test_{name}(measured):\n    "W."\n    assert measured(1, of="x") < 2\n'
LAST = "runbook_run_last_success_timestamp_seconds{"


def write(small):
    small.write(
        morning=ONE.format(id="morning.disk", name="early")
        + ONE.format(id="morning.logs", name="too"),
        smoke=ONE.format(id="smoke.health", name="late"),
        triage=ONE.format(id="triage.layers", name="layer"),
    )


@pytest.mark.parametrize(
    ("words", "checks", "passed"),
    [
        ([], {"early", "too"}, {"morning"}),
        (["-m", "morning"], {"early", "too"}, {"morning"}),
        (["-m", "morning", "-n", "2"], {"early", "too"}, {"morning"}),
        (["-m", "smoke"], {"late"}, {"smoke"}),
        (["-m", "morning or smoke"], {"early", "too", "late"}, {"morning", "smoke"}),
        (["-m", "triage"], {"early", "too", "layer"}, {"morning", "triage"}),
        (["-m", "morning", "-k", "early"], {"early"}, set()),
        (["-m", "morning", "-k", "early", "-n", "2"], {"early"}, set()),
        (["-k", "early"], {"early"}, set()),
        (["-m", "not smoke"], {"early", "too", "layer"}, set()),
        (["checks/morning/test_things.py::test_early"], {"early"}, set()),
        (["-m", "morning", "--deselect", "checks/morning/test_things.py::test_too"], {"early"}, set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_only_a_whole_occasion_can_pass(small, words, checks, passed):
    write(small)
    ran = small.run(*words)
    assert ran.exit == 0, ran.screen
    assert {r["check"].removeprefix("test_") for r in ran.records.values()} == checks
    lines = (ran.folder / "metrics.prom").read_text("utf-8").splitlines()
    found = {line.split('occasion="')[1].split('"')[0] for line in lines if line.startswith(LAST)}
    assert found == passed
    assert ("(a selection)" in ran.screen) == (not passed)


def test_a_file_that_cant_be_collected_is_red(small):
    write(small)
    (small.folder / "checks" / "morning" / "test_broken.py").write_text("import nowhere\n", "utf-8")
    ran = small.run("-m", "morning", "--continue-on-collection-errors")
    assert ran.exit == 1
    assert "GREEN" not in ran.screen
    assert "Could not be run:" in ran.screen
    assert "test_broken.py: E   ModuleNotFoundError: No module named 'nowhere'" in ran.screen
    assert "RED" in ran.screen


def test_an_unknown_id_ends_with_4(small):
    small.write(morning=ONE.format(id="morning.nothing", name="x"))
    ran = small.run("-m", "morning")
    assert ran.exit == 4
    assert "morning.nothing is not in index.toml" in ran.screen
