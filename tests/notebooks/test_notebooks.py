"""Every notebook runs from top to bottom on the simulator, and ends by asserting what it has shown."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PLAYER = Path(__file__).with_name("play.py")
LIMIT_S = 400
LONGEST_CELL = 24  # lines: what one looks at without scrolling

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {
        "same_address_two_tenants",
        "plant_a_leak",
        "firewall_in_the_switch",
    }


@every
def test_it_is_kept_without_outputs_in_small_cells_and_ends_in_an_assertion(path: Path) -> None:
    book = nbformat.read(path, 4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]

    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert all(cell.source.count("\n") < LONGEST_CELL for cell in book.cells)
    assert any(isinstance(node, ast.Assert) for node in ast.parse(code[-1].source).body)
    assert "lab.down()" in code[-1].source


@every
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    played = tmp_path / path.name
    done = subprocess.run(
        [sys.executable, PLAYER, path, played], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    cells = [cell for cell in nbformat.read(played, 4).cells if cell.cell_type == "code"]
    shown = [output for cell in cells for output in cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert not [output.text for output in shown if output.get("name") == "stderr"]
