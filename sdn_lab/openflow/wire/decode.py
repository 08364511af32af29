"""What a controller sends: bytes to the values of `request`.

`read` gives the value, or raises `WireError` with the error that is owed.  It checks form only: whether a
table or a group exists is for the switch to say.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.3 and 7.5.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from sdn_lab.openflow.action import ANY, NO_BUFFER
from sdn_lab.openflow.entry import Bucket, FlowEntry, Instructions
from sdn_lab.openflow.wire import action, bundle, error, frame, instruction, meter, oxm, port, request
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import (
    Echo,
    FlowMod,
    FlowQuery,
    GroupMod,
    Hello,
    Multipart,
    PacketOut,
    Plain,
    Refusal,
    Request,
    RoleRequest,
    SetAsync,
    SetConfig,
)

_FLOW_MOD = Struct("!QQBBHHHIIIH2x")
_GROUP_MOD = Struct("!HBxI")
_BUCKET = Struct("!HHII4x")
_PACKET_OUT = Struct("!IIH6x")
_MULTIPART = Struct("!HH4x")
_FLOW_STATS = Struct("!B3xII4xQQ")
_ROLE = Struct("!I4xQ")


def read(data: bytes) -> Request:
    """Decode one whole message.  Raises WireError.

    One that was put together of several (`parts`) may be longer than it can say.
    """
    version, kind, length, _ = frame.HEADER.unpack_from(data)
    if length != min(len(data), frame.MAX_LENGTH):
        raise WireError(error.REQUEST_BAD_LEN, f"the header says {length} bytes, {len(data)} came")
    if kind == frame.HELLO:
        return _read_hello(version, data)
    if version != frame.VERSION:
        raise WireError(error.REQUEST_BAD_VERSION, f"version {version} is not OpenFlow 1.3")
    reader = _READERS.get(kind)
    if reader is None:
        raise WireError(error.REQUEST_BAD_TYPE, f"message type {kind} is not known here")
    return reader(data)


def _at_least(data: bytes, length: int, what: str) -> None:
    if len(data) < length:
        raise WireError(error.REQUEST_BAD_LEN, f"{what} of {len(data)} bytes")


def _exactly(data: bytes, length: int, what: str) -> None:
    if len(data) != length:
        raise WireError(error.REQUEST_BAD_LEN, f"{what} of {len(data)} bytes, not {length}")


def _read_hello(version: int, data: bytes) -> Hello:
    at, end = 8, len(data)
    while at + 4 <= end:
        kind, length = (int.from_bytes(data[n : n + 2], "big") for n in (at, at + 2))
        if length < 4 or at + length > end:
            raise WireError(error.HELLO_INCOMPATIBLE, f"a hello element says {length} bytes")
        if kind == 1 and length >= 8:
            bits = int.from_bytes(data[at + 4 : at + 8], "big")
            return Hello(versions=frozenset(n for n in range(32) if bits >> n & 1))
        at += (length + 7) // 8 * 8
    return Hello(versions=frozenset(range(1, version + 1)))


def _read_error(data: bytes) -> Refusal:
    _at_least(data, 12, "an error")
    pair = int.from_bytes(data[8:10], "big"), int.from_bytes(data[10:12], "big")
    return Refusal(pair=pair, data=data[12:])


def _read_plain(data: bytes) -> Plain:
    _exactly(data, 8, "a request without a body")
    return Plain(kind=data[1])


def _read_set_config(data: bytes) -> SetConfig:
    _exactly(data, 12, "a set-config")
    return SetConfig(
        flags=int.from_bytes(data[8:10], "big"), miss_send_len=int.from_bytes(data[10:12], "big")
    )


def _read_packet_out(data: bytes) -> PacketOut:
    _at_least(data, 24, "a packet-out")
    buffer, in_port, length = _PACKET_OUT.unpack_from(data, 8)
    if buffer != NO_BUFFER:
        raise WireError(
            error.REQUEST_BUFFER_UNKNOWN, f"buffer {buffer} does not exist: nothing is buffered here"
        )
    if length > len(data) - 24:
        raise WireError(error.REQUEST_BAD_LEN, f"a packet-out says {length} bytes of actions")
    return PacketOut(
        in_port=in_port, actions=action.read_actions(data, 24, 24 + length), data=data[24 + length :]
    )


def _read_flow_mod(data: bytes) -> FlowMod:
    _at_least(data, 56, "a flow-mod")
    (cookie, cookie_mask, table, command, idle, hard, priority, buffer, out_port, out_group, flags) = (
        _FLOW_MOD.unpack_from(data, 8)
    )
    if command > request.DELETE_STRICT:
        raise WireError(error.FLOW_BAD_COMMAND, f"flow-mod command {command}")
    if flags & ~0x1F:
        raise WireError(error.FLOW_BAD_FLAGS, f"flow-mod flags {flags:#x}")
    match, at = oxm.read_match(data, 48, len(data))
    deletes = command in (request.DELETE, request.DELETE_STRICT)
    if buffer != NO_BUFFER and not deletes:
        raise WireError(
            error.REQUEST_BUFFER_UNKNOWN, f"buffer {buffer} does not exist: nothing is buffered here"
        )
    found = Instructions() if deletes else instruction.read_instructions(data, at, len(data))
    entry = FlowEntry(
        table_id=table,
        priority=priority,
        match=match,
        instructions=found,
        cookie=cookie,
        idle_timeout=idle,
        hard_timeout=hard,
        flags=flags,
    )
    return FlowMod(
        command=command, entry=entry, cookie_mask=cookie_mask, out_port=out_port, out_group=out_group
    )


def _read_group_mod(data: bytes) -> GroupMod:
    _at_least(data, 16, "a group-mod")
    command, kind, group_id = _GROUP_MOD.unpack_from(data, 8)
    if command > 2:
        raise WireError(error.GROUP_BAD_COMMAND, f"group-mod command {command}")
    if kind >= len(request.GROUP_TYPES):
        raise WireError(error.GROUP_BAD_TYPE, f"group type {kind}")
    buckets = [] if command == 2 else _read_buckets(data, 16)
    return GroupMod(
        command=command, group_id=group_id, type=request.GROUP_TYPES[kind], buckets=tuple(buckets)
    )


def _read_buckets(data: bytes, at: int) -> list[Bucket]:
    buckets = []
    while at < len(data):
        if len(data) - at < 16:
            raise WireError(error.GROUP_BAD_BUCKET, "a bucket does not fit")
        length, weight, watch_port, watch_group = _BUCKET.unpack_from(data, at)
        if length < 16 or length % 8 or length > len(data) - at:
            raise WireError(error.GROUP_BAD_BUCKET, f"a bucket says {length} bytes")
        if watch_group != ANY:
            raise WireError(error.GROUP_BAD_WATCH, "watching a group is not known here")
        actions = action.read_actions(data, at + 16, at + length)
        buckets.append(Bucket(actions=actions, weight=weight, watch_port=watch_port))
        at += length
    return buckets


def _read_role(data: bytes) -> RoleRequest:
    _exactly(data, 24, "a role request")
    role, generation = _ROLE.unpack_from(data, 8)
    if role > 3:
        raise WireError(error.ROLE_BAD, f"role {role}")
    return RoleRequest(role=role, generation=generation)


def _read_async(data: bytes) -> SetAsync:
    _exactly(data, 32, "a set-async")
    masks = [int.from_bytes(data[n : n + 4], "big") for n in range(8, 32, 4)]
    return SetAsync(
        packet_in=(masks[0], masks[1]), port_status=(masks[2], masks[3]), flow_removed=(masks[4], masks[5])
    )


def _read_multipart(data: bytes) -> Multipart:
    _at_least(data, 16, "a multipart request")
    kind, flags = _MULTIPART.unpack_from(data, 8)
    if flags:
        raise WireError(error.REQUEST_MULTIPART_OVERFLOW, "a request whose other parts did not come")
    if kind in (request.FLOW, request.AGGREGATE):
        _at_least(data, 56, "a flow request")
        table, out_port, out_group, cookie, cookie_mask = _FLOW_STATS.unpack_from(data, 16)
        match, at = oxm.read_match(data, 48, len(data))
        _exactly(data, at, "a flow request")
        flows = FlowQuery(
            table_id=table,
            out_port=out_port,
            out_group=out_group,
            cookie=cookie,
            cookie_mask=cookie_mask,
            match=match,
        )
        return Multipart(kind=kind, flows=flows)
    if kind in (request.PORT_STATS, request.GROUP_STATS, request.METER, request.METER_CONFIG):
        _exactly(data, 24, "a request for ports, groups or meters")
        return Multipart(kind=kind, number=int.from_bytes(data[16:20], "big"))
    if kind == request.QUEUE:
        _exactly(data, 24, "a queue request")
        number, queue = (int.from_bytes(data[n : n + 4], "big") for n in (16, 20))
        return Multipart(kind=kind, number=number, queue=queue)
    if kind > request.PORT_DESC:
        raise WireError(error.REQUEST_BAD_MULTIPART, f"multipart type {kind} is not known here")
    if kind == request.TABLE_FEATURES and len(data) > 16:
        raise WireError(error.TABLE_FEATURES_EPERM, "tables cannot be configured")
    _exactly(data, 16, "a multipart request")
    return Multipart(kind=kind)


_READERS: dict[int, Callable[[bytes], Request]] = {
    frame.ERROR: _read_error,
    frame.ECHO_REQUEST: lambda data: Echo(reply=False, data=data[8:]),
    frame.ECHO_REPLY: lambda data: Echo(reply=True, data=data[8:]),
    frame.FEATURES_REQUEST: _read_plain,
    frame.GET_CONFIG_REQUEST: _read_plain,
    frame.BARRIER_REQUEST: _read_plain,
    frame.GET_ASYNC_REQUEST: _read_plain,
    frame.SET_CONFIG: _read_set_config,
    frame.PACKET_OUT: _read_packet_out,
    frame.FLOW_MOD: _read_flow_mod,
    frame.GROUP_MOD: _read_group_mod,
    frame.METER_MOD: meter.read_mod,
    frame.PORT_MOD: port.read_port_mod,
    frame.TABLE_MOD: port.read_table_mod,
    frame.QUEUE_GET_CONFIG_REQUEST: port.read_queue_config,
    frame.EXPERIMENTER: bundle.read,
    frame.ROLE_REQUEST: _read_role,
    frame.SET_ASYNC: _read_async,
    frame.MULTIPART_REQUEST: _read_multipart,
}
