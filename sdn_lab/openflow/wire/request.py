"""What a controller sends, as values: one for each kind of message.  `decode` makes them from bytes.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.3 and 7.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdn_lab.openflow.action import ANY, Action
from sdn_lab.openflow.entry import Bucket, FlowEntry, GroupType
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.meter import Meter
from sdn_lab.openflow.wire.error import Pair

ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
SEND_FLOW_REM, CHECK_OVERLAP, RESET_COUNTS, NO_PKT_COUNTS, NO_BYT_COUNTS = 1, 2, 4, 8, 16
ALL_TABLES = 0xFF
ALL_GROUPS = 0xFFFFFFFC
MAX_GROUP = 0xFFFFFF00
GROUP_TYPES = (GroupType.ALL, GroupType.SELECT, GroupType.INDIRECT, GroupType.FAST_FAILOVER)
(DESC, FLOW, AGGREGATE, TABLE, PORT_STATS, QUEUE, GROUP_STATS, GROUP_DESC, GROUP_FEATURES) = range(9)
(METER, METER_CONFIG, METER_FEATURES, TABLE_FEATURES, PORT_DESC) = range(9, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Versions that the other side speaks; without a bitmap, the header's alone."""

    versions: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An OFPT_ERROR that came to us."""

    pair: Pair
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """Echo request or reply."""

    reply: bool
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A request without a body: *kind* is its message type."""

    kind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConfig:
    """How fragments are handled, and how much of a packet goes to the controller on a miss."""

    flags: int
    miss_send_len: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketOut:
    """A frame to send through *actions*."""

    in_port: int
    actions: tuple[Action, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMod:
    """A change to the tables.  *entry* carries table, priority, match and the rest of what is to be."""

    command: int
    entry: FlowEntry
    cookie_mask: int
    out_port: int
    out_group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMod:
    """A change to the groups: add 0, modify 1, delete 2."""

    command: int
    group_id: int
    type: GroupType
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterMod:
    """A change to the meters: add 0, modify 1, delete 2."""

    command: int
    meter: Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMod:
    """A change to how a port behaves: of *config* the bits under *mask*."""

    of_port: int
    mac: bytes
    config: int
    mask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMod:
    """A change to a table's configuration, of which OpenFlow 1.3 has left nothing."""

    table_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """Which queues has a port?"""

    of_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRequest:
    """No change 0, equal 1, master 2, slave 3."""

    role: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsync:
    """Masks (master and equal, slave) of reasons for packet-in, port-status, flow-removed."""

    packet_in: tuple[int, int]
    port_status: tuple[int, int]
    flow_removed: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleControl:
    """Open 0, close 2, commit 4 or discard 6 a bundle."""

    bundle_id: int
    kind: int
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAdd:
    """Put a whole *message* into a bundle."""

    bundle_id: int
    flags: int
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuery:
    """Which entries FLOW and AGGREGATE ask for."""

    table_id: int
    out_port: int
    out_group: int
    cookie: int
    cookie_mask: int
    match: Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipart:
    """A multipart request; *flows* for FLOW and AGGREGATE, *number* the port, group or meter asked for."""

    kind: int
    flows: FlowQuery | None = None
    number: int = ANY
    queue: int = ANY


Request = (
    Hello
    | Refusal
    | Echo
    | Plain
    | SetConfig
    | PacketOut
    | FlowMod
    | GroupMod
    | MeterMod
    | PortMod
    | TableMod
    | QueueConfig
    | RoleRequest
    | SetAsync
    | Multipart
    | BundleControl
    | BundleAdd
)
