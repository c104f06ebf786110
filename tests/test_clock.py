"""The clocks' probe and check: a database whose clock is right, and services that say theirs."""

from collections.abc import Iterator

import pytest

from fixtures.clock import ClockReading, clock
from fixtures.database import Database, connected
from fixtures.services import ServiceState
from fixtures.target_file import Clock, Limits, Service
from fixtures.targets import Target
from runbook.verdict import CannotMeasure
from tests.embedded_postgres import EmbeddedPostgres, embedded_postgres
from tests.judged import red as judged

API = {"web": Service(url="http://127.0.0.1:9/health", layer="api")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as made:
        yield made


def red(source: str, readings: dict[str, ClockReading]) -> list[str]:
    return judged(
        "morning/test_clock.py", "test_clocks_agree", source=source, clock=readings, limits=Limits()
    )


def test_this_machines_clock_agrees_with_itself(server: EmbeddedPostgres) -> None:
    database = connected(server.section())
    target = server.target(clock=Clock(sources=("database",)))
    readings = clock.measure(target, database)
    database.close()
    reading = readings["database"]
    assert abs(reading.skew_s) <= reading.error_s + 0.005
    assert reading.error_s < 0.5
    assert red("database", readings) == []


@pytest.mark.parametrize(
    ("behind_s", "judged_s"), [(0.4, []), (-4.9, []), (90, ["90"]), (-7, ["7"])]
)
def test_a_service_says_its_time(behind_s: float, judged_s: list[str]) -> None:
    target = Target(clock=Clock(sources=("api",)), services=API)
    states = {"web": ServiceState("web", clock_skew_s=behind_s)}
    readings = clock.measure(target, None, states)
    assert readings == {"api": ClockReading(-behind_s, 0.5)}
    assert red("api", readings) == [f"clock of the api: {s} s, limit <= 5" for s in judged_s]


@pytest.mark.parametrize(
    ("system", "states", "why"),
    [
        (Target(clock=Clock()), None, "services has none of the layer api"),
        (Target(clock=Clock(), services=API), None, "web could not be asked"),
        (
            Target(clock=Clock(), services=API),
            {"web": ServiceState("web", down="connection refused")},
            "web: connection refused",
        ),
        (
            Target(clock=Clock(), services=API),
            {"web": ServiceState("web")},
            "web: its answer has no Date header",
        ),
    ],
)
def test_a_clock_that_can_not_be_read_is_not_right(
    system: Target, states: dict[str, ServiceState] | None, why: str
) -> None:
    down = Database("127.0.0.1:9", "postgres", down="connection refused")
    readings = clock.measure(system, down, states)
    assert readings["api"] == ClockReading(why_not=why)
    assert readings["database"].why_not == "database 127.0.0.1:9: connection refused"
    for source in readings:
        with pytest.raises(CannotMeasure, match=f"clock of the {source}: "):
            red(source, readings)


def test_without_a_database_section() -> None:
    readings = clock.measure(Target(clock=Clock(sources=("database",))))
    assert readings["database"].why_not.startswith("the target has no [database]")
