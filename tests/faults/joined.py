"""Negative controls where networks are joined: ways through a gateway that no router gives, and around it."""

from __future__ import annotations

from pathlib import Path

from sdn_lab.compiler.pipeline import DELIVER, FORWARD, SOURCE_IP, SOURCE_NEIGHBOUR
from sdn_lab.model.intent import IPAddress
from sdn_lab.openflow.action import Action, DecTtl, SetField
from sdn_lab.openflow.entry import Program
from tests.faults.broken_by_hand import World
from tests.faults.planting import Change, Fault, also, loosened, planted, to

ROOMS = str(Path(__file__).with_name("rooms.yaml"))
BROADCAST = (1 << 48) - 1


def mac(text: str) -> int:
    return int(text.replace(":", ""), 16)


def gateway(w: World, router: str, network: str) -> int:
    """The MAC of a router's interface."""
    (found,) = (
        leg.mac
        for r in w.scenario.routers
        for leg in r.interfaces
        if (r.path, leg.network) == (router, network)
    )
    return mac(found)


def into(w: World, port: str) -> tuple[Action, ...]:
    """Make a packet one of *port*'s network, addressed to *port*."""
    there = w.scenario.port(port)
    return (
        SetField(field="metadata", value=w.vni(there.network), mask=(1 << 64) - 1),
        SetField(field="eth_dst", value=mac(there.mac), mask=BROADCAST),
    )


def _v4(w: World, port: str) -> int:
    return int(next(ip for ip in w.scenario.port(port).ips if ip.version == 4))


def leads(
    network: str, router: str, to_port: str, *, at: str = "", live: int = 0, address: IPAddress | None = None
) -> Change:
    """Let a gateway of *network* (or the MAC *at*) lead to a port of hv1, whatever joins their networks."""

    def change(w: World) -> Program:
        tests = {
            "metadata": w.vni(network),
            "eth_dst": mac(at) if at else gateway(w, router, network),
            "eth_type": 0x0800,
            "ipv4_dst": _v4(w, to_port) if address is None else int(address),
            **({"nw_ttl": live} if live else {}),
        }
        actions = (*(() if live or at else (DecTtl(),)), *into(w, to_port))
        return also("hv1", planted(FORWARD.id, actions, goto=DELIVER.id, **tests))(w)

    return change


def told_everybody(network: str, *ports: str) -> Change:
    """Put a network's broadcasts out at ports of hv1, past everything."""

    def change(w: World) -> Program:
        entry = planted(
            FORWARD.id, to(w, *ports), metadata=w.vni(network), eth_dst=BROADCAST, eth_type=0x0800
        )
        return also("hv1", entry)(w)

    return change


def for_many_routed(w: World) -> Program:
    """What is for a group goes out at a port behind the gateway."""
    tests = {"eth_dst": gateway(w, "red/r1", "red/web"), "eth_type": 0x0800, "ipv4_dst": 0xEF010203}
    return also("hv1", planted(FORWARD.id, to(w, "red/db1"), metadata=w.vni("red/web"), **tests))(w)


def spread(w: World) -> Program:
    """A neighbour of the addressee gets what is routed to it, too."""
    tests = {"eth_dst": mac("02:00:00:00:02:11"), "metadata": w.vni("red/db"), "eth_type": 0x0800}
    entry = planted(DELIVER.id, to(w, "red/db3"), ip_proto=6, **tests)
    return also("hv1", entry)(w)


def in_rooms(family: str, name: str, breaks: str, change: Change) -> Fault:
    return Fault(family=family, name=name, breaks=breaks, change=change, scenario=ROOMS)


FAULTS: tuple[Fault, ...] = (
    in_rooms(
        "REACH-08",
        "a gateway leads to a network that only another router joins",
        "isolated/red/ops/red/web",
        leads("red/web", "red/r1", "red/ops1"),
    ),
    in_rooms(
        "REACH-08",
        "a peering that one tenant approved is open",
        "isolated/blue/lab/red/ops",
        leads("red/ops", "red/r2", "blue/lab1"),
    ),
    in_rooms(
        "REACH-08",
        "a gateway leads to any tenant",
        "isolated/blue/api/red/db",
        leads("red/db", "red/r1", "blue/api2"),
    ),
    in_rooms(
        "REACH-08",
        "a port's own MAC is known in a joined network",
        "exact/red/web1/red/db1",
        leads("red/web", "red/r1", "red/db1", at="02:00:00:00:02:11"),
    ),
    in_rooms(
        "REACH-08",
        "a packet that is spent is routed",
        "exact/red/web1/red/db1",
        leads("red/web", "red/r1", "red/db1", live=1),
    ),
    in_rooms("REACH-08", "a group is routed", "no_sniffing/red/db1", for_many_routed),
    in_rooms(
        "REACH-08",
        "the MAC of an IPv4 sender is not tested",
        "no_spoofing/red/web1",
        loosened("hv1", SOURCE_IP, "red/web1", "eth_src"),
    ),
    in_rooms(
        "REACH-08",
        "the gateway's address may be claimed by ARP",
        "no_spoofing/red/web1",
        loosened("hv1", SOURCE_NEIGHBOUR, "red/web1", "arp_spa"),
    ),
    in_rooms(
        "REACH-08",
        "the gateway's address may be advertised",
        "no_spoofing/red/web1",
        loosened("hv1", SOURCE_NEIGHBOUR, "red/web1", "nd_target", only={"icmpv6_type": 136}),
    ),
    in_rooms(
        "REACH-03",
        "broadcast goes to a joined network too",
        "no_sniffing/red/web1",
        told_everybody("red/db", "red/web1"),
    ),
    in_rooms(
        "REACH-03",
        "broadcast goes to another tenant too",
        "isolated/blue/lab/red/db",
        told_everybody("red/db", "blue/lab1"),
    ),
    in_rooms(
        "REACH-03",
        "a member whose groups refuse it gets a copy",
        "exact/red/db1/red/db3",
        told_everybody("red/db", "red/db3"),
    ),
)
