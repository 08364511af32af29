"""Actions between Ethernet and IP in ovs-ofctl's words, both ways: MPLS, PBB, copied TTLs, queues.

Open vSwitch has no words for PBB and the copied TTLs; those here are the specification's own names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sdn_lab.openflow.action import Action, SetField
from sdn_lab.openflow.action_labels import (
    CopyTtlIn,
    CopyTtlOut,
    DecMplsTtl,
    LabelAction,
    PopMpls,
    PopPbb,
    PushMpls,
    PushPbb,
    SetQueue,
)
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.text_values import Complaint, number


def _bare(name: str, action: Action) -> Callable[[str], Action]:
    def read(argument: str) -> Action:
        if argument:
            raise Complaint("FLW006", f"{name} takes no argument", f"write {name}")
        return action

    return read


def _write(name: str) -> Callable[[str], Action]:
    row = FIELDS[name]
    return lambda argument: SetField(field=name, value=number(argument, row.bits, name), mask=row.full_mask)


def _push(kind: type[PushMpls | PushPbb], known: Sequence[int]) -> Callable[[str], Action]:
    def read(argument: str) -> Action:
        eth_type = number(argument, 16, "the EtherType")
        if eth_type not in known:
            words = " or ".join(f"0x{value:04x}" for value in known)
            raise Complaint("FLW006", f"EtherType {argument} cannot be pushed here", f"push {words}")
        return kind(eth_type=eth_type)

    return read


READERS: Mapping[str, Callable[[str], Action | Sequence[Action]]] = {
    "push_mpls": _push(PushMpls, (0x8847, 0x8848)),
    "pop_mpls": lambda argument: PopMpls(eth_type=number(argument, 16, "the EtherType")),
    "dec_mpls_ttl": _bare("dec_mpls_ttl", DecMplsTtl()),
    "set_mpls_label": _write("mpls_label"),
    "set_mpls_tc": _write("mpls_tc"),
    "set_mpls_ttl": _write("mpls_ttl"),
    "copy_ttl_out": _bare("copy_ttl_out", CopyTtlOut()),
    "copy_ttl_in": _bare("copy_ttl_in", CopyTtlIn()),
    "push_pbb": _push(PushPbb, (0x88E7,)),
    "pop_pbb": _bare("pop_pbb", PopPbb()),
    "set_queue": lambda argument: SetQueue(queue_id=number(argument, 32, "set_queue")),
}


def write_label_action(action: LabelAction) -> str:
    """Write one action."""
    match action:
        case PushMpls(eth_type=eth_type):
            return f"push_mpls:0x{eth_type:04x}"
        case PopMpls(eth_type=eth_type):
            return f"pop_mpls:0x{eth_type:04x}"
        case DecMplsTtl():
            return "dec_mpls_ttl"
        case CopyTtlOut():
            return "copy_ttl_out"
        case CopyTtlIn():
            return "copy_ttl_in"
        case PushPbb(eth_type=eth_type):
            return f"push_pbb:0x{eth_type:04x}"
        case PopPbb():
            return "pop_pbb"
        case SetQueue(queue_id=queue_id):
            return f"set_queue:{queue_id}"
