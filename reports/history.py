"""The record of every check of a run as one JSON file, for tools and for the history."""

import json

import pytest

from reports.places import RUN_FOLDER
from reports.records import RUN
from runbook.probe import PROBES
from runbook.redaction import REDACTOR


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write `records.json` into the run's folder."""
    config = session.config
    folder = config.stash.get(RUN_FOLDER, None)
    if folder is None:
        return
    run = config.stash[RUN]
    content = {
        "began": run.began.isoformat(timespec="seconds"),
        "took_s": round(run.took_s, 3),
        "occasion": config.option.markexpr or config.option.keyword,
        "probes_s": {
            f"{target} {name}": round(seconds, 3)
            for (target, name), seconds in config.stash[PROBES].durations().items()
        },
        "checks": run.records,
    }
    text = json.dumps(config.stash[REDACTOR].cleaned(content), indent=1, ensure_ascii=False)
    (folder / "records.json").write_text(text, "utf-8")
