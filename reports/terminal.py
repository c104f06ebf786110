"""What the terminal shows of a run that judges: a header, a dot per check, the checklist."""

from typing import Any

import pytest

from reports import checklist, triage
from reports.records import RUN, Record, Run
from runbook.each import TARGETS
from runbook.selection import is_dry, judges, whole_occasions
from runbook.verdict import Verdict

_COLOURS: dict[str, dict[str, bool]] = {
    Verdict.PASSED: {"green": True},
    Verdict.FAILED: {"red": True, "bold": True},
    Verdict.BROKEN: {"purple": True, "bold": True},
    Verdict.BLOCKED: {"yellow": True},
    Verdict.SKIPPED: {"light": True},
}
_BEGUN = pytest.StashKey[bool]()
_LETTERS = {
    Verdict.PASSED: (".", "PASSED"),
    Verdict.FAILED: ("F", "FAILED"),
    Verdict.BROKEN: ("E", "BROKEN"),
    Verdict.BLOCKED: ("B", "BLOCKED"),
    Verdict.SKIPPED: ("s", "SKIPPED"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make room for the checklist, unless more was asked for; tracebacks are for developers."""
    option = config.option
    if not judges(config) or is_dry(config):
        return
    if option.tbstyle == "auto":
        option.tbstyle = "no"
    if option.verbose == 0:
        option.verbose = -2
    if option.reportchars == "fE":
        # pytest's default; the checklist says it better.
        option.reportchars = ""


def pytest_sessionstart(session: pytest.Session) -> None:
    """With xdist the controller sees no more of the run's beginning than this."""
    if session.config.pluginmanager.has_plugin("dsession"):
        _begin(session.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Say which system, which occasion and when, once nothing of the command is wrong."""
    _begin(session.config)


def _begin(config: pytest.Config) -> None:
    reporter = _reporter(config)
    if _shown(config) and reporter and not config.stash.get(_BEGUN, False):
        config.stash[_BEGUN] = True
        reporter.write_line(_title(config, config.stash[RUN]), bold=True)


def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """Five verdicts where pytest has three."""
    record = getattr(report, "record", None)
    if not record or (report.when == "teardown" and report.passed):
        return None
    verdict = Verdict(record["verdict"])
    return str(verdict), *_LETTERS[verdict]


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> Any:
    """The checklist, what is left out, what needs doing, and the verdict as the last line."""
    result = yield
    # A command that can't be used has its one line already.
    if _shown(config) and exitstatus != pytest.ExitCode.USAGE_ERROR:
        _begin(config)
        _write(terminalreporter, config, exitstatus)
    return result


def _write(reporter: Any, config: pytest.Config, exitstatus: int) -> None:
    run = config.stash[RUN]
    width = reporter._tw.fullwidth
    reporter.ensure_newline()
    for name in config.stash[TARGETS]:
        records = [r for r in run.records.values() if r["target"] == name]
        if len(config.stash[TARGETS]) > 1:
            reporter.write_line("")
            reporter.write_line(name, bold=True)
        on_call = "triage" in (config.option.markexpr or "")
        for verdict, line in checklist.checklist(records, width):
            # On call the eye is on what is wrong.
            if not on_call or Verdict(verdict).is_red:
                reporter.write_line(line, **_COLOURS[verdict])
        if on_call:
            for line, style in triage.headline(records, width):
                reporter.write_line(line, **style)
            continue
        _block(reporter, "Not part of this target", checklist.skipped(records, width), light=True)
        _block(reporter, "Blocked", checklist.blocked(records, width), yellow=True)
        _needs_doing(reporter, records, width)
    _without_record(reporter)
    reporter.write_line("")
    red = any(Verdict(r["verdict"]).is_red for r in run.records.values())
    # pytest knows of what has no record: a file that could not be collected, an interruption.
    good = bool(run.count(Verdict.PASSED)) and not red and exitstatus == pytest.ExitCode.OK
    verdict = "GREEN" if good else "RED"
    some = "" if whole_occasions(config) else " (a selection)"
    title = _title(config, run, "")
    text = f"{title}{some} · {verdict}: {checklist.totals(run.records.values())}"
    reporter.write_line(f"{text} in {run.took_s:.1f} s", bold=True, green=good, red=not good)


def _without_record(reporter: Any) -> None:
    """What pytest could not even begin to run: a file of checks, a worker that died."""
    reports = [*reporter.stats.get("error", []), *reporter.stats.get("failed", [])]
    lost = [report for report in reports if not hasattr(report, "record")]
    if lost:
        reporter.write_line("")
        reporter.write_line("Could not be run:", bold=True)
    for report in lost:
        said = str(report.longrepr).strip().splitlines() or ["no reason given"]
        reporter.write_line(f"    {report.nodeid or 'the run'}: {said[-1]}", purple=True)


def _block(reporter: Any, title: str, lines: Any, **style: bool) -> None:
    found = list(lines)
    if found:
        reporter.write_line("")
        reporter.write_line(f"{title}:", **style)
    for line in found:
        reporter.write_line(line, **style)


def _needs_doing(reporter: Any, records: list[Record], width: int) -> None:
    lines = list(checklist.what_needs_doing(records, width))
    if lines:
        reporter.write_line("")
        reporter.write_line("What needs doing:", bold=True)
    for verdict, line in lines:
        reporter.write_line(line, **(_COLOURS[verdict] if verdict else {}))


def _title(config: pytest.Config, run: Run, when: str = " · %a %d %b %H:%M UTC") -> str:
    targets = config.stash[TARGETS]
    example = "EXAMPLE " if any(t.example for t in targets.values()) else ""
    occasion = config.option.markexpr or config.option.keyword or "selected checks"
    return f"{example}{', '.join(targets)} · {occasion}{run.began.strftime(when)}"


def _shown(config: pytest.Config) -> bool:
    return judges(config) and not is_dry(config) and not hasattr(config, "workerinput")


def _reporter(config: pytest.Config) -> Any:
    return config.pluginmanager.get_plugin("terminalreporter")
