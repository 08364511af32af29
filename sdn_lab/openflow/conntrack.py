"""The connection tracker behind ``ct()``.

What
----
`Tracker.track` does for one packet what Open vSwitch 3.1.0's userspace tracker does: finds its connection
in a zone, says the packet's state, and, on commit, makes the connection known; with ``nat`` it translates the
packet as well.

Where it sits
-------------
Reads:      `conntrack_key` (which connection), `conntrack_tcp` (TCP's states), `conntrack_nat` (translation),
            `conntrack_time` and `conntrack_limit` (how long, how many).
Used by:    `interpret`; one tracker for each hypervisor: its zones are separate, its bridges are not.
Not here:   what an entry does with the state.  Helpers and reassembly: fragments have no key here.

Invariants
----------
1.  Time is an argument in nanoseconds; a connection that has expired is as if it never was.
2.  Without commit nothing is created; a known connection is updated by every packet that is looked up.
3.  ``+est`` needs a reply, except for TCP: until a packet of the other direction was looked up in the zone,
    every packet of a committed UDP, ICMP or other connection is ``+new`` again.  A TCP connection's SYN stays
    ``+new`` while it opens; any other valid segment of it, in either direction, is ``+est``.
    (`docs/ovs-facts.md`.)
4.  Nothing of what an earlier zone said is kept: the state after ``ct()`` is that zone's alone.
5.  A translated connection is found by its opener's packets as they were before, and by its answers as
    they come in; ``+snat`` and ``+dnat`` say what was done to *this* packet.

Reference: Open vSwitch 3.1.0, ``lib/conntrack.c``; ovs-fields(7), "Connection Tracking Fields".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.conntrack_key import Key, key_of
from sdn_lab.openflow.conntrack_limit import Limit, ZoneLimits
from sdn_lab.openflow.conntrack_nat import MIRRORED, reply_key, translate
from sdn_lab.openflow.conntrack_tcp import Segment, TcpState, Update, may_open
from sdn_lab.openflow.conntrack_time import Stage, Timeouts
from sdn_lab.openflow.fields import CT_STATE_BITS
from sdn_lab.openflow.packet_parse import ICMP, ICMPV6, TCP, Dissection

NEW, EST, REL = CT_STATE_BITS["new"], CT_STATE_BITS["est"], CT_STATE_BITS["rel"]
RPL, INV, TRK = CT_STATE_BITS["rpl"], CT_STATE_BITS["inv"], CT_STATE_BITS["trk"]
SNAT, DNAT = CT_STATE_BITS["snat"], CT_STATE_BITS["dnat"]
REOPENED = "a finished translated connection opens anew: Open vSwitch may not yet have swept the old one"
FORCED = "force on a connection that is translated to itself: ovs-vswitchd 3.1.0 ends"
CHOSEN = "nat chooses an address or a port of its own"

_TRANSLATED = {NatKind.SRC: SNAT, NatKind.DST: DNAT}
_ICMP_REQUESTS = {ICMP: frozenset({8, 13, 15}), ICMPV6: frozenset({128})}
_DEFAULT_TIMEOUTS = Timeouts()

MaskedValue = tuple[int, int]


@dataclass(slots=True, eq=False)
class Connection:
    """One connection in one zone.

    *key* is its first packet's.  *answered*, for all but TCP: a packet of the other direction was seen.
    *known*: a tracker has it; once that is false, it stays so.

    *nat*: which end of the first packet is translated, KNOWN for none; *translated* is what the answers carry
    then.  *limit* is what it counts against, *timeouts* are its zone's.
    """

    key: Key
    expires_ns: int
    tcp: TcpState | None = None
    answered: bool = False
    mark: int = 0
    label: int = 0
    known: bool = True
    nat: NatKind = NatKind.KNOWN
    translated: Key | None = None
    limit: Limit | None = None
    timeouts: Timeouts = _DEFAULT_TIMEOUTS

    @property
    def reply(self) -> Key:
        """What answers carry."""
        return self.translated or self.key.reversed()

    def prolong(self, now_ns: int, *, first: bool = False) -> None:
        """Put off its end: a packet of it was seen."""
        if self.tcp is not None:
            stage = self.tcp.stage
        elif self.key.proto in _ICMP_REQUESTS:
            stage = Stage.ICMP_REPLY if self.answered else Stage.ICMP_FIRST
        elif self.answered:
            stage = Stage.UDP_MULTIPLE
        else:
            stage = Stage.UDP_FIRST if first else Stage.UDP_SINGLE
        self.expires_ns = now_ns + self.timeouts.ns(stage)


@dataclass(slots=True)
class PacketState:
    """What the tracker attached to a packet.

    *connection* is kept for a second look-up in one zone, with *is_reply* and *is_error*, unless the first
    was with ``nat``.  *origin* is the key of the connection's first packet.  *frame* is the translated
    packet, None where nothing was translated; *note* says where another switch might have chosen otherwise.
    """

    state: int = 0
    zone: int = 0
    mark: int = 0
    label: int = 0
    connection: Connection | None = None
    is_reply: bool = False
    is_error: bool = False
    origin: Key | None = None
    frame: bytes | None = None
    note: str = ""

    def copy(self) -> PacketState:
        """Return a copy, for a packet that is cloned."""
        return replace(self)


@dataclass(slots=True)
class Tracker:
    """All connections of one hypervisor.  *timeouts* are those of zones with a policy of their own."""

    limits: ZoneLimits = field(default_factory=ZoneLimits)
    timeouts: dict[int, Timeouts] = field(default_factory=dict)
    _by_key: dict[Key, Connection] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(1 for key, connection in self._by_key.items() if key == connection.key)

    def track(
        self,
        frame: bytes,
        found: Dissection,
        before: PacketState,
        zone: int,
        *,
        commit: bool = False,
        force: bool = False,
        mark: MaskedValue = (0, 0),
        label: MaskedValue = (0, 0),
        nat: Nat | None = None,
        now_ns: int = 0,
    ) -> PacketState:
        """Return what the packet carries after ``ct()`` in *zone*; *before* is what it carried."""
        known = before.connection
        if known is not None and known.key.zone == zone and not force:
            after = PacketState(before.state, zone, known.mark, known.label, known)
            after.is_reply, after.is_error, after.origin = before.is_reply, before.is_error, known.key
            if nat is not None:
                _translate(after, frame, found, known, entered=zone != before.zone)
                after.connection = None
            return _exec(after, mark, label, known)
        keyed = key_of(frame, found, zone)
        if keyed is None:
            return PacketState(INV | TRK, zone)
        look = _Look(self, frame, found, before.state if before.zone == zone else 0, now_ns)
        after = look.up(*keyed, before.origin, commit=commit, force=force, nat=nat)
        after.zone = zone
        after.state |= TRK
        connection = after.connection
        after.origin = keyed[0]
        if connection is not None:
            after.mark, after.label, after.origin = connection.mark, connection.label, connection.key
        if nat is not None:
            after.connection = None
        return _exec(after, mark, label, connection)

    def forget(self, key: Key) -> None:
        """Forget the connection of *key*, if there is one."""
        connection = self._by_key.get(key)
        if connection is not None:
            self.remove(connection)

    def flush(self, zone: int | None = None) -> None:
        """Forget every connection, or those of one zone."""
        for connection in set(self._by_key.values()):
            if zone is None or connection.key.zone == zone:
                self.remove(connection)

    def connections(self, now_ns: int = 0) -> tuple[Connection, ...]:
        """Return what is known and has not expired."""
        return tuple(c for k, c in self._by_key.items() if k == c.key and c.expires_ns > now_ns)

    # -- for a look-up

    def find(self, key: Key, now_ns: int) -> Connection | None:
        """Return the connection that *key* belongs to, in either direction."""
        connection = self._by_key.get(key)
        if connection is not None and connection.expires_ns <= now_ns:
            self.remove(connection)
            return None
        return connection

    def add(self, connection: Connection) -> None:
        """Make a connection known."""
        self._by_key[connection.reply] = self._by_key[connection.key] = connection
        if connection.limit is not None:
            connection.limit.count += 1

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        connection.known = False
        held = False
        for key in (connection.key, connection.reply):
            if self._by_key.get(key) is connection:
                del self._by_key[key]
                held = True
        if held and connection.limit is not None:
            connection.limit.count -= 1

    def admitted(self, zone: int, now_ns: int) -> tuple[bool, Limit | None]:
        """Say whether a zone takes another connection, and what it counts against."""
        limit = self.limits.of(zone)
        if limit is None or not limit.reached:
            return True, limit
        for connection in [c for c in self._by_key.values() if c.expires_ns <= now_ns]:
            self.remove(connection)
        return not limit.reached, limit


@dataclass(slots=True)
class _Look:
    """One packet's look-up in one zone; *state* is what an earlier one in this zone said."""

    tracker: Tracker
    frame: bytes
    found: Dissection
    state: int
    now_ns: int

    def up(
        self, key: Key, is_error: bool, origin: Key | None, *, commit: bool, force: bool, nat: Nat | None
    ) -> PacketState:
        note = ""
        connection, key, reply = self._find(key)
        if connection is not None and reply and force and connection.reply == connection.key.reversed():
            self.tracker.remove(connection)
            if connection.translated is not None:
                note = FORCED if self.state & (SNAT | DNAT) and nat is None else REOPENED
            connection, reply = None, False
        if connection is None and nat is None and origin is not None and self.state & (SNAT | DNAT):
            connection = self.tracker.find(origin, self.now_ns)
        if connection is None:
            if is_error:
                return PacketState(INV, note=note)
            after = self._create(key, commit, nat)
            after.note = note or after.note
            return after
        state = self._updated(connection, reply=reply, is_error=is_error)
        if state is None:
            self.tracker.remove(connection)
            after = self._create(key, commit, nat)
            if connection.translated is not None:
                after.note = REOPENED
            return after
        after = PacketState(state, connection=connection, is_reply=reply, is_error=is_error)
        if nat is not None:
            _translate(after, self.frame, self.found, connection)
        return after

    def _find(self, key: Key) -> tuple[Connection | None, Key, bool]:
        """Return the connection, the packet's key in it, and whether the packet is an answer."""
        if not self.state & (SNAT | DNAT):
            connection = self.tracker.find(key, self.now_ns)
            return connection, key, connection is not None and connection.key != key
        turned = key.reversed()  # it was translated: its answers would look like this
        connection = self.tracker.find(turned, self.now_ns)
        if connection is None:
            return None, key, False
        reply = connection.key == turned
        return connection, connection.reply if reply else connection.key, reply

    def _updated(self, connection: Connection, *, reply: bool, is_error: bool) -> int | None:
        """Return the state of a packet of a known connection, None where a new one takes its place."""
        if is_error:
            return self.state | REL | (RPL if reply else 0)
        update = self._account(connection, reply=reply)
        if update is not Update.INVALID:
            connection.prolong(self.now_ns)
        if update is Update.VALID:
            return (self.state | EST | (RPL if reply else 0)) & ~NEW
        if update is Update.VALID_NEW:
            return self.state | NEW
        return INV if update is Update.INVALID else None

    def _account(self, connection: Connection, *, reply: bool) -> Update:
        """Account for a packet of a known connection."""
        if connection.tcp is not None:
            segment = Segment.read(self.frame[self.found.l4_start : self.found.end])
            return connection.tcp.update(segment, reply=reply)
        if reply:
            connection.answered = True
        return Update.VALID if connection.answered else Update.VALID_NEW

    def _create(self, key: Key, commit: bool, nat: Nat | None) -> PacketState:
        message = self.frame[self.found.l4_start : self.found.end]
        segment = Segment.read(message) if key.proto == TCP else None
        if segment is not None and not may_open(segment.flags):
            return PacketState(INV)
        requests = _ICMP_REQUESTS.get(key.proto)
        if requests is not None and (not message or message[0] not in requests):
            return PacketState(INV)
        if not commit:
            return PacketState(NEW)
        admitted, limit = self.tracker.admitted(key.zone, self.now_ns)
        if not admitted:
            return PacketState(NEW)
        connection = Connection(key, self.now_ns, limit=limit)
        note = ""
        if nat is not None:
            reply, several = reply_key(key, nat, lambda k: self.tracker.find(k, self.now_ns) is not None)
            note = CHOSEN if several else ""
            if reply is None:
                return PacketState(NEW, note=note)
            connection.nat, connection.translated = nat.kind, reply
        if key.zone in self.tracker.timeouts:
            connection.timeouts = self.tracker.timeouts[key.zone]
        if segment is not None:
            connection.tcp = TcpState.opened_by(segment)
        connection.prolong(self.now_ns, first=True)
        self.tracker.add(connection)
        after = PacketState(NEW, connection=connection, note=note)
        if nat is not None:
            _translate(after, self.frame, self.found, connection)
        return after


def _translate(
    after: PacketState, frame: bytes, found: Dissection, connection: Connection, *, entered: bool = False
) -> None:
    """Translate a packet of *connection*, unless it was translated in this zone before."""
    if connection.nat is NatKind.KNOWN or (after.state & (SNAT | DNAT) and not entered):
        return
    kind = MIRRORED[connection.nat] if after.is_reply else connection.nat
    other = connection.key if after.is_reply else connection.reply
    after.state = after.state & ~(SNAT | DNAT) | _TRANSLATED[kind]
    after.frame = translate(frame, found, other, kind, related=after.is_error)


def _exec(
    after: PacketState, mark: MaskedValue, label: MaskedValue, connection: Connection | None
) -> PacketState:
    """Write ct_mark and ct_label, into the packet and, where there is one, into its connection."""
    if connection is not None:
        if mark[1]:
            after.mark = connection.mark = connection.mark & ~mark[1] | mark[0] & mark[1]
        if label[1]:
            after.label = connection.label = connection.label & ~label[1] | label[0] & label[1]
    return after
