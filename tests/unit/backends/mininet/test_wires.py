"""Bridges of the underlay on Mininet: every frame finds its hypervisor, and none goes round meanwhile."""

import random

import pytest

from sdn_lab.backends.fabric import fabric, next_hops, way
from sdn_lab.backends.mininet.shaping import discipline
from sdn_lab.backends.mininet.wires import changes, entries, lay_out
from sdn_lab.model.intent import Link
from tests.unit.backends.test_fabric import random_underlay, underlay

SEEDS = range(120)
TWO = {"east": ("hv1", "hv2"), "west": ("hv3",)}


def made(drawn):
    """Return the layout of a fabric and the MACs of its hypervisors."""
    macs = {name: f"0e:00:00:00:00:{n:02x}" for n, name in enumerate(drawn.hypervisors, start=1)}
    return lay_out(drawn, {name: f"u{n}" for n, name in enumerate(drawn.hypervisors, start=1)}), macs


def carried(layout, known, src, mac):
    """Follow a frame from a NIC over bridges that know *known*; return the uplink that it leaves by."""
    place_of = {bridge: place for place, bridge in layout.bridges.items()}
    far = {}
    for (place, neighbour), port in layout.ports.items():
        if (neighbour, place) in layout.ports:
            far[port] = layout.bridges[neighbour]
    bridge, been = layout.bridges[layout.uplinks[src][0]], []
    while bridge is not None:
        assert bridge not in been, f"a frame of {src} goes round at {place_of[bridge]}"
        been.append(bridge)
        port = known.get((bridge, mac))
        if port is None:
            return None
        if port not in far:
            return port
        bridge = far[port]
    return None


def random_cut(drawn, seed):
    dice = random.Random(seed)
    return {link.between for link in drawn.links if dice.random() < 0.25}


@pytest.mark.parametrize("seed", SEEDS)
def test_bridges_carry_a_frame_to_the_nic_that_it_is_for_if_a_way_leads_there(seed):
    drawn = fabric(random_underlay(seed))
    layout, macs = made(drawn)
    for down in (set(), random_cut(drawn, seed)):
        hops = next_hops(drawn, down)
        known = entries(layout, hops, macs)
        for src in drawn.hypervisors:
            for dst in set(drawn.hypervisors) - {src}:
                blocked = {layout.ports.get(pair) for ends in down for pair in (ends, ends[::-1])}
                left = None if layout.uplinks[src][1] in blocked else carried(layout, known, src, macs[dst])
                arrives = left == layout.uplinks[dst][1] and left not in blocked
                assert arrives is (way(hops, src, dst) is not None), f"{src} to {dst} without {down}"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_frame_goes_round_while_the_ways_change(seed):
    drawn = fabric(random_underlay(seed))
    layout, macs = made(drawn)
    before = entries(layout, next_hops(drawn), macs)
    after = entries(layout, next_hops(drawn, random_cut(drawn, seed)), macs)
    bridge_of = {port: layout.bridges[place] for (place, _), port in layout.ports.items()}
    bridge_of |= {port: layout.bridges[place] for place, port in layout.uplinks.values()}

    known = dict(before)
    for command in changes(before, after):
        _, verb, mac, _, port, *_ = command.split()
        key = bridge_of[port], mac
        if verb == "del":
            assert known.pop(key) == port
        else:
            assert key not in known, "the kernel refuses a second entry for one MAC"
            known[key] = port
        for src in drawn.hypervisors:
            carried(layout, known, src, mac)
    assert known == after


def test_one_plain_link_needs_no_bridge_beyond_the_nic_and_everything_else_does():
    links = underlay(TWO, ("east", "west"), ("hv1", "east"), ("hv1", "west")).links
    slow = Link(between=("east", "hv2"), rate_bps=10**6)
    drawn = fabric(underlay(TWO))
    assert set(made(drawn)[0].bridges) == {"east", "west"}
    parted = fabric(underlay(TWO).__class__(sites=TWO, links=(*links, slow)))
    layout, _ = made(parted)
    assert set(layout.bridges) == {"east", "west", "hv1", "hv2"}
    assert {layout.ports["hv1", "east"], layout.ports["hv1", "west"]}.isdisjoint({"u1"})
    direct, _ = made(fabric(underlay({"east": ("hv1",), "west": ("hv2",)}, ("hv1", "hv2"))))
    assert set(direct.bridges) == {"hv1", "hv2"}


@pytest.mark.parametrize("seed", SEEDS)
def test_interfaces_have_names_of_their_own(seed):
    layout, _ = made(fabric(random_underlay(seed)))
    ends = [end for _, *pair in layout.veths for end in pair]
    names = [*layout.bridges.values(), *ends, *(port for _, port in layout.uplinks.values())]
    assert len(names) == len(set(names))
    assert all(len(name) <= 15 for name in names)


def test_a_rate_needs_no_netem_and_without_it_delay_and_loss_are_not_pretended():
    link = Link(between=("a", "b"), delay_ms=20, rate_bps=10**6, loss=0.01)
    assert discipline(link, 1500, netem=False).startswith("tbf rate 1000000bit ")
    assert discipline(link, 1500, netem=True).startswith("netem limit 4096 delay 20000us loss 1% rate ")
    assert discipline(Link(between=("a", "b"), delay_ms=20), 1500, netem=False) == ""
    assert discipline(Link(between=("a", "b")), 1500, netem=True) == ""
