"""One case of the switch suite: what a switch is told, and the frames that go through it in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from sdn_lab.openflow.action import NORMAL, Action, Ct, Output
from sdn_lab.openflow.action_ovs import Clone, Learn
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.meter import Meter
from sdn_lab.openflow.packet import describe
from sdn_lab.openflow.text import format_entry, format_groups

PORTS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A frame that is put in at *of_port*, *pause_ms* after the one before.

    *flushed*: before it, the tracker is told to forget this zone's connections.
    """

    of_port: int
    frame: bytes
    pause_ms: int = 0
    flushed: int | None = None

    def __str__(self) -> str:
        before = f"after {self.pause_ms} ms " if self.pause_ms else ""
        before += f"with zone {self.flushed} flushed " if self.flushed is not None else ""
        return f"{before}at {self.of_port}: {describe(self.frame)}\n      {self.frame.hex()}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is drawn from one seed, or what is left of it when a disagreement was made small.

    *down* are the ports that have no link; *limits* the most connections of zones.
    """

    seed: int
    tables: Tables
    frames: tuple[Sent, ...]
    meters: tuple[Meter, ...] = ()
    down: frozenset[int] = frozenset()
    limits: tuple[tuple[int, int], ...] = ()

    @cached_property
    def up(self) -> tuple[int, ...]:
        """The ports that have a link."""
        return tuple(port for port in PORTS if port not in self.down)

    @property
    def flows(self) -> str:
        """The entries as ovs-ofctl reads them."""
        return "\n".join(map(format_entry, self.tables.entries))

    @property
    def groups(self) -> str:
        """The groups as ovs-ofctl reads them."""
        return format_groups(self.tables.groups)

    @cached_property
    def tracks(self) -> bool:
        """Whether packets go through the tracker."""
        return self._does(lambda action: isinstance(action, Ct))

    @cached_property
    def translates(self) -> bool:
        """Whether the tracker translates addresses."""
        return self._does(lambda action: isinstance(action, Ct) and action.nat is not None)

    @cached_property
    def learns(self) -> bool:
        """Whether packets make entries."""
        return self._does(lambda action: isinstance(action, Learn))

    @cached_property
    def bridges(self) -> bool:
        """Whether packets teach NORMAL where an address is."""
        return self._does(lambda action: isinstance(action, Output) and action.of_port == NORMAL)

    @cached_property
    def remembers(self) -> bool:
        """Whether what one frame does changes what the next one meets."""
        return bool(self.meters) or self.tracks or self.learns or self.bridges

    def _does(self, wanted: Callable[[Action], bool]) -> bool:
        lists = [e.instructions.apply + e.instructions.write for e in self.tables.entries]
        lists += [bucket.actions for group in self.tables.groups for bucket in group.buckets]
        return any(wanted(action) for actions in lists for action in all_of(actions))

    def __str__(self) -> str:
        parts = [f"seed {self.seed}", *self.flows.splitlines()]
        parts += [f"group {line}" for line in self.groups.splitlines()]
        parts += [format_meter(meter) for meter in self.meters]
        parts += [f"port {port} down" for port in sorted(self.down)]
        parts += [f"zone {zone}: {most} connections" for zone, most in self.limits]
        return "\n    ".join([*parts, *map(str, self.frames)])


def all_of(actions: tuple[Action, ...]) -> Iterator[Action]:
    """Yield actions, and those that they clone."""
    for action in actions:
        yield action
        if isinstance(action, Clone):
            yield from all_of(action.actions)


def format_meter(meter: Meter) -> str:
    """Return a meter as ovs-ofctl reads it."""
    words = [f"meter={meter.meter_id}", "pktps" if meter.packets else "kbps"]
    words += ["burst"] if meter.burst else []
    bands = [
        f"type=drop,rate={band.rate}" + f",burst_size={band.burst_size}" * meter.burst for band in meter.bands
    ]
    return f"{','.join(words)},bands={','.join(bands)}"
