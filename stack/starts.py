"""Counts how often a process was started, from a small file that outlives it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack.files import write_atomically

DAY = timedelta(hours=24)


def record_start(state_dir: Path | None, moment: datetime) -> None:
    """Note a start, and forget those of more than a day ago."""
    if state_dir is None:
        return
    lines = [start.isoformat() for start in _starts(state_dir, moment)]
    text = "\n".join([*lines, moment.isoformat()]) + "\n"
    write_atomically(_file(state_dir), text.encode())


def restarts(state_dir: Path | None, now: datetime) -> int | None:
    """Starts within the last 24 hours after the first; unknown where nothing is kept."""
    if state_dir is None:
        return None
    return max(len(_starts(state_dir, now)) - 1, 0)


def _file(state_dir: Path) -> Path:
    return state_dir / "api_starts.txt"


def _starts(state_dir: Path, now: datetime) -> list[datetime]:
    try:
        lines = _file(state_dir).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            start = datetime.fromisoformat(line).astimezone(UTC)
        except ValueError:
            # A line cut by a crash says nothing.
            continue
        if now - start <= DAY:
            found.append(start)
    return found
