"""What a probe saw.

A failed apparatus is `Outcome.INCONCLUSIVE`, never isolation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

NONCE_MAGIC = b"\xf0sdnlab\x0f"  # every nonce starts so, and is then found by one scan of a frame
NONCE_BYTES = 16


class Outcome(Enum):
    """What became of a probe's packet."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not delivered"
    LEAKED = "leaked to a third"
    INCONCLUSIVE = "inconclusive"


class Expected(Enum):
    """What should become of a probe's packet, by the scenario."""

    DELIVERED = "delivered"  # legitimate: must arrive at its addressee, and nowhere else
    NOTHING = "nothing"  # must be seen nowhere
    EITHER = "either"  # may arrive at its addressee (or not), and nowhere else


class PointKind(Enum):
    """Where frames can be seen or put in."""

    PORT = "port"  # what the instance sends or receives; name: port path
    VETH = "veth"  # the hypervisor's end of the instance's link; name: port path (injection only)
    UNDERLAY = "underlay"  # the hypervisor's physical interface; name: hypervisor
    MANAGEMENT = (
        "management"  # the hypervisor's management interface, or its own host stack; name: hypervisor
    )
    PACKET_IN = "packet_in"  # what the datapath sends to the controller; name: hypervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPoint:
    """A place in the lab.  Written ``kind:name``, e.g. ``underlay:hv1``."""

    kind: PointKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A frame to put in: at ``PORT`` as the instance would send it, at ``VETH`` towards the instance,
    at ``UNDERLAY`` as if it came from the wire.
    """

    point: WatchPoint
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A frame that was seen arriving at a watch point."""

    point: WatchPoint
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """A frame that passed a watch point while somebody listened.

    *at_ns* counts from 1970, on the simulator from the lab's beginning.  *sent*: by who is at the point; None
    where that cannot be told.
    """

    point: WatchPoint
    frame: bytes
    at_ns: int
    sent: bool | None = None

    def __str__(self) -> str:
        way = {None: "seen", False: "arrived", True: "was sent"}[self.sent]
        return f"{way} at {self.point}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Frames to inject together, and the markers whose arrival closes the window.

    *markers*: pairs (point, nonce); the window is closed once each nonce was seen at its point and
    the grace time has passed, or at the time limit.  Unpaced sending loses frames on
    a real datapath, and a loss looks exactly like a drop: a backend paces, and counts what it lost.
    """

    injections: tuple[Injection, ...]
    markers: tuple[tuple[WatchPoint, bytes], ...] = ()
    timeout_ms: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What a window saw.  *missing*: markers that did not arrive; *lost*: frames that the apparatus
    itself is known to have dropped.  With either, absence proves nothing.

    *choices*: where the datapath had to choose and the specification leaves it open (entries of one priority
    that both match).  What it did is a fact, so a legitimate packet's absence counts; that an attack did not
    arrive does not, because another switch may choose otherwise.
    """

    captures: tuple[Capture, ...] = ()
    missing: tuple[tuple[WatchPoint, bytes], ...] = ()
    lost: int = 0
    choices: tuple[str, ...] = ()
    waited_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A probe's packet where it must not be, or not as it must be.

    *network* is the tenant network that it was seen in: the port's, or on the underlay the one that owns
    the VNI it travelled under; empty where there is none.  *what* says it in words.
    """

    point: WatchPoint
    network: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The outcome of one probe.  *src*, *dst*: port paths; *leaks*: where else it was seen.

    *frames*: what was sent, ``(port, frame)``, in order; the last is the one that is judged.
    *bears_on*: ids of the claims that this probe tests.  *sightings*: every place where the packet was and
    must not have been, *leaks* in detail.  A legitimate packet *proves*, once delivered, that something
    works (free text, ``ip4 from red/vm1``); an absence that *leans_on* it means nothing while it does not.
    *delivered* says whether it reached its addressee, whatever else became of it; None where that cannot be
    told.
    """

    probe: str
    src: str
    dst: str
    outcome: Outcome
    detail: str = ""
    leaks: tuple[WatchPoint, ...] = ()
    frames: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    expected: Expected = Expected.NOTHING
    bears_on: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    proves: tuple[str, ...] = ()
    leans_on: tuple[str, ...] = ()
    delivered: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Everything that the probes of a run saw.

    *networks* maps a port to its network, *gateways* a gateway's MAC to its router, *peerings* two networks
    (sorted) to the peering between them, approved or not.  *where* names what forwards.  *families* were
    tried, *not_applicable* mean nothing for this scenario; *left_out* counts, per family, planned packets
    beyond the budget.  *limits* are sentences about the apparatus that every verdict repeats.
    """

    seen: tuple[Observation, ...] = ()
    networks: Mapping[str, str] = field(default_factory=dict)
    gateways: Mapping[str, str] = field(default_factory=dict)
    peerings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    where: str = ""
    families: tuple[str, ...] = ()
    not_applicable: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
