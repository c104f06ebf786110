"""Turns what a check did into its verdict, and puts everything reports need on the report."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from runbook.each import TARGETS
from runbook.evidence import EVIDENCE, Evidence
from runbook.ids import Covered, covered, index
from runbook.layers import BELOW, below
from runbook.measured import RECORDER, Recorder
from runbook.probe import PROBES, gates_under, probes_of
from runbook.verdict import CannotMeasure, NotPart, TookTooLong, Verdict

VERDICT = pytest.StashKey[Verdict]()
REASON = pytest.StashKey[str]()
BLOCKED_BY = pytest.StashKey[str]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Give the check its recorder, and judge what goes wrong before it starts."""
    item.stash[RECORDER] = Recorder()
    item.stash[EVIDENCE] = Evidence()
    with _judged(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Judge the check itself."""
    with _judged(item):
        result = yield
        if covered(item):
            item.stash[RECORDER].check_passed()
        item.stash[VERDICT] = Verdict.PASSED
        return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """A check that can't be left clean is broken."""
    with _judged(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the record that every report is made from."""
    report = yield
    about = covered(item)
    if about and (report.when == "call" or not report.passed):
        made = record(item, about)
        # Attributes of a report travel with it, from an xdist worker too.
        vars(report)["record"] = made
        # JUnit reads the item's list when the check is over.
        item.user_properties[:] = [
            ("verdict", made["verdict"]),
            ("runbook", about.entry.id),
            ("severity", about.entry.severity),
            *(("measured", line["text"]) for line in made["seen"]),
        ]
    return report


def record(item: pytest.Item, about: Covered) -> dict[str, Any]:
    """Everything reports say about a check, in plain values."""
    recorder, target = item.stash[RECORDER], _target(item)
    subject = [str(v) for k, v in _parameters(item).items() if k != "target"]
    seen = [
        line | {"text": str(r)} for line, r in zip(recorder.plain(), recorder.records, strict=True)
    ]
    return {
        "target": getattr(target, "name", ""),
        "occasion": item.path.parent.name,
        "component": item.path.stem.removeprefix("test_"),
        "check": getattr(item, "originalname", item.name),
        "subject": ", ".join(subject),
        "id": about.entry.id,
        "severity": about.entry.severity,
        "verdict": str(item.stash.get(VERDICT, Verdict.BROKEN)),
        "reason": item.stash.get(REASON, ""),
        "layer": _layer(item, about),
        "is_gate": any(made.gate for made in probes_of(item)),
        "blocked_by": item.stash.get(BLOCKED_BY, ""),
        "seen": seen,
        "notes": list(recorder.notes),
        "likely": about.likely,
        "look": _filled(about.look, item),
        "do": about.do,
        "do_step": index()[about.do].step,
        "evidence": dict(item.stash[EVIDENCE].attached),
        "why": (getattr(item, "obj", None).__doc__ or "").strip().split("\n")[0],
    }


@contextmanager
def _judged(item: pytest.Item) -> Iterator[None]:
    about = covered(item)
    if about is None:
        yield
        return
    try:
        yield
    except (pytest.skip.Exception, NotPart) as error:
        _say(item, Verdict.SKIPPED, str(error))
        raise pytest.skip.Exception(str(error), _use_item_location=True) from None
    except AssertionError as error:
        raise AssertionError(_red(item, about, Verdict.FAILED, error)).with_traceback(
            error.__traceback__
        ) from None
    except CannotMeasure as error:
        # A new one each time: the session keeps a probe's exception for all its checks.
        raise type(error)(_red(item, about, Verdict.BROKEN, error)).with_traceback(
            error.__traceback__
        ) from None
    except pytest.fail.Exception as error:
        # pytest-timeout raises this; no time to measure is no verdict on the system.
        raise TookTooLong(_red(item, about, Verdict.BROKEN, error)) from None
    except KeyboardInterrupt:
        # Left as it is, Allure would call the check skipped and JUnit would not know it.
        item.session.shouldstop = "interrupted"
        _say(item, Verdict.BROKEN, "the run was interrupted")
        raise CannotMeasure("the run was interrupted") from None
    except Exception as error:
        ours = CannotMeasure(f"the check itself broke: {type(error).__name__}: {error}")
        raise CannotMeasure(_red(item, about, Verdict.BROKEN, ours)) from error


def _red(item: pytest.Item, about: Covered, verdict: Verdict, error: BaseException) -> str:
    layer, reason = _blocker(item, about)
    if layer:
        item.stash[BLOCKED_BY] = layer
        _say(item, Verdict.BLOCKED, f"blocked by {layer}: {reason}")
        raise pytest.skip.Exception(item.stash[REASON], _use_item_location=True) from None
    missed = item.stash[RECORDER].missed
    lines = [str(record) for record in missed] if verdict == Verdict.FAILED else []
    lines = lines or [str(error).split("\nassert ", 1)[0].strip() or type(error).__name__]
    first = lines[0] if len(lines) == 1 else f"{lines[0]} (and {len(lines) - 1} more)"
    _say(item, verdict, first)
    advice = [f"  likely  {about.likely}", f"  look    {_filled(about.look, item)}"]
    advice.append(f"  do      {about.do}: {index()[about.do].step}")
    notes = [f"  note    {note}" for note in item.stash[RECORDER].notes]
    return "\n".join([first, *(f"  also    {line}" for line in lines[1:]), *notes, *advice])


def _layer(item: pytest.Item, about: Covered) -> str:
    """The layer a check judges: as it says, else the highest of its probes'."""
    target = _target(item)
    if (said := about.layer or about.stands_on) and target is not None:
        return said(target, **_arguments(item))
    order = list(BELOW)
    return max((made.layer for made in probes_of(item)), key=order.index, default="host")


def _blocker(item: pytest.Item, about: Covered) -> tuple[str, str]:
    target = _target(item)
    if target is None:
        return "", ""
    if about.layer:
        layers = below(about.layer(target, **_arguments(item)))
    elif about.stands_on:
        needed = about.stands_on(target, **_arguments(item))
        layers = [*below(needed), needed]
    else:
        layers = gates_under(probes_of(item))
    probes = item.config.stash[PROBES]
    for layer in layers:
        if reason := probes.down(target, layer):
            return layer, reason
    return "", ""


def _say(item: pytest.Item, verdict: Verdict, reason: str) -> None:
    item.stash[VERDICT] = verdict
    item.stash[REASON] = reason


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec else {}


def _arguments(item: pytest.Item) -> dict[str, Any]:
    return {name: value for name, value in _parameters(item).items() if name != "target"}


def _target(item: pytest.Item) -> Any:
    return item.config.stash[TARGETS].get(_parameters(item).get("target", ""))


def _filled(text: str, item: pytest.Item) -> str:
    for name, value in _arguments(item).items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
