"""Does an entry make sense, as far as form goes?  What a switch refuses beyond what cannot be decoded.

Open vSwitch refuses, for an OpenFlow 1.3 connection, an action that its entry's match does not make possible
(writing ``tcp_dst`` where TCP was not tested, ``ct`` on what may not be IP), a ``goto_table`` that does not
go forward, and a group that does not exist.  So do we, so that tables that load here load there.  What an
action writes is not taken into account: an entry cannot set ``icmpv6_type`` and then ``nd_tll``.

Reference: OpenFlow 1.3.5 sections 5.10 and 7.2.5 ("match inconsistent"); ovs-actions(7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import get_args

from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow import action_ovs as ovs
from sdn_lab.openflow import fields
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fields_labels import ETH_MPLS, ETH_MPLS_MULTICAST, ETH_PBB
from sdn_lab.openflow.interpret import refused, unseen
from sdn_lab.openflow.packet_parse import TCP
from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError

_LAST_TABLE = 253
_MPLS = (ETH_MPLS, ETH_MPLS_MULTICAST)
_WITH_TTL = (*_MPLS, fields.ETH_IP, fields.ETH_IPV6)
_LABEL_NEEDS: Mapping[type, tuple[int, ...]] = {
    labels.PopMpls: _MPLS,
    labels.DecMplsTtl: _MPLS,
    labels.CopyTtlOut: _WITH_TTL,
    labels.CopyTtlIn: _WITH_TTL,
    labels.PopPbb: (ETH_PBB,),
}
_NOT_IN_A_SET = (act.OutputField, act.Conjunction, *get_args(ovs.OvsAction))
# In an action set these may stand, and do nothing in vain.
_IN_VAIN = act.PopVlan | act.DecTtl | labels.LabelAction


def check_entry(entry: FlowEntry, groups: Collection[int]) -> None:
    """Raise WireError where a switch that has these *groups* refuses *entry*."""
    for name in unseen(entry.match):
        raise WireError(error.MATCH_BAD_FIELD, f"a match on {name} is not supported")
    goto = entry.instructions.goto
    if goto is not None and not entry.table_id < goto <= _LAST_TABLE:
        raise WireError(error.INSTRUCTION_BAD_TABLE_ID, f"table {entry.table_id} cannot go to table {goto}")
    exact = {name: value for name, value, mask in entry.match if mask == fields.FIELDS[name].full_mask}
    vid = entry.match.get("vlan_vid")
    tagged = vid is not None and bool(vid[0] & vid[1] & fields.OFPVID_PRESENT)
    check_actions(entry.instructions.apply, exact, groups, tagged=tagged)
    for a in entry.instructions.write:
        if isinstance(a, _NOT_IN_A_SET):
            raise WireError(error.ACTION_BAD_TYPE, f"{type(a).__name__} cannot be in an action set")
        if not isinstance(a, _IN_VAIN):
            check_actions((a,), exact, groups, tagged=tagged)
    if any(isinstance(a, act.Conjunction) for a in entry.instructions.apply):
        others = [a for a in entry.instructions.apply if not isinstance(a, act.Conjunction)]
        if others or entry.instructions.goto is not None:
            raise WireError(error.ACTION_BAD_ARGUMENT, "conjunction may not stand beside other actions")


def check_actions(
    actions: Iterable[act.Action],
    exact: dict[str, int] | None,
    groups: Collection[int],
    *,
    tagged: bool = False,
) -> None:
    """Raise WireError for the first action that cannot be.

    *exact* are the fields whose value is known; None for a packet-out, where the packet itself decides.
    """
    known = exact
    for a in actions:
        for what in refused((a,)):
            raise WireError(error.ACTION_BAD_TYPE, f"{what} is not supported")
        if isinstance(a, labels.LabelAction):
            known, tagged = _check_label(a, known, tagged=tagged)
            continue
        match a:
            case act.SetField():
                _needs(a.field, known)
                if a.field in ("eth_type", "ip_proto") and known is not None:
                    known = {**known, a.field: a.value}
                if a.field == "vlan_vid" and known is not None and not tagged:
                    raise _inconsistent("vlan_vid is written, but no tag is tested for or pushed")
            case act.Move():
                _needs(a.source.field, known)
                _needs(a.target.field, known)
            case act.OutputField():
                _needs(a.source.field, known)
            case act.PushVlan():
                tagged = True
            case act.PopVlan():
                if known is not None and not tagged:
                    raise _inconsistent("a tag is popped, but none is tested for or pushed")
            case act.DecTtl() | act.Ct():
                if known is not None and known.get("eth_type") not in (fields.ETH_IP, fields.ETH_IPV6):
                    raise _inconsistent(f"{type(a).__name__} on what may not be IP")
                if isinstance(a, act.Ct):
                    _check_ct(a, known)
            case ovs.Clone():
                check_actions(a.actions, known, groups, tagged=tagged)
            case ovs.StackPush() | ovs.StackPop():
                for part in a.parts:
                    _needs(part.field, known)
            case ovs.Multipath():
                _needs(a.target.field, known)
            case ovs.Bundle() if a.target is not None:
                _needs(a.target.field, known)
            case ovs.FinTimeout():
                if known is not None and known.get("ip_proto") != TCP:
                    raise _inconsistent("fin_timeout on what may not be TCP")
            case ovs.Learn():
                _check_learn(a, known)
            case act.GroupAction():
                if a.group_id not in groups:
                    raise WireError(error.ACTION_BAD_OUT_GROUP, f"there is no group {a.group_id}")
            case _:
                pass


def _check_ct(a: act.Ct, known: dict[str, int] | None) -> None:
    if isinstance(a.zone, act.Subfield):
        _needs(a.zone.field, known)
    if known is not None and a.nat is not None and a.nat.addresses:
        family = fields.ETH_IP if a.nat.addresses[0].version == 4 else fields.ETH_IPV6
        if known.get("eth_type") != family:
            raise _inconsistent(f"nat to {a.nat.addresses[0]} on what may not be of its family")


def _check_learn(a: ovs.Learn, known: dict[str, int] | None) -> None:
    """Check the pieces one after another: what is matched by constants is known to those behind."""
    made: dict[str, int] = {}
    for spec in a.specs:
        if spec.source is not None:
            _needs(spec.source.field, known)
        if spec.target is not None:
            _needs(spec.target.field, made)
            if spec.kind == "match" and spec.source is None:
                made[spec.target.field] = spec.value
    if a.result is not None:
        _needs(a.result.field, known)


def _check_label(
    a: labels.LabelAction, known: dict[str, int] | None, *, tagged: bool
) -> tuple[dict[str, int] | None, bool]:
    """Check an action on labels; return what is known of the packet behind it, and whether it has a tag."""
    if isinstance(a, labels.SetQueue) or known is None:
        return known, tagged
    needed = _LABEL_NEEDS.get(type(a))
    if needed is not None and known.get("eth_type") not in needed:
        allowed = " or ".join(hex(v) for v in needed)
        raise _inconsistent(f"{type(a).__name__}, but eth_type={allowed} is not tested for")
    match a:
        case labels.PushMpls() | labels.PopMpls():
            return {"eth_type": a.eth_type}, tagged
        case labels.PushPbb():
            return {"eth_type": a.eth_type}, False
        case labels.PopPbb():
            return {}, tagged
        case _:
            return known, tagged


def _needs(field: str, known: dict[str, int] | None) -> None:
    if known is None:
        return
    for needed, values in fields.FIELDS[field].needs:
        if known.get(needed) not in values:
            allowed = " or ".join(hex(v) for v in values)
            raise _inconsistent(f"{field} is used, but {needed}={allowed} is not tested for")


def _inconsistent(why: str) -> WireError:
    return WireError(error.ACTION_MATCH_INCONSISTENT, why)
