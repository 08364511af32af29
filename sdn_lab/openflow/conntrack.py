"""The connection tracker behind ``ct()``.

What
----
`Tracker.track` does for one packet what Open vSwitch 3.1.0's userspace tracker does: finds its connection
in a zone, says the packet's state, and, on commit, makes the connection known.

Where it sits
-------------
Reads:      `conntrack_key` (which connection), `conntrack_tcp` (TCP's states).
Used by:    `interpret`; one tracker for each hypervisor: its zones are separate, its bridges are not.
Not here:   what an entry does with the state.  NAT, helpers and reassembly: fragments have no key here.

Invariants
----------
1.  Time is an argument in nanoseconds; a connection that has expired is as if it never was.
2.  Without commit nothing is created; a known connection is updated by every packet that is looked up.
3.  ``+est`` needs a reply, except for TCP: until a packet of the other direction was looked up in the zone,
    every packet of a committed UDP, ICMP or other connection is ``+new`` again.  A TCP connection's SYN stays
    ``+new`` while it opens; any other valid segment of it, in either direction, is ``+est``.
    (`docs/ovs-facts.md`.)
4.  Nothing of what an earlier zone said is kept: the state after ``ct()`` is that zone's alone.

Reference: Open vSwitch 3.1.0, ``lib/conntrack.c``; ovs-fields(7), "Connection Tracking Fields".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdn_lab.openflow.conntrack_key import Key, key_of
from sdn_lab.openflow.conntrack_tcp import Segment, TcpState, Update, may_open
from sdn_lab.openflow.fields import CT_STATE_BITS
from sdn_lab.openflow.packet_parse import ICMP, ICMPV6, TCP, Dissection

NEW, EST, REL = CT_STATE_BITS["new"], CT_STATE_BITS["est"], CT_STATE_BITS["rel"]
RPL, INV, TRK = CT_STATE_BITS["rpl"], CT_STATE_BITS["inv"], CT_STATE_BITS["trk"]

_ICMP_REQUESTS = {ICMP: frozenset({8, 13, 15}), ICMPV6: frozenset({128})}
_FIRST_MS, _ANSWERED_MS = 60_000, 30_000

MaskedValue = tuple[int, int]


@dataclass(slots=True, eq=False)
class Connection:
    """One connection in one zone.  *answered*, for all but TCP: a packet of the other direction was seen.

    *known*: a tracker has it; once that is false, it stays so.
    """

    key: Key
    expires_ns: int
    tcp: TcpState | None = None
    answered: bool = False
    mark: int = 0
    label: int = 0
    known: bool = True

    def prolong(self, now_ns: int) -> None:
        """Put off its end: a packet of it was seen."""
        if self.tcp is not None:
            timeout_ms = self.tcp.timeout_ms
        else:
            timeout_ms = _ANSWERED_MS if self.answered else _FIRST_MS
        self.expires_ns = now_ns + timeout_ms * 1_000_000


@dataclass(slots=True)
class PacketState:
    """What the tracker attached to a packet.  *connection* is kept for a second look-up in one zone."""

    state: int = 0
    zone: int = 0
    mark: int = 0
    label: int = 0
    connection: Connection | None = None

    def copy(self) -> PacketState:
        """Return a copy, for a packet that is cloned."""
        return PacketState(self.state, self.zone, self.mark, self.label, self.connection)


@dataclass(slots=True)
class Tracker:
    """All connections of one hypervisor."""

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
        now_ns: int = 0,
    ) -> PacketState:
        """Return what the packet carries after ``ct()`` in *zone*; *before* is what it carried."""
        known = before.connection
        if known is not None and known.key.zone == zone and not force:
            after = PacketState(before.state, zone, known.mark, known.label, known)
            return _exec(after, mark, label)
        keyed = key_of(frame, found, zone)
        if keyed is None:
            return PacketState(INV | TRK, zone)
        key, is_error = keyed
        after = self._look_up(frame, found, key, is_error, commit, force, now_ns)
        after.zone = zone
        after.state |= TRK
        if after.connection is not None:
            after.mark, after.label = after.connection.mark, after.connection.label
        return _exec(after, mark, label)

    def forget(self, key: Key) -> None:
        """Forget the connection of *key*, if there is one."""
        connection = self._by_key.get(key)
        if connection is not None:
            self._forget(connection)

    def flush(self, zone: int | None = None) -> None:
        """Forget every connection, or those of one zone."""
        for key, connection in self._by_key.items():
            connection.known &= zone is not None and key.zone != zone
        self._by_key = {k: c for k, c in self._by_key.items() if zone is not None and k.zone != zone}

    def connections(self, now_ns: int = 0) -> tuple[Connection, ...]:
        """Return what is known and has not expired."""
        return tuple(c for k, c in self._by_key.items() if k == c.key and c.expires_ns > now_ns)

    def _find(self, key: Key, now_ns: int) -> Connection | None:
        connection = self._by_key.get(key)
        if connection is not None and connection.expires_ns <= now_ns:
            self._forget(connection)
            return None
        return connection

    def _forget(self, connection: Connection) -> None:
        connection.known = False
        for key in (connection.key, connection.key.reversed()):
            if self._by_key.get(key) is connection:
                del self._by_key[key]

    def _look_up(
        self,
        frame: bytes,
        found: Dissection,
        key: Key,
        is_error: bool,
        commit: bool,
        force: bool,
        now_ns: int,
    ) -> PacketState:
        connection = self._find(key, now_ns)
        reply = connection is not None and connection.key != key
        if connection is not None and reply and force:
            self._forget(connection)
            connection, reply = None, False
        if connection is None:
            if is_error:
                return PacketState(INV)
            return self._create(frame, found, key, commit, now_ns)
        direction = RPL if reply else 0
        if is_error:
            return PacketState(REL | direction, connection=connection)
        update = _update(frame, found, connection, reply=reply, now_ns=now_ns)
        if update is Update.VALID:
            return PacketState(EST | direction, connection=connection)
        if update is Update.VALID_NEW:
            return PacketState(NEW, connection=connection)
        if update is Update.INVALID:
            return PacketState(INV, connection=connection)
        self._forget(connection)
        return self._create(frame, found, key, commit, now_ns)

    def _create(self, frame: bytes, found: Dissection, key: Key, commit: bool, now_ns: int) -> PacketState:
        message = frame[found.l4_start : found.end]
        segment = Segment.read(message) if key.proto == TCP else None
        if segment is not None and not may_open(segment.flags):
            return PacketState(INV)
        requests = _ICMP_REQUESTS.get(key.proto)
        if requests is not None and (not message or message[0] not in requests):
            return PacketState(INV)
        if not commit:
            return PacketState(NEW)
        connection = Connection(key, now_ns)
        if segment is not None:
            connection.tcp = TcpState.opened_by(segment)
        connection.prolong(now_ns)
        self._by_key[key] = self._by_key[key.reversed()] = connection
        return PacketState(NEW, connection=connection)


def _update(frame: bytes, found: Dissection, connection: Connection, *, reply: bool, now_ns: int) -> Update:
    """Account for a packet of a known connection."""
    if connection.tcp is not None:
        update = connection.tcp.update(Segment.read(frame[found.l4_start : found.end]), reply=reply)
        if update is not Update.INVALID:
            connection.prolong(now_ns)
        return update
    if reply:
        connection.answered = True
    update = Update.VALID if connection.answered else Update.VALID_NEW
    connection.prolong(now_ns)
    return update


def _exec(after: PacketState, mark: MaskedValue, label: MaskedValue) -> PacketState:
    """Write ct_mark and ct_label, into the packet and, where there is one, into its connection."""
    connection = after.connection
    if connection is not None:
        if mark[1]:
            after.mark = connection.mark = connection.mark & ~mark[1] | mark[0] & mark[1]
        if label[1]:
            after.label = connection.label = connection.label & ~label[1] | label[0] & label[1]
    return after
