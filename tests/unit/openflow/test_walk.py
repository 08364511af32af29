"""A walk crosses tunnels as the underlay would, and says how it went."""

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.openflow import frames
from sdn_lab.openflow.walk import Walk
from sdn_lab.scenario import find, load

SCENARIO = load(find("overlap"))
ASSIGNMENT = assign(SCENARIO)


def walk() -> Walk:
    return Walk(compile_scenario(SCENARIO, ASSIGNMENT).tables, ASSIGNMENT)


def syn(src: str, dst: str, l4_port: int, flags: int = frames.TCP_SYN) -> bytes:
    a, b = SCENARIO.port(src), SCENARIO.port(dst)
    segment = frames.tcp(a.ips[0], b.ips[0], 4000, l4_port, flags=flags)
    return frames.ethernet(a.mac, b.mac, 0x0800, frames.ipv4(a.ips[0], b.ips[0], 6, segment))


def test_an_allowed_packet_crosses_the_tunnel_and_the_hops_name_both_bridges() -> None:
    journey = walk().send("red/vm1", syn("red/vm1", "red/vm3", 80))

    assert journey.arrivals == (("red/vm3", syn("red/vm1", "red/vm3", 80)),)
    assert journey.hops[0].datapath == "hv1"
    assert journey.hops[-1].datapath == "hv2"
    assert all(hop.entry is not None for hop in journey.hops)


def test_a_denied_packet_ends_in_a_named_table() -> None:
    journey = walk().send("red/vm1", syn("red/vm1", "red/vm3", 22))

    assert journey.arrivals == ()
    assert journey.hops[-1].datapath == "hv2"
    assert journey.hops[-1].entry is not None, "TCP that no rule admits is dropped by an entry, not a miss"


def test_the_tracker_is_kept_between_frames() -> None:
    way = walk()
    way.send("red/vm1", syn("red/vm1", "red/vm3", 80))
    a, b = SCENARIO.port("red/vm1"), SCENARIO.port("red/vm3")
    segment = frames.tcp(b.ips[0], a.ips[0], 80, 4000, flags=0x12)
    back = frames.ethernet(b.mac, a.mac, 0x0800, frames.ipv4(b.ips[0], a.ips[0], 6, segment))

    assert [port for port, _ in way.send("red/vm3", back).arrivals] == ["red/vm1"]
    way.flush_conntrack()
    assert way.send("red/vm3", back).arrivals == ()
