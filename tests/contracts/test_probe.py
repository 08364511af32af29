"""Every family of probes, over the shipped scenarios: what `contracts.Probe` and `observe.case` promise."""

from __future__ import annotations

import re
from functools import cache

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.verdict import Claim
from sdn_lab.observe.case import Case, Family
from sdn_lab.observe.constants import harvest
from sdn_lab.observe.nonce import found_in
from sdn_lab.observe.probes import PROBES
from sdn_lab.observe.world import World
from sdn_lab.openflow.packet import parse
from sdn_lab.openflow.snapshot import DatapathState, Snapshot
from sdn_lab.scenario import find, load
from sdn_lab.scenario.claims import claims

SHIPPED = ("overlap", "micro_segments")


@cache
def given(name: str) -> tuple[Scenario, tuple[Claim, ...], Snapshot]:
    scenario = load(find(name))
    assignment = assign(scenario)
    tables = compile_scenario(scenario, assignment).tables
    states = {n: DatapathState(name=n, tables=held) for n, held in tables.items()}
    return scenario, claims(scenario), Snapshot(datapaths=states, assignment=assignment)


def world(name: str, seed: int = 1) -> World:
    scenario, derived, snapshot = given(name)
    return World(scenario, derived, snapshot.assignment, harvest(snapshot), seed=seed)


@cache
def cases(probe: Family, name: str) -> tuple[Case, ...]:
    return tuple(probe.cases(world(name))) if probe.applies(given(name)[0]) else ()


families = pytest.mark.parametrize("probe", PROBES, ids=lambda p: f"{p.name} {p.title}")
scenarios = pytest.mark.parametrize("name", SHIPPED)


def test_names_are_the_catalogues_and_titles_tell_apart_who_shares_one() -> None:
    titles = [probe.title for probe in PROBES]

    assert all(re.fullmatch(r"(REACH|ID|TAG|TUN|FW|MGMT)-\d\d", probe.name) for probe in PROBES)
    assert all(titles)
    assert len(set(titles)) == len(titles)


@families
@scenarios
def test_a_family_that_applies_sends_something_and_calls_it_by_its_name(probe: Family, name: str) -> None:
    made = cases(probe, name)

    assert bool(made) is probe.applies(given(name)[0])
    assert {case.probe for case in made} <= {probe.name}


@families
@scenarios
def test_every_packet_carries_its_own_nonce_and_no_other(probe: Family, name: str) -> None:
    shots = [shot for case in cases(probe, name) for shot in case.shots]

    assert all(found_in(shot.frame)[-1:] == [shot.nonce] for shot in shots)
    assert len({shot.nonce for shot in shots}) == len(shots)


@families
@scenarios
def test_every_packet_is_for_ports_and_claims_that_exist(probe: Family, name: str) -> None:
    scenario, derived, _ = given(name)
    ports, ids = {port.path for port in scenario.ports}, {claim.id for claim in derived}

    for case in cases(probe, name):
        for shot in case.shots:
            assert shot.src in ports
            assert shot.dst in ports | {""}
            assert set(shot.bears_on) <= ids
            assert shot.bears_on or shot.expected is not Expected.NOTHING
            assert 60 <= len(shot.frame) <= 14 + scenario.underlay.inner_mtu


@families
@scenarios
def test_a_control_is_proved_by_what_must_arrive_and_leant_on_by_what_must_not(
    probe: Family, name: str
) -> None:
    for case in cases(probe, name):
        for shot in case.shots:
            assert not shot.proves or shot.expected is not Expected.NOTHING
            assert not shot.leans_on or shot.expected is not Expected.DELIVERED


@scenarios
def test_what_is_leant_on_is_proved_by_somebody_wherever_it_can_be(name: str) -> None:
    """A control that nothing proves is a misspelt one, unless nothing legitimate exists."""
    everything = [shot for probe in PROBES for case in cases(probe, name) for shot in case.shots]
    proved = {what for shot in everything for what in shot.proves}
    made = world(name)

    for what in {what for shot in everything for what in shot.leans_on} - proved:
        kind, direction, path = what.split()
        port = next(p for p in made.ports if p.path == path)
        assert kind in ("ip4", "ip6", "arp", "nd")
        pairs = [(port, q) if direction == "from" else (q, port) for q in made.peers(port)]
        family = 4 if kind in ("ip4", "arp") else 6
        if kind.startswith("ip"):
            assert not any(made.sample(s, d, family) for s, d in pairs), what
        else:
            assert not any(made.may_talk(s, d) and made.sample(s, d, family) for s, d in pairs), what


@families
@scenarios
def test_cases_are_a_function_of_the_seed(probe: Family, name: str) -> None:
    if probe.applies(given(name)[0]):
        first, again = list(probe.cases(world(name))), list(probe.cases(world(name)))
        other = list(probe.cases(world(name, seed=2)))

        assert first == again
        assert [c.shots for c in first] != [c.shots for c in other]


@scenarios
def test_no_two_cases_share_a_connection(name: str) -> None:
    """Kernels answer and trackers remember: a 5-tuple belongs to one case, within one network."""
    made = world(name)
    owners: dict[object, int] = {}
    number = 0
    for probe in PROBES:
        if not probe.applies(made.scenario) or probe.name in ("FW-06", "FW-17"):
            continue  # fragments have no ports; FW-17 tries the source ports that tables look at
        for case in probe.cases(made):
            number += 1
            for shot in case.shots:
                fields = parse(shot.frame)
                protocol = {6: "tcp", 17: "udp"}.get(fields.get("ip_proto", 0))
                fixed = {67, 68, 547, 548} & {fields.get("udp_src"), fields.get("udp_dst")}
                if protocol is None or fixed or fields.get("vlan_vid") or f"{protocol}_src" not in fields:
                    continue
                ends = [
                    (fields.get(f"ipv4_{side}"), fields.get(f"ipv6_{side}"), fields[f"{protocol}_{side}"])
                    for side in ("src", "dst")
                ]
                key = (protocol, *sorted(ends, key=str))
                assert owners.setdefault(key, number) == number, (probe.name, key)
