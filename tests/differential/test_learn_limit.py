"""``learn`` with a limit, and what it tells of it: the tables and the ports of both switches."""

from __future__ import annotations

import pytest

from sdn_lab.openflow.text import format_entry, parse_flows

from .ovs_process import Vswitch
from .test_fin_timeout import SYN, switch, tcp

pytestmark = pytest.mark.ovs

LEARN = "learn(table=1,limit=3,cookie=0x9,{}eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[])"
CASES = {
    "a limit": f"table=0,tcp,actions={LEARN.format('')},output:2",
    "and what came of it": (
        f"table=0,tcp,actions={LEARN.format('result_dst=NXM_NX_REG0[7],')},resubmit(,2)\n"
        "table=2,reg0=0x80,actions=output:2\ntable=2,reg0=0,actions=output:3"
    ),
    "the cookies of others do not count": (
        f"table=0,tcp,actions={LEARN.format('')},output:2\n"
        + "\n".join(f"table=1,cookie=0x8,priority={n},actions=drop" for n in range(5))
    ),
    "those of another table do not count": (
        f"table=0,tcp,actions={LEARN.format('')},output:2\n"
        + "\n".join(f"table=3,cookie=0x9,priority={n},actions=drop" for n in range(5))
    ),
    "whoever has the cookie counts": (
        f"table=0,tcp,actions={LEARN.format('result_dst=NXM_NX_REG0[0],')},output:NXM_NX_REG0[]\n"
        "table=1,cookie=0x9,udp,actions=drop\ntable=1,cookie=0x9,arp,actions=drop"
    ),
    "twice in one list": (
        f"table=0,tcp,actions={LEARN.format('result_dst=NXM_NX_REG0[0],')},"
        "learn(table=1,limit=3,cookie=0x9,priority=7,result_dst=NXM_NX_REG0[1],eth_type=0x800,nw_proto=6,"
        "NXM_OF_TCP_SRC[]),output:NXM_NX_REG0[]"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_no_more_is_learned_than_open_vswitch_learns(vswitch: Vswitch, name: str) -> None:
    ours = switch(CASES[name])
    sent: list[tuple[int, bytes]] = []
    ours.on_emit = lambda of_port, frame, *_: sent.append((of_port, frame))
    vswitch.load("br0", "\n".join(map(format_entry, parse_flows(CASES[name]))))
    vswitch.transmitted()
    for source in (1000, 1001, 1000, 1002, 1003, 1004, 1001, 1003):
        vswitch.control.call("revalidator/purge")  # or what was cached would go the way of the first
        sent.clear()
        vswitch.receive("p1", tcp(SYN, source))
        ours.receive(tcp(SYN, source), 1)
        theirs = sorted(
            (int(p[1:]), frame) for p, frames in vswitch.transmitted().items() for frame in frames
        )
        assert sorted(sent) == theirs, source
        held = {format_entry(entry) for entry in ours.table.entries()}
        assert held == {format_entry(entry) for entry in parse_flows(vswitch.dump_flows("br0"), "dump")}, (
            source
        )
    assert len([entry for entry in ours.table.entries() if (entry.table_id, entry.cookie) == (1, 9)]) == 3
