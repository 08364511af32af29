"""One case of the switch suite: tables, and the frames that are sent through them one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from sdn_lab.openflow.action import Ct
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.packet import describe
from sdn_lab.openflow.text import format_entry, format_groups

PORTS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A frame that is put in at *of_port*, *pause_ms* after the one before."""

    of_port: int
    frame: bytes
    pause_ms: int = 0

    def __str__(self) -> str:
        pause = f"after {self.pause_ms} ms " if self.pause_ms else ""
        return f"{pause}at {self.of_port}: {describe(self.frame)}\n      {self.frame.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is drawn from one seed, or what is left of it when a disagreement was made small."""

    seed: int
    tables: Tables
    frames: tuple[Sent, ...]

    @property
    def flows(self) -> str:
        """The entries as ovs-ofctl reads them."""
        return "\n".join(map(format_entry, self.tables.entries))

    @property
    def groups(self) -> str:
        """The groups as ovs-ofctl reads them."""
        return format_groups(self.tables.groups)

    @property
    def tracks(self) -> bool:
        """Whether an entry or a bucket sends packets through the tracker."""
        lists = [e.instructions.apply + e.instructions.write for e in self.tables.entries]
        lists += [bucket.actions for group in self.tables.groups for bucket in group.buckets]
        return any(isinstance(action, Ct) for actions in lists for action in actions)

    def __str__(self) -> str:
        parts = [f"seed {self.seed}", *self.flows.splitlines()]
        parts += [f"group {line}" for line in self.groups.splitlines()]
        return "\n    ".join([*parts, *map(str, self.frames)])
