"""The first run ever: a new clone and an empty home, as the README tells a newcomer to do it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from runbook import process

_WITHIN_S = 300


def measured(project: Path, folder: Path) -> Iterator[tuple[str, float, str]]:
    """Seconds of the commands one after the other, on the commit that `project` is at."""
    clone, home = folder / "clone", folder / "home"
    home.mkdir(parents=True)
    process.run(
        ["git", "clone", "--quiet", "--no-hardlinks", project, clone], within_s=60
    ).checked()
    # An installer's settings may stand in the environment; what it has cached may not be seen.
    env = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "UV_CACHE_DIR": str(home / ".cache" / "uv"),
        "PIP_CACHE_DIR": str(home / ".cache" / "pip"),
    }

    def took_s(*argv: str) -> float:
        began = time.monotonic()
        process.run(argv, within_s=_WITHIN_S, cwd=clone, env=env).checked()
        return time.monotonic() - began

    venv_s = took_s("python3", "-m", "venv", ".venv")
    uv_s = took_s(".venv/bin/pip", "install", "-q", "uv")
    morning = (".venv/bin/uv", "run", "pytest", "-m", "morning")
    run_s = took_s(*morning)
    records = json.loads((clone / "reports/out/latest/records.json").read_text("utf-8"))
    whole_s = venv_s + uv_s + run_s
    yield "first.venv", venv_s, "s"
    yield "first.pip_install_uv", uv_s, "s"
    yield "first.uv_run", run_s, "s"
    yield "first.suite", records["took_s"], "s"
    yield "first.installing", whole_s - records["took_s"], "s"
    yield "first.whole", whole_s, "s"
    second_s = took_s(*morning)
    bare_s = took_s(".venv/bin/uv", "run", "python", "-c", "pass")
    yield "first.second", second_s, "s"
    yield "first.bare_uv_run", bare_s, "s"
