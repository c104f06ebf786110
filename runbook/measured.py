"""What a check saw, against which limit: one record for every report.

`measured(value, unit, of=subject)` gives a value whose comparison is recorded. The assertion stays
pytest's own; a NaN compares false and so fails; a check that compared nothing is red.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from runbook.verdict import JudgedNothing

Plain = int | float | str | bool


@dataclass
class Record:
    """One measured value: `limit` reads like `< 80`; `ok` is `None` until it was compared."""

    subject: str
    value: Plain
    unit: str
    limit: str = ""
    ok: bool | None = None

    @property
    def seen(self) -> str:
        """The value as people read it, with its unit."""
        shown = _shown(self.value)
        # Rounded onto its limit a miss would read as if there were none.
        if self.ok is False and self.limit.endswith(f" {shown}"):
            shown = str(self.value)
        return f"{shown} {self.unit}".rstrip()

    def __str__(self) -> str:
        limit = f", limit {self.limit}" if self.limit else ""
        return f"{self.subject}: {self.seen}{limit}"


class Measured:
    """A value that records what it is compared with. Compare it exactly once."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, record: Record, raw: Any) -> None:
        self._record = record
        self._raw = raw

    def __lt__(self, limit: Any) -> bool:
        return self._judge("<", limit, lambda: self._raw < limit)

    def __le__(self, limit: Any) -> bool:
        return self._judge("<=", limit, lambda: self._raw <= limit)

    def __gt__(self, limit: Any) -> bool:
        return self._judge(">", limit, lambda: self._raw > limit)

    def __ge__(self, limit: Any) -> bool:
        return self._judge(">=", limit, lambda: self._raw >= limit)

    def __eq__(self, limit: object) -> bool:
        return self._judge("=", limit, lambda: self._raw == limit)

    def __ne__(self, limit: object) -> bool:
        return self._judge("not", limit, lambda: self._raw != limit)

    def __bool__(self) -> bool:
        raise JudgedNothing(f"{self._record.subject}: measured but compared with nothing")

    def __repr__(self) -> str:
        return str(self._record)

    def _judge(self, sign: str, limit: Any, compare: Callable[[], bool]) -> bool:
        # NaN is unequal to everything, so `!=` alone would let it pass; a decimal one even raises.
        odd = _is_nan(self._record.value) or _is_nan(plain(limit))
        self._record.limit = f"{sign} {_shown(plain(limit))}"
        self._record.ok = not odd and bool(compare())
        return self._record.ok


class Recorder:
    """The `measured` fixture: call it with a value, or `note` a remark for the line."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.notes: list[str] = []

    def __call__(self, value: Any, unit: str = "", *, of: str) -> Measured:
        """Record a value. Timedeltas become seconds, numbers of other libraries plain ones."""
        raw = value.total_seconds() if isinstance(value, timedelta) else value
        unit = unit or ("s" if isinstance(value, timedelta) else "")
        record = Record(of, plain(raw), unit)
        self.records.append(record)
        return Measured(record, raw)

    def note(self, text: str) -> None:
        """Add a remark that is shown beside the measurement, whatever the verdict."""
        self.notes.append(text)

    @property
    def missed(self) -> list[Record]:
        """The records whose comparison came out false."""
        return [record for record in self.records if record.ok is False]

    def check_passed(self) -> None:
        """Refuse a pass that judged nothing or contradicts what was seen.

        Raises:
            JudgedNothing: says which value.
        """
        if not self.records:
            raise JudgedNothing("the check measured nothing")
        for record in self.records:
            if record.ok is None:
                raise JudgedNothing(f"{record.subject}: measured but compared with nothing")
        if self.missed:
            raise AssertionError("a comparison came out false and the check passed")

    def plain(self) -> Iterator[dict[str, Plain | None]]:
        """Records as dictionaries of plain values, safe for every report and for xdist."""
        for record in self.records:
            yield asdict(record) | {"seen": record.seen}


RECORDER = pytest.StashKey[Recorder]()


@pytest.fixture
def measured(request: pytest.FixtureRequest, target: Any) -> Recorder:
    """Records what this check sees, with its unit and its limit."""
    recorder: Recorder = request.node.stash[RECORDER]
    return recorder


def plain(value: Any) -> Plain:
    """A value of Python's own: reports and xdist choke on numbers of other libraries."""
    # Subclasses too: numpy's float64 is a float that xdist refuses.
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if hasattr(value, "item"):
        return plain(value.item())
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _is_nan(value: Plain) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Plain) -> str:
    if isinstance(value, bool | str) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if value == int(value):
        return f"{int(value):,}".replace(",", " ") if abs(value) >= 10_000 else str(int(value))
    if abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")
