"""A packet that tells what is read of it.

What
----
`Watched` is `interpret_packet.Packet` with a `Recording` beside it.  Whatever reads a field through it is
recorded, also by a handler that nobody told of caches; what an action wrote is from then on a constant of
this way through the tables, since everything that it was made from has been recorded.

Invariants
----------
1.  No read of a packet's field is lost: `Fields` overrides every way to read a dict, iteration included (so
    that ``{**fields}`` goes through it).
2.  A field that the layout does not know, bytes that changed without the recording being told, and state of
    unknown origin spoil the recording: nothing is cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.fast_layout import Layout, layout_of
from sdn_lab.openflow.fast_program import Op, Shown, Write
from sdn_lab.openflow.fields import FIELDS, Domain
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_result import Chosen, Taken

_PACKET = frozenset(name for name, row in FIELDS.items() if row.domain is Domain.PACKET)
_ORIGIN = frozenset(name for name in FIELDS if name.startswith(("ct_nw_", "ct_ipv6_", "ct_tp_")))


class Recording:
    """What one packet's way depended on, and what was done to it, from where it entered the tables.

    *mask* are the bits of the frame; *home* is where the program will be kept; *spoilt* is why it will not.
    *whole*: the way was gone to its end.
    """

    def __init__(self, frame: bytes, home: Any) -> None:
        self.frame, self.home = frame, home
        self.layout: Layout | None = layout_of(frame)
        self.spoilt = "" if self.layout is not None else "no plain structure"
        self.mask = self.layout.pinned if self.layout is not None else 0
        self.whole = False
        self.ops: list[Op] = []
        self.taken: list[Taken] = []
        self.buckets: list[Chosen] = []
        self.tags: list[bytes] = []
        self.bares: list[bytes] = []
        self.states: list[list[PacketState]] = []  # by version: the objects that hold it

    def spoil(self, why: str) -> None:
        """Say that this way must not be cached."""
        self.spoilt = self.spoilt or why

    def bits_of(self, name: str, mask: int) -> int:
        """Return the bits of the frame that a test looks at."""
        if name in _ORIGIN:
            self.spoil("the connection's first packet was looked at")
        if name not in _PACKET or self.layout is None:
            return 0
        bits = self.layout.looked_at(name, mask)
        if bits is None:
            self.spoil(f"{name} was read")
            return 0
        return bits

    def version_of(self, state: PacketState) -> int:
        """Return which version of the tracker's state an object is."""
        for version, objects in enumerate(self.states):
            if any(held is state for held in objects):
                return version
        if state != PacketState():
            self.spoil("tracker state of unknown origin")
        return -1


class Fields(dict[str, int]):
    """Fields that tell when they are read.  *written* are those that an action set."""

    __slots__ = ("recording", "written")

    def __init__(self, held: dict[str, int], recording: Recording, written: set[str]) -> None:
        super().__init__(held)
        self.recording, self.written = recording, written

    def plain(self) -> dict[str, int]:
        """Return a copy that tells nobody."""
        return dict(dict.items(self))  # `dict.copy` would ask `keys`, which tells

    def bits_of(self, name: str, mask: int) -> int:
        """Return the bits of the arriving frame that a test looks at: none in what was written since."""
        return 0 if name in self.written else self.recording.bits_of(name, mask)

    def _read(self, name: str) -> None:
        if name in _PACKET and dict.__contains__(self, name):
            self.recording.mask |= self.bits_of(name, FIELDS[name].full_mask)
        elif name in _ORIGIN:
            self.recording.bits_of(name, 0)

    def _read_all(self) -> None:
        for name in dict.keys(self):
            self._read(name)

    def __getitem__(self, name: str) -> int:
        self._read(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read(name)
        return super().get(name, default)

    def __setitem__(self, name: str, value: int) -> None:
        self.written.add(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self.recording.spoil("a field was removed")
        super().__delitem__(name)

    def setdefault(self, name: str, default: Any = None) -> Any:
        if not dict.__contains__(self, name):
            self.recording.spoil("a field was added")
        self._read(name)
        return super().setdefault(name, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def pop(self, name: str, *default: Any) -> Any:
        self.recording.spoil("a field was removed")
        return super().pop(name, *default)

    def __iter__(self) -> Iterator[str]:
        self._read_all()
        return super().__iter__()

    def keys(self) -> Any:
        self._read_all()
        return super().keys()

    def items(self) -> Any:
        self._read_all()
        return super().items()

    def values(self) -> Any:
        self._read_all()
        return super().values()

    def copy(self) -> dict[str, int]:
        self._read_all()
        return self.plain()

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __eq__(self, other: object) -> bool:
        self._read_all()
        return super().__eq__(other)

    __hash__ = None


class Watched(Packet):
    """A packet with a recording; *version* is that of `bare`."""

    __slots__ = ("recording", "version")

    recording: Recording
    version: int

    @classmethod
    def entering(cls, packet: Packet, recording: Recording) -> Watched:
        """Watch *packet*, which enters the tables now."""
        twin = cls._of(packet, recording, set(), 0)
        recording.tags, recording.bares = list(twin.tags), [twin.bare]
        recording.states = [[twin.ct]]
        if twin.behind:
            recording.spoil("a first fragment")
        return twin

    @classmethod
    def _of(cls, packet: Packet, recording: Recording, written: set[str], version: int) -> Watched:
        twin = object.__new__(cls)
        for kind in type(packet).__mro__:
            for name in getattr(kind, "__slots__", ()):
                setattr(twin, name, getattr(packet, name))
        twin.fields = Fields(dict(packet.fields), recording, set(written))
        twin.recording, twin.version = recording, version
        return twin

    def _plainly(self) -> Packet:
        """Return this packet as one that tells nobody."""
        plain = object.__new__(Packet)
        for name in Packet.__slots__:
            setattr(plain, name, getattr(self, name))
        plain.fields = self.watched.plain()
        return plain

    @property
    def watched(self) -> Fields:
        """The fields, as what they are here."""
        held = self.fields
        if not isinstance(held, Fields):
            raise TypeError("the fields of a watched packet were replaced")
        return held

    def copy(self) -> Watched:
        """Return an independent copy, on the same recording."""
        recording = self.recording
        twin = Watched._of(self._plainly().copy(), recording, self.watched.written, self.version)
        version = recording.version_of(self.ct)
        if version >= 0:
            recording.states[version].append(twin.ct)
        return twin

    def recirculated(self, ct: PacketState) -> Packet:
        """Return the packet behind the tracker; it is not watched yet."""
        return self._plainly().recirculated(ct)

    def shown(self) -> Shown:
        """Return how the bytes of this moment are made."""
        recording = self.recording
        if self.bare != recording.bares[self.version]:
            recording.spoil("the bytes changed in a way that was not recorded")
        if self.version == 0 and self.tags == recording.tags:
            return Shown(-1)
        return Shown(self.version, b"".join(self.tags))

    def _write(self, name: str, value: int, mask: int) -> None:
        before = self.bare
        super()._write(name, value, mask)
        if self.bare is not before:
            recording = self.recording
            recording.ops.append(Write(self.version, name, dict.__getitem__(self.fields, name)))
            recording.bares.append(self.bare)
            self.version = len(recording.bares) - 1
