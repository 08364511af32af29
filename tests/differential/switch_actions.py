"""Actions that the switch suite draws beyond those of `random_tables`: a function and a row each.

A drawer gets the drawing, the match that the entry has, and the entry's table (-1: an action set or a
bucket); it returns an action that Open vSwitch takes there, or None.  To have a new action compared with
real Open vSwitch: write its drawer, add its row.  `switch_actions_ovs` has those that only Open vSwitch has.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from sdn_lab.openflow.action import CONTROLLER, NORMAL, Action, Ct, CtClear, Output, SetField, Subfield
from sdn_lab.openflow.action_labels import PushMpls
from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.match import Match

from . import switch_actions_ovs
from .random_tables import TABLES, Drawing

Drawer = Callable[[Drawing, Match, int], Action | None]


def _family(match: Match) -> int | None:
    return match.exact("eth_type")


def _controller(drawing: Drawing, _match: Match, _within: int) -> Action:
    return Output(of_port=CONTROLLER, max_len=drawing.rng.choice((0xFFFF, 0xFFFF, 128, 64)))


def _ct_exec(drawing: Drawing) -> tuple[SetField, ...]:
    rng, setters = drawing.rng, []
    for name in rng.sample(("ct_mark", "ct_label"), rng.choice((0, 1, 1, 2))):
        row = FIELDS[name]
        start = rng.randrange(row.bits - 8)
        mask = rng.choice((row.full_mask, 0xFF << start))
        setters.append(SetField(field=name, value=rng.getrandbits(row.bits) & mask, mask=mask))
    return tuple(setters)


def _nat(drawing: Drawing, family: int, commit: bool) -> Nat | None:
    rng = drawing.rng
    if rng.random() < 0.6:
        return None
    if not commit or rng.random() < 0.1:
        return Nat()
    ends = ("10.0.0.1", "10.0.0.2", "10.0.0.9") if family == 0x0800 else ("fd00::1", "fd00::2", "fd00:b::9")
    address = ip_address(rng.choice(ends))
    last = address + 3 if rng.random() < 0.03 else address
    kind = rng.choice((NatKind.SRC, NatKind.DST))
    if rng.random() < 0.5:
        addresses = rng.choice(((address, last), (address, last), None))
        return Nat(kind=kind, addresses=addresses, persistent=rng.random() < 0.1)
    port = rng.choice((53, 80, 4000, 7777))
    ports = (port, port + 2 if rng.random() < 0.03 else port)
    return Nat(kind=kind, addresses=(address, last), ports=ports)


def _ct(drawing: Drawing, match: Match, within: int) -> Action | None:
    rng = drawing.rng
    if within < 0 or not drawing.ct or _family(match) not in (0x0800, 0x86DD):
        return None
    if rng.random() < 0.1:
        return CtClear()
    commit = rng.random() < 0.5
    zone = rng.choice((0, 1, 1, 2, 2, Subfield(field="reg0", start=0, bits=16)))
    return Ct(
        commit=commit,
        force=commit and rng.random() < 0.15,
        table=rng.choice((None, *range(within + 1, TABLES), *range(within + 1, TABLES))),
        zone=zone,
        exec_=_ct_exec(drawing) if commit else (),
        nat=_nat(drawing, _family(match) or 0, commit),
    )


def _normal(_drawing: Drawing, _match: Match, _within: int) -> Action:
    return Output(of_port=NORMAL)


def _push_mpls(drawing: Drawing, _match: Match, within: int) -> Action | None:
    # in a list of actions it changes what may stand behind it: `switch_draw.SwitchDrawing.labelled`
    return PushMpls(eth_type=drawing.rng.choice((0x8847, 0x8848))) if within < 0 else None


DRAWERS: tuple[Drawer, ...] = (_controller, _ct, _ct, _ct, *switch_actions_ovs.DRAWERS)
BY_THEME: dict[str, tuple[Drawer, ...]] = {
    "normal": (_normal,) * 4,
    "learn": (switch_actions_ovs.learn,) * 4,
    "labels": (_push_mpls,) * 4,
}
