"""``fin_timeout``, and ``learn`` with timeouts at FIN: what the tables hold afterwards, here and there."""

from __future__ import annotations

import pytest

from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow import frames
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.text import format_entry, parse_flows
from sdn_lab.openflow.wire.reply import PortState

from .ovs_process import Vswitch

SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04
SECOND_NS = 1_000_000_000


def tcp(flags: int, source: int = 1000) -> bytes:
    segment = frames.tcp("10.0.0.1", "10.0.0.2", source, 80, flags=flags)
    packet = frames.ipv4("10.0.0.1", "10.0.0.2", 6, segment)
    return frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, packet, pad=True)


def switch(text: str) -> Switch:
    ports = [
        Attached(state=PortState(of_port=n, mac=bytes(6), name=f"p{n}"), behind=f"port:{n}")
        for n in range(1, 7)
    ]
    made = Switch("hv1", 1, Clock(), ports, tracker=Tracker())
    made.load(Tables(entries=parse_flows(text)))
    return made


CASES = {
    "both": "tcp,actions=fin_timeout(idle_timeout=5,hard_timeout=7),output:2",
    "longer": "idle_timeout=3,hard_timeout=4,tcp,actions=fin_timeout(idle_timeout=5,hard_timeout=7)",
    "one of them": "idle_timeout=30,tcp,actions=fin_timeout(idle_timeout=5),output:2",
    "of its own entry alone": (
        "tcp,idle_timeout=60,actions=resubmit(,1)\ntable=1,tcp,actions=fin_timeout(hard_timeout=9)"
    ),
    "in a clone": "tcp,idle_timeout=60,actions=clone(fin_timeout(idle_timeout=5)),output:2",
    "learned": (
        "table=0,tcp,actions=learn(table=1,fin_idle_timeout=5,fin_hard_timeout=6,idle_timeout=60,eth_type=0x800,"
        "nw_proto=6,NXM_OF_TCP_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)\ntable=1,priority=1,actions=drop"
    ),
    "behind ct": (
        "table=0,tcp,actions=ct(table=1,zone=5)\ntable=1,tcp,idle_timeout=60,actions=fin_timeout(idle_timeout=5),"
        "learn(table=2,idle_timeout=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),output:2"
    ),
}


@pytest.mark.ovs
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("last", [FIN | ACK, RST, ACK])
def test_the_tables_hold_what_open_vswitchs_hold(vswitch: Vswitch, name: str, last: int) -> None:
    ours = switch(CASES[name])
    vswitch.load("br0", "\n".join(map(format_entry, parse_flows(CASES[name]))))
    vswitch.flush_conntrack()
    for flags in (SYN, ACK, ACK, last):
        vswitch.receive("p1", tcp(flags))
        ours.receive(tcp(flags), 1)
    vswitch.control.call("revalidator/purge")  # only then are flags of what was cached looked at
    held = {format_entry(entry) for entry in ours.table.entries()}
    theirs = {format_entry(entry) for entry in parse_flows(vswitch.dump_flows("br0"), "dump")}
    assert held == theirs


def test_an_entry_ends_so_long_after_the_connection_did() -> None:
    made = switch("tcp,idle_timeout=60,actions=fin_timeout(idle_timeout=5),output:2\nudp,actions=drop")
    made.receive(tcp(SYN), 1)
    made.clock.pass_until(10 * SECOND_NS)
    made.receive(tcp(FIN | ACK), 1)
    made.clock.pass_until(15 * SECOND_NS - 1)
    made.expire()
    assert len(made.table) == 2
    assert [row.counted.packets for row in made.table.rows()] == [2, 0]
    made.clock.pass_until(15 * SECOND_NS)
    made.expire()
    assert [entry.match.as_mapping()["ip_proto"][0] for entry in made.table.entries()] == [17]


def test_what_is_learned_behind_the_tracker_is_kept_whoever_went_before() -> None:
    """From the second packet on the way to the tracker is cached; what is behind it is not."""
    made = switch(
        "table=0,tcp,actions=ct(table=1,zone=5)\n"
        "table=1,tcp,actions=learn(table=2,eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[]),output:2"
    )
    for source in range(1000, 1010):
        made.receive(tcp(SYN, source), 1)
    assert sum(entry.table_id == 2 for entry in made.table.entries()) == 10
