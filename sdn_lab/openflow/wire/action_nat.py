"""``nat`` inside ``ct``, to and from Open vSwitch's bytes (``NXAST_NAT``).

Flags say which end and how to choose; a bit map says which parts of the ranges follow: IPv4, IPv6, ports,
each first and last.  Reference: ovs-actions(7); ``lib/ofp-actions.c``, `struct nx_action_nat`.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from sdn_lab.openflow.action_nat import Address, Nat, NatKind
from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError

SUBTYPE = 36
_SRC, _DST, _PERSISTENT, _HASH, _RANDOM = 1, 2, 4, 8, 16
_HEAD = Struct("!2xHH")
_HEAD_SIZE = 16  # with the experimenter's header


def read(body: bytes) -> Nat:
    """Read one action, its header included.  Raises WireError."""
    if len(body) < _HEAD_SIZE:
        raise WireError(error.ACTION_BAD_LEN, f"nat has {len(body)} bytes")
    flags, present = _HEAD.unpack_from(body, 10)
    if flags & ~0x1F or present & ~0x3F or flags & (_SRC | _DST) == _SRC | _DST:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"nat has flags {flags:#x} and ranges {present:#x}")
    at = _HEAD_SIZE

    def take(size: int, bit: int, make: Callable[[bytes], int | Address]) -> int | Address | None:
        nonlocal at
        if not present & bit:
            return None
        part, at = body[at : at + size], at + size
        if len(part) < size:
            raise WireError(error.ACTION_BAD_LEN, "nat's ranges do not fit")
        return make(part)

    v4 = take(4, 1, IPv4Address), take(4, 2, IPv4Address)
    v6 = take(16, 4, IPv6Address), take(16, 8, IPv6Address)
    ports = take(2, 16, int.from_bytes), take(2, 32, int.from_bytes)
    if len(body) - at >= 8:
        raise WireError(error.ACTION_BAD_LEN, "nat has bytes left over")
    if (v4[0] and v6[0]) or (v4[1] and not v4[0]) or (v6[1] and not v6[0]) or (ports[1] and not ports[0]):
        raise WireError(error.ACTION_BAD_ARGUMENT, "nat has the end of a range without its start")
    first, last = v4 if v4[0] else v6
    nat = Nat(
        kind=NatKind.SRC if flags & _SRC else NatKind.DST if flags & _DST else NatKind.KNOWN,
        addresses=(first, last or first) if first else None,  # type: ignore[arg-type]
        ports=(ports[0], ports[1] or ports[0]) if ports[0] else None,  # type: ignore[arg-type]
        persistent=bool(flags & _PERSISTENT),
        by_hash=bool(flags & _HASH),
        random=bool(flags & _RANDOM),
    )
    wrong = nat.complaint()
    if wrong is not None:
        raise WireError(error.ACTION_BAD_ARGUMENT, wrong)
    return nat


def write(nat: Nat) -> bytes:
    """Return what follows the experimenter's header, not padded."""
    flags = {NatKind.SRC: _SRC, NatKind.DST: _DST, NatKind.KNOWN: 0}[nat.kind]
    flags |= (_PERSISTENT if nat.persistent else 0) | (_HASH if nat.by_hash else 0)
    flags |= _RANDOM if nat.random else 0
    present, ranges = 0, b""
    if nat.addresses is not None:
        bit = 1 if nat.addresses[0].version == 4 else 4
        for number, address in enumerate(dict.fromkeys(nat.addresses)):
            present |= bit << number
            ranges += address.packed
    if nat.ports is not None:
        for number, port in enumerate(dict.fromkeys(nat.ports)):
            present |= 16 << number
            ranges += port.to_bytes(2)
    return _HEAD.pack(flags, present) + ranges
