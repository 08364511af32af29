"""Bodies of multipart replies.  Reference: OpenFlow Switch Specification 1.3.5, section 7.3.5."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.wire import action_write, instruction, oxm
from sdn_lab.openflow.wire.request import GROUP_TYPES

_DESC = Struct("!256s256s256s32s256s")
_FLOW = Struct("!HBxIIHHHH4xQQQ")
_AGGREGATE = Struct("!QQI4x")
_TABLE = Struct("!B3xIQQ")
_PORT = Struct("!I4xQQQQQQQQQQQQII")
_GROUP = Struct("!HBxI")
_GROUP_STATS = Struct("!H2xII4xQQII")
_GROUP_FEATURES = Struct("!II4I4I")
_BUCKET_COUNTER = Struct("!QQ")
_BUCKET = Struct("!HHII4x")
_WATCH_NOTHING = 0xFFFFFFFF
_OUTPUT_GROUP_SET = 1 << 0 | 1 << 22 | 1 << 25  # output, group, set_field


@dataclass(slots=True)
class Counted:
    """What was counted of one entry, port or table."""

    packets: int = 0
    octets: int = 0


def desc(*, serial: str, datapath: str, version: str) -> bytes:
    """Describe the switch."""
    return _DESC.pack(b"sdn-lab", b"simulated switch", version.encode(), serial.encode(), datapath.encode())


def flow(entry: FlowEntry, *, age_ns: int, counted: Counted) -> bytes:
    """One entry, with what it counted."""
    match = oxm.write_match(entry.match)
    body = instruction.write_instructions(entry.instructions)
    seconds, rest = divmod(age_ns, 1_000_000_000)
    head = _FLOW.pack(
        _FLOW.size + len(match) + len(body),
        entry.table_id,
        seconds,
        rest,
        entry.priority,
        entry.idle_timeout,
        entry.hard_timeout,
        entry.flags,
        entry.cookie,
        counted.packets,
        counted.octets,
    )
    return head + match + body


def aggregate(*, counted: Counted, flows: int) -> bytes:
    """Sums over entries."""
    return _AGGREGATE.pack(counted.packets, counted.octets, flows)


def table(table_id: int, *, active: int, lookups: int, matched: int) -> bytes:
    """One table."""
    return _TABLE.pack(table_id, active, lookups, matched)


def port(of_port: int, *, received: Counted, sent: Counted, age_ns: int) -> bytes:
    """One port.  Nothing is lost on a simulated wire: the error counters are 0."""
    return _PORT.pack(
        of_port,
        received.packets,
        sent.packets,
        received.octets,
        sent.octets,
        *(0,) * 8,
        *divmod(age_ns, 1_000_000_000),
    )


def group_desc(group: Group) -> bytes:
    """One group, with its buckets."""
    buckets = b""
    for bucket in group.buckets:
        actions = action_write.write_actions(bucket.actions)
        head = _BUCKET.pack(_BUCKET.size + len(actions), bucket.weight, bucket.watch_port, _WATCH_NOTHING)
        buckets += head + actions
    kind = GROUP_TYPES.index(group.type)
    return _GROUP.pack(_GROUP.size + len(buckets), kind, group.group_id) + buckets


def group_stats(
    group: Group, *, references: int, counted: Counted, buckets: Iterable[Counted], age_ns: int
) -> bytes:
    """One group's counters, and those of its buckets."""
    body = b"".join(_BUCKET_COUNTER.pack(b.packets, b.octets) for b in buckets)
    return (
        _GROUP_STATS.pack(
            _GROUP_STATS.size + len(body),
            group.group_id,
            references,
            counted.packets,
            counted.octets,
            *divmod(age_ns, 1_000_000_000),
        )
        + body
    )


def group_features() -> bytes:
    """All four types, chaining, and which actions their buckets take."""
    chaining, most = 4, 0xFFFFFF00
    return _GROUP_FEATURES.pack(0b1111, chaining, *(most,) * 4, *(_OUTPUT_GROUP_SET,) * 4)
