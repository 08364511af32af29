"""`sdn-lab graph` and `--report png=DIR` write pictures."""

from pathlib import Path

import pytest

from sdn_lab.cli import main

PNG = b"\x89PNG"


@pytest.mark.parametrize(("suffix", "begins"), [(".png", PNG), (".svg", b"<?xml")])
def test_graph_draws_a_scenario_or_a_generators(tmp_path: Path, suffix: str, begins: bytes) -> None:
    for number, words in enumerate((["overlap"], ["leaf_spine", "--set", "tenants=3", "instances=9"])):
        file = tmp_path / f"{number}{suffix}"

        assert main(["graph", *words, "-o", str(file)]) == 0
        assert file.read_bytes().startswith(begins)


def test_a_run_writes_its_matrix_and_topology(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pictures"

    assert main(["run", "overlap", "--methods", "graph", "--report", f"png={folder}"]) == 0
    assert {file.name: file.read_bytes()[:4] for file in folder.iterdir()} == {
        "matrix.png": PNG,
        "topology.png": PNG,
    }
    assert "holds" in capsys.readouterr().out
