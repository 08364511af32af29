"""A third reading of the wire: Open vSwitch's own decoder, ``ovs-ofctl ofp-print``."""

import shutil
import subprocess
from dataclasses import replace

import pytest

from sdn_lab.backends.sim.check import check_entry
from sdn_lab.model.diagnostic import InputError
from sdn_lab.openflow import codec
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.text import parse_flows, sort_entries
from sdn_lab.openflow.wire import decode, error, instruction, oxm, reply, request, stats
from sdn_lab.openflow.wire.error import WireError
from tests.unit.openflow.test_wire_dialect import ROWS
from tests.unit.openflow.test_wire_entries import ACTIONS, ENTRIES, MATCHES, RYU, serialized
from tests.unit.openflow.test_wire_strict import REFUSED

KINDS = ("OFPBRC_", "OFPBAC_", "OFPBIC_", "OFPBMC_", "OFPFMFC_", "OFPGMFC_")
PREFIXES = {**dict(enumerate(KINDS, start=1)), 12: "OFPMMFC_"}
NAMES = {
    pair: PREFIXES[pair[0]] + name.partition("_")[2]
    for name, pair in vars(error).items()
    if isinstance(pair, tuple) and pair[0] in PREFIXES
}
# It can do what we cannot; or its decoder leaves the refusal to the switch.
KNOWN_TO_OVS = {"a buffer", "meter 0", "meter of rate 0", "remark by 0", "nine bands"}
OTHERWISE_TO_OVS = {  # refused by both; which of several faults is named differs
    "another version": "OFPBRC_BAD_LEN",
    "short flow-mod": "OFPBMC_BAD_LEN",
    "old match": "OFPBMC_BAD_LEN",
    "element too short": "OFPBMC_BAD_FIELD",
    "element of length 0": "OFPBMC_BAD_FIELD",
    "unknown instruction": "OFPBIC_UNKNOWN_INST",
    "goto twice": "OFPBIC_DUP_INST",
    "half an instruction": "OFPBRC_BAD_LEN",
    "another experimenter": "OFPBAC_BAD_VENDOR",
    "an action beyond all": "OFPBAC_BAD_VENDOR_TYPE",
    "nat": "OFPBAC_BAD_SET_ARGUMENT",
    "writing an unknown field": "OFPBAC_BAD_SET_LEN",
    "loading beyond the field": "OFPBAC_BAD_SET_LEN",
    "ct helper": "OFPBAC_MATCH_INCONSISTENT",
    "push_pbb of MPLS": "OFPBAC_BAD_TYPE",
    "writing ipv6_exthdr": "OFPBAC_BAD_SET_LEN",
    "role 9": "OFPRRFC_BAD_ROLE",
    "multipart 99": "OFPBRC_BAD_STAT",
}

# What the simulator's switch reads and does not carry out: docs/openflow-conformance.md.
NOT_CARRIED_OUT = ("encap", "decap", "resubmit(,7,ct)", "pause", "nsh_", "tun_metadata", "TUN_METADATA")

pytestmark = pytest.mark.ovs


@pytest.fixture(autouse=True, scope="module")
def _apparatus():
    if shutil.which("ovs-ofctl") is None:
        pytest.skip("ovs-ofctl is missing: install openvswitch-common")


def printed(data):
    done = subprocess.run(
        ["ovs-ofctl", "ofp-print", data.hex()], capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout + done.stderr


def ours(entry):
    """Whether a simulated switch that has the groups 1 and 7 takes an entry."""
    return takes(decode.read(serialized(codec.flow_mod(RYU, 0, entry))).entry)


def takes(entry):
    try:
        check_entry(entry, {1, 7})
    except WireError:
        return False
    return True


def test_the_dump_that_we_send_is_what_open_vswitch_reads():
    held = [
        replace(e, priority=n)
        for n, (name, e) in enumerate(ENTRIES.items())
        if ours(e) and name != "action output half a reg"  # its max_len is not in the text
    ]
    parts = [stats.flow(e, age_ns=10**9, counted=stats.Counted(packets=2)) for e in held]
    (data,) = reply.multipart(9, request.FLOW, parts)
    head, _, lines = printed(data).partition("\n")
    assert head.startswith("OFPST_FLOW reply (OF1.3) (xid=0x9)")
    assert [(e.key, e.instructions, e.cookie) for e in parse_flows(lines)] == [
        (e.key, e.instructions, e.cookie) for e in sort_entries(held)
    ]


WIDER = {
    **ENTRIES,
    **{
        f"{list_} {how} {name}": FlowEntry(match=match, instructions=Instructions(**{list_: (act_,)}))
        for name, act_ in ACTIONS.items()
        for list_ in ("apply", "write")
        for how, match in {
            "over IPv4": MATCHES["tos"],
            "over IPv6 TCP": MATCHES["syn over ipv6"],
            "over ARP": MATCHES["arp"],
            "over ND": MATCHES["ND options"],
            "tagged": MATCHES["pcp"],
        }.items()
    },
}


@pytest.mark.parametrize("name", WIDER)
def test_a_switch_of_ours_takes_the_entries_that_open_vswitch_takes(name):
    taken = "decode error" not in printed(serialized(codec.flow_mod(RYU, 0, WIDER[name])))
    assert ours(WIDER[name]) == taken


OVER = {"nothing": "", "IPv4": "ip,", "TCP": "tcp,", "TCP over IPv6": "tcp6,", "ARP": "arp,", "UDP": "udp,"}
OWN = [
    *(row for row in ROWS if not any(word in row for word in NOT_CARRIED_OUT)),
    *(
        "push:NXM_OF_IP_SRC[],output:1",
        "pop:NXM_OF_TCP_DST[]",
        "multipath(eth_src,50,modulo_n,1,0,NXM_OF_IP_DST[])",
        "bundle_load(eth_src,0,hrw,ofport,OXM_OF_TCP_DST[],members:1,2)",
        "check_pkt_larger(9)->OXM_OF_IPV6_DST[0]",
        "clone(set_field:1->tcp_dst,output:3)",
        "clone(clone(dec_ttl))",
        "learn(table=1,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[])",
        "learn(table=1,eth_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[],output:NXM_OF_IN_PORT[])",
        "learn(table=1,eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[])",
        "learn(table=1,eth_type=0x86dd,nw_proto=6,NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[])",
        "learn(table=1,load:NXM_OF_IP_SRC[]->NXM_NX_REG0[])",
        "learn(table=1,load:NXM_NX_REG0[]->NXM_OF_IP_SRC[])",
        "learn(table=1,eth_type=0x800,load:NXM_NX_REG0[]->NXM_OF_IP_SRC[])",
        "output:NXM_OF_TCP_DST[]",
    ),
]


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("row", OWN)
@pytest.mark.parametrize("where", ["{}", "write_actions({})"])
def test_a_switch_of_ours_takes_the_actions_of_its_own_that_open_vswitch_takes(row, over, where):
    try:
        [made] = parse_flows(f"{OVER[over]}priority=9,actions={where.format(row)}")
    except InputError:
        return  # the text says so already
    data = serialized(codec.flow_mod(RYU, 0, FlowEntry()))  # around our own bytes of the entry
    whole = oxm.write_match(made.match) + instruction.write_instructions(made.instructions)
    data = data[:2] + (48 + len(whole)).to_bytes(2) + data[4:48] + whole
    taken = "decode error" not in printed(data)
    assert takes(decode.read(data).entry) == taken


@pytest.mark.parametrize("name", REFUSED)
def test_open_vswitch_refuses_what_we_refuse(name):
    data, pair = REFUSED[name]
    said = printed(data)
    if name in KNOWN_TO_OVS:
        assert "OFPT_" in said
    else:
        assert f"decode error: {OTHERWISE_TO_OVS.get(name) or NAMES[pair]}*" in said
