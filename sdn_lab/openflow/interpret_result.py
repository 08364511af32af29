"""What came of one packet: the values that `interpret` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from sdn_lab.openflow.entry import FlowEntry

OVERLAP = "overlap, and the choice is the switch's"


class Reason(IntEnum):
    """Why a packet went to the controller; OpenFlow 1.3.5 section 7.4.1."""

    NO_MATCH = 0
    ACTION = 1
    INVALID_TTL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """The outer header, as values: VNI and IPv4 addresses."""

    tun_id: int = 0
    tun_src: int = 0
    tun_dst: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """A frame that leaves through a port.

    *tunnel* is what the tunnel fields held, None where they were all 0: it means something only where
    *of_port* is a tunnel port, which the reader knows and the pipeline does not.
    """

    of_port: int
    frame: bytes
    tunnel: Tunnel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketIn:
    """A frame that goes to the controller.

    *pipeline*: in_port, metadata, registers, tunnel and ct fields, those that are not 0.
    """

    frame: bytes
    in_port: int
    table_id: int
    reason: Reason
    max_len: int
    cookie: int
    pipeline: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One look-up: the entry that won, or None for a table miss."""

    table_id: int
    entry: FlowEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A group that took the packet (*bucket* None), or one of its buckets that did, by its place."""

    group_id: int
    bucket: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """An entry whose timeouts are to be these, where they are longer or none; 0 leaves one as it is."""

    entry: FlowEntry
    idle_timeout: int
    hard_timeout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything that one packet caused, in order.

    *notes* says where this result is not the only one possible or not modelled: equal priorities that
    overlap (such a note ends in `OVERLAP`), a select group's choice, a fragment that reached the tracker.
    With notes, absence proves nothing.

    *learned* are the entries that ``learn`` made: whoever holds the tables adds them.  *shortened* are
    those that ``fin_timeout`` stands in, where a connection ended.  *buckets* are for
    whoever counts; as *path*, without those that the cache counts by itself.
    """

    emissions: tuple[Emission, ...] = ()
    packet_ins: tuple[PacketIn, ...] = ()
    path: tuple[Taken, ...] = ()
    buckets: tuple[Chosen, ...] = field(default=(), compare=False)
    learned: tuple[FlowEntry, ...] = ()
    shortened: tuple[Shortened, ...] = ()
    notes: tuple[str, ...] = ()
