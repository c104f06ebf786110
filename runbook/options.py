"""The suite's own options, known to pytest before it reads any conftest.

Registered as an entry point, because of how pytest finds its configuration: it looks beside every
existing path among its arguments, and takes the value of an option it doesn't know yet for one of
them. `--target /etc/mt5.toml` would then mean a suite in /etc. `--target=/etc/mt5.toml` does not.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

_WITH_VALUE = ("--target", "--reports")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --target, --keep and --reports."""
    group = parser.getgroup("runbook")
    group.addoption(
        "--target",
        action="append",
        default=[],
        metavar="NAME|PATH",
        help="the system to judge: a file in targets/ or a path; may be given several times "
        "(default: $RUNBOOK_TARGET, else targets/local.toml, else sandbox)",
    )
    group.addoption(
        "--keep",
        action="store_true",
        help="leave the sandbox running; the next run reuses it, and ends it unless kept again",
    )
    group.addoption(
        "--reports", metavar="DIR", help="where reports are written (default: reports/out)"
    )


def joined(words: Sequence[str]) -> list[str]:
    """The same command line, a path after one of our options joined to it by `=`.

    One that does not exist yet too: it may by the time an xdist worker reads the line.
    """
    result: list[str] = []
    for word in words:
        is_path = "/" in word or Path(word).exists()
        if is_path and result and result[-1] in _WITH_VALUE:
            result[-1] = f"{result[-1]}={word}"
        else:
            result.append(word)
    return result


# By now pytest has settled on a configuration, so the only way is to begin again.
if (better := joined(sys.orig_argv)) != sys.orig_argv:
    os.execv(sys.executable, better)  # noqa: S606
