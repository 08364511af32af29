from __future__ import annotations

import json

import pytest

from sdn_lab.control import apps
from sdn_lab.control.site import Place, Site, TenantPort, facts_of
from sdn_lab.model.diagnostic import InputError
from sdn_lab.openflow.entry import FlowEntry, Tables
from tests.unit.control import lab

HYPERVISORS = {
    "hv1": {"red/vm1": "red/app", "blue/vm1": "blue/app"},
    "hv2": {"red/vm2": "red/app"},
    "hv3": {},
}


def loaded() -> tuple[Site, lab.Assignment]:
    made = lab.scenario(HYPERVISORS)
    assignment = lab.assign(made)
    site = Site()
    site.load(json.loads(json.dumps(facts_of(made, assignment))))
    return site, assignment


def test_an_app_learns_where_it_is_what_hangs_on_it_and_who_its_peers_are() -> None:
    site, assignment = loaded()

    place = site.place(int(assignment.datapaths["hv1"].dpid, 16))

    assert place == Place(
        hypervisor="hv1",
        vtep="172.31.0.1",
        peers=("172.31.0.2", "172.31.0.3"),
        tunnel_of_port=1,
        ports=(
            TenantPort(path="blue/vm1", network="blue/app", of_port=100),
            TenantPort(path="red/vm1", network="red/app", of_port=101),
        ),
    )
    assert site.networks == ("blue/app", "red/app")


def test_a_datapath_of_another_lab_has_no_place_and_nothing_is_wanted_of_it() -> None:
    site, assignment = loaded()
    dpid = int(assignment.datapaths["hv1"].dpid, 16)
    tables = Tables(entries=(FlowEntry(),))
    site.want({dpid: tables}, 3)

    assert (site.wanted(dpid), site.generation) == (tables, 3)
    assert site.wanted(7) is None
    with pytest.raises(KeyError):
        site.place(7)


def test_every_shipped_app_is_found_by_its_name_and_any_by_its_path(tmp_path) -> None:
    own = tmp_path / "own.py"
    own.write_text("")

    assert apps.names() == ("learning_switch", "overlay", "replay", "vlan")
    assert [apps.find(name).stem for name in apps.names()] == list(apps.names())
    assert apps.find(str(own)) == own


@pytest.mark.parametrize("name", ["nothing", "../overlay", "/nowhere/x.py", "", "overlay.txt", "/etc/hosts"])
def test_what_is_no_app_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(InputError) as caught:
        apps.find(name)

    there_are = ", ".join(apps.names())
    assert caught.value.diagnostics[0].render() == "\n".join(
        [
            f"error[CTL001]: there is no controller '{name}'",
            f"  why: shipped with sdn_lab: {there_are}; else the path of a .py file with a Ryu app",
            "  fix: name one of these, or give a path that ends in .py",
        ]
    )
