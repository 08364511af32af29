"""What is known of a packet at one point of its way: constant bits of fields, and nothing else.

What
----
`Facts.known` maps a field to ``(value, mask)``: the bits under *mask* are certainly *value*, the others
may be anything.  A field that is not in it may hold anything and may be missing.  Everything that the
graph does rests on one question, `Facts.fit`: does an entry's match certainly fail (NO), certainly
succeed (MUST), or can nobody tell (MAY)?

Where it sits
-------------
Used by `pipeline` (what an entry does to facts), `forwarding` (facts of the pipeline's own fields only: a
sound over-approximation with few states), `witness` (facts of all fields, to find a packet).
Never `openflow.interpret`: the graph is its own reading of OpenFlow.

Invariants
----------
1.  Sound: facts that describe a packet before a step describe it after the step.
2.  ``value & ~mask == 0``.
3.  `need` says what the *first* frame must carry for the packet to get here: tests on bits that are
    still as the instance sent them end up there, through moves too.
4.  `complete` facts describe exactly one packet: a packet field that is not known is not carried.

Why bits and not sets of values: an unknown field of an over-approximation is unknown for good, and
constants are all that a pipeline of registers needs.  What needs more is the proof's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from sdn_lab.openflow import fields_ovs
from sdn_lab.openflow.action import Action, Subfield
from sdn_lab.openflow.fields import CT_STATE_BITS, FIELDS, Domain
from sdn_lab.openflow.match import Match

Bits = tuple[int, int]  # value, mask
CT_FIELDS = tuple(name for name, row in FIELDS.items() if row.domain is Domain.CONNTRACK)
TRACKED = frozenset(name for name, row in FIELDS.items() if row.domain is not Domain.PACKET)
# Fields that nobody here keeps an account of: whether a match on one holds, nobody can tell.
UNSEEN = frozenset(
    row.name
    for rows in (
        fields_ovs.TUNNEL_ROWS,
        fields_ovs.PIPELINE_ROWS,
        fields_ovs.TRACKED_ROWS,
        fields_ovs.PACKET_ROWS,
    )
    for row in rows
)
_FRESH: Mapping[str, Bits] = {
    name: (0, FIELDS[name].full_mask) for name in TRACKED - UNSEEN if name not in {"in_port", "conj_id"}
}


ANY_ZONE = (
    -1
)  # in `Facts.committed`: a copy of this packet went on its own and may have been committed anywhere

# What is read beyond the MAC addresses and the outermost tag, and beyond the IP addresses.
BEYOND_TAG = tuple(
    name
    for name, row in FIELDS.items()
    if row.domain is Domain.PACKET and name not in ("eth_dst", "eth_src", "vlan_vid", "vlan_pcp")
)
BEYOND_IP = ("ip_frag", *(n for n in BEYOND_TAG if any(need[0] == "ip_proto" for need in FIELDS[n].needs)))


class Fit(Enum):
    """Whether a match holds for every packet (MUST), for no packet (NO), or nobody can tell (MAY)."""

    NO = 0
    MAY = 1
    MUST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """See the module.

    *origin* maps a field to ``(field of the first frame, bits that still come from there)``; without an
    entry a packet field is its own origin.  *actions* is the action set.  *encapsulated*: this is the outer
    frame of a tunnel.  *committed*: ``(bridge, zone)`` in which this packet was committed.  *doubt* names
    the first step that was over-approximated; facts without doubt are exact.
    """

    known: Mapping[str, Bits] = field(default_factory=dict)
    need: Mapping[str, Bits] = field(default_factory=dict)
    origin: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    encapsulated: bool = False
    complete: bool = False
    committed: frozenset[tuple[str, int]] = frozenset()
    doubt: str = ""

    def bits(self, name: str) -> Bits:
        """Return what is known of a field: ``(value, mask)``, ``(0, 0)`` for nothing."""
        return self.known.get(name, (0, 0))

    def value(self, source: Subfield) -> int | None:
        """Return the value of a subfield, or None where some bit of it is not known."""
        value, mask = self.bits(source.field)
        wanted = (1 << source.bits) - 1
        if (mask >> source.start) & wanted != wanted:
            return None
        return (value >> source.start) & wanted

    def fit(self, match: Match) -> Fit:
        """Say how *match* and these facts go together."""
        result = Fit.MUST
        for name, value, mask in match.tests:
            held = self.known.get(name)
            if held is None or name in UNSEEN:
                if self.complete and name != "conj_id" and name not in UNSEEN:
                    return Fit.NO
                result = Fit.MAY
            elif (held[0] ^ value) & held[1] & mask:
                return Fit.NO
            elif mask & ~held[1] or (not value and FIELDS[name].domain is Domain.TUNNEL):
                # Whether a packet without a tunnel carries tun_id=0, or none, is not ours to decide.
                result = Fit.MAY
        return result

    def assume(self, match: Match) -> Facts | None:
        """Add what follows from *match* having succeeded; None when it cannot have."""
        if self.complete:
            return self
        known, need = dict(self.known), dict(self.need)
        for name, value, mask in match.tests:
            held_value, held_mask = known.get(name, (0, 0))
            fresh = mask & ~held_mask
            if not fresh:
                continue
            known[name] = (held_value | (value & fresh), held_mask | fresh)
            source, kept = self._origin(name)
            wanted = fresh & kept
            if wanted:
                needed_value, needed_mask = need.get(source, (0, 0))
                if (needed_value ^ value) & needed_mask & wanted:
                    return None
                need[source] = (needed_value | (value & wanted), needed_mask | wanted)
        return replace(self, known=known, need=need)

    def write(self, name: str, value: int, mask: int) -> Facts:
        """Set the bits under *mask*."""
        held_value, held_mask = self.bits(name)
        known = {**self.known, name: ((held_value & ~mask) | (value & mask), held_mask | mask)}
        return replace(self, known=known, origin=self._origin_without(name, mask))

    def forget(self, name: str, mask: int | None = None) -> Facts:
        """Something was written there and nobody knows what."""
        mask = FIELDS[name].full_mask if mask is None else mask
        value, held = self.bits(name)
        known = {**self.known, name: (value & ~mask, held & ~mask)}
        return replace(self, known=known, origin=self._origin_without(name, mask))

    def move(self, source: Subfield, target: Subfield) -> Facts:
        """Copy bits from field to field.  Whole fields keep their origin; parts are only as good as known."""
        value = self.value(source)
        mask = ((1 << target.bits) - 1) << target.start
        if value is not None:
            return self.write(target.field, value << target.start, mask)
        whole = FIELDS[source.field].bits == source.bits == target.bits == FIELDS[target.field].bits
        if not whole:
            return self.forget(target.field, mask)
        known = {**self.known, target.field: self.bits(source.field)}
        return replace(self, known=known, origin={**self.origin, target.field: self._origin(source.field)})

    def enter(self, in_port: int, tunnel: Mapping[str, Bits] | None = None) -> Facts:
        """Begin at a bridge's port: only what is in the frame survives; registers are zero.

        *tunnel* gives tun_id, tun_src and tun_dst as far as they are known.
        """
        known = {name: bits for name, bits in self.known.items() if name not in TRACKED}
        known.update(_FRESH)
        known["in_port"] = (in_port, FIELDS["in_port"].full_mask)
        known.update(tunnel or {})
        origin = {name: held for name, held in self.origin.items() if name not in TRACKED}
        return replace(self, known=known, origin=origin, actions=())

    def tracked(self, *, new: bool) -> Facts:
        """Return from the connection tracker: anything may be, or (*new*) a first packet's answer."""
        trk = CT_STATE_BITS["trk"]
        # A fragment comes back as the packet that it was a part of: other ports, other flags.
        whole = new or self.bits("ip_frag") == (0, FIELDS["ip_frag"].full_mask)
        facts = self if whole else self.blurred(BEYOND_IP)
        for name in CT_FIELDS:
            if name != "ct_state":
                zero = new and name not in UNSEEN
                facts = facts.write(name, 0, FIELDS[name].full_mask) if zero else facts.forget(name)
        facts = facts.forget("ct_state")
        if new:
            return facts.write("ct_state", trk | CT_STATE_BITS["new"], FIELDS["ct_state"].full_mask)
        return facts.write("ct_state", trk, trk)

    def untracked(self) -> Facts:
        """Forget what the tracker said, certainly: as a packet that never saw it."""
        facts = self
        for name in CT_FIELDS:
            facts = facts.write(name, 0, FIELDS[name].full_mask)
        return facts

    def blurred(self, names: Iterable[str]) -> Facts:
        """Forget several fields; those of which nothing was known stay so."""
        facts = self
        for name in names:
            facts = facts.forget(name)
        return facts

    def unknown(self, why: str) -> Facts:
        """Forget everything: the packet is another one, and nobody knows which."""
        return self.blurred(sorted(FIELDS)).doubting(why)

    def doubting(self, why: str) -> Facts:
        """Note that a step was over-approximated; the first doubt stays."""
        return self if self.doubt else replace(self, doubt=why)

    def projected(self, live: frozenset[str]) -> Facts:
        """Keep what the over-approximation tracks: constants of *live* fields of the pipeline."""
        known = {name: self.known[name] for name in sorted(live) if name in self.known}
        return Facts(known=known, actions=self.actions, encapsulated=self.encapsulated)

    @property
    def key(self) -> object:
        """What two facts must share to be the same state."""
        return (
            frozenset(self.known.items()),
            frozenset(self.need.items()),
            self.actions,
            self.encapsulated,
            bool(self.doubt),
        )

    def _origin(self, name: str) -> tuple[str, int]:
        held = self.origin.get(name)
        if held is not None:
            return held
        row = FIELDS[name]
        return (name, row.full_mask if row.domain is Domain.PACKET and not self.encapsulated else 0)

    def _origin_without(self, name: str, mask: int) -> Mapping[str, tuple[str, int]]:
        source, kept = self._origin(name)
        return {**self.origin, name: (source, kept & ~mask)}
