"""Who is there keeps its numbers; who comes gets numbers that were never used."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdn_lab.model.assignment import MOST_EVER, Assignment, assign
from sdn_lab.model.intent import Port, Scenario, Underlay

HYPERVISORS = ("hv1", "hv2")
PATHS = [f"red/vm{n}" for n in range(6)]


def scenario(places: dict[str, str]) -> Scenario:
    """Ports by path, on hypervisors."""
    ports = tuple(
        Port(path=p, tenant="red", instance=p, network="red/app", hypervisor=h, mac="", ips=())
        for p, h in sorted(places.items())
    )
    return Scenario(name="s", tenants=("red",), underlay=Underlay(sites={"here": HYPERVISORS}), ports=ports)


places = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(HYPERVISORS), max_size=6)


def numbers(assignment: Assignment) -> dict[str, tuple[str, int, int]]:
    return {
        a.port: (name, a.of_port, a.zone) for name, d in assignment.datapaths.items() for a in d.attachments
    }


def test_a_fresh_lab_is_numbered_in_sorted_order() -> None:
    given_ = assign(scenario({"red/vm2": "hv1", "red/vm1": "hv1", "red/vm0": "hv2"}))

    assert numbers(given_) == {
        "red/vm1": ("hv1", 100, 1),
        "red/vm2": ("hv1", 101, 2),
        "red/vm0": ("hv2", 100, 1),
    }


@given(st.lists(places, min_size=2, max_size=8))
def test_no_number_ever_means_two_ports(history: list[dict[str, str]]) -> None:
    meant: dict[tuple[str, int], tuple[str, int]] = {}  # (hypervisor, of_port) to (port, since when)
    assignment: Assignment | None = None
    before: dict[str, tuple[str, int, int]] = {}
    for moment, there in enumerate(history):
        assignment = assign(scenario(there), assignment)
        now = numbers(assignment)
        assert {port: place for port, (place, _, _) in now.items()} == there
        for port, (hypervisor, of_port, zone) in now.items():
            assert zone == of_port - 99
            if before.get(port, ("",))[0] == hypervisor:
                assert now[port] == before[port]
                continue
            assert (hypervisor, of_port) not in meant
            meant[hypervisor, of_port] = port, moment
        before = now


def test_what_was_detached_on_purpose_comes_back_under_new_numbers() -> None:
    there = scenario({"red/vm1": "hv1", "red/vm2": "hv1"})
    again = assign(there, assign(there).without({"red/vm1"}))

    assert numbers(again) == {"red/vm1": ("hv1", 102, 3), "red/vm2": ("hv1", 101, 2)}


def test_a_port_is_found_by_its_zone() -> None:
    given_ = assign(scenario({"red/vm1": "hv1", "red/vm2": "hv1"}))

    assert [given_.port_of_zone("hv1", zone) for zone in (1, 2, 3)] == ["red/vm1", "red/vm2", None]


def test_other_hypervisors_are_another_lab() -> None:
    here = scenario({})
    other = replace(here, underlay=Underlay(sites={"here": ("hv1", "hv3")}))

    with pytest.raises(ValueError, match="hypervisors that it was built with"):
        assign(other, assign(here))


def test_a_hypervisor_that_has_given_all_its_numbers_says_so() -> None:
    there = scenario({"red/vm1": "hv1"})
    worn = assign(there)
    worn = Assignment(
        datapaths={
            name: replace(d, ever=MOST_EVER) for name, d in worn.without({"red/vm1"}).datapaths.items()
        }
    )

    with pytest.raises(ValueError, match="hv1 has given all"):
        assign(there, worn)
