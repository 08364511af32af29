"""What a stage needs to know of one hypervisor, and how it writes entries.

`Site` is the scenario seen from one integration bridge: which ports are local, which networks it takes
part in, where everybody else of those networks is.  `Writer` collects entries; an entry that is
written twice (two rules that allow the same) is kept once, under the first origin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from sdn_lab.compiler.joins import Join, joins_of
from sdn_lab.compiler.pipeline import Table
from sdn_lab.model.assignment import Assignment, Attachment, Datapath
from sdn_lab.model.intent import IPAddress, Network, Port, Scenario
from sdn_lab.openflow.action import Action, SetField
from sdn_lab.openflow.cookie import encode
from sdn_lab.openflow.entry import FlowEntry, Instructions, Origin
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.match import Match

Tests = Mapping[str, int | tuple[int, int]]


def mac_number(mac: str) -> int:
    """Return the 48-bit number of ``02:00:00:00:00:11``."""
    return int(mac.replace(":", ""), 16)


def link_local(mac: str) -> IPv6Address:
    """Return the EUI-64 link-local address of a MAC (RFC 4291, appendix A)."""
    octets = mac_number(mac).to_bytes(6, "big")
    interface_id = bytes([octets[0] ^ 0x02, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return IPv6Address(b"\xfe\x80" + bytes(6) + interface_id)


def neighbour_addresses(port: Port) -> tuple[IPv6Address, ...]:
    """Return the IPv6 addresses for which a port takes part in neighbour discovery.

    Its own, and its link-local one, which is good for discovery only.  None without IPv6.
    """
    own = tuple(a for a in port.ips if isinstance(a, IPv6Address))
    return (*own, link_local(port.mac)) if own else ()


def ipv4_addresses(port: Port) -> tuple[IPv4Address, ...]:
    """Return the port's IPv4 addresses."""
    return tuple(a for a in port.ips if isinstance(a, IPv4Address))


def set_field(name: str, value: int) -> SetField:
    """Return the action that writes all bits of a field."""
    return SetField(field=name, value=value, mask=FIELDS[name].full_mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPort:
    """A tenant port on this hypervisor with its numbers."""

    port: Port
    network: Network
    attachment: Attachment


@dataclass(frozen=True, kw_only=True)  # no slots: cached properties
class Site:
    """The scenario as one hypervisor needs it."""

    scenario: Scenario
    assignment: Assignment
    datapath: Datapath

    @cached_property
    def local_ports(self) -> tuple[LocalPort, ...]:
        """Ports on this hypervisor, by OpenFlow port."""
        return tuple(
            LocalPort(port=port, network=self.scenario.network(port.network), attachment=attachment)
            for attachment in self.datapath.attachments
            for port in (self.scenario.port(attachment.port),)
        )

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """Networks with at least one port here."""
        here = {local.network.path for local in self.local_ports}
        return tuple(n for n in self.scenario.networks if n.path in here)

    def members(self, network: Network) -> tuple[Port, ...]:
        """All ports of a network, on every hypervisor."""
        return self.members_at(network.path)

    def members_at(self, path: str) -> tuple[Port, ...]:
        """All ports of the network with this path."""
        return self._members.get(path, ())

    @cached_property
    def joins(self) -> tuple[Join, ...]:
        """What is joined on purpose, in the whole scenario."""
        return joins_of(self.scenario)

    def joins_from(self, network: Network) -> tuple[Join, ...]:
        """Where a network's ports can send to through a gateway."""
        return tuple(join for join in self.joins if join.near.network == network.path)

    def peers_of(self, local: LocalPort) -> tuple[tuple[Port, IPAddress], ...]:
        """Whom a port can meet, and by which addresses: in its own network, and through gateways."""
        own = [(p, ip) for p in self.members(local.network) if p.path != local.port.path for ip in p.ips]
        reached = [
            (p, ip)
            for join in self.joins_from(local.network)
            for p in self.members_at(join.far.network)
            for ip in p.ips
            if ip.version == join.version
        ]
        return tuple(dict.fromkeys((*own, *reached)))

    def senders_to(self, network: Network) -> frozenset[str]:
        """Other hypervisors from which packets of a network may come: its members', and who routes to it."""
        near = {network.path, *(j.near.network for j in self.joins if j.far.network == network.path)}
        return frozenset(p.hypervisor for path in near for p in self.members_at(path) if not self.is_local(p))

    def vtep(self, port: Port) -> IPv4Address:
        """Return the VTEP behind which a port is."""
        return self.assignment.datapaths[port.hypervisor].vtep

    def is_local(self, port: Port) -> bool:
        """Say whether a port is on this hypervisor."""
        return port.hypervisor == self.datapath.hypervisor

    @cached_property
    def _members(self) -> Mapping[str, tuple[Port, ...]]:
        found: dict[str, list[Port]] = {}
        for port in self.scenario.ports:
            found.setdefault(port.network, []).append(port)
        return {path: tuple(ports) for path, ports in found.items()}


@dataclass(slots=True)
class Writer:
    """Collects the entries of one bridge."""

    entries: dict[tuple[int, int, Match], FlowEntry] = field(default_factory=dict)

    def add(
        self,
        table: Table,
        priority: int,
        tests: Tests,
        *,
        origin: tuple[str, str],
        apply: Iterable[Action] = (),
        goto: Table | None = None,
    ) -> None:
        """Write one entry; without *apply* and *goto* it drops.  *origin* is (kind, path)."""
        match = Match.of(**tests)
        missing = match.missing_prerequisite()
        if missing:
            raise AssertionError(f"{table.name}: match on {missing[0]} needs {missing[1]}: {tests}")
        if goto is not None and goto.id <= table.id:
            raise AssertionError(f"{table.name} may not go back to {goto.name}")
        why = Origin(stage=table.stage, kind=origin[0], path=origin[1])
        entry = FlowEntry(
            table_id=table.id,
            priority=priority,
            match=match,
            instructions=Instructions(apply=tuple(apply), goto=None if goto is None else goto.id),
            cookie=encode(why),
            origin=why,
        )
        held = self.entries.setdefault(entry.key, entry)
        if held.instructions != entry.instructions:
            raise AssertionError(f"{table.name}: two entries with one match do different things: {tests}")

    def drop(self, table: Table, priority: int, tests: Tests, *, origin: tuple[str, str]) -> None:
        """Write an entry that drops."""
        self.add(table, priority, tests, origin=origin)


def address_test(address: IPAddress, end: str) -> Tests:
    """Return the tests that a packet's *end* (``src`` or ``dst``) is this address."""
    if isinstance(address, IPv4Address):
        return {"eth_type": 0x0800, f"ipv4_{end}": int(address)}
    return {"eth_type": 0x86DD, f"ipv6_{end}": int(address)}
