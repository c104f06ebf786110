"""The terminal checklist: what was seen against its limit, and last, whole, what needs doing."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from reports.records import Record
from runbook.ids import index
from runbook.verdict import Verdict

WORDS = {
    Verdict.PASSED: "ok",
    Verdict.FAILED: "FAILED",
    Verdict.BROKEN: "BROKEN",
    Verdict.BLOCKED: "BLOCKED",
    Verdict.SKIPPED: "skipped",
}
_RED = (Verdict.FAILED, Verdict.BROKEN)
_ADDRESS = re.compile(r"https?://([^/\s]+)\S*?(?=[:,;)]?(?:\s|$))")


def checklist(records: Iterable[Record], width: int) -> Iterator[tuple[str, str]]:
    """Lines with their verdict's word, in the runbook's order.

    Passed cases of one check share a line, which shows the one nearest to its limit. A skipped
    check is left to `skipped`.
    """
    ordered = sorted(records, key=lambda r: index()[r["id"]].order)
    # With workers the cases of one check arrive among those of others.
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in ordered:
        groups.setdefault((record["id"], record["component"], record["check"]), []).append(record)
    for group in groups.values():
        for verdict in (*_RED, Verdict.BLOCKED, Verdict.PASSED):
            same = [r for r in group if r["verdict"] == verdict]
            if same:
                seen = _nearest(same) if verdict == Verdict.PASSED else same[0]["reason"]
                yield verdict, _row(same, seen, width)


def what_needs_doing(records: Iterable[Record], width: int) -> Iterator[tuple[str, str]]:
    """Every red check, worst first, complete: nothing here is shortened, only wrapped.

    Cases of one check that need the same done share an entry.
    """
    red = [r for r in records if r["verdict"] in _RED]
    red.sort(
        key=lambda r: (
            r["severity"], index()[r["id"]].order, r["component"], r["check"], r["verdict"],
        )
    )  # fmt: skip
    for _, cases in groupby(red, key=lambda r: (r["id"], r["component"], r["check"], r["verdict"])):
        group = list(cases)
        first = group[0]
        subjects = ", ".join(r["subject"] for r in group if r["subject"])
        title = (
            f"{first['severity']} {WORDS[first['verdict']]} {first['component']}: {words(first)}"
        )
        yield (
            first["verdict"],
            _wrapped(title, f"[{subjects}]" if subjects else "", width, indent=4),
        )
        for text in dict.fromkeys(text for record in group for text in _what_was_seen(record)):
            yield "", _wrapped("", text, width)
        for note in dict.fromkeys(note for record in group for note in record["notes"]):
            yield "", _wrapped("note", note, width)
        yield "", _wrapped("likely", first["likely"], width)
        for look in dict.fromkeys(record["look"] for record in group):
            yield "", _wrapped("look", look, width)
        yield "", _wrapped("do", f"{first['do']}: {first['do_step']}", width)


def _what_was_seen(record: Record) -> list[str]:
    missed = [line["text"] for line in record["seen"] if line["ok"] is False]
    return missed if record["verdict"] == Verdict.FAILED and missed else [record["reason"]]


def blocked(records: Iterable[Record], width: int) -> Iterator[str]:
    """What says nothing because a layer below is down, by that layer's reason."""
    stuck = sorted(
        (r for r in records if r["verdict"] == Verdict.BLOCKED), key=lambda r: r["reason"]
    )
    for reason, cases in groupby(stuck, key=lambda r: r["reason"]):
        yield _wrapped("", f"{reason}: {_count(list(cases))} nothing", width)


def skipped(records: Iterable[Record], width: int) -> Iterator[str]:
    """What is not part of the target, each reason once."""
    left = sorted(
        (r for r in records if r["verdict"] == Verdict.SKIPPED), key=lambda r: r["reason"]
    )
    for reason, cases in groupby(left, key=lambda r: r["reason"]):
        count = len(list(cases))
        yield _wrapped("", f"{reason} ({count} check{'s' if count > 1 else ''})", width)


def _count(cases: list[Record]) -> str:
    return f"{len(cases)} checks say" if len(cases) > 1 else "1 check says"


def totals(records: Iterable[Record]) -> str:
    """Counts of the verdicts that occurred, worst first."""
    verdicts = [r["verdict"] for r in records]
    counts = [f"{verdicts.count(v)} {v}" for v in Verdict if v in verdicts]
    return ", ".join(counts) or "nothing was checked"


def words(record: Record) -> str:
    """A check's name as words: the good state it judges."""
    return str(record["check"]).removeprefix("test_").replace("_", " ")


def _row(cases: list[Record], seen: str, width: int) -> str:
    first = cases[0]
    verdict = Verdict(first["verdict"])
    name = words(first)
    if verdict != Verdict.PASSED and first["subject"]:
        more = f" +{len(cases) - 1}" if len(cases) > 1 else ""
        name = f"{name} [{first['subject']}{more}]"
    # On a narrow screen the check's name says enough.
    where = f"{first['component']:<13}" if width >= 100 else ""
    room = 36 if width >= 100 else 30
    head = f"{WORDS[verdict]:<8}{where}{_cut(name, room):<{room}} "
    # A row has no room for paths; "what needs doing" has the whole address.
    return head + _cut(_ADDRESS.sub(r"\1", seen), width - len(head) - 1)


def _nearest(cases: list[Record]) -> str:
    """The measurement nearest to its limit, and how many there were."""
    seen = [line for record in cases for line in record["seen"]]
    if not seen:
        return ""
    worst = max(seen, key=_closeness)
    limit = f" {worst['limit']}" if worst["limit"][:1] in "<>" else ""
    count = f"{len(seen)} × " if len(seen) > 1 else ""
    return f"{count}{worst['seen']}{limit}  {worst['subject']}"


def _closeness(line: dict[str, Any]) -> float:
    """How near a value is to its limit: 1 at the limit, below 1 on its good side."""
    sign, _, text = line["limit"].partition(" ")
    value = line["value"]
    if isinstance(value, bool | str) or sign[:1] not in ("<", ">"):
        return -1
    try:
        limit, seen = float(text.replace(" ", "")), float(value)
        return seen / limit if sign[0] == "<" else limit / seen
    except (ValueError, ZeroDivisionError, OverflowError):
        return 0


def _cut(text: str, room: int) -> str:
    text = text.split("\n", 1)[0]
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"


def _wrapped(label: str, text: str, width: int, indent: int = 12) -> str:
    start = f"    {label:<8}" if indent == 12 else f"{label} "
    return textwrap.fill(
        " ".join(text.split()), width - 1, initial_indent=start, subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    ).rstrip() or start.rstrip()  # fmt: skip
