"""The compiled tables of the shipped scenarios and of `joined.yaml`, as golden files: read each change.

``SDN_LAB_UPDATE_GOLDEN=1`` writes them anew; read the diff before you commit it.
"""

import os
from pathlib import Path

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.compiler.pipeline import TABLES
from sdn_lab.flows import read_program, write_program
from sdn_lab.model.assignment import assign
from sdn_lab.openflow.cookie import encode
from sdn_lab.scenario import find, load, random_scenario, shipped
from sdn_lab.verify.origins import Origins

GOLDEN = Path(__file__).parents[2] / "golden" / "flows"
WRITTEN = [
    name for name in shipped() if find(name).suffix != ".py"
]  # a generator's tables are nobody's reading


JOINED = Path(__file__).with_name("joined.yaml")


@pytest.mark.parametrize("name", [*WRITTEN, "joined"])
def test_compiled_tables_are_as_last_reviewed(name: str, tmp_path: Path) -> None:
    scenario = load(JOINED if name == "joined" else find(name))
    folder = GOLDEN / name if os.environ.get("SDN_LAB_UPDATE_GOLDEN") else tmp_path
    write_program(scenario, compile_scenario(scenario, assign(scenario)), folder)

    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {path.name: path.read_text() for path in (GOLDEN / name).iterdir()}


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_reads_back_as_what_was_compiled(seed: int, tmp_path: Path) -> None:
    scenario = random_scenario(seed)
    program = compile_scenario(scenario, assign(scenario))

    write_program(scenario, program, tmp_path)

    read = read_program(tmp_path, assign(scenario))
    assert {n: set(t.entries) for n, t in read.tables.items()} == {
        n: set(t.entries) for n, t in program.tables.items()
    }


@pytest.mark.parametrize("seed", range(20))
def test_every_entry_explains_itself_and_no_table_has_a_miss_that_does_anything(seed: int) -> None:
    scenario = random_scenario(seed, joined=True, broadcast=True)
    origins = Origins(scenario)
    for tables in compile_scenario(scenario, assign(scenario)).tables.values():
        for entry in tables.entries:
            assert entry.origin is not None
            assert entry.cookie == encode(entry.origin)
            assert origins.of(entry) == entry.origin
            assert entry.priority > 0
            assert entry.table_id in {table.id for table in TABLES}
            assert (entry.idle_timeout, entry.hard_timeout) == (0, 0)


@pytest.mark.parametrize("seed", range(10))
def test_compiling_is_deterministic_and_zones_are_one_per_port(seed: int) -> None:
    scenario = random_scenario(seed)
    assignment = assign(scenario)

    assert compile_scenario(scenario, assignment) == compile_scenario(random_scenario(seed), assignment)
    for datapath in assignment.datapaths.values():
        zones = [attachment.zone for attachment in datapath.attachments]
        assert len(set(zones)) == len(zones)
        assert 0 not in zones
