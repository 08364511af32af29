"""The bridges of a trace record as pipelines, joined by their patch ports.

A record does not say which port is whose.  The bridge where the trace starts has the port that it starts at;
two ports of one number are in two bridges; a patch port's peer is in another bridge where there is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdn_lab.openflow.action import LOCAL
from sdn_lab.openflow.action_nat import Nat
from sdn_lab.openflow.bridging import Bridging, PortVlan, PriorityTags, VlanMode
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.field import CT_STATE_BITS
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_result import Emission
from sdn_lab.openflow.interpret_run import Run
from sdn_lab.openflow.mirroring import Mirror
from sdn_lab.openflow.packet_parse import Dissection
from sdn_lab.openflow.packet_rewrite import rewrite
from sdn_lab.openflow.text import parse_flows, parse_groups

_LOCAL = 65534
_HOPS = 64
_TUNNELS = ("gre", "vxlan", "geneve", "stt", "erspan", "gtpu")


class Passing(Run):
    """A run that keeps every packet that began a pipeline: the first is the one that came in."""

    began: list[Packet]

    def restart(self, packet, table_id, action_set):
        self.began = [*getattr(self, "began", []), packet]
        super().restart(packet, table_id, action_set)


class Answering(Tracker):
    """A tracker as ``ofproto/trace`` imagines it: every packet is new, or what ``--ct-next`` says in turn."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__()
        told = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--ct-next"]
        told += [word.partition("=")[2] for word in arguments if word.startswith("--ct-next=")]
        self._told = [sum(CT_STATE_BITS[name] for name in re.split("[|,]", text)) for text in told]

    def track(self, frame, found, before, zone, **how):
        state = self._told.pop(0) if self._told else CT_STATE_BITS["new"] | CT_STATE_BITS["trk"]
        nat = how.get("nat")
        translated = None if nat is None else self._translated(frame, found, nat)
        return PacketState(state, zone, frame=translated)

    @staticmethod
    def _translated(frame: bytes, found: Dissection, nat: Nat) -> bytes:
        """Translate to the first address and port of the range, as the trace does."""
        side = nat.kind.value
        values = {f"ipv4_{side}": int(nat.addresses[0])} if nat.addresses else {}
        values |= {f"{name}_{side}": nat.ports[0] for name in ("tcp", "udp") if nat.ports}
        return rewrite(frame, {name: value for name, value in values.items() if name in found.fields})


@dataclass
class Interface:
    """A port of the record; *bridge* is worked out."""

    name: str
    of_port: int
    dp_port: str
    kind: str
    options: dict[str, str]
    bridge: str = ""


def _map(value) -> dict:
    return dict(value[1]) if value else {}


def _set(value) -> frozenset[int] | None:
    if value is None:
        return None
    return frozenset(value[1]) if isinstance(value, list) else frozenset({value})


def port_vlan(row: dict) -> PortVlan:
    """Return how a port of the database treats tags."""
    other, tag, trunks = _map(row.get("other_config")), row.get("tag"), _set(row.get("trunks"))
    mode = row.get("vlan_mode") or ("access" if tag is not None else "trunk")
    return PortVlan(
        mode=VlanMode(mode),
        tag=tag or 0,
        trunks=trunks,
        cvlans=_set(row.get("cvlans")),
        priority_tags=PriorityTags(other.get("priority-tags", "no")),
        qinq_ethtype={"802.1q": 0x8100}.get(other.get("qinq-ethtype"), 0x88A8),
    )


class Bridges:
    """All bridges of one record."""

    def __init__(self, record: dict, start: str, in_port: int) -> None:
        self.tables = {
            name: Tables(
                entries=parse_flows("\n".join(held["flows"]), name),
                groups=parse_groups("\n".join(held["groups"]), name),
            )
            for name, held in record["bridges"].items()
        }
        options = {row["name"]: _map(row.get("options")) for row in record["interfaces"]}
        self.interfaces = {
            name: Interface(
                name,
                LOCAL if row["ofport"] == _LOCAL else row["ofport"],
                row["dpport"],
                row["type"].partition(":")[0],
                options.get(name, {}),
            )
            for name, row in record["ports"].items()
        }
        self._place(start, in_port)
        tracker = Answering(record["trace_args"])
        vlans = {row["name"]: port_vlan(row) for row in record["port_cfg"]}
        self.pipelines: dict[str, Pipeline] = {}
        for name, tables in self.tables.items():
            ports = {i.of_port: i for i in self.interfaces.values() if i.bridge == name}
            bridging = Bridging({n: vlans[i.name] for n, i in ports.items() if i.name in vlans})
            bridging.mirrors = self._mirrors(record)
            for line in record["bridges"][name]["fdb"]:
                port, vlan, mac, _ = line.split()
                at = LOCAL if port == "LOCAL" else int(port)
                bridging.learned[int(vlan), int(mac.replace(":", ""), 16)] = at, None
            self.pipelines[name] = Pipeline(tables, tracker=tracker, ports=ports, bridging=bridging)
        self.began: list[Packet] = []

    def _mirrors(self, record: dict) -> tuple[Mirror, ...]:
        names = {row["_uuid"][1]: row["name"] for row in record["port_cfg"]}

        def ports(value) -> frozenset[int]:
            rows = [] if not value else value[1] if value[0] == "set" else [value]
            return frozenset(self.interfaces[names[uuid]].of_port for _, uuid in rows)

        return tuple(
            Mirror(
                sources=ports(row.get("select_src_port")),
                targets=ports(row.get("select_dst_port")),
                every_port=bool(row.get("select_all")),
                vlans=_set(row.get("select_vlan")) or frozenset(),
                output_port=next(iter(ports(row.get("output_port"))), None),
                output_vlan=row.get("output_vlan"),
            )
            for row in record["mirrors"]
        )

    def _place(self, start: str, in_port: int) -> None:
        waiting = list(self.interfaces.values())
        taken: dict[str, set[int]] = {name: set() for name in self.tables}

        def put(interface: Interface, bridge: str) -> None:
            interface.bridge = bridge
            taken[bridge].add(interface.of_port)
            waiting.remove(interface)

        for interface in list(waiting):
            if interface.name in self.tables:
                put(interface, interface.name)
        for interface in list(waiting):
            if interface.of_port == in_port and in_port not in taken[start]:
                put(interface, start)
        for interface in sorted(waiting, key=lambda i: i.kind == "patch"):
            peer = self.interfaces.get(interface.options.get("peer", ""))
            used = {n for n in taken if interface.of_port not in taken[n]}
            if peer is not None and peer.bridge and len(self.tables) > 1:
                used.discard(peer.bridge)
            order = sorted(used, key=lambda n: (n != self._wanted(interface, start), n))
            put(interface, order[0] if order else start)

    def _wanted(self, interface: Interface, start: str) -> str:
        """Guess by who speaks of the number: the bridge whose entries name it."""
        for name, tables in self.tables.items():
            if any(e.match.exact("in_port") == interface.of_port for e in tables.entries):
                return name
        return start

    def run(self, bridge: str, packet: Packet) -> tuple[list[tuple[Interface, Emission]], list[str]]:
        """Process; return what left the last of the bridges, in order, and what was noted."""
        return self._run(bridge, packet, 0)

    def _run(self, bridge: str, packet: Packet, depth: int):
        if depth > _HOPS:
            return [], ["too many patch ports"]
        run = self.pipelines[bridge].run(0, Passing)
        result = run.pipeline(packet)
        if not depth:
            self.began = run.began
        left, notes = [], list(result.notes)
        for sent in result.emissions:
            interface = next(
                i for i in self.interfaces.values() if i.bridge == bridge and i.of_port == sent.of_port
            )
            if interface.kind == "patch":
                peer = self.interfaces.get(interface.options.get("peer", ""))
                if peer is not None:
                    inner = Packet.received(sent.frame, peer.of_port, None)
                    more, said = self._run(peer.bridge, inner, depth + 1)
                    left += more
                    notes += said
            elif not (interface.kind in _TUNNELS and self._nowhere(interface, sent)):
                left.append((interface, sent))
        return left, notes

    @staticmethod
    def _nowhere(interface: Interface, sent: Emission) -> bool:
        return interface.options.get("remote_ip") == "flow" and not (sent.tunnel and sent.tunnel.tun_dst)


def start_of(record: dict) -> str:
    """Return the bridge where the trace begins, as it says itself."""
    found = re.search(r'^bridge\("(.*?)"\)', record["stdout"], re.MULTILINE)
    return found[1] if found else next(iter(record["bridges"]))
