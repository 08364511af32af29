"""Bundles of one connection: what was put into them, and all of it at once.

While a bundle is committed no packet passes and no time, so nobody sees half of it.  What fails is taken
back as if it had never been: entries with their counters and ages, groups, meters, ports.

A bundle takes flow-mods, group-mods, meter-mods and port-mods.  A packet-out is refused: it could not be
taken back.

Reference: ONF EXT-230; Open vSwitch, ``ofproto/bundles.c`` and `do_bundle_commit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sdn_lab.backends.sim.switch import Switch
from sdn_lab.openflow.wire import bundle, decode, error, request
from sdn_lab.openflow.wire.error import WireError

MOST_BUNDLES, MOST_MESSAGES = 64, 1 << 20

Change = request.FlowMod | request.GroupMod | request.MeterMod | request.PortMod
Done = Callable[[], None]
"""What is to be told of a change once it stays."""


@dataclass(slots=True)
class _Bundle:
    flags: int
    closed: bool = False
    messages: list[tuple[bytes, Change]] = field(default_factory=list)


class Refused(Exception):  # noqa: N818 - carries an answer
    """A message inside a bundle was refused, and so all of it."""

    def __init__(self, message: bytes, fault: WireError) -> None:
        self.message, self.fault = message, fault
        super().__init__(str(fault))


class Bundles:
    """Those of one connection.  *do* makes one change, and returns what is then to be told."""

    def __init__(self, switch: Switch, do: Callable[[Change], Done]) -> None:
        self._switch, self._do = switch, do
        self._open: dict[int, _Bundle] = {}

    def control(self, asked: request.BundleControl) -> list[Done]:
        """Do what is asked of a bundle; return what is to be told.  Raises WireError, or Refused."""
        if asked.kind == bundle.OPEN:
            if asked.bundle_id in self._open:
                del self._open[asked.bundle_id]
                raise WireError(error.BUNDLE_EXISTS, f"bundle {asked.bundle_id} is open already")
            if len(self._open) >= MOST_BUNDLES:
                raise WireError(error.BUNDLE_TOO_MANY, f"more than {MOST_BUNDLES} bundles")
            self._open[asked.bundle_id] = _Bundle(asked.flags)
            return []
        held = self._find(asked.bundle_id, asked.flags)
        if asked.kind == bundle.CLOSE:
            if held.closed:
                raise WireError(error.BUNDLE_CLOSED, f"bundle {asked.bundle_id} is closed already")
            held.closed = True
            return []
        del self._open[asked.bundle_id]
        return self._commit(held) if asked.kind == bundle.COMMIT else []

    def add(self, asked: request.BundleAdd) -> None:
        """Put a message into a bundle; it is opened where it is not.  Raises WireError."""
        held = self._open.get(asked.bundle_id)
        if held is None:
            if len(self._open) >= MOST_BUNDLES:
                raise WireError(error.BUNDLE_TOO_MANY, f"more than {MOST_BUNDLES} bundles")
            held = self._open[asked.bundle_id] = _Bundle(asked.flags)
        held = self._find(asked.bundle_id, asked.flags)
        if held.closed:
            raise WireError(error.BUNDLE_CLOSED, f"bundle {asked.bundle_id} is closed")
        if len(held.messages) >= MOST_MESSAGES:
            raise WireError(error.BUNDLE_MSG_TOO_MANY, f"more than {MOST_MESSAGES} messages in a bundle")
        inner = decode.read(asked.message)
        if not isinstance(inner, Change):
            what = type(inner).__name__
            raise WireError(error.BUNDLE_MSG_UNSUPPORTED, f"a bundle does not take a {what}")
        held.messages.append((asked.message, inner))

    def _find(self, number: int, flags: int) -> _Bundle:
        held = self._open.get(number)
        if held is None:
            raise WireError(error.BUNDLE_BAD_ID, f"there is no bundle {number}")
        if held.flags != flags:
            del self._open[number]
            raise WireError(error.BUNDLE_BAD_FLAGS, f"bundle {number} was opened with flags {held.flags:#x}")
        return held

    def _commit(self, held: _Bundle) -> list[Done]:
        before, told = self._switch.saved(), []
        for message, inner in held.messages:
            try:
                told.append(self._do(inner))
            except WireError as fault:
                self._switch.restore(before)
                raise Refused(message, fault) from None
        return told
