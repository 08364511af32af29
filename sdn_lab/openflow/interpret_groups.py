"""Groups and action sets: which buckets, and in which order their actions run.

A bucket is an action set: actions run in OpenFlow's order (5.10), not as written, and one that ends in
nothing that sends does nothing.

Reference: OpenFlow 1.3.5 sections 5.6.1, 5.10; Open vSwitch, `ofpacts_execute_action_set`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from zlib import crc32

from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow.action import (
    Action,
    Ct,
    DecTtl,
    GroupAction,
    Move,
    Output,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from sdn_lab.openflow.entry import Bucket, Group, GroupType
from sdn_lab.openflow.fields_ovs import ACTSET_UNSET

_SET_ORDER: tuple[tuple[type, ...], ...] = (
    (labels.CopyTtlIn,),
    (PopVlan,),
    (labels.PopMpls,),
    (labels.PopPbb,),
    (labels.PushMpls,),
    (labels.PushPbb,),
    (PushVlan,),
    (labels.CopyTtlOut,),
    (DecTtl,),
    (labels.DecMplsTtl,),
    (SetField, Move),
    (labels.SetQueue,),
)
_SET_LAST: tuple[type, ...] = (GroupAction, Output, Resubmit, Ct)  # not OutputField, in Open vSwitch


def chosen(group: Group, fields: Mapping[str, int], ports: Collection[int]) -> tuple[Sequence[Bucket], str]:
    """Return the buckets that a packet takes, and a remark where another switch may choose otherwise."""
    if group.type is GroupType.ALL:
        return group.buckets, ""
    if group.type is GroupType.INDIRECT:
        return group.buckets[:1], ""
    if group.type is GroupType.FAST_FAILOVER:
        return [bucket for bucket in group.buckets if bucket.watch_port in ports][:1], ""
    live = [bucket for bucket in group.buckets if bucket.weight]
    if len(live) < 2:
        return live, ""
    names = ("eth_src", "eth_dst", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "ip_proto")
    l4 = ("tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst")
    point = crc32(repr([fields.get(name) for name in names + l4]).encode()) % sum(b.weight for b in live)
    for bucket in live[:-1]:
        if point < bucket.weight:
            break
        point -= bucket.weight
    else:
        bucket = live[-1]
    return (bucket,), f"group {group.group_id} selects a bucket by a hash of its own"


def destination(action_set: Sequence[Action]) -> int:
    """Return what the field `actset_output` is: the port where the set sends to, if that is all it does."""
    if any(isinstance(action, GroupAction) for action in action_set):
        return ACTSET_UNSET
    return next((a.of_port for a in reversed(action_set) if isinstance(a, Output)), ACTSET_UNSET)


def in_order(action_set: Sequence[Action]) -> list[Action]:
    """Return an action set in the order of execution; without an end that sends, it does nothing."""
    last = next(
        (a for kind in _SET_LAST for a in reversed(action_set) if isinstance(a, kind)),
        None,
    )
    if last is None:
        return []
    ordered: list[Action] = []
    for kinds in _SET_ORDER:
        chosen = [a for a in action_set if isinstance(a, kinds)]
        ordered.extend(chosen if kinds == (SetField, Move) else chosen[-1:])
    return [*ordered, last]
