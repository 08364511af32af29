"""Bundles on the wire: ONF's extension 230, OpenFlow 1.4's bundles for OpenFlow 1.3.

A bundle is opened, gets messages, and is committed: then all of them are done, or none.

Reference: ONF EXT-230, "Bundles extension"; OpenFlow 1.4.1 section 7.3.9.
"""

from __future__ import annotations

from struct import Struct

from sdn_lab.openflow.wire import error, frame
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import BundleAdd, BundleControl

ONF = 0x4F4E4600
CONTROL, ADD = 2300, 2301
OPEN, CLOSE, COMMIT, DISCARD = 0, 2, 4, 6
_FLAGS = 0b11  # atomic, ordered: ours are both
_HEAD = Struct("!II")
_CONTROL = Struct("!IHH")
_ADD = Struct("!I2xH")
_BODY = 8 + _HEAD.size + _CONTROL.size  # where a message inside, or a property, begins


def read(data: bytes) -> BundleControl | BundleAdd:
    """Decode an experimenter's message.  Raises WireError."""
    if len(data) < 16:
        raise WireError(error.REQUEST_BAD_LEN, f"an experimenter's message of {len(data)} bytes")
    whose, kind = _HEAD.unpack_from(data, 8)
    if whose != ONF or kind not in (CONTROL, ADD):
        what = f"message {kind} of experimenter {whose:#x} is not known here"
        raise WireError(error.REQUEST_BAD_EXPERIMENTER, what)
    if len(data) < _BODY:
        raise WireError(error.REQUEST_BAD_LEN, f"a bundle's message of {len(data)} bytes")
    if kind == CONTROL:
        number, asked, flags = _CONTROL.unpack_from(data, 16)
        _check_flags(flags)
        if asked not in (OPEN, CLOSE, COMMIT, DISCARD):
            raise WireError(error.BUNDLE_BAD_TYPE, f"bundle control of type {asked}")
        return BundleControl(bundle_id=number, kind=asked, flags=flags)
    number, flags = _ADD.unpack_from(data, 16)
    _check_flags(flags)
    inner = data[_BODY:]
    length = int.from_bytes(inner[2:4], "big")
    if len(inner) < frame.HEADER.size or not frame.HEADER.size <= length <= len(inner):
        raise WireError(error.BUNDLE_MSG_BAD_LEN, f"a message in a bundle says {length} bytes")
    if inner[4:8] != data[4:8]:
        raise WireError(error.BUNDLE_MSG_BAD_XID, "a message in a bundle has a number of its own")
    return BundleAdd(bundle_id=number, flags=flags, message=inner[:length])


def _check_flags(flags: int) -> None:
    if flags & ~_FLAGS:
        raise WireError(error.BUNDLE_BAD_FLAGS, f"bundle flags {flags:#x}")


def reply(xid: int, asked: BundleControl) -> bytes:
    """Say that what was asked of a bundle is done."""
    body = _CONTROL.pack(asked.bundle_id, asked.kind + 1, asked.flags)
    return frame.message(frame.EXPERIMENTER, xid, _HEAD.pack(ONF, CONTROL) + body)
