"""Address translation inside ``ct``, as a value.

``ct(nat)`` alone translates packets of connections that were translated when they were committed;
``ct(commit,nat(src=...))`` and ``nat(dst=...)`` say how a new connection is to be.

Reference: ovs-actions(7), "The ct action"; ``NXAST_NAT`` of Open vSwitch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


class NatKind(Enum):
    """Which end of a connection's first packet is translated."""

    KNOWN = ""  # whichever the connection was committed with
    SRC = "src"
    DST = "dst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nat:
    """How to translate.  *addresses* and *ports* are the first and the last of a range, None for "as it is".

    *persistent*, *by_hash* and *random* say how to choose from a range; Open vSwitch's userspace tracker, and
    so this project's, takes no notice of them.  Ports are for TCP and UDP.
    """

    kind: NatKind = NatKind.KNOWN
    addresses: tuple[Address, Address] | None = None
    ports: tuple[int, int] | None = None
    persistent: bool = False
    by_hash: bool = False
    random: bool = False

    def complaint(self) -> str | None:
        """Say, in words, why there is no such translation; None where there is."""
        if self.kind is NatKind.KNOWN:
            if self.addresses or self.ports or self.persistent or self.by_hash or self.random:
                return "nat without src or dst has no ranges and no flags"
            return None
        if self.by_hash and self.random:
            return "nat chooses by hash or at random, not both"
        if self.ports and not self.addresses:
            return "nat has ports without an address"
        if self.addresses:
            first, last = self.addresses
            if first.version != last.version or int(first) > int(last):
                return f"nat from {first} to {last} is no range"
        if self.ports and not 0 < self.ports[0] <= self.ports[1] <= 0xFFFF:
            return f"nat from port {self.ports[0]} to {self.ports[1]} is no range"
        return None
