"""SIGTERM and SIGHUP end a run as Ctrl-C does.

What it started is ended, and its reports are written.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


def pytest_configure(config: pytest.Config) -> None:
    """Listen; an xdist worker is ended by its controller."""
    if hasattr(config, "workerinput"):
        return
    for number in _NUMBERS:
        # What nohup ignores stays ignored.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in _NUMBERS:
        # The cleaning up that now begins is not cut off by a second one. A handler and not
        # SIG_IGN, which processes started meanwhile would inherit.
        signal.signal(other, _ignore)
    raise KeyboardInterrupt(f"told to end by {signal.Signals(number).name}")


def _ignore(number: int, frame: FrameType | None) -> None:
    """One is enough."""


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a signal wait until the block is done, so that what it starts is also written down.

    By handlers and not by a mask, which the processes started here would inherit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_NUMBERS)}
    for number in before:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
    for sent, frame in came[:1]:
        delayed = before[signal.Signals(sent)]
        if callable(delayed):
            delayed(sent, frame)
