"""Write actions and instructions in the words of ``ovs-ofctl dump-flows``.

``set_field`` always, never ``load``: Open vSwitch takes it with any mask, and its dump reads back the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from sdn_lab.openflow import registers
from sdn_lab.openflow.action import (
    CONTROLLER,
    RESERVED,
    Action,
    Conjunction,
    Ct,
    CtClear,
    DecTtl,
    GroupAction,
    Move,
    Output,
    OutputField,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    Subfield,
)
from sdn_lab.openflow.action_labels import (
    CopyTtlIn,
    CopyTtlOut,
    DecMplsTtl,
    PopMpls,
    PopPbb,
    PushMpls,
    PushPbb,
    SetQueue,
)
from sdn_lab.openflow.entry import Instructions
from sdn_lab.openflow.fields import FIELDS, Field
from sdn_lab.openflow.text_action_ovs_write import write_ovs_action
from sdn_lab.openflow.text_ct import write_ct
from sdn_lab.openflow.text_labels import write_label_action
from sdn_lab.openflow.text_values import SET_NAMES, write_masked, write_of_port

_M64 = (1 << 64) - 1


def write_instructions(instructions: Instructions) -> str:
    """Write what stands behind ``actions=``."""
    words = [] if instructions.meter is None else [f"meter:{instructions.meter}"]
    words += [write_action(action) for action in instructions.apply]
    if instructions.clear:
        words.append("clear_actions")
    if instructions.write:
        words.append(f"write_actions({write_actions(instructions.write)})")
    if instructions.metadata is not None:
        value, mask = instructions.metadata
        words.append(f"write_metadata:0x{value:x}" + ("" if mask == _M64 else f"/0x{mask:x}"))
    if instructions.goto is not None:
        words.append(f"goto_table:{instructions.goto}")
    return ",".join(words) or "drop"


def write_actions(actions: Sequence[Action]) -> str:
    """Write a list of actions."""
    return ",".join(write_action(action) for action in actions) or "drop"


def write_subfield(part: Subfield) -> str:
    """Write a part of a field."""
    row = FIELDS[part.field]
    name, bits, last = row.nxm, row.bits, part.start + part.bits - 1
    if part.field == "in_port":
        short = last < registers.IN_PORT_BITS
        name, bits = (name, registers.IN_PORT_BITS) if short else ("OXM_OF_IN_PORT", bits)
    if part.bits == bits:
        return f"{name}[]"
    return f"{name}[{part.start}]" if part.bits == 1 else f"{name}[{part.start}..{last}]"


def write_action(action: Action) -> str:
    """Write one action."""
    match action:
        case Output(of_port=port, max_len=max_len):
            if port == CONTROLLER:
                return f"CONTROLLER:{max_len}"
            return write_of_port(port) if port in RESERVED.values() else f"output:{port}"
        case OutputField(source=source):
            return f"output:{write_subfield(source)}"
        case SetField(field=name, value=value, mask=mask):
            return f"set_field:{_write_set(FIELDS[name], value, mask)}->{SET_NAMES.get(name, name)}"
        case Move(source=source, target=target):
            return f"move:{write_subfield(source)}->{write_subfield(target)}"
        case GroupAction(group_id=group_id):
            return f"group:{group_id}"
        case PushVlan(eth_type=eth_type):
            return f"push_vlan:0x{eth_type:04x}"
        case PopVlan():
            return "pop_vlan"
        case DecTtl(controllers=ids):
            return "dec_ttl" if ids == (0,) else f"dec_ttl({','.join(map(str, ids))})"
        case Resubmit(in_port=in_port, table=table, ct=ct):
            if in_port is None and table is None and not ct:
                return "resubmit:IN_PORT"
            by_port = "" if in_port is None else write_of_port(in_port)
            return f"resubmit({by_port},{'' if table is None else table}{',ct' if ct else ''})"
        case Ct():
            return write_ct(action, write_subfield, write_actions)
        case CtClear():
            return "ct_clear"
        case Conjunction(id=conj_id, clause=clause, n_clauses=n_clauses):
            return f"conjunction({conj_id},{clause}/{n_clauses})"
        case (
            PushMpls()
            | PopMpls()
            | DecMplsTtl()
            | CopyTtlOut()
            | CopyTtlIn()
            | PushPbb()
            | PopPbb()
            | SetQueue()
        ):
            return write_label_action(action)
        case _:
            return write_ovs_action(action, write_subfield, write_actions)


def _write_set(row: Field, value: int, mask: int) -> str:
    if row.name in ("vlan_vid", "vlan_pcp", "ip_dscp", "ip_ecn") and mask == row.full_mask:
        return str(value)
    return write_masked(row, value, mask)
