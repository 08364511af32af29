"""What the random tables of `test_switch` found, one row each: the smallest case in which the two differed.

Each is mended; here it is put to both again.
"""

from __future__ import annotations

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.meter import Band, BandType, Meter
from sdn_lab.openflow.text import parse_flows, parse_groups, sort_entries

from .corpus import labelled, tag, tcp4
from .switch_case import Case, Sent
from .switch_compare import ours
from .switch_here import results
from .switch_oracle import Oracle

pytestmark = pytest.mark.ovs
A, B = "10.0.0.1", "10.0.0.2"
TCP = tcp4()
ONE, TWO, THREE, FOUR = labelled()[:4]
DEI = tag(TCP, 0x1005)
UDP = pk.ethernet(1, 2, 0x0800, pk.ipv4(A, B, 17, pk.udp(A, B, 1000, 53, b"data")))
METERS = (
    Meter(meter_id=1, packets=True, burst=True, bands=(Band(type=BandType.DROP, rate=3, burst_size=2),)),
)
GROUPS = (
    "group_id=1,type=all,bucket=actions=push_mpls:0x8847,output:4,bucket=actions=output:6\n"
    "group_id=2,type=indirect,bucket=actions=push_vlan:0x8100,NORMAL\n"
    "group_id=3,type=indirect,bucket=actions=resubmit(,2)"
)
CONJUNCTION = (
    "priority=500,ip,actions=conjunction(5,1/2)\npriority=500,in_port=1,actions=conjunction(5,2/2)\n"
)
ROWS: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "sixty-four ways back, to where a TTL is spent": (
        (
            "table=0,actions=goto_table:2\ntable=1,ip,actions=dec_ttl,goto_table:2\n"
            "table=2,actions=resubmit(,1),output:2"
        ),
        tuple(pk.rewrite(UDP, {"nw_ttl": ttl}) for ttl in (2, 63, 64, 65, 66)),
    ),
    "so many ways back, to where nothing is looked up any more": (
        (
            "table=0,actions=goto_table:2\ntable=1,ip,actions=dec_ttl,output:4,resubmit(,2)\n"
            "table=2,actions=resubmit(,1),output:2"
        ),
        tuple(pk.rewrite(UDP, {"nw_ttl": ttl}) for ttl in (2, 63, 64, 65, 66)),
    ),
    "so many ways back, half of them buckets": (
        (
            "table=0,actions=goto_table:2\ntable=1,ip,actions=dec_ttl,output:4,group:3\n"
            "table=2,actions=resubmit(,1),output:2"
        ),
        tuple(pk.rewrite(UDP, {"nw_ttl": ttl}) for ttl in (2, 31, 32, 33, 34)),
    ),
    "tracked and translated behind a second tag": (
        (
            "table=0,actions=push_vlan:0x88a8,goto_table:1\n"
            "table=1,ip,actions=ct(commit,table=2,zone=2,nat(src=10.0.0.9:53)),output:4\n"
            "table=2,actions=output:2"
        ),
        (tag(UDP, 5), tag(UDP, 5), UDP),
    ),
    "a native port has no VLAN 0": ("actions=NORMAL", (TCP,)),
    "NORMAL keeps what it does not change of a tag": ("actions=NORMAL", (tag(TCP, 0x1009),)),
    "NORMAL sends no inner tag without an outer one": ("actions=group:2", (tag(TCP, 5),)),
    "NORMAL drops half a tag": ("actions=NORMAL", (tag(TCP, 5)[:15],)),
    "NORMAL drops what lost the outer of two tags": (
        "dl_vlan=5,actions=pop_vlan,NORMAL",
        (tag(tag(TCP, 6), 5),),
    ),
    "all labels go where none is left": ("mpls,actions=pop_mpls:0x0800,output:2", (ONE, TWO, THREE)),
    "a fourth label voids the packet": (
        "mpls,actions=output:2,push_mpls:0x8847,output:3",
        (TWO, THREE, FOUR),
    ),
    "a fourth label voids its bucket alone": ("mpls,actions=group:1,output:3", (TWO, THREE, FOUR)),
    "what cannot be popped voids the packet": (
        "mpls,actions=output:2,pop_mpls:0x8847,output:3",
        (THREE, FOUR),
    ),
    "a tag without its presence takes all known ones": (
        "actions=push_vlan:0x88a8,set_field:0->vlan_tci,output:2",
        (TCP, tag(TCP, 5)),
    ),
    "a tag that is written as it was": ("actions=set_field:0x1000/0xf000->vlan_tci,output:2", (DEI,)),
    "a VLAN that is written as it was": ("dl_vlan=5,actions=set_field:4101->vlan_vid,output:2", (DEI,)),
    "a table-miss entry's controller()": ("priority=0,actions=controller()", (TCP,)),
    "a controller's reason 0": ("actions=controller(reason=no_match)", (TCP,)),
    "a met conjunction, and an entry that ties with its parts": (
        f"{CONJUNCTION}priority=300,ip,actions=output:2\npriority=50,conj_id=5,actions=output:3",
        (TCP,),
    ),
    "a met conjunction, and an entry of its own above": (
        f"{CONJUNCTION}priority=300,tcp,actions=output:2\npriority=50,conj_id=5,actions=output:3",
        (TCP,),
    ),
    "a met conjunction without an entry": (f"{CONJUNCTION}priority=300,ip,actions=output:2", (TCP,)),
    "written as it was behind ct(nat)": (
        "ip,actions=ct(commit,zone=5,nat(src=10.0.0.9)),set_field:10.0.0.1->ip_src,output:3",
        (UDP,),
    ),
    "written behind ct(nat) where the source was tested": (
        (
            "ip,nw_src=10.0.0.1,actions=ct(commit,zone=5,nat(src=10.0.0.9)),dec_ttl,"
            "set_field:10.0.0.7->ip_dst,output:3"
        ),
        (UDP,),
    ),
    "ports written behind ct(nat) with a port": (
        "udp,tp_src=1000,actions=ct(commit,zone=5,nat(src=10.0.0.9:77)),set_field:7->udp_dst,output:3",
        (UDP,),
    ),
}


def case_of(row: str) -> Case:
    flows, frames = ROWS[row]
    sent = tuple(Sent(of_port=1, frame=frame) for frame in frames)
    groups = parse_groups(GROUPS) if "group:" in flows else ()
    return Case(seed=0, tables=Tables(entries=sort_entries(parse_flows(flows)), groups=groups), frames=sent)


def check(oracle: Oracle, case: Case) -> None:
    """Compare frame by frame, also what the random cases leave out."""
    oracle.load(case)
    for sent, result in zip(case.frames, results(case), strict=True):
        assert str(oracle.send([sent])) == str(ours(result)), str(sent)


@pytest.mark.parametrize("row", ROWS)
def test_what_was_found_once_agrees(oracle: Oracle, row: str) -> None:
    check(oracle, case_of(row))


def test_a_bucket_is_as_full_as_there_after_a_silence(oracle: Oracle) -> None:
    tables = Tables(entries=parse_flows("actions=meter:1,output:2"))
    pauses = (0, 0, 0, 3_000, 0, 334, 0, 333, 10_000, 0, 0)
    frames = tuple(Sent(of_port=1, frame=TCP, pause_ms=pause) for pause in pauses)
    check(oracle, Case(seed=0, tables=tables, frames=frames, meters=METERS))
