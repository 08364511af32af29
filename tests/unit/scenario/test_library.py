"""Scenarios that ship are found by name; everything else is a path."""

from pathlib import Path

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.scenario import find, library, load, shipped


def test_what_ships():
    assert {"overlap", "micro_segments"} <= set(shipped())


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_scenario_loads_and_has_its_files_name(name):
    assert load(find(name)).name == name


@pytest.mark.parametrize("path", ["./x", "a/b", "mine.yaml", "mine.yml", "/srv/x"])
def test_what_looks_like_a_path_is_one(path):
    assert find(path) == Path(path)


@pytest.mark.parametrize("name", ["overlapp", "", "nothing-like-it"])
def test_an_unknown_name_lists_what_ships(name):
    with pytest.raises(InputError) as caught:
        find(name)
    for known in shipped():
        assert known in str(caught.value)


def test_a_wheel_carries_them_inside_the_package(tmp_path, monkeypatch):
    inside = tmp_path / "_content" / "topologies"
    inside.mkdir(parents=True)
    (inside / "packed.yaml").write_text("version: 1\n")
    monkeypatch.setattr(library, "_PACKAGE", tmp_path)

    assert shipped() == ["packed"]
    assert find("packed") == inside / "packed.yaml"


def test_overlap_overlaps_in_everything():
    scenario = load(find("overlap"))
    red = [p for p in scenario.ports if p.tenant == "red"]
    blue = [p for p in scenario.ports if p.tenant == "blue"]
    assert [(p.mac, p.ips, p.hypervisor) for p in red] == [(p.mac, p.ips, p.hypervisor) for p in blue]
    assert len({p.hypervisor for p in red}) == 3
    assert len([p for p in red if p.hypervisor == "hv1"]) >= 2
    assert len(scenario.underlay.sites) == 2
    assert {ip.version for p in red for ip in p.ips} == {4, 6}


def test_micro_segments_has_every_kind_of_rule():
    scenario = load(find("micro_segments"))
    rules = [r for g in scenario.security_groups for r in g.rules]
    remotes = [type(remote).__name__ for r in rules for remote in r.remotes]

    assert len(scenario.tenants) == 1
    assert len(scenario.networks) >= 3
    assert {r.direction.value for r in rules} == {"ingress", "egress"}
    assert {r.protocol.value for r in rules} == {"tcp", "udp", "sctp", "icmp", "any"}
    assert set(remotes) == {"AnyRemote", "CidrRemote", "GroupRemote", "NetworkRemote"}
    assert any(remote.excluded for r in rules for remote in r.remotes if hasattr(remote, "excluded"))
    assert any(p.first < p.last for r in rules for p in r.l4_ports or ())
    assert any(r.icmp_types_v4 for r in rules)
    assert any(r.remotes == () for r in rules)
    assert any(g.egress_deny for g in scenario.security_groups)
    assert any(g.rules == () for g in scenario.security_groups)
    assert any(":" in p.path for p in scenario.ports)
