"""The house rules that import-linter can't see: which module may do what."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
ROOMS = ("runbook", "fixtures", "procedures", "checks", "reports")
NAMES_OF_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}


def modules(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from sorted((PROJECT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def uses(path: Path, *attributes: str) -> bool:
    tree = ast.parse(path.read_text("utf-8"))
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) in attributes
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize("room", ["checks"])
def test_checks_import_downwards_only(room):
    for path in modules(room):
        wrong = {n for n in imported(path) if n.split(".")[0] in ("reports", "stack", "tests")}
        assert not wrong, f"{path.relative_to(PROJECT)} imports {wrong}"


def test_only_the_target_module_reads_the_environment():
    allowed = {"fixtures/targets.py", "runbook/process.py"}  # the latter hands it to children
    found = {
        str(path.relative_to(PROJECT))
        for path in modules(*ROOMS)
        if uses(path, "os.environ", "os.getenv", "os.environ.get")
    }
    assert found <= allowed


def calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_only_one_module_starts_subprocesses():
    starters = {"subprocess.Popen", "subprocess.run", "subprocess.call", "os.system", "os.popen"}
    found = {str(p.relative_to(PROJECT)) for p in modules(*ROOMS) if calls(p) & starters}
    assert found == {"runbook/process.py"}


def test_only_reports_talk_to_allure():
    found = {
        p.parent.name for p in modules(*ROOMS) if any(n.startswith("allure") for n in imported(p))
    }
    assert found <= {"reports"}


def test_only_the_hosts_module_uses_testinfra():
    found = {p.name for p in modules(*ROOMS) if any(n.startswith("testinfra") for n in imported(p))}
    assert found <= {"hosts.py"}


def test_nothing_sleeps():
    for path in modules(*ROOMS):
        assert not uses(path, "time.sleep", "asyncio.sleep"), path


def test_no_module_is_named_for_nothing():
    for path in (*modules(*ROOMS, "stack", "tests", "benchmarks"),):
        assert path.stem not in NAMES_OF_NOTHING, path


def test_modules_are_small_enough_to_read():
    for path in modules(*ROOMS, "stack"):
        lines = len(path.read_text("utf-8").splitlines())
        assert lines <= 330, f"{path.relative_to(PROJECT)} has {lines} lines"


# Imported late themselves, or run as a process of their own.
LATE = {"http_wire.py", "model_child.py"}


def test_heavy_libraries_are_imported_where_they_are_used():
    heavy = {"sklearn", "docker", "psycopg", "requests", "numpy", "scipy", "cryptography", "joblib"}
    for path in (p for p in modules(*ROOMS) if p.name not in LATE):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [a.name for a in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                )
                found = {name.split(".")[0] for name in names} & heavy
                assert not found, f"{path.relative_to(PROJECT)} imports {found} at its top"
