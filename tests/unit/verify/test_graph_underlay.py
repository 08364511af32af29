"""The physical network: how links are read, what is redundant, what is not, who shares a hypervisor."""

from dataclasses import replace

import pytest

from sdn_lab.model.intent import Link, Underlay
from sdn_lab.model.verdict import Claim, Kind, Status
from sdn_lab.scenario import find, load
from sdn_lab.verify.graph import GraphChecker, information
from sdn_lab.verify.graph.underlay import co_residency, draw, redundancy, single_points
from tests.unit.verify.graph_world import compiled

TWO = {"east": ("hv1", "hv2"), "west": ("hv3",)}
THREE = {**TWO, "north": ("hv4",)}


def underlay(sites, *links):
    return Underlay(sites=sites, links=tuple(Link(between=pair) for pair in links))


def test_by_default_a_site_has_one_switch_and_sites_are_meshed():
    graph = draw(underlay(THREE))
    assert sorted(map(sorted, graph.edges)) == sorted(
        [
            *(["east", "hv1"], ["east", "hv2"], ["hv3", "west"], ["hv4", "north"]),
            *(["east", "west"], ["east", "north"], ["north", "west"]),
        ]
    )


def test_links_between_sites_replace_the_mesh_over_switches_too():
    assert not draw(underlay(TWO, ("east", "spine"), ("spine", "west"))).has_edge("east", "west")
    assert draw(underlay(TWO, ("hv1", "spine"), ("spine", "east"))).has_edge("east", "west")


def test_a_hypervisor_that_a_link_names_hangs_there_only():
    graph = draw(underlay(TWO, ("east", "west"), ("hv1", "spine")))
    assert sorted(graph["hv1"]) == ["spine"]
    assert sorted(graph["hv2"]) == ["east"]
    assert graph.nodes["spine"]["kind"] == "switch"


def test_one_link_between_two_sites_is_a_single_point():
    found = redundancy(underlay(TWO), "east", "west")
    assert not found.redundant
    assert (found.disjoint_paths, found.single_points) == (1, ("link east - west",))


def test_a_mesh_of_three_sites_is_redundant():
    found = redundancy(underlay(THREE), "east", "west")
    assert found.redundant
    assert (found.disjoint_paths, found.single_points) == (2, ())


def test_two_links_over_one_spine_are_not_redundant():
    links = (("east", "spine"), ("hv3", "spine"), ("west", "spine"))
    found = redundancy(underlay(TWO, *links), "east", "west")
    assert "switch spine" in found.single_points


def test_two_spines_are_redundant_and_hypervisors_on_one_of_them_are_not():
    spines = (("hv1", "s1"), ("hv1", "s2"), ("hv2", "s1"), ("hv2", "s2"), ("hv3", "s1"), ("hv3", "s2"))
    assert redundancy(underlay(TWO, *spines), "east", "west").redundant
    found = redundancy(underlay(TWO, *spines[:-1]), "east", "west")
    assert "switch s1" in found.single_points


def test_sites_that_nothing_joins_are_not_redundant():
    found = redundancy(underlay(TWO, ("hv1", "s1"), ("hv2", "s1"), ("hv3", "s2")), "east", "west")
    assert not found.redundant
    assert found.disjoint_paths == 0


def test_a_direct_link_of_two_hypervisors_is_what_lies_between():
    found = redundancy(underlay({"east": ("hv1",), "west": ("hv3",)}, ("hv1", "hv3")), "east", "west")
    assert found.single_points == ("link hv1 - hv3",)


def test_single_points_are_switches_and_links_that_cut_hypervisors_off():
    assert single_points(underlay(TWO)) == ("site east", "site west", "link east - west")


def test_a_hypervisor_carries_nobody_elses_traffic():
    """hv1 hangs on both sites' switches, and is no way around their link for the others."""
    twice = underlay(TWO, ("east", "west"), ("hv1", "west"), ("hv1", "east"))
    assert single_points(twice) == ("site east", "site west", "link east - west")
    third = underlay(THREE, ("east", "west"), ("hv4", "west"), ("hv4", "east"))
    assert redundancy(third, "east", "west").single_points == ("link east - west",)


def test_a_switch_that_leads_nowhere_is_no_single_point():
    assert "link spine - west" not in single_points(underlay(TWO, ("east", "west"), ("west", "spine")))


def test_tenants_that_share_a_hypervisor_are_named():
    scenario = load(find("overlap"))
    assert co_residency(scenario)["hv1"] == ("blue", "red")
    told = list(information(scenario))
    assert "hv1 is shared by tenants blue, red" in told
    assert "sites east and west: 1 link-disjoint path" in told


def test_an_underlay_that_falls_apart_is_said():
    scenario = load(find("overlap"))
    apart = replace(scenario, underlay=underlay(TWO, ("east", "west"), ("hv1", "spine")))
    assert "the underlay falls apart as drawn: hv1 | hv2, hv3" in list(information(apart))


@pytest.mark.parametrize(("sites", "status"), [(TWO, Status.VIOLATED), (THREE, Status.HOLDS)])
def test_redundant_is_judged_where_it_is_asked(sites, status):
    scenario = load(find("overlap"))
    held = compiled(scenario)
    claim = Claim(id="redundant/east/west", kind=Kind.REDUNDANT, objects=("east", "west"))
    asked = replace(scenario, underlay=underlay(sites))
    [verdict] = GraphChecker().check(asked, [claim], held, progress=lambda *_: None)
    assert verdict.status is status
    assert "link-disjoint" in verdict.covers
