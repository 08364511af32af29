"""The actions of `action_labels` on the wire: bytes to values and back.

``set_mpls_ttl`` is read as a write to `mpls_ttl`.  Reference: OpenFlow 1.3.5 section 7.2.5.
"""

from __future__ import annotations

from sdn_lab.openflow import action_labels as value
from sdn_lab.openflow.fields_labels import ETH_MPLS, ETH_MPLS_MULTICAST, ETH_PBB
from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError

COPY_TTL_OUT, COPY_TTL_IN, SET_MPLS_TTL, DEC_MPLS_TTL = 11, 12, 15, 16
PUSH_MPLS, POP_MPLS, SET_QUEUE, PUSH_PBB, POP_PBB = 19, 20, 21, 26, 27

_BARE: dict[int, value.LabelAction] = {
    COPY_TTL_OUT: value.CopyTtlOut(),
    COPY_TTL_IN: value.CopyTtlIn(),
    DEC_MPLS_TTL: value.DecMplsTtl(),
    POP_PBB: value.PopPbb(),
}
KINDS = frozenset({*_BARE, PUSH_MPLS, POP_MPLS, SET_QUEUE, PUSH_PBB})


def read(kind: int, body: bytes) -> value.LabelAction:
    """Read an action of one of `KINDS` from its eight bytes.  Raises WireError."""
    if kind in _BARE:
        return _BARE[kind]
    if kind == SET_QUEUE:
        return value.SetQueue(queue_id=int.from_bytes(body[4:8], "big"))
    eth_type = int.from_bytes(body[4:6], "big")
    if kind == POP_MPLS:
        return value.PopMpls(eth_type=eth_type)
    allowed = (ETH_PBB,) if kind == PUSH_PBB else (ETH_MPLS, ETH_MPLS_MULTICAST)
    if eth_type not in allowed:
        raise WireError(
            error.ACTION_BAD_ARGUMENT, f"EtherType {eth_type:#x} cannot be pushed by action {kind}"
        )
    return value.PushPbb(eth_type=eth_type) if kind == PUSH_PBB else value.PushMpls(eth_type=eth_type)


def write(a: value.LabelAction) -> tuple[int, bytes]:
    """Return an action's type and what follows its header."""
    match a:
        case value.SetQueue():
            return SET_QUEUE, a.queue_id.to_bytes(4, "big")
        case value.PushMpls():
            return PUSH_MPLS, a.eth_type.to_bytes(2, "big")
        case value.PopMpls():
            return POP_MPLS, a.eth_type.to_bytes(2, "big")
        case value.PushPbb():
            return PUSH_PBB, a.eth_type.to_bytes(2, "big")
        case _:
            return next((kind, b"") for kind, held in _BARE.items() if held == a)
