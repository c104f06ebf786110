"""Where reports are written: `reports/out/`, a folder per run, `latest` pointing at the newest."""

import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook.selection import is_dry, judges

_RUNS_KEPT = 30
OUT = pytest.StashKey[Path]()
RUN_FOLDER = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run its folder and point Allure and JUnit there, unless told otherwise."""
    option = config.option
    if hasattr(config, "workerinput"):
        option.allure_report_dir = config.workerinput.get("allure_report_dir")
        return
    if not judges(config) or is_dry(config):
        return
    out = Path(option.reports or config.rootpath / "reports" / "out").absolute()
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder = out / "runs" / stamp
    if (out / "latest").exists() and not (out / "latest").is_symlink():
        raise pytest.UsageError(f"--reports {out}: latest in it is no link of this suite")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise pytest.UsageError(f"--reports {out}: can't be written: {error.strerror}") from None
    config.stash[OUT], config.stash[RUN_FOLDER] = out, folder
    if not getattr(option, "allure_report_dir", None):
        option.allure_report_dir = str(folder / "allure-results")
    if not option.xmlpath:
        option.xmlpath = str(folder / "junit.xml")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """An xdist worker reads the command line anew, and so knows nothing of the run's folder."""
    node.workerinput["allure_report_dir"] = node.config.option.allure_report_dir


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Point `latest` at this run, now that it is complete, and forget the oldest runs."""
    if (folder := config.stash.get(RUN_FOLDER, None)) is None:
        return
    link = config.stash[OUT] / "latest"
    new = link.with_name(f".latest-{os.getpid()}")
    # Two runs may end at once: each makes its own link and renames it into place.
    # A run of the same process id may have been cut off here.
    new.unlink(missing_ok=True)
    new.symlink_to(Path("runs", folder.name))
    new.replace(link)
    for old in sorted(path for path in folder.parent.iterdir() if path.is_dir())[:-_RUNS_KEPT]:
        with contextlib.suppress(OSError):
            shutil.rmtree(old)
