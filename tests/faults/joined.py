"""Negative controls where networks are joined: ways through a gateway that no router gives, and around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sdn_lab.compiler.pipeline import (
    ADVERTISE,
    COPIES,
    DELIVER,
    FORWARD,
    INGRESS_TRACK,
    NEIGHBOURS,
    OUTPUT,
    PEERING,
    ROUTE,
    SOURCE_IP,
    SOURCE_NEIGHBOUR,
    Table,
)
from sdn_lab.model.intent import IPAddress
from sdn_lab.openflow.action import IN_PORT, Action, DecTtl, Output, Resubmit, SetField
from sdn_lab.openflow.entry import FlowEntry, Program
from tests.faults.broken_by_hand import World, acting, rewritten, without
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


def unlike(hypervisor: str, table: Table, origin: str, left_out: type | str) -> Change:
    """Leave actions out of *origin*'s entries: those of a type, or those that set a field."""

    def missing(action: Action) -> bool:
        return type(action) is left_out or (isinstance(action, SetField) and action.field == left_out)

    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield acting(e, *(a for a in e.instructions.apply if not missing(a)))

    return lambda w: w.edited(hypervisor, table, origin, edit)


def unanswered(w: World) -> Program:
    return w.edited("hv1", NEIGHBOURS, "red/r1", lambda _: [])


def answered_with_another_mac(w: World) -> Program:
    return w.edited("hv1", NEIGHBOURS, "red/r1", lambda e: [rewritten(e, "arp_sha", 0x02AABBCCDDEE)])


def under_the_wrong_vni(w: World) -> Program:
    web = w.vni("red/web")

    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield rewritten(e, "tun_id", web) if e.match.exact("metadata") == web else e

    return w.edited("hv1", ROUTE, "red/r1", edit)


def advertised_with_another_mac(w: World) -> Program:
    return w.edited("hv1", ADVERTISE, "red/r1", lambda e: [rewritten(e, "nd_tll", 0x02AABBCCDDEE)])


def led_by_any_gateway(w: World) -> Program:
    """Whichever router's MAC of db it is sent to, what is for ops is routed there."""
    return loosened("hv1", ROUTE, "red/r2", "eth_dst", only={"metadata": w.vni("red/db")})(w)


def without_state(hypervisor: str) -> Change:
    """The far side of the peering may open connections too."""

    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield without(e, "ct_state") if e.match.get("ct_state") else e

    return lambda w: w.edited(hypervisor, PEERING, "peerings/0", edit)


def any_port_of_the_peering(w: World) -> Program:
    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield without(e, "tcp_dst") if e.match.get("tcp_dst") else e

    return w.edited("hv1", PEERING, "peerings/0", edit)


def no_answers_over_the_peering(w: World) -> Program:
    return w.edited("hv1", PEERING, "peerings/0", lambda e: [] if e.match.get("ct_state") else [e])


def copied_past_the_groups(w: World) -> Program:
    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        to_output = (
            replace(a, table=OUTPUT.id) if isinstance(a, Resubmit) else a for a in e.instructions.apply
        )
        yield acting(e, *to_output)

    return w.edited("hv1", COPIES, "red/db", edit)


def one_copy_too_few(w: World) -> Program:
    return w.edited("hv2", COPIES, "red/db", lambda e: [acting(e)])


def unicast_is_copied(w: World) -> Program:
    """What is for db1 is handed to the table that makes copies."""
    tests = {"metadata": w.vni("red/db"), "eth_dst": mac(w.scenario.port("red/db1").mac), "eth_type": 0x0800}
    return also("hv1", planted(DELIVER.id, (), goto=COPIES.id, **tests))(w)


def own_copy(w: World) -> Program:
    """The sender's own copy passes, and goes back to where it came from."""
    first = w.edited("hv1", INGRESS_TRACK, "red/db", lambda _: [])
    own = w.of_port("red/db1")
    entry = planted(OUTPUT.id, (Output(of_port=IN_PORT),), in_port=own, reg5=own)
    return also("hv1", entry)(replace(w, program=first))


def discovery_is_routed(w: World) -> Program:
    """Neighbour discovery through the gateway of web is delivered to db1, whose groups nobody asks."""
    tests = {
        "metadata": w.vni("red/web"),
        "eth_dst": gateway(w, "red/r1", "red/web"),
        "eth_type": 0x86DD,
        "ip_proto": 58,
        "icmpv6_type": 136,
    }
    return also("hv1", planted(FORWARD.id, to(w, "red/db1"), **tests))(w)


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
    in_rooms("REACH-08", "the gateway does not answer", "exact/red/web1/red/db1", unanswered),
    in_rooms(
        "REACH-08", "the gateway answers with another's MAC", "clean/red/web1", answered_with_another_mac
    ),
    in_rooms(
        "REACH-08", "the gateway advertises another's MAC", "clean/red/web1", advertised_with_another_mac
    ),
    in_rooms(
        "REACH-08",
        "a gateway advertises itself to whoever solicits in another's name",
        "no_spoofing/red/web1",
        loosened("hv1", SOURCE_NEIGHBOUR, "red/web1", "ipv6_src", only={"icmpv6_type": 135}),
    ),
    in_rooms(
        "REACH-08",
        "a gateway answers whoever asks in another's name",
        "no_spoofing/red/web1",
        loosened("hv1", SOURCE_NEIGHBOUR, "red/web1", "arp_spa", only={"arp_op": 1}),
    ),
    in_rooms(
        "REACH-08",
        "routing takes nothing off the TTL",
        "clean/red/db1",
        unlike("hv1", ROUTE, "red/r1", DecTtl),
    ),
    in_rooms(
        "REACH-08",
        "the sender's MAC is carried into the other network",
        "clean/red/db2",
        unlike("hv1", ROUTE, "red/r1", "eth_src"),
    ),
    in_rooms(
        "REACH-08", "what is routed is sent under its sender's VNI", "clean/red/web1", under_the_wrong_vni
    ),
    in_rooms(
        "REACH-08", "any gateway leads to any joined network", "exact/red/db1/red/ops1", led_by_any_gateway
    ),
    in_rooms(
        "REACH-08",
        "a forged address goes through the gateway",
        "no_spoofing/red/web1",
        loosened("hv1", SOURCE_IP, "red/web1", "ipv4_src"),
    ),
    in_rooms("REACH-08", "neighbour discovery is routed", "exact/red/web1/red/db1", discovery_is_routed),
    in_rooms("FW-03", "a peering opens every port", "exact/red/web1/blue/api1", any_port_of_the_peering),
    in_rooms("FW-03", "a peering opens both ways", "exact/blue/api2/red/web1", without_state("hv1")),
    in_rooms("FW-08", "no answer comes back", "exact/blue/api2/red/web1", no_answers_over_the_peering),
    in_rooms("REACH-03", "copies are made past the groups", "exact/red/db1/red/db3", copied_past_the_groups),
    in_rooms("REACH-03", "a member has no copy", "exact/red/db1/red/db2", one_copy_too_few),
    in_rooms("REACH-03", "the sender has a copy", "clean/red/db1", own_copy),
    in_rooms("REACH-07", "a unicast is replicated", "no_sniffing/red/db4", unicast_is_copied),
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
