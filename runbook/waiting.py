"""The one way to wait: ready, not yet (with a status), or impossible (with a reason)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from runbook.verdict import CannotMeasure, TookTooLong

T = TypeVar("T")


@dataclass(frozen=True)
class NotYet:
    """Not ready; `status` is what was seen, for the message should time run out."""

    status: str


class Impossible(CannotMeasure):
    """The condition can no longer come true; waiting on would only lose time."""


def wait_until(
    condition: Callable[[], T | NotYet], what: str, *, within_s: float, every_s: float = 0.05
) -> T:
    """Ask `condition` until it answers something else than `NotYet`, and return that.

    Args:
        condition: returns a `NotYet` while there is hope, raises `Impossible` when there is none.
        what: names what is waited for, as in "waiting for {what}".
        within_s: seconds until giving up; the last try starts before it.
        every_s: seconds between two tries.

    Raises:
        TookTooLong: says what was waited for, how long, and the last status seen.
        Impossible: whatever `condition` raised.
    """
    pause = threading.Event()
    end = time.monotonic() + within_s
    while isinstance(answer := condition(), NotYet):
        if time.monotonic() + every_s > end:
            raise TookTooLong(f"waited {within_s:g} s for {what}; last seen: {answer.status}")
        pause.wait(every_s)
    return answer
