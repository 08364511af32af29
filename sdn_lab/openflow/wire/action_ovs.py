"""Open vSwitch's own actions (`openflow.action_ovs`), to and from its bytes.

``learn`` has a module of its own (`action_learn`), and so has what puts headers on and off (`action_encap`).
``enqueue`` has no bytes in OpenFlow 1.3: as Open vSwitch, we send ``set_queue``, ``output``, ``pop_queue``.

Reference: ovs-actions(7); Open vSwitch's ``lib/ofp-actions.c``, the `struct nx_action_...`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_ovs as value
from sdn_lab.openflow import registers
from sdn_lab.openflow.wire import error, oxm
from sdn_lab.openflow.wire.action_form import (
    at_least,
    check_writable,
    check_zero,
    exactly,
    nicira,
    number,
    read_place,
    write_place,
)
from sdn_lab.openflow.wire.error import WireError

(POP_QUEUE, NOTE, MULTIPATH, BUNDLE, BUNDLE_LOAD, EXIT) = (5, 8, 10, 12, 13, 17)
(FIN_TIMEOUT, CONTROLLER, STACK_PUSH, STACK_POP) = (19, 20, 27, 28)
(SAMPLE, CONTROLLER2, SAMPLE2, OUTPUT_TRUNC, SAMPLE3) = (29, 37, 38, 39, 41)
(CHECK_PKT_LARGER, DELETE_FIELD) = (49, 50)

_HASHES = (
    *("eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp"),
    *("nw_src", "nw_dst", "symmetric_l3"),
)
_ALGORITHMS = ("modulo_n", "hash_threshold", "hrw", "iter_hash")
_BUNDLE_ALGORITHMS = ("active_backup", "hrw")
_DIRECTIONS = ("", "ingress", "egress")
_NO_PORT = 0xFFFF
_IN_PORT = b"\x00\x00\x00\x02"  # NXM_OF_IN_PORT
_BODY = 10  # where an action's own bytes begin

_MULTIPATH = Struct("!HH2xHHI2xHI")
_BUNDLE = Struct("!HHHIHHI4x")
_SAMPLE = Struct("!HIII")
_SAMPLE2 = Struct("!HIIIHB5x")
_FIN_TIMEOUT = Struct("!HH2x")
_CONTROLLER = Struct("!HHBx")
_TRUNC = Struct("!HI")
_CHECK = Struct("!HH")
_STACK_SIZE = _CHECK_SIZE = _DELETE_SIZE = 24
_MAX_LEN, _CONTROLLER_ID, _REASON, _USERDATA, _PAUSE, _METER_ID = range(6)  # of CONTROLLER2
_SIZES = {_MAX_LEN: 8, _CONTROLLER_ID: 8, _REASON: 5, _USERDATA: 0, _PAUSE: 4, _METER_ID: 8}


def _named(names: Sequence[str], at: int, what: str) -> str:
    if at >= len(names):
        raise WireError(error.ACTION_BAD_ARGUMENT, f"{what} {at} is not known here")
    return names[at]


def _stack_parts(body: bytes, what: str) -> tuple[act.Subfield, ...]:
    exactly(body, _STACK_SIZE, what)
    at = 12 + (8 if body[12:14] == b"\xff\xff" else 4)
    parts, _ = oxm.read_subfields(body, 12, len(body), number(body, 10, 2), number(body, at, 2))
    check_zero(body, at + 2, what)
    return parts


def _read_push(body: bytes) -> value.StackPush:
    return value.StackPush(parts=_stack_parts(body, "push"))


def _read_pop(body: bytes) -> value.StackPop:
    parts = _stack_parts(body, "pop")
    check_writable(*parts)
    return value.StackPop(parts=parts)


def _write_stack(subtype: int, parts: tuple[act.Subfield, ...]) -> bytes:
    header, start, bits = oxm.write_subfields(parts)
    body = start.to_bytes(2) + header + bits.to_bytes(2)
    return nicira(subtype, body.ljust(_STACK_SIZE - _BODY, b"\0"))


def _read_note(body: bytes) -> value.Note:
    return value.Note(data=body[_BODY:])


def _read_multipath(body: bytes) -> value.Multipath:
    exactly(body, 32, "multipath")
    hashed, basis, algorithm, last, arg, packed, _ = _MULTIPATH.unpack_from(body, _BODY)
    target = read_place(body, 28, packed)
    check_writable(target)
    if last >> target.bits:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"{last + 1} links do not fit {target.bits} bits")
    return value.Multipath(
        fields=_named(_HASHES, hashed, "hash"),
        basis=basis,
        algorithm=_named(_ALGORITHMS, algorithm, "the multipath algorithm"),
        n_links=last + 1,
        arg=arg,
        target=target,
    )


def _write_multipath(a: value.Multipath) -> bytes:
    hashed, algorithm = _HASHES.index(a.fields), _ALGORITHMS.index(a.algorithm)
    return nicira(
        MULTIPATH, _MULTIPATH.pack(hashed, a.basis, algorithm, a.n_links - 1, a.arg, *write_place(a.target))
    )


def _read_bundle(body: bytes) -> value.Bundle:
    at_least(body, 32, "bundle")
    algorithm, hashed, basis, kind, members, packed, _ = _BUNDLE.unpack_from(body, _BODY)
    if kind.to_bytes(4) != _IN_PORT:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"bundle of members of type {kind:#x}")
    if len(body) - 32 < 2 * members:
        raise WireError(error.ACTION_BAD_LEN, f"bundle says that it has {members} members")
    check_zero(body, 32 + 2 * members, "bundle")
    target = None
    if body[9] == BUNDLE_LOAD:
        target = read_place(body, 24, packed)
        check_writable(target)
    elif packed or number(body, 24, 4):
        raise WireError(error.ACTION_BAD_ARGUMENT, "bundle names a field")
    return value.Bundle(
        fields=_named(_HASHES, hashed, "hash"),
        basis=basis,
        algorithm=_named(_BUNDLE_ALGORITHMS, algorithm, "the bundle algorithm"),
        members=tuple(registers.wide_port(number(body, at, 2)) for at in range(32, 32 + 2 * members, 2)),
        target=target,
    )


def _write_bundle(a: value.Bundle) -> bytes:
    head = _BUNDLE.pack(
        _BUNDLE_ALGORITHMS.index(a.algorithm),
        _HASHES.index(a.fields),
        a.basis,
        int.from_bytes(_IN_PORT),
        len(a.members),
        *((0, 0) if a.target is None else write_place(a.target)),
    )
    ports = b"".join(oxm.narrow_port(port).to_bytes(2) for port in a.members)
    return nicira(BUNDLE if a.target is None else BUNDLE_LOAD, head + ports)


def _read_sample(body: bytes) -> value.Sample:
    subtype = body[9]
    exactly(body, 24 if subtype == SAMPLE else 32, "sample")
    port, direction = _NO_PORT, 0
    if subtype == SAMPLE:
        probability, collectors, domain, point = _SAMPLE.unpack_from(body, _BODY)
    else:
        probability, collectors, domain, point, port, direction = _SAMPLE2.unpack_from(body, _BODY)
    if not probability:
        raise WireError(error.ACTION_BAD_ARGUMENT, "sample with probability 0")
    if direction and subtype != SAMPLE3:
        raise WireError(error.ACTION_BAD_ARGUMENT, "sample has bytes left over")
    return value.Sample(
        probability=probability,
        collector_set_id=collectors,
        obs_domain_id=domain,
        obs_point_id=point,
        sampling_port=None if port == _NO_PORT else registers.wide_port(port),
        direction=_named(_DIRECTIONS, direction, "the direction of sample"),
    )


def _write_sample(a: value.Sample) -> bytes:
    first = a.probability, a.collector_set_id, a.obs_domain_id, a.obs_point_id
    if a.sampling_port is None and not a.direction:
        return nicira(SAMPLE, _SAMPLE.pack(*first))
    port = _NO_PORT if a.sampling_port is None else oxm.narrow_port(a.sampling_port)
    body = _SAMPLE2.pack(*first, port, _DIRECTIONS.index(a.direction))
    return nicira(SAMPLE3 if a.direction else SAMPLE2, body)


def _read_fin_timeout(body: bytes) -> value.FinTimeout:
    exactly(body, 16, "fin_timeout")
    idle, hard = _FIN_TIMEOUT.unpack_from(body, _BODY)
    return value.FinTimeout(idle_timeout=idle, hard_timeout=hard)


def _controller(a: value.Controller) -> act.Action:
    """Return what it amounts to: the plain CONTROLLER is OpenFlow's own."""
    if a == value.Controller(max_len=a.max_len):
        return act.Output(of_port=act.CONTROLLER, max_len=a.max_len)
    return a


def _read_controller(body: bytes) -> act.Action:
    exactly(body, 16, "controller")
    max_len, own, reason = _CONTROLLER.unpack_from(body, _BODY)
    return _controller(value.Controller(max_len=max_len, controller_id=own, reason=reason))


def _read_controller2(body: bytes) -> act.Action:
    if any(body[_BODY:16]):
        raise WireError(error.ACTION_BAD_ARGUMENT, "controller has bytes where none are")
    found: dict[int, bytes] = {}
    at = 16
    while at < len(body):
        kind, length = number(body, at, 2), number(body, at + 2, 2)
        if length < 4 or at + length > len(body):
            raise WireError(error.ACTION_BAD_LEN, f"a property of controller says {length} bytes")
        if kind not in _SIZES:
            raise WireError(error.ACTION_BAD_ARGUMENT, f"property {kind} of controller is not known here")
        if length != _SIZES[kind] and kind != _USERDATA:
            raise WireError(error.ACTION_BAD_LEN, f"property {kind} of controller says {length} bytes")
        found[kind] = body[at + 4 : at + length]
        at += (length + 7) // 8 * 8
    return _controller(
        value.Controller(
            max_len=number(found.get(_MAX_LEN, b"\xff\xff"), 0, 2),
            controller_id=number(found.get(_CONTROLLER_ID, b""), 0, 2),
            reason=number(found.get(_REASON, b"\x01"), 0, 1),
            userdata=found.get(_USERDATA, b""),
            pause=_PAUSE in found,
            meter_id=number(found.get(_METER_ID, b""), 0, 4),
        )
    )


def _write_controller(a: value.Controller) -> bytes:
    if not (a.userdata or a.pause or a.meter_id):
        return nicira(CONTROLLER, _CONTROLLER.pack(a.max_len, a.controller_id, a.reason))
    said = {
        _MAX_LEN: a.max_len.to_bytes(2) + bytes(2) if a.max_len != value.MAX_LEN else None,
        _CONTROLLER_ID: a.controller_id.to_bytes(2) + bytes(2) if a.controller_id else None,
        _REASON: a.reason.to_bytes(1) if a.reason != value.REASON_ACTION else None,
        _USERDATA: a.userdata or None,
        _PAUSE: b"" if a.pause else None,
        _METER_ID: a.meter_id.to_bytes(4) if a.meter_id else None,
    }
    body = bytes(6)
    for kind, data in said.items():
        if data is not None:
            length = 4 + len(data)
            body += kind.to_bytes(2) + length.to_bytes(2) + data + bytes(-length % 8)
    return nicira(CONTROLLER2, body)


def _read_output_trunc(body: bytes) -> value.OutputTruncated:
    exactly(body, 16, "output with a max_len")
    port, max_len = _TRUNC.unpack_from(body, _BODY)
    return value.OutputTruncated(of_port=registers.wide_port(port), max_len=max_len)


def _read_check(body: bytes) -> value.CheckPktLarger:
    exactly(body, _CHECK_SIZE, "check_pkt_larger")
    size, start = _CHECK.unpack_from(body, _BODY)
    target, _ = oxm.read_subfield(body, 14, len(body), start, 1)
    check_writable(target)
    return value.CheckPktLarger(size=size, target=target)


def _read_delete(body: bytes) -> value.DeleteField:
    exactly(body, _DELETE_SIZE, "delete_field")
    code, masked, _, _ = oxm.read_header(body, _BODY, len(body), error.ACTION_BAD_ARGUMENT)
    if masked or not code.name.startswith("tun_metadata"):
        raise WireError(error.ACTION_BAD_ARGUMENT, f"{code.name} cannot be deleted")
    return value.DeleteField(field=code.name)


def _bare(made: act.Action, what: str) -> Callable[[bytes], act.Action]:
    def read(body: bytes) -> act.Action:
        exactly(body, 16, what)
        return made

    return read


READERS: Mapping[int, Callable[[bytes], act.Action]] = {
    POP_QUEUE: _bare(value.PopQueue(), "pop_queue"),
    EXIT: _bare(value.Exit(), "exit"),
    NOTE: _read_note,
    MULTIPATH: _read_multipath,
    BUNDLE: _read_bundle,
    BUNDLE_LOAD: _read_bundle,
    FIN_TIMEOUT: _read_fin_timeout,
    CONTROLLER: _read_controller,
    CONTROLLER2: _read_controller2,
    STACK_PUSH: _read_push,
    STACK_POP: _read_pop,
    SAMPLE: _read_sample,
    SAMPLE2: _read_sample,
    SAMPLE3: _read_sample,
    OUTPUT_TRUNC: _read_output_trunc,
    CHECK_PKT_LARGER: _read_check,
    DELETE_FIELD: _read_delete,
}

WRITERS: Mapping[type, Callable[..., bytes]] = {
    value.OutputTruncated: lambda a: nicira(OUTPUT_TRUNC, _TRUNC.pack(oxm.narrow_port(a.of_port), a.max_len)),
    value.Controller: _write_controller,
    value.PopQueue: lambda _: nicira(POP_QUEUE, b""),
    value.StackPush: lambda a: _write_stack(STACK_PUSH, a.parts),
    value.StackPop: lambda a: _write_stack(STACK_POP, a.parts),
    value.Exit: lambda _: nicira(EXIT, b""),
    value.Note: lambda a: nicira(NOTE, a.data.ljust(6, b"\0")),
    value.Sample: _write_sample,
    value.FinTimeout: lambda a: nicira(FIN_TIMEOUT, _FIN_TIMEOUT.pack(a.idle_timeout, a.hard_timeout)),
    value.CheckPktLarger: lambda a: nicira(
        CHECK_PKT_LARGER,
        (_CHECK.pack(a.size, a.target.start) + oxm.write_place(a.target)).ljust(14, b"\0"),
    ),
    value.DeleteField: lambda a: nicira(DELETE_FIELD, oxm.write_field(a.field).ljust(14, b"\0")),
    value.Multipath: _write_multipath,
    value.Bundle: _write_bundle,
}
