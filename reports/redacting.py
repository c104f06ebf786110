"""Keeps secrets out of everything written: pytest's reports, the terminal, Allure's files."""

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from runbook.redaction import REDACTOR, Redactor

# Allure shows an exception as Python prints it; an operator needs the words alone.
_EXCEPTION = re.compile(r"\A(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w+): (?=\S)")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Clean a report before anything is made of it."""
    report = yield
    clean = item.config.stash[REDACTOR]
    _scrub(report.longrepr, clean.clean)
    for name in ("sections", "user_properties", "record"):
        if hasattr(report, name):
            setattr(report, name, clean.cleaned(getattr(report, name)))
    if isinstance(report.longrepr, tuple | str):
        report.longrepr = clean.cleaned(report.longrepr)
    return report


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put the redactor under the terminal and before Allure's writer."""
    redactor = config.stash[REDACTOR]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter._tw._file = _Cleaned(reporter._tw._file, redactor.clean)
    if folder := getattr(config.option, "allure_report_dir", None):
        import allure_commons

        allure_commons.plugin_manager.register(_allure_hooks(redactor, Path(folder)), "redacting")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave Allure's hooks as they were found."""
    if getattr(config.option, "allure_report_dir", None):
        import allure_commons

        if allure_commons.plugin_manager.has_plugin("redacting"):
            allure_commons.plugin_manager.unregister(name="redacting")


class _Cleaned:
    """A text file that cleans what is written to it."""

    def __init__(self, file: Any, clean: Callable[[str], str]) -> None:
        self._file = file
        self._clean = clean

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        written: int = self._file.write(self._clean(text))
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _allure_hooks(redactor: Redactor, folder: Path) -> Any:
    import allure_commons

    hook = allure_commons.hookimpl

    def words(text: str) -> str:
        return redactor.clean(_EXCEPTION.sub("", text))

    class Redacting:
        """Cleans results in place and attachments after they were written."""

        @hook(tryfirst=True)
        def report_result(self, result: Any) -> None:
            if result.statusDetails and result.statusDetails.message:
                result.statusDetails.message = words(result.statusDetails.message)
            _scrub(result, redactor.clean)

        @hook(tryfirst=True)
        def report_container(self, container: Any) -> None:
            _scrub(container, redactor.clean)

        @hook(tryfirst=True)
        def report_globals(self, globals_item: Any) -> None:
            _scrub(globals_item, redactor.clean)

        @hook(hookwrapper=True)
        def report_attached_data(self, body: Any, file_name: str) -> Any:
            yield
            _rewrite(folder / file_name, redactor.clean)

        @hook(hookwrapper=True)
        def report_attached_file(self, source: Any, file_name: str) -> Any:
            yield
            _rewrite(folder / file_name, redactor.clean)

    return Redacting()


def _rewrite(path: Path, clean: Callable[[str], str]) -> None:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if (cleaned := clean(text)) != text:
        path.write_text(cleaned, "utf-8")


def _scrub(value: Any, clean: Callable[[str], str]) -> Any:
    """Clean every string inside, in place where the thing can't be replaced."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        value[:] = [_scrub(inner, clean) for inner in value]
    elif isinstance(value, tuple):
        return tuple(_scrub(inner, clean) for inner in value)
    elif isinstance(value, dict):
        for key in value:
            value[key] = _scrub(value[key], clean)
    elif type(value).__module__.startswith(("_pytest._code", "allure_commons")):
        for name, inner in list(getattr(value, "__dict__", {}).items()):
            object.__setattr__(value, name, _scrub(inner, clean))
    return value
