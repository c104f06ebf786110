"""Allure results: what was seen as steps, severity, runbook id, component, evidence on failure."""

import contextlib
import json
import platform
from collections.abc import Generator
from importlib.metadata import version
from typing import Any

import pytest

from reports.checklist import words
from reports.places import RUN_FOLDER
from reports.records import RUN, Record
from runbook.each import TARGETS
from runbook.redaction import REDACTOR
from runbook.verdict import Verdict

# Fixtures set up for every check that do no work of their own.
_QUIET = ("measured", "evidence")
_SEVERITIES = {"P0": "blocker", "P1": "critical", "P2": "normal", "P3": "minor"}
_CATEGORIES = [
    {"name": "The system is wrong", "matchedStatuses": ["failed"]},
    {"name": "Could not be measured", "matchedStatuses": ["broken"]},
    {
        "name": "Blocked by a layer below",
        "matchedStatuses": ["skipped"],
        "messageRegex": "(?s).*blocked by.*",
    },
    {"name": "Not part of this target", "matchedStatuses": ["skipped"]},
]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell Allure what the record holds, while it still listens to this check."""
    report = yield
    record = getattr(report, "record", None)
    if record and item.config.getoption("allure_report_dir", None):
        _tell(record)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_post_finalizer(fixturedef: Any, request: pytest.FixtureRequest) -> None:
    """Spare Allure a file per check that would only say when `measured` was set up."""
    listener = request.config.pluginmanager.get_plugin("allure_listener")
    if (
        listener is not None
        and fixturedef.argname in _QUIET
        and (group := listener._cache.pop(fixturedef))
    ):
        listener.allure_logger._items.pop(group)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what Allure shows about the run as a whole."""
    config = session.config
    folder = config.stash.get(RUN_FOLDER, None)
    if folder is None:
        return
    results = folder / "allure-results"
    results.mkdir(exist_ok=True)
    targets = config.stash[TARGETS]
    environment = {
        "targets": ", ".join(targets),
        "occasion": config.option.markexpr or config.option.keyword or "selected",
        "began": f"{config.stash[RUN].began:%Y-%m-%d %H:%M:%S} UTC",
        "python": platform.python_version(),
        "pytest": version("pytest"),
    }
    lines = [f"{key}={value}" for key, value in environment.items()]
    clean = config.stash[REDACTOR].clean
    (results / "environment.properties").write_text(clean("\n".join(lines) + "\n"), "utf-8")
    (results / "categories.json").write_text(json.dumps(_CATEGORIES, indent=1), "utf-8")


def _tell(record: Record) -> None:
    import allure

    case = f" [{record['subject']}]" if record["subject"] else ""
    allure.dynamic.title(f"{record['component']}: {words(record)}{case}")
    allure.dynamic.severity(_SEVERITIES[record["severity"]])
    allure.dynamic.epic(record["occasion"])
    allure.dynamic.feature(record["component"])
    allure.dynamic.story(words(record))
    allure.dynamic.label("runbook", record["id"])
    allure.dynamic.label("target", record["target"])
    allure.dynamic.parent_suite(record["target"])
    allure.dynamic.suite(record["occasion"])
    allure.dynamic.sub_suite(record["component"])
    allure.dynamic.tag(record["id"])
    if record["verdict"] == Verdict.BLOCKED:
        allure.dynamic.tag("blocked")
        allure.dynamic.label("blocked", record["blocked_by"])
    for line in record["seen"]:
        with contextlib.suppress(AssertionError), allure.step(line["text"]):
            # Allure paints a step red when an exception leaves it.
            assert line["ok"] is not False
    if Verdict(record["verdict"]).is_red:
        for name, text in record["evidence"].items():
            allure.attach(text, name, allure.attachment_type.TEXT)
