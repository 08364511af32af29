"""Actions between Ethernet and IP, as values: MPLS, PBB, the TTLs of stacked headers; and queues.

`action` puts them beside the others.  ``set_mpls_ttl`` is a write to `mpls_ttl` (`action.SetField`).

Reference: OpenFlow 1.3.5 sections 5.12 and 7.2.5.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMpls:
    """Push a label before what the packet is, under this EtherType (0x8847 or 0x8848)."""

    eth_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PopMpls:
    """Take off the outermost label; *eth_type* is that of what is left."""

    eth_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecMplsTtl:
    """Decrement the outermost label's TTL; at 0 or 1 the packet stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTtlOut:
    """Copy the TTL of the next header that has one to the outermost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTtlIn:
    """Copy the TTL of the outermost header that has one to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPbb:
    """Put the whole frame, tags and all, into another behind an I-TAG; *eth_type* is 0x88e7."""

    eth_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PopPbb:
    """Take the frame inside out: the outer addresses and the I-TAG go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQueue:
    """Have what is sent from now on use this queue of its port."""

    queue_id: int


LabelAction = PushMpls | PopMpls | DecMplsTtl | CopyTtlOut | CopyTtlIn | PushPbb | PopPbb | SetQueue
