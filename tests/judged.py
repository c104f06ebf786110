"""Calls a check as the suite would, on values given: what it measured, and how it was judged."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from runbook.measured import Recorder

CHECKS = Path(__file__).parent.parent / "checks"


@cache
def checks(path: str) -> ModuleType:
    """The module of checks at a path such as `morning/test_clock.py`."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, CHECKS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def red(path: str, check: str, **given: Any) -> list[str]:
    """The lines of what missed its limit; none when the check passed. Other errors are raised."""
    recorder = Recorder()
    function = getattr(checks(path), check)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    offered = {"measured": recorder, "evidence": lambda name, text: None} | given
    try:
        function(**{name: offered[name] for name in names})
    except AssertionError:
        assert recorder.missed, "a check failed by something that it did not measure"
        return [str(record) for record in recorder.missed]
    recorder.check_passed()
    return []
