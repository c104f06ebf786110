"""On call: one cause, what it blocks, the evidence, and where to go next."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from reports.checklist import words
from reports.records import Record
from runbook.ids import index
from runbook.layers import BELOW
from runbook.verdict import Verdict

_EVIDENCE_LINES = 8
_RED = (Verdict.FAILED, Verdict.BROKEN)


def headline(records: Iterable[Record], width: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The first screen of a triage, line by line with its style."""
    found = list(records)
    first = cause(found)
    yield "", {}
    if first is None:
        yield "No cause: every layer answers and nothing that was judged is red.", {"green": True}
        return
    style = {"red": True, "bold": True}
    where = f" [{first['subject']}]" if first["subject"] else ""
    title = f"CAUSE  {first['layer']}: {words(first)}{where}? {first['verdict'].upper()}"
    yield (
        textwrap.fill(" ".join(title.split()).replace("CAUSE ", "CAUSE  ", 1), width - 1,
                      subsequent_indent=" " * 7, break_on_hyphens=False),
        style,
    )  # fmt: skip
    yield _indented("", first["reason"], width), {}
    stuck = [r for r in found if r["verdict"] == Verdict.BLOCKED]
    if stuck:
        names = ", ".join(sorted({r["component"] for r in stuck}))
        yield _indented("blocks", f"{len(stuck)} checks: {names}", width), {}
    others = {words(r) for r in found if r["verdict"] in _RED and r is not first}
    if others:
        yield _indented("also red", ", ".join(sorted(others)), width), {}
    for name, text in _evidence(found, first):
        yield f"EVIDENCE  {name}", {"bold": True}
        for line in text.strip().splitlines()[-_EVIDENCE_LINES:]:
            yield f"  {_readable(line)[: width - 3]}", {}
    yield "NEXT", {"bold": True}
    yield _indented("look", first["look"], width), {}
    yield _indented("do", f"{first['do']}: {first['do_step']}", width), {}


def cause(records: Iterable[Record]) -> Record | None:
    """The red check on the lowest layer; of several there, the worst and surest."""
    red = [r for r in records if r["verdict"] in _RED]
    layers = list(BELOW)

    def rank(record: Record) -> tuple[bool, int, bool, str, int]:
        return (
            not record["is_gate"],
            layers.index(record["layer"]),
            record["verdict"] == Verdict.BROKEN,
            record["severity"],
            index()[record["id"]].order,
        )

    return min(red, key=rank, default=None)


def _evidence(records: list[Record], first: Record) -> Iterator[tuple[str, str]]:
    """What was attached to the cause, or else to the check of its layer's gate."""
    of_layer = [r for r in records if r["is_gate"] and r["layer"] == first["layer"]]
    for record in (first, *of_layer):
        kept = [(name, text) for name, text in record["evidence"].items() if text.strip()]
        if kept:
            yield from kept
            return


def _readable(line: str) -> str:
    """A structured log line as people read it: when, how bad, what, and the rest as key=value."""
    try:
        row = json.loads(line)
    except ValueError:
        return line
    if not isinstance(row, dict):
        return line
    when = str(row.pop("ts", row.pop("time", row.pop("timestamp", ""))))[:19]
    said = [when, row.pop("level", ""), row.pop("message", row.pop("msg", row.pop("event", "")))]
    row.pop("logger", None)
    return " ".join([*(str(part) for part in said if part), *(f"{k}={v}" for k, v in row.items())])


def _indented(label: str, text: str, width: int) -> str:
    start = f"  {label:<9} " if label else "  "
    flat = " ".join(text.split())
    return textwrap.fill(
        flat, width - 1, initial_indent=start, subsequent_indent=" " * len(start),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
