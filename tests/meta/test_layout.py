"""The tree keeps the shape that docs/architecture.md promises."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "sdn_lab").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "manager", "misc"}


def test_top_level_holds_only_what_the_design_fixes() -> None:
    allowed = {
        *("sdn_lab", "topologies", "controllers", "tests", "notebooks", "docs", "bench"),
        *("pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md"),
    }
    visible = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")} - {"build", "dist"}

    assert {n for n in visible if not n.endswith(".egg-info")} <= allowed


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(module: Path) -> None:
    text = module.read_text()

    assert ast.get_docstring(ast.parse(text)), f"{module.relative_to(ROOT)} has no docstring"
    assert module.stem not in FORBIDDEN_NAMES
    assert text.count("\n") <= 420, f"{module.relative_to(ROOT)} is more than one idea"


def test_openflow_package_is_empty_so_that_proof_and_interpreter_stay_apart() -> None:
    tree = ast.parse((ROOT / "sdn_lab" / "openflow" / "__init__.py").read_text())

    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
