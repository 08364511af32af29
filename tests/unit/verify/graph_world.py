"""Two tenants, equal in every address, on two hypervisors, with tables written by hand in ofctl text.

The tables are after the design's prototype, cut down to what carries isolation: guards by ``metadata``, the
VNI on the tunnel, delivery by registers, connection tracking.  `edited` plants faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Claim, Verdict
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.snapshot import DatapathState, Snapshot
from sdn_lab.openflow.text import parse_flows
from sdn_lab.scenario import loads
from sdn_lab.scenario.claims import claims
from sdn_lab.verify.graph import GraphChecker

SCENARIO = """
version: 1
name: twins
underlay:
  sites: {east: [hv1, hv2]}
tenants:
  red: &tenant
    networks: {app: {cidr: [10.0.0.0/24]}}
    instances:
      vm1: {network: app, hypervisor: hv1, ip: [10.0.0.1], mac: "02:00:00:00:00:01"}
      vm2: {network: app, hypervisor: hv2, ip: [10.0.0.2], mac: "02:00:00:00:00:02"}
  blue: *tenant
intents:
  - {reachable: {from: red/vm1, to: red/vm2, protocol: tcp, ports: 80}}
"""
BLUE, RED, TUNNEL = 100, 101, 1  # of_ports on both hypervisors
BLUE_VNI, RED_VNI = 201, 202
_LOCAL = {"hv1": "02:00:00:00:00:01", "hv2": "02:00:00:00:00:02"}
_PEER = {"hv1": "hv2", "hv2": "hv1"}
VTEP = {"hv1": "172.31.0.1", "hv2": "172.31.0.2"}


def scenario() -> Scenario:
    return loads(SCENARIO, "twins.yaml")


def sound_tables(hypervisor: str) -> list[str]:
    """The text of one hypervisor's entries."""
    peer = _PEER[hypervisor]
    lines = []
    for of_port, vni in ((BLUE, BLUE_VNI), (RED, RED_VNI)):
        here = f"metadata={vni},dl_dst={_LOCAL[hypervisor]}"
        lines += [
            (
                f"table=0,priority=100,in_port={of_port},vlan_tci=0/0x1fff,"
                f"actions=set_field:{vni}->metadata,set_field:{of_port}->reg6,goto_table:10"
            ),
            (
                f"table=0,priority=100,in_port=1,tun_id={vni},tun_src={VTEP[peer]},vlan_tci=0/0x1fff,"
                f"actions=set_field:{vni}->metadata,goto_table:20"
            ),
            (
                f"table=10,priority=100,metadata={vni},dl_dst={_LOCAL[peer]},"
                f"actions=set_field:{vni}->tun_id,set_field:{VTEP[peer]}->tun_dst,output:1"
            ),
            f"table=20,priority=100,{here},ip,actions=set_field:{of_port}->reg5,goto_table:30",
            f"table=20,priority=100,{here},arp,actions=set_field:{of_port}->reg5,goto_table:50",
        ]
    return [
        *lines,
        "table=10,priority=1,actions=goto_table:20",
        "table=30,priority=100,ip,actions=ct(table=40,zone=NXM_NX_REG5[0..15])",
        "table=40,priority=200,ct_state=+est+trk,actions=goto_table:50",
        (
            "table=40,priority=100,ct_state=+new+trk,tcp,tp_dst=80,"
            "actions=ct(commit,zone=NXM_NX_REG5[0..15]),goto_table:50"
        ),
        "table=50,priority=100,actions=output:NXM_NX_REG5[]",
    ]


def underlay_tables(hypervisor: str) -> list[str]:
    """The physical bridge's entries: tunnel frames between the two, and nothing else."""
    mine, peer = VTEP[hypervisor], VTEP[_PEER[hypervisor]]
    return [
        f"table=0,priority=100,in_port=1,udp,nw_src={peer},nw_dst={mine},tp_dst=4789,actions=LOCAL",
        f"table=0,priority=100,in_port=LOCAL,udp,nw_src={mine},nw_dst={peer},tp_dst=4789,actions=output:1",
    ]


def sound() -> dict[str, list[str]]:
    """Every bridge's entries."""
    tables = {name: sound_tables(name) for name in _LOCAL}
    tables |= {f"{name}/underlay": underlay_tables(name) for name in _LOCAL}
    return tables


def snapshot(tables: Mapping[str, list[str]], **ports: Mapping[int, str]) -> Snapshot:
    """Dump of these tables.  *ports* adds ports to a bridge, by hypervisor name."""
    assignment = assign(scenario())
    datapaths = {}
    for name, lines in tables.items():
        if name.endswith("/underlay"):
            behind = {1: "uplink", 0xFFFFFFFE: "local"}
        else:
            behind = {
                1: "tunnel",
                0xFFFFFFFE: "local",
                **{a.of_port: f"port:{a.port}" for a in assignment.datapaths[name].attachments},
                **ports.get(name, {}),
            }
        entries = parse_flows("\n".join(lines), f"{name}.flows")
        datapaths[name] = DatapathState(name=name, tables=Tables(entries=entries), ports=behind)
    return Snapshot(datapaths=datapaths, assignment=assignment)


def judge(held: Snapshot, of: Scenario | None = None) -> dict[str, Verdict]:
    """Every verdict of the graph, by claim."""
    judged = of or scenario()
    verdicts = GraphChecker().check(judged, all_claims(judged), held, progress=lambda *_: None)
    return {verdict.claim: verdict for verdict in verdicts}


def all_claims(of: Scenario) -> tuple[Claim, ...]:
    return claims(of)


def compiled(of: Scenario) -> Snapshot:
    """What a lab holds that was compiled and pushed without a mistake."""
    assignment = assign(of)
    program = compile_scenario(of, assignment)
    return Snapshot(
        datapaths={
            name: DatapathState(
                name=name,
                tables=program.tables[name],
                ports={
                    datapath.tunnel_of_port: "tunnel",
                    0xFFFFFFFE: "local",
                    **{a.of_port: f"port:{a.port}" for a in datapath.attachments},
                },
            )
            for name, datapath in assignment.datapaths.items()
        },
        assignment=assignment,
    )


def with_entries(held: Snapshot, bridge: str, entries: Tables) -> Snapshot:
    """The snapshot with one bridge's tables replaced."""
    state = replace(held.datapaths[bridge], tables=entries)
    return replace(held, datapaths={**held.datapaths, bridge: state})
