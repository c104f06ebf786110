"""Every runbook id has its check, every check its id, and documents name what exists."""

import ast
import re
from pathlib import Path

from runbook.ids import index

PROJECT = Path(__file__).parent.parent


def checks() -> dict[str, str]:
    """The id of every check by its place, read from the code."""
    found: dict[str, str] = {}
    for path in sorted((PROJECT / "checks").rglob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                ids = [
                    d.args[0].value
                    for d in node.decorator_list
                    if isinstance(d, ast.Call)
                    and getattr(d.func, "id", "") == "runbook"
                    and isinstance(d.args[0], ast.Constant)
                ]
                place = f"{path.parent.name}/{path.stem}.py::{node.name}"
                found[place] = str(ids[0]) if ids else ""
    return found


def test_every_check_carries_a_known_id():
    unknown = {place: id for place, id in checks().items() if id not in index()}
    assert not unknown


def test_every_built_id_has_a_check():
    missing = {id for id, e in index().items() if not e.planned} - set(checks().values())
    assert not missing


def test_no_planned_id_has_a_check():
    wrong = {id for id, e in index().items() if e.planned} & set(checks().values())
    assert not wrong


def test_every_next_step_is_a_runbook_id():
    for path in sorted((PROJECT / "checks").rglob("test_*.py")):
        for name in re.findall(r'\bdo="([^"]+)"', path.read_text("utf-8")):
            assert name in index(), f"{path.name}: {name}"


def test_every_check_says_why_it_matters():
    for path in sorted((PROJECT / "checks").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.name}::{node.name}"


def test_severities_are_the_runbooks():
    assert {entry.severity for entry in index().values()} <= {"P0", "P1", "P2", "P3"}
