"""How a small suite in a folder of its own is wired to the real mechanisms."""

from pathlib import Path

PROJECT = Path(__file__).parent.parent

BARE = f"""
[tool.pytest]
strict = true
testpaths = ["checks"]
pythonpath = [".", {str(PROJECT)!r}]
addopts = ["--import-mode=importlib", "-p", "no:pytest11.testinfra", "-p", "no:cacheprovider"]
filterwarnings = ["error"]
"""
# Bare pytest goes without the time limit and the markers that the suite needs.
PYPROJECT = f"""{BARE}
timeout = "20"
timeout_method = "signal"
markers = ["morning: m", "smoke: s", "triage: t", "runbook: r", "each: e"]
"""
MECHANISMS = [
    "runbook.interruption", "runbook.measured", "runbook.evidence", "runbook.each",
    "runbook.selection", "runbook.probing", "runbook.judging", "fixtures.targets", "fixtures.sandbox", "reports.places", "reports.records",
    "reports.redacting", "reports.allure", "reports.prometheus", "reports.history",
    "reports.terminal", "probes",
]  # fmt: skip
