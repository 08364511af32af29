"""The constants in dumped tables: values that a probe must try though no scenario mentions them.

An entry that somebody planted (``dl_vlan=7,actions=output:3`` or ``tp_dst=4444,actions=goto_table:60``) is
found only by a packet that satisfies it.  So every packet field that an entry tests or writes gives its
value to the probes: for a masked test, the lowest and the highest value that it accepts.

Values are the integers of `openflow.fields`, by field name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sdn_lab.openflow.action import Action, Ct, SetField
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fields import FIELDS, Domain
from sdn_lab.openflow.snapshot import Snapshot

MAC_FIELDS = ("eth_src", "eth_dst", "arp_sha", "arp_tha", "nd_sll", "nd_tll")
IPV4_FIELDS = ("ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa")
IPV6_FIELDS = ("ipv6_src", "ipv6_dst", "nd_target")
L4_FIELDS = ("tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst")
DECORATIONS = {
    "ip_dscp",
    "ip_ecn",
    "nw_ttl",
    "ipv6_flabel",
    "tcp_src",
    "udp_src",
    "icmpv4_code",
    "icmpv6_code",
}
_CARRIED_ALONG = {"eth_type", "ip_proto", "tcp_dst", "udp_dst", "icmpv4_type", "icmpv6_type"}


@dataclass(frozen=True, slots=True)
class Constants:
    """Sorted values by field; a field that no entry speaks of has none.

    *decorated* are the tests of entries that look at a header field which no claim speaks of
    (`DECORATIONS`), with the protocol and ports that they want too: each is a packet to build.
    """

    values: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    decorated: tuple[tuple[tuple[str, int], ...], ...] = ()

    def of(self, *fields: str) -> tuple[int, ...]:
        """Return the values of any of *fields*, sorted."""
        return tuple(sorted({v for name in fields for v in self.values.get(name, ())}))


def harvest(snapshot: Snapshot) -> Constants:
    """Collect the constants of every integration bridge's entries and groups."""
    found: dict[str, set[int]] = defaultdict(set)
    decorated: set[tuple[tuple[str, int], ...]] = set()
    for state in snapshot.datapaths.values():
        if "/" in state.name:
            continue  # the physical bridge: its constants are the underlay's, not a tenant's to send
        for entry in state.tables.entries:
            for name, value in _in_entry(entry):
                found[name].add(value)
            if any(name in DECORATIONS for name, _, _ in entry.match):
                wanted = DECORATIONS | _CARRIED_ALONG
                decorated.add(tuple((name, value) for name, value, _ in entry.match if name in wanted))
        for group in state.tables.groups:
            for bucket in group.buckets:
                for name, value in _in_actions(bucket.actions):
                    found[name].add(value)
    return Constants(
        {name: tuple(sorted(values)) for name, values in found.items()}, tuple(sorted(decorated))
    )


def _in_entry(entry: FlowEntry) -> Iterator[tuple[str, int]]:
    for name, value, mask in entry.match:
        if FIELDS[name].domain in (Domain.PACKET, Domain.TUNNEL):
            yield name, value
            if mask != FIELDS[name].full_mask:
                yield name, value | (FIELDS[name].full_mask & ~mask)
    yield from _in_actions((*entry.instructions.apply, *entry.instructions.write))


def _in_actions(actions: Iterable[Action]) -> Iterator[tuple[str, int]]:
    for action in actions:
        if isinstance(action, SetField) and FIELDS[action.field].domain in (Domain.PACKET, Domain.TUNNEL):
            yield action.field, action.value
        elif isinstance(action, Ct):
            yield from _in_actions(action.exec_)
