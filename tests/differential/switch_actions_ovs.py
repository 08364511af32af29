"""Drawers, as in `switch_actions`, of the actions that only Open vSwitch has."""

from __future__ import annotations

from functools import lru_cache

from sdn_lab.openflow.action import Action, SetField, Subfield
from sdn_lab.openflow.action_labels import SetQueue
from sdn_lab.openflow.action_ovs import (
    Bundle,
    CheckPktLarger,
    Clone,
    Controller,
    Exit,
    Note,
    OutputTruncated,
    StackPop,
    StackPush,
)
from sdn_lab.openflow.fields import FIELDS, OFPVID_PRESENT
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import parse_flows

from .random_tables import PORTS, TABLES, Drawing, one_push

FIRST_LEARNED = 2000  # above all other entries' priorities
LENGTHS = (14, 20, 40, 54, 60, 64, 100, 9000)


def _note(drawing: Drawing, _match: Match, within: int) -> Action | None:
    return Note(data=drawing.rng.randbytes(6)) if within >= 0 else None


def _part(drawing: Drawing, match: Match) -> Subfield:
    names = [name for name in drawing.writable(match) if not name.startswith("vlan")]
    row = FIELDS[drawing.rng.choice(names)]
    bits = drawing.rng.randrange(1, min(row.bits, 64) + 1)
    return Subfield(field=row.name, start=drawing.rng.randrange(row.bits - bits + 1), bits=bits)


def _push(drawing: Drawing, match: Match, within: int) -> Action | None:
    return StackPush(parts=(_part(drawing, match),)) if within >= 0 else None


def _pop(drawing: Drawing, match: Match, within: int) -> Action | None:
    if within < 0:
        return None
    part = _part(drawing, match)
    return None if part.field == "arp_op" else StackPop(parts=(part,))


def _clone(drawing: Drawing, match: Match, within: int) -> Action | None:
    if within < 0:
        return None
    inner = [drawing.action(match, within=within) for _ in range(drawing.rng.randrange(1, 4))]
    return Clone(actions=tuple(one_push(inner)))


def _exit(drawing: Drawing, _match: Match, within: int) -> Action | None:
    return Exit() if within >= 0 and drawing.rng.random() < 0.3 else None


def _check_larger(drawing: Drawing, _match: Match, within: int) -> Action | None:
    # Open vSwitch follows both answers: in the last table, or it would be busy for long
    if within != TABLES - 1:
        return None
    target = Subfield(field="reg1", start=drawing.rng.randrange(3), bits=1)
    return CheckPktLarger(size=drawing.rng.choice(LENGTHS), target=target)


def _truncated(drawing: Drawing, _match: Match, within: int) -> Action | None:
    if within < 0:
        return None
    return OutputTruncated(of_port=drawing.rng.choice(PORTS), max_len=drawing.rng.choice(LENGTHS))


def _controller(drawing: Drawing, _match: Match, within: int) -> Action | None:
    if within < 0:
        return None
    return Controller(max_len=drawing.rng.choice((0xFFFF, 60)), reason=drawing.rng.randrange(2))


def _bundle(drawing: Drawing, _match: Match, within: int) -> Action | None:
    if within < 0:
        return None
    members = (77, *drawing.rng.sample(PORTS, 2))
    target = Subfield(field="reg5", start=0, bits=16) if drawing.rng.random() < 0.5 else None
    return Bundle(fields="eth_src", basis=0, algorithm="active_backup", members=members, target=target)


def _vlan_tci(drawing: Drawing, match: Match, within: int) -> Action | None:
    if within < 0:
        return None
    rng = drawing.rng
    if not rng.randrange(4):
        return SetField(field="vlan_tci", value=0, mask=0xFFFF)
    mask = rng.choice((0x1FFF, 0xF000, 0xFFFF))
    value = (rng.choice((0, 5, 6, 0xFFF)) | rng.choice((0, 5)) << 13 | OFPVID_PRESENT) & mask
    return SetField(field="vlan_tci", value=value, mask=mask)


def _queue(drawing: Drawing, _match: Match, _within: int) -> Action | None:
    return SetQueue(queue_id=1) if not drawing.rng.randrange(4) else None


def learn(drawing: Drawing, match: Match, within: int) -> Action | None:
    """Draw an entry to be made, in a table behind this one; each ``learn`` of a case has its own priority."""
    if within < 0:
        return None
    rng = drawing.rng
    drawing.made += 1
    words = [f"table={rng.randrange(1, TABLES)}", f"priority={FIRST_LEARNED + drawing.made}"]
    words.append(f"cookie={drawing.made}")
    family = match.exact("eth_type")
    words += rng.sample(_keys(family), rng.randrange(1, 3))
    if family == 0x0800:
        words += rng.sample(_KEYS_V4, rng.randrange(3))
    elif family == 0x86DD:
        words += rng.sample(_KEYS_V6, rng.randrange(3))
    words += rng.sample(_DEEDS, rng.randrange(1, 3))
    return _read(",".join(words))


def _keys(family: int | None) -> tuple[str, ...]:
    return _KEYS if family is None else (*_KEYS, f"eth_type={family:#x}")


_KEYS = (
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]",
    "NXM_OF_ETH_SRC[]",
    "NXM_OF_ETH_DST[0..15]=NXM_OF_ETH_DST[32..47]",
    "NXM_OF_VLAN_TCI[0..11]",
    "NXM_OF_VLAN_TCI[]",
    "NXM_NX_REG0[0..7]=NXM_NX_REG1[0..7]",
    "NXM_NX_REG1[]=1",
    "NXM_OF_IN_PORT[]",
    "NXM_NX_REG5[0..15]=NXM_OF_IN_PORT[]",
)
_KEYS_V4 = (
    "eth_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[]",
    "eth_type=0x800,NXM_OF_IP_SRC[0..7]=NXM_OF_IP_DST[0..7]",
    "eth_type=0x800,NXM_OF_IP_PROTO[]",
)
_KEYS_V6 = ("eth_type=0x86dd,NXM_NX_IPV6_DST[]=NXM_NX_IPV6_SRC[]", "eth_type=0x86dd,NXM_OF_IP_PROTO[]")
_DEEDS = (
    "output:NXM_OF_IN_PORT[]",
    "output:NXM_NX_REG5[]",
    "load:NXM_NX_REG1[]->NXM_NX_REG0[]",
    "load:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
    "load:0x3->NXM_NX_REG5[0..15]",
    "load:0x1005->NXM_OF_VLAN_TCI[]",
    "load:NXM_OF_IN_PORT[]->NXM_NX_REG5[0..15]",
)


@lru_cache
def _read(words: str) -> Action:
    held: dict[str, None] = {}
    for word in words.split(","):
        held[word] = None
    [entry] = parse_flows(f"actions=learn({','.join(held)})")
    return entry.instructions.apply[0]


DRAWERS = (
    *(_note, _push, _pop, _pop, _clone, _clone, _exit, _check_larger, _truncated, _controller, _bundle),
    *(_vlan_tci, _vlan_tci, _queue),
)
