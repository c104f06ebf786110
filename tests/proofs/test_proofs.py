"""Every check is seen red for its stated reason by a real fault, and green again after healing.

Prints the table of faults: what was done, which checks turned and what they said.
"""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.forex_week import ForexWeek
from tests.proofs.expected import differences, expected
from tests.proofs.faults import FAULTS, Fault
from tests.proofs.world import World, world

CHECKS = Path(__file__).parent.parent.parent / "checks"


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of the proofs' own, seen green before anything is broken."""
    with world(tmp_path_factory.mktemp("world")) as made:
        first = made.judge("morning or smoke or triage")
        assert first.red == {}, first.screen
        assert first.exit == 0
        yield made


def first_of_each_check() -> list[Fault]:
    found: dict[str, Fault] = {}
    for one in FAULTS:
        found.setdefault(one.proves, one)
    return list(found.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One fault for each check, or all of them with --full."""
    if "fault" in metafunc.fixturenames:
        chosen = FAULTS if metafunc.config.getoption("--full") else first_of_each_check()
        metafunc.parametrize("fault", chosen, ids=[f.name.replace(" ", "_") for f in chosen])


@pytest.mark.timeout(180)
def test_fault_turns_exactly_its_checks(
    fault: Fault, healthy: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with healthy.remembered(), fault.inject(healthy):
        outcome = healthy.judge(fault.occasion)
    with capsys.disabled():
        print(table(fault, outcome.red))
    wanted = expected(fault.name)
    assert any(name.split("[")[0] == fault.proves for name in wanted)
    wrong = differences(wanted, outcome.red)
    if fault.in_market_hours and not market_is_busy():
        # Nothing else may turn; whether these do depends on how long the market has been closed.
        wrong = [line for line in wrong if not line.startswith("did not turn")]
    assert wrong == [], outcome.screen
    assert outcome.exit == bool(outcome.red)
    after = healthy.judge(fault.occasion)
    assert after.red == {}, after.screen


def market_is_busy() -> bool:
    """Whether the market has been open for the whole of the last hour."""
    now = datetime.now(UTC)
    return ForexWeek().open_minutes(now - timedelta(hours=1), now) > 59


def table(fault: Fault, red: dict[str, tuple[str, str]]) -> str:
    rows = [f"\n{fault.name}"]
    for name, (verdict, reason) in red.items():
        rows.append(f"  {verdict:<8} {name:<45} {reason[:150]}")
    return "\n".join(rows)


def checks() -> set[str]:
    return {
        node.name.removeprefix("test_")
        for path in CHECKS.rglob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_check_has_a_fault() -> None:
    assert checks() - {one.proves for one in FAULTS} == set()
    assert {one.proves for one in FAULTS} <= checks()


def test_no_two_checks_share_a_name() -> None:
    names = [
        node.name
        for path in CHECKS.rglob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(names) == len(set(names))
