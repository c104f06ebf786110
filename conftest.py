"""A map of the suite. Each module brings its own options, hooks and fixtures.

`runbook/` holds the mechanisms, `fixtures/` connects and measures, `procedures/` changes,
`checks/` judges, `reports/` tells, `targets/` says which system, `stack/` is the example system.
"""

# In the order of their imports: a module that is imported before it is listed loses pytest's
# assertion rewriting.
pytest_plugins = [
    "runbook.interruption",
    "runbook.measured",
    "runbook.evidence",
    "runbook.each",
    "runbook.selection",
    "runbook.probing",
    "runbook.judging",
    "fixtures.targets",
    "fixtures.sandbox",
    "fixtures.database",
    "fixtures.services",
    "fixtures.database_sessions",
    "fixtures.database_upkeep",
    "fixtures.database_statements",
    "fixtures.market_data",
    "fixtures.clock",
    "fixtures.alerts",
    "fixtures.metrics",
    "fixtures.certificates",
    "fixtures.disk",
    "fixtures.logs",
    "fixtures.training",
    "fixtures.model_load",
    "fixtures.model_approval",
    "fixtures.backups",
    "fixtures.predictions",
    "fixtures.resources",
    "reports.places",
    "reports.records",
    "reports.redacting",
    "reports.allure",
    "reports.prometheus",
    "reports.history",
    "reports.terminal",
]
