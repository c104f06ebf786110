"""What went wrong in the night stands in the logs before anybody asks."""

from fixtures.logs import LogReport, SourceLog
from fixtures.target_file import Limits
from runbook.each import each
from runbook.evidence import Evidence
from runbook.ids import runbook
from runbook.measured import Recorder
from runbook.verdict import CannotMeasure

_NAMED = 3


@runbook(
    "morning.logs",
    likely="the first of the signatures listed, or what was deployed before it",
    look="the attached findings, then the log around the first time",
    do="triage.layers",
)
@each(source="logs.sources")
def test_log_is_free_of_errors(
    source: str, log_report: LogReport, limits: Limits, measured: Recorder, evidence: Evidence
) -> None:
    """An error that nobody looked at today is an outage of tomorrow."""
    log = log_report.sources[source]
    for note in (*log_report.expired, *log.notes, *_told(log)):
        measured.note(note)
    if log.findings or log.allowed:
        evidence(f"findings {source}", _listed(log))
    # What was seen is judged first: an error counts however short the log is.
    assert measured(log.count, "findings", of=f"log {source}") <= limits.log_findings_max
    if log.unseen:
        raise CannotMeasure(log.unseen)


def _told(log: SourceLog) -> list[str]:
    said = [str(finding) for finding in log.findings[:_NAMED]]
    if more := len(log.findings) - _NAMED:
        said += [f"and {more} more signatures"] if more > 0 else []
    said += [f"allowed, {one.reason}: {one.finding}" for one in log.allowed]
    return said + ([log.unseen] if log.unseen and log.count else [])


def _listed(log: SourceLog) -> str:
    rows = [f"{finding}\n    {_indented(finding.example)}" for finding in log.findings]
    rows += [
        f"allowed by {one.pattern!r}, {one.reason}: {one.finding}\n"
        f"    {_indented(one.finding.example)}"
        for one in log.allowed
    ]
    return "\n".join(rows)


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
