"""Write the actions that only Open vSwitch has, as ``ovs-ofctl dump-flows`` does."""

from __future__ import annotations

from collections.abc import Callable

from sdn_lab.openflow import registers
from sdn_lab.openflow.action import Action, Subfield
from sdn_lab.openflow.action_ovs import (
    MAX_LEN,
    REASON_ACTION,
    Bundle,
    CheckPktLarger,
    Clone,
    Controller,
    Decap,
    DecNshTtl,
    DeleteField,
    Encap,
    Enqueue,
    Exit,
    FinTimeout,
    Learn,
    Multipath,
    Note,
    OutputTruncated,
    OvsAction,
    PopQueue,
    Sample,
    StackPop,
    StackPush,
)
from sdn_lab.openflow.text_learn import write_learn
from sdn_lab.openflow.text_values import write_of_port

_REASONS = ("no_match", "action", "invalid_ttl", "action_set", "group", "packet_out")


def write_ovs_action(
    action: OvsAction,
    write_subfield: Callable[[Subfield], str],
    write_actions: Callable[[tuple[Action, ...]], str],
) -> str:
    """Write one action; the two functions are `text_action_write`'s."""
    match action:
        case OutputTruncated(of_port=port, max_len=max_len):
            return f"output(port={write_of_port(port)},max_len={max_len})"
        case Controller():
            return _controller(action)
        case Enqueue(of_port=port, queue_id=queue):
            return f"enqueue:{write_of_port(port)}:{queue}"
        case PopQueue():
            return "pop_queue"
        case StackPush(parts=parts):
            return f"push:{_wide(parts, write_subfield)}"
        case StackPop(parts=parts):
            return f"pop:{_wide(parts, write_subfield)}"
        case Clone(actions=actions):
            return f"clone({write_actions(actions)})"
        case Exit():
            return "exit"
        case Note(data=data):
            return f"note:{data.hex('.') if data else ''}"
        case Sample():
            return _sample(action)
        case FinTimeout(idle_timeout=idle, hard_timeout=hard):
            words = [
                f"{name}={value}" for name, value in (("idle_timeout", idle), ("hard_timeout", hard)) if value
            ]
            return f"fin_timeout({','.join(words)})"
        case CheckPktLarger(size=size, target=target):
            return f"check_pkt_larger({size})->{write_subfield(target)}"
        case DeleteField(field=name):
            return f"delete_field:{name}"
        case Multipath(target=target):
            head = f"{action.fields},{action.basis},{action.algorithm},{action.n_links},{action.arg}"
            return f"multipath({head},{write_subfield(target)})"
        case Bundle(target=target):
            ports = ",".join(write_of_port(port) for port in action.members)
            head = f"{action.fields},{action.basis},{action.algorithm},ofport"
            if target is None:
                return f"bundle({head},members:{ports})"
            return f"bundle_load({head},{write_subfield(target)},members:{ports})"
        case Learn():
            return write_learn(action, write_subfield)
        case Encap(header=header, properties=properties):
            inner = ",".join(f"tlv({v})" if k == "tlv" else f"{k}={v}" for k, v in properties)
            return f"encap({header}{f'({inner})' if inner else ''})"
        case Decap(packet_type=kind):
            return "decap()" if kind is None else f"decap(packet_type(ns={kind[0]},type=0x{kind[1]:x}))"
        case DecNshTtl():
            return "dec_nsh_ttl"


def _controller(action: Controller) -> str:
    words = []
    if action.reason != REASON_ACTION:
        words.append(f"reason={_REASONS[action.reason]}")
    if action.max_len != MAX_LEN:
        words.append(f"max_len={action.max_len}")
    if action.controller_id:
        words.append(f"id={action.controller_id}")
    if action.userdata:
        words.append(f"userdata={action.userdata.hex('.')}")
    if action.pause:
        words.append("pause")
    if action.meter_id:
        words.append(f"meter_id={action.meter_id}")
    return f"controller({','.join(words)})"


def _sample(action: Sample) -> str:
    words = [
        f"probability={action.probability}",
        f"collector_set_id={action.collector_set_id}",
        f"obs_domain_id={action.obs_domain_id}",
        f"obs_point_id={action.obs_point_id}",
    ]
    if action.sampling_port is not None:
        words.append(f"sampling_port={write_of_port(action.sampling_port)}")
    if action.direction:
        words.append(action.direction)
    return f"sample({','.join(words)})"


def _wide(parts: tuple[Subfield, ...], write_subfield: Callable[[Subfield], str]) -> str:
    return write_subfield(parts[0]) if len(parts) == 1 else wide_name(parts)


def wide_name(parts: tuple[Subfield, ...]) -> str:
    """Write neighbouring parts of registers as one part of a wide register."""
    name, start, bits = registers.joined(parts)
    whole = "[]" if bits == registers.WIDE[name][1] else f"[{start}..{start + bits - 1}]"
    return (f"NXM_NX_{name.upper()}" if name.startswith("xx") else f"OXM_OF_PKT_REG{name[4:]}") + whole
