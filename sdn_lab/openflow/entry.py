"""Flow entries and groups: rows of the tables.

Reference: OpenFlow Switch Specification 1.3.5, sections 5.2 (entry), 5.6 (group), 5.9 (instructions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sdn_lab.openflow.action import Action
from sdn_lab.openflow.match import Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Why an entry is there: the compiler's stage, the kind of object, and the object's path.

    *kind* is one of `openflow.cookie.KINDS`; *path* is as in `model.intent`, ``red/web/rules/0`` for a rule.
    """

    stage: str
    kind: str
    path: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.kind} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What an entry does.  Order of execution is OpenFlow's: meter, apply, clear, write, metadata, goto."""

    apply: tuple[Action, ...] = ()
    clear: bool = False
    write: tuple[Action, ...] = ()
    metadata: tuple[int, int] | None = None  # value, mask
    goto: int | None = None
    meter: int | None = None


DROP = Instructions()
CLEARING_DROP = Instructions(clear=True)  # where an earlier table wrote an action set, DROP would run it


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEntry:
    """One row of one table.  Timeouts in seconds, 0 for none.

    *origin* is what the compiler meant; it takes no part in comparison, because a dump has only
    the cookie, from which `openflow.cookie.explain` finds it again.
    """

    table_id: int = 0
    priority: int = 0
    match: Match = field(default_factory=Match)
    instructions: Instructions = DROP
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    origin: Origin | None = field(default=None, compare=False)

    @property
    def key(self) -> tuple[int, int, Match]:
        """What identifies an entry in a switch: table, priority, match."""
        return self.table_id, self.priority, self.match


class GroupType(Enum):
    """OpenFlow 1.3.5 section 5.6.1."""

    ALL = "all"
    SELECT = "select"
    INDIRECT = "indirect"
    FAST_FAILOVER = "ff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket of a group; *watch_port* and *weight* as in OpenFlow (ANY and 0 when unused)."""

    actions: tuple[Action, ...] = ()
    weight: int = 0
    watch_port: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group.  *selection*: how Open vSwitch is told to choose a bucket, as written."""

    group_id: int
    type: GroupType
    buckets: tuple[Bucket, ...] = ()
    selection: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What one datapath holds, or should hold.  Entries are sorted by (table, -priority, text order)."""

    entries: tuple[FlowEntry, ...] = ()
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What every datapath should hold: the compiler's output, by hypervisor name."""

    tables: dict[str, Tables]
