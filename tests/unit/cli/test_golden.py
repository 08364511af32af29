"""What a person reads when words or flow text are wrong: exact messages, as golden files.

``SDN_LAB_UPDATE_GOLDEN=1`` writes them anew; read the diff before you commit it.
"""

import os
import re
from pathlib import Path

import pytest

from sdn_lab.backends import load_backend
from sdn_lab.cli import main
from sdn_lab.model.diagnostic import InputError
from sdn_lab.openflow.text import parse_flows, parse_groups
from sdn_lab.resident import address
from sdn_lab.resident.capture import find_point
from sdn_lab.resident.execute import find_node
from sdn_lab.resident.links import find_link
from sdn_lab.scenario import find, load

GOLDEN = Path(__file__).parents[2] / "golden"
SOURCES = sorted((Path(__file__).parents[3] / "sdn_lab").rglob("*.py"))

WORDS = {
    "USE001-no-verb": [],
    "USE001-verb": ["fly", "overlap"],
    "USE001-backend": ["run", "overlap", "--backend", "cloud"],
    "USE001-datapath": ["run", "overlap", "--backend", "mininet", "--datapath", "dpdk"],
    "BCK002-no-such-datapath": ["run", "overlap", "--datapath", "system"],
    "USE001-link-state": ["link", "hv1", "east", "sideways"],
    "USE001-method": ["run", "overlap", "--methods", "graph,magic"],
    "USE001-report": ["run", "overlap", "--report", "json"],
    "USE001-flows-and-controller": ["run", "overlap", "--flows", "d", "--controller", "vlan"],
    "USE002-verb": ["prove", "overlap"],
    "USE003-name": ["up", "overlap", "--name", "two words"],
    "USE002-flag": ["run", "overlap", "--gate"],
    "USE002-format": ["run", "overlap", "--report", "sarif=x"],
    "CTL001-no-such-controller": ["run", "overlap", "--controller", "hub"],
    "FLD001-no-folder": ["run", "overlap", "--flows", "no/such/folder"],
}


def assert_golden(path: Path, said: str) -> None:
    if os.environ.get("SDN_LAB_UPDATE_GOLDEN"):
        path.write_text(said)
    assert said == path.read_text()


@pytest.mark.parametrize("name", WORDS)
def test_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WORDS[name]) == 2

    assert_golden(GOLDEN / "words" / f"{name}.txt", capsys.readouterr().err)


def test_an_unknown_backend() -> None:
    with pytest.raises(InputError) as caught:
        load_backend("cloud")

    assert_golden(GOLDEN / "words" / "BCK001-no-such-backend.txt", f"{caught.value}\n")


def test_labs_that_are_there_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "names", lambda: ("golden",))
    with address.take("golden"), pytest.raises(InputError) as caught:
        address.take("golden")
    with pytest.raises(InputError) as missed:
        address.reach("silver")

    with pytest.raises(InputError) as strange:
        find_node(load(find("overlap")), "vm1")

    with pytest.raises(InputError) as nowhere:
        find_point(load(find("overlap")), "underlay:red/vm1")

    with pytest.raises(InputError) as nobody:
        find_link(load(find("overlap")), ("east", "hv9"))
    with pytest.raises(InputError) as unjoined:
        find_link(load(find("overlap")), ("hv1", "hv2"))

    assert_golden(GOLDEN / "words" / "USE008-no-such-place.txt", f"{nobody.value}\n")
    assert_golden(GOLDEN / "words" / "USE008-no-such-link.txt", f"{unjoined.value}\n")
    assert_golden(GOLDEN / "words" / "USE006-no-such-node.txt", f"{strange.value}\n")
    assert_golden(GOLDEN / "words" / "USE007-no-such-point.txt", f"{nowhere.value}\n")
    assert_golden(GOLDEN / "words" / "USE004-name-taken.txt", f"{caught.value}\n")
    assert_golden(GOLDEN / "words" / "USE005-no-such-lab.txt", f"{missed.value}\n")


@pytest.mark.parametrize(("name", "read"), [("wrong.flows", parse_flows), ("wrong.groups", parse_groups)])
def test_flow_text_reports_every_mistake_at_once(name: str, read) -> None:
    source = GOLDEN / "flow_text" / name
    with pytest.raises(InputError) as caught:
        read(source.read_text(), name)

    assert_golden(source.with_suffix(source.suffix + ".txt"), f"{caught.value}\n")


def test_every_diagnostic_of_input_has_a_golden_file() -> None:
    """CTL004 and CTL005 are the lab's failures, not the input's: `tests/contracts/test_controller.py`."""
    codes = {
        code
        for path in SOURCES
        for code in re.findall(r'"((?:FLW|FLD|USE|BCK|CTL|APP)\d{3})"', path.read_text())
    }
    shown = {
        code
        for path in [*(GOLDEN / "words").glob("*.txt"), *(GOLDEN / "flow_text").glob("*.txt")]
        for code in re.findall(r"error\[([A-Z]+\d{3})\]", path.read_text())
    }

    assert codes - {"CTL004", "CTL005"} == shown
