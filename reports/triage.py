"""On call: one cause, what it blocks, the evidence, and where to go next."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from reports.checklist import words
from reports.records import Record
from runbook.ids import index
from runbook.layers import BELOW
from runbook.verdict import Verdict

_EVIDENCE_LINES = 12


def headline(records: Iterable[Record], width: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The first screen of a triage, line by line with its style."""
    found = list(records)
    first = cause(found)
    yield "", {}
    if first is None:
        yield "No cause: every layer answers and nothing that was judged is red.", {"green": True}
        return
    where = f" [{first['subject']}]" if first["subject"] else ""
    yield f"CAUSE  {first['component']}: {words(first)}{where}", {"red": True, "bold": True}
    yield _indented(first["reason"], width), {}
    stuck = [r for r in found if r["verdict"] == Verdict.BLOCKED]
    others = [r for r in found if r["verdict"] in (Verdict.FAILED, Verdict.BROKEN)]
    if stuck:
        names = ", ".join(sorted({r["component"] for r in stuck}))
        yield _indented(f"blocks {len(stuck)} checks: {names}", width), {}
    if len(others) > 1:
        names = ", ".join(sorted({r["component"] for r in others if r is not first}))
        yield _indented(f"also red: {names or first['component']}", width), {}
    for name, text in _evidence(found, first):
        yield f"EVIDENCE  {name}", {"bold": True}
        for line in text.strip().splitlines()[-_EVIDENCE_LINES:]:
            yield f"  {line[: width - 3]}", {}
    yield "NEXT", {"bold": True}
    yield _indented(f"look  {first['look']}", width), {}
    yield _indented(f"do    {first['do']}: {first['do_step']}", width), {}


def cause(records: Iterable[Record]) -> Record | None:
    """The red check on the lowest layer; of several there, the worst and surest."""
    red = [r for r in records if r["verdict"] in (Verdict.FAILED, Verdict.BROKEN)]
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
    seen: set[str] = set()
    for record in (first, *records):
        for name, text in record["evidence"].items():
            related = record is first or record["component"] in ("layers", "services")
            if related and name not in seen and text.strip():
                seen.add(name)
                yield name, text


def _indented(text: str, width: int) -> str:
    flat = " ".join(text.split())
    return textwrap.fill(flat, width - 1, initial_indent="  ", subsequent_indent="        ")
