"""The README is short and true: its index is the code's, its commands and files exist."""

import ast
import re
from pathlib import Path

from runbook.ids import index

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text("utf-8")
ORDER = (
    "## Two commands", "## Occasions", "## Your own stack", "## Where it refuses to run",
    "## Index of checks", "## How to read a red line",
)  # fmt: skip


def rows() -> list[str]:
    """The index as the code has it, a row for each check, in the runbook's order."""
    found: list[tuple[str, int, int, str]] = []
    for path in sorted((PROJECT / "checks").rglob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if not (isinstance(node, ast.FunctionDef) and node.name.startswith("test_")):
                continue
            [mark] = [
                d for d in node.decorator_list
                if isinstance(d, ast.Call) and getattr(d.func, "id", "") == "runbook"
            ]  # fmt: skip
            entry = index()[ast.literal_eval(mark.args[0])]
            name = node.name.removeprefix("test_").replace("_", " ")
            asks = (ast.get_docstring(node) or "").split("\n")[0]
            row = f"| {path.parent.name}: {name} | {asks} | {entry.severity} |"
            found.append((path.parent.name, entry.order, node.lineno, row))
    occasions = ["morning", "smoke", "triage"]
    found.sort(key=lambda row: (occasions.index(row[0]), row[1], row[2]))
    return [row[3] for row in found]


def test_the_index_is_the_codes():
    start = README.index("|---|---|---|\n", README.index("## Index of checks")) + len(
        "|---|---|---|\n"
    )
    written = README[start : README.index("\n\n", start)].splitlines()
    assert written == rows(), "\n".join(rows())


def test_the_order_is_kept():
    places = [README.index(title) for title in ORDER]
    assert places == sorted(places)


def test_what_it_names_exists():
    for name in re.findall(r"`((?:targets|runbook|reports|checks)/[\w./]+)`", README):
        path = PROJECT / name
        assert path.exists() or name.startswith(("reports/out", "targets/local")), name
    for marker in re.findall(r"pytest -m (\w+)", README):
        assert f'"{marker}: ' in (PROJECT / "pyproject.toml").read_text("utf-8")


def test_its_first_target_is_one(tmp_path, monkeypatch):
    from fixtures.targets import load

    monkeypatch.setenv("RUNBOOK_DATABASE__PASSWORD", "a-secret")
    text = README[README.index("```toml\n") + 8 :]
    path = tmp_path / "first.toml"
    path.write_text(text[: text.index("```")], "utf-8")
    assert load(str(path)).database is not None


def test_the_exit_gate_runs_its_test_command():
    assert '"$uv" run pytest tests' in (PROJECT / ".ci" / "run").read_text("utf-8")
