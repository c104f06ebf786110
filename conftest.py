"""A map of the suite. Each module brings its own options, hooks and fixtures.

`runbook/` holds the mechanisms, `fixtures/` connects and measures, `procedures/` changes,
`checks/` judges, `reports/` tells, `targets/` says which system, `stack/` is the example system.
"""

pytest_plugins = [
    "runbook.measured",
    "runbook.evidence",
    "runbook.each",
    "runbook.probing",
    "runbook.selection",
    "runbook.judging",
    "fixtures.targets",
    "fixtures.sandbox",
    "fixtures.database",
    "fixtures.services",
]
