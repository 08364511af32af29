"""Actions of a flow entry, as values.

OpenFlow 1.3.5 section 7.2.5 and the half of ovs-actions(7) in daily use; `action_ovs` has the rest.  An
action that is in neither is refused by `openflow.text` and `openflow.wire` with its name.

An entry that does nothing drops: there is no drop action (text writes ``actions=drop``).
"""

from __future__ import annotations

from dataclasses import dataclass

from sdn_lab.openflow.action_labels import LabelAction
from sdn_lab.openflow.action_nat import Nat
from sdn_lab.openflow.action_ovs import OvsAction

# Reserved ports, OpenFlow 1.3.5 section 7.2.1.
MAX_PORT = 0xFFFFFF00
IN_PORT = 0xFFFFFFF8
TABLE = 0xFFFFFFF9
NORMAL = 0xFFFFFFFA
FLOOD = 0xFFFFFFFB
ALL = 0xFFFFFFFC
CONTROLLER = 0xFFFFFFFD
LOCAL = 0xFFFFFFFE
ANY = 0xFFFFFFFF
RESERVED = {
    "IN_PORT": IN_PORT,
    "TABLE": TABLE,
    "NORMAL": NORMAL,
    "FLOOD": FLOOD,
    "ALL": ALL,
    "CONTROLLER": CONTROLLER,
    "LOCAL": LOCAL,
}
NO_BUFFER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Subfield:
    """Bits *start* to *start + bits - 1* of a field; ``NXM_NX_REG5[0..15]`` is ``reg5, 0, 16``."""

    field: str
    start: int
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Send out of *of_port* (a number or a reserved port).  *max_len* is for CONTROLLER only."""

    of_port: int
    max_len: int = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputField:
    """Send out of the port whose number is in *source*."""

    source: Subfield
    max_len: int = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class SetField:
    """Write *value* under *mask* into *field* (``set_field``, ``load``)."""

    field: str
    value: int
    mask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Copy *source* to *target*, of equal width."""

    source: Subfield
    target: Subfield


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAction:
    """Process through a group."""

    group_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushVlan:
    """Push a tag with this EtherType; vid 0 and pcp of the tag below, else 0."""

    eth_type: int = 0x8100


@dataclass(frozen=True, slots=True, kw_only=True)
class PopVlan:
    """Remove the outermost tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecTtl:
    """Decrement the IP TTL or hop limit; at 0 or 1 the packet stops, and *controllers* may ask for it."""

    controllers: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmit:
    """Look up again, in *table* (None: this one), with *in_port* (None: unchanged).

    *ct*: with the addresses of the connection's first packet in place of the packet's own.
    """

    in_port: int | None = None
    table: int | None = None
    ct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ct:
    """Connection tracking: send through the tracker in *zone*; *commit* makes the connection known.

    With *table* a copy with the ct fields filled in starts again at that table, and the actions after
    this one go on with the packet as it was.  *exec_* are set_field actions on ct_mark and ct_label, *nat*
    translates addresses and ports.
    """

    commit: bool = False
    force: bool = False
    table: int | None = None
    zone: int | Subfield = 0
    exec_: tuple[SetField, ...] = ()
    nat: Nat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CtClear:
    """Forget what the tracker said of this packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conjunction:
    """Member *clause* (from 1) of *n_clauses* of conjunction *id*."""

    id: int
    clause: int
    n_clauses: int


Action = (
    Output
    | OutputField
    | SetField
    | Move
    | GroupAction
    | PushVlan
    | PopVlan
    | DecTtl
    | Resubmit
    | Ct
    | CtClear
    | Conjunction
    | LabelAction
    | OvsAction
)
