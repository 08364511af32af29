"""Lines in Open vSwitch's dialect, each as it is written and as it is dumped, and strategies for more.

The dumps are what Open vSwitch 3.1.0 prints over OpenFlow 1.3; `tests/differential/test_dialect.py` asks it.
"""

from __future__ import annotations

from hypothesis import strategies as st

from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_ovs as ovs
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.text_action_ovs import ALGORITHMS, BUNDLE_ALGORITHMS, HASHES

# what a deployment holds: (match and) actions that are written so, and what that means in our own words
MEANS = [
    ("actions=mod_vlan_vid:5,NORMAL", "actions=set_field:0x1005/0x1fff->vlan_tci,NORMAL"),
    ("actions=mod_vlan_pcp:3,output:1", "actions=set_field:0x7000/0xf000->vlan_tci,output:1"),
    ("actions=strip_vlan,output:2", "actions=pop_vlan,output:2"),
    ("actions=set_tunnel:0x2a,output:2", "actions=set_field:0x2a->tun_id,output:2"),
    ("ip,actions=mod_nw_tos:8,output:2", "ip,actions=set_field:2->ip_dscp,output:2"),
    ("ip,actions=mod_nw_src:10.0.0.1,output:2", "ip,actions=set_field:10.0.0.1->ip_src,output:2"),
    ("actions=mod_dl_dst:02:00:00:00:00:01,1", "actions=set_field:02:00:00:00:00:01->eth_dst,output:1"),
    ("actions=load:0x1->OXM_OF_PKT_REG0[0..31],output:1", "actions=set_field:1->reg1,output:1"),
    ("actions=set_field:0x100000002->xreg1,output:1", "actions=set_field:1->reg2,set_field:2->reg3,output:1"),
    ("xxreg0=0x1/0x1,actions=drop", "reg3=0x1/0x1,actions=drop"),
    ("xreg0=0x500000006,actions=drop", "reg0=5,reg1=6,actions=drop"),
    ("actions=move:NXM_NX_XXREG0[0..63]->OXM_OF_PKT_REG2[],1", None),
    ("arp,nw_proto=1,actions=drop", "arp,arp_op=1,actions=drop"),
    ("actions=resubmit:7", "actions=resubmit(7,)"),
    ("actions=enqueue(1,7)", "actions=enqueue:1:7"),
    ("actions=controller", "actions=CONTROLLER:65535"),
    ("actions=controller(max_len=128)", "actions=CONTROLLER:128"),
    ("actions=output:1 output:2", "actions=output:1,output:2"),
]

# what Open vSwitch dumps exactly so (and we write it so)
DUMPED = [
    "push:NXM_NX_REG0[],pop:NXM_NX_REG1[]",
    "push:NXM_NX_XXREG0[],pop:NXM_NX_XXREG1[]",
    "push:NXM_OF_ETH_SRC[0..7],pop:NXM_NX_REG1[3..10]",
    "clone(set_field:02:00:00:00:00:01->eth_dst,output:1),output:2",
    "clone(clone(output:3),resubmit(,7))",
    "exit",
    "note:01.02.03.04.05.06",
    "check_pkt_larger(1500)->NXM_NX_REG0[3]",
    "output(port=1,max_len=100)",
    "fin_timeout(idle_timeout=5)",
    "controller(max_len=200,id=7)",
    "controller(userdata=01.02.03,pause)",
    "controller(reason=invalid_ttl,max_len=99)",
    "multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])",
    "bundle(eth_src,50,active_backup,ofport,members:1,2)",
    "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],members:1,2)",
    "sample(probability=12345,collector_set_id=1,obs_domain_id=2,obs_point_id=3)",
    "sample(probability=1,collector_set_id=1,obs_domain_id=0,obs_point_id=0,sampling_port=4,egress)",
    (
        "learn(table=20,hard_timeout=300,priority=1,cookie=0x9,NXM_OF_VLAN_TCI[0..11],"
        "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],"
        "load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:NXM_OF_IN_PORT[])"
    ),
    (
        "learn(table=1,idle_timeout=10,fin_idle_timeout=2,send_flow_rem,delete_learned,limit=5,"
        "result_dst=NXM_NX_REG0[0],eth_type=0x800,nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],"
        "load:0x1->NXM_NX_REG10[14])"
    ),
    "dec_ttl(1,2)",
    "resubmit(,7,ct)",
    "set_queue:7,output:1,pop_queue",
    "enqueue:1:7",
    "set_field:0x1005/0x1fff->vlan_tci,output:1",
    "set_field:0x7->pkt_mark,output:1",
    "set_field:fd00::1->tun_ipv6_dst,output:1",
    "set_field:1->tun_gbp_id,output:1",
    "encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,encap(ethernet)",
    "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))",
    "decap(packet_type(ns=0,type=0x0))",
]


def subfields(*, writable: bool = False, bits: int | None = None) -> st.SearchStrategy[act.Subfield]:
    """Parts of fields that one action can name."""
    rows = [
        row
        for row in FIELDS.values()
        if row.bits <= 128 and (row.writable or not writable) and row.bits >= (bits or 1) and row.nxm
    ]

    @st.composite
    def draw(take: st.DrawFn) -> act.Subfield:
        row = take(st.sampled_from(rows))
        width = bits or take(st.integers(1, row.bits))
        return act.Subfield(field=row.name, start=take(st.integers(0, row.bits - width)), bits=width)

    return draw()


_PORTS = st.integers(1, 0xFEFF) | st.sampled_from(sorted(act.RESERVED.values()))
_U16, _U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


@st.composite
def _specs(draw: st.DrawFn) -> ovs.LearnSpec:
    kind = draw(st.sampled_from(("match", "load", "output")))
    if kind == "output":
        return ovs.LearnSpec(kind=kind, source=draw(subfields()))
    target = draw(subfields(writable=kind == "load"))
    if draw(st.booleans()):
        return ovs.LearnSpec(kind=kind, target=target, source=draw(subfields(bits=target.bits)))
    return ovs.LearnSpec(kind=kind, target=target, value=draw(st.integers(0, (1 << target.bits) - 1)))


_LEARN = st.builds(
    ovs.Learn,
    table=st.integers(0, 253),
    priority=_U16,
    idle_timeout=_U16,
    hard_timeout=_U16,
    fin_idle_timeout=_U16,
    fin_hard_timeout=_U16,
    cookie=st.integers(0, 2**64 - 1),
    send_flow_rem=st.booleans(),
    delete_learned=st.booleans(),
    limit=_U32,
    result=st.none() | subfields(writable=True, bits=1),
    specs=st.lists(_specs(), max_size=4).map(tuple),
)
_SIMPLE = st.one_of(
    st.builds(ovs.OutputTruncated, of_port=_PORTS, max_len=_U32),
    st.builds(
        ovs.Controller,
        max_len=_U16,
        reason=st.integers(0, 5),
        controller_id=_U16,
        userdata=st.binary(min_size=1, max_size=9),
        pause=st.booleans(),
        meter_id=_U32,
    ),
    st.builds(ovs.Enqueue, of_port=_PORTS, queue_id=_U32),
    st.builds(ovs.StackPush, parts=subfields().map(lambda part: (part,))),
    st.builds(ovs.StackPop, parts=subfields(writable=True).map(lambda part: (part,))),
    st.sampled_from((ovs.PopQueue(), ovs.Exit(), ovs.DecNshTtl(), ovs.Decap())),
    st.builds(ovs.Note, data=st.binary(max_size=9)),
    st.builds(
        ovs.Sample,
        probability=st.integers(1, 0xFFFF),
        collector_set_id=_U32,
        obs_domain_id=_U32,
        obs_point_id=_U32,
        sampling_port=st.none() | _PORTS,
        direction=st.sampled_from(("", "ingress", "egress")),
    ),
    st.builds(ovs.FinTimeout, idle_timeout=_U16, hard_timeout=_U16),
    st.builds(ovs.CheckPktLarger, size=_U16, target=subfields(writable=True, bits=1)),
    st.builds(ovs.DeleteField, field=st.sampled_from(("tun_metadata0", "tun_metadata63"))),
    st.builds(
        ovs.Multipath,
        fields=st.sampled_from(HASHES),
        basis=_U16,
        algorithm=st.sampled_from(ALGORITHMS),
        n_links=st.integers(1, 16),
        arg=_U32,
        target=subfields(writable=True, bits=4),
    ),
    st.builds(
        ovs.Bundle,
        fields=st.sampled_from(HASHES),
        basis=_U16,
        algorithm=st.sampled_from(BUNDLE_ALGORITHMS),
        members=st.lists(_PORTS, max_size=3).map(tuple),
        target=st.none() | subfields(writable=True, bits=16),
    ),
    _LEARN,
    st.builds(
        act.Resubmit,
        in_port=st.none() | _PORTS.filter(lambda port: port != act.IN_PORT),
        table=st.none() | st.integers(0, 253),
        ct=st.booleans(),
    ),
)
ACTIONS = st.recursive(
    _SIMPLE, lambda inner: st.builds(ovs.Clone, actions=st.lists(inner, max_size=3).map(tuple)), max_leaves=4
)
