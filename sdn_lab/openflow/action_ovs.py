"""Actions that only Open vSwitch has, as values; `action` puts them beside OpenFlow's own.

Actions that are only another way of writing one of these or of OpenFlow's are read as that:
``mod_vlan_vid:5`` writes `vlan_tci`, ``set_tunnel:7`` writes `tun_id`.

Reference: ovs-actions(7) of Open vSwitch 3.1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdn_lab.openflow.action import Action, Subfield

MAX_LEN = 0xFFFF
REASON_ACTION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTruncated:
    """Send out of *of_port*, cut to *max_len* bytes."""

    of_port: int
    max_len: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Send to a controller, with all that ``controller(...)`` can say; plain CONTROLLER is `Output`."""

    max_len: int = MAX_LEN
    reason: int = REASON_ACTION
    controller_id: int = 0
    userdata: bytes = b""
    pause: bool = False
    meter_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Send out of *of_port* through a queue of that port."""

    of_port: int
    queue_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PopQueue:
    """Forget what set_queue said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPush:
    """Push the bits of *parts*, most significant first: a wide register is made of several."""

    parts: tuple[Subfield, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPop:
    """Pop into *parts*, most significant first; an empty stack changes nothing."""

    parts: tuple[Subfield, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """Do *actions* on a copy; what they change is forgotten behind it."""

    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """Stop: nothing more of this or of any calling entry is executed, nor the action set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Do nothing; carry some bytes for people."""

    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Give a share of the packets to IPFIX; forwarding does not see it."""

    probability: int
    collector_set_id: int = 0
    obs_domain_id: int = 0
    obs_point_id: int = 0
    sampling_port: int | None = None
    direction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinTimeout:
    """At a TCP FIN or RST, shorten the timeouts of the entry that this stands in."""

    idle_timeout: int = 0
    hard_timeout: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPktLarger:
    """Set the one bit *target* if the frame without padding is longer than *size* bytes, else clear it."""

    size: int
    target: Subfield


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteField:
    """Take a tunnel option off."""

    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipath:
    """Choose one of *n_links* by a hash of *fields* and write its number to *target*."""

    fields: str
    basis: int
    algorithm: str
    n_links: int
    arg: int
    target: Subfield


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Choose one live port of *members* by a hash of *fields*; send there, or write it to *target*."""

    fields: str
    basis: int
    algorithm: str
    members: tuple[int, ...]
    target: Subfield | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSpec:
    """One piece of an entry to be made: what it matches (*kind* ``match``), loads or outputs to.

    The value is *source*, read from the packet that is learned from, or else the constant *value*.
    An ``output`` has no *target*.
    """

    kind: str
    target: Subfield | None = None
    source: Subfield | None = None
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """Add an entry, made of *specs*, to *table*."""

    table: int = 1
    priority: int = 32768
    idle_timeout: int = 0
    hard_timeout: int = 0
    fin_idle_timeout: int = 0
    fin_hard_timeout: int = 0
    cookie: int = 0
    send_flow_rem: bool = False
    delete_learned: bool = False
    limit: int = 0
    result: Subfield | None = None
    specs: tuple[LearnSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encap:
    """Put a header of *header* (``ethernet``, ``nsh``, ``mpls``, ...) before the packet."""

    header: str
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decap:
    """Take the outermost header off; *packet_type* is what must be beneath, where it is said."""

    packet_type: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecNshTtl:
    """Take one off the TTL of the NSH header."""


OvsAction = (
    OutputTruncated
    | Controller
    | Enqueue
    | PopQueue
    | StackPush
    | StackPop
    | Clone
    | Exit
    | Note
    | Sample
    | FinTimeout
    | CheckPktLarger
    | DeleteField
    | Multipath
    | Bundle
    | Learn
    | Encap
    | Decap
    | DecNshTtl
)
