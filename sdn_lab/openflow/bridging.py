"""What NORMAL knows: how each port treats VLAN tags, and which address was seen where.

What
----
`PortVlan` is a port's row in Open vSwitch's database (``tag``, ``trunks``, ``vlan_mode``, ...), `Bridging` a
bridge's ports and its table of learned addresses, aged on the caller's clock.  `interpret_normal` forwards
by it.

Reference: ovs-vswitchd.conf.db(5), "Port Table"; IEEE 802.1Q; ``lib/mac-learning.c``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdn_lab.openflow.mirroring import Mirror

AGING_NS = 300 * 1_000_000_000
MAX_ADDRESSES = 8192
_GROUP_BIT = 1 << 40


class VlanMode(Enum):
    """``vlan_mode`` of a port."""

    ACCESS = "access"
    TRUNK = "trunk"
    NATIVE_TAGGED = "native-tagged"
    NATIVE_UNTAGGED = "native-untagged"
    DOT1Q_TUNNEL = "dot1q-tunnel"


class PriorityTags(Enum):
    """``priority-tags`` of a port: whether a tag goes out for its priority alone."""

    NO = "no"
    IF_NONZERO = "if-nonzero"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortVlan:
    """How a port treats VLAN tags; without arguments it is a trunk of everything.

    *trunks* and *cvlans*: None for all.
    """

    mode: VlanMode = VlanMode.TRUNK
    tag: int = 0
    trunks: frozenset[int] | None = None
    cvlans: frozenset[int] | None = None
    priority_tags: PriorityTags = PriorityTags.NO
    qinq_ethtype: int = 0x88A8

    def carries(self, vlan: int) -> bool:
        """Say whether a trunk (of any kind) carries a VLAN; its native one always, and then not VLAN 0."""
        if self.mode is VlanMode.ACCESS:
            return False
        carried = self.trunks is None or vlan in self.trunks
        if self.mode in (VlanMode.NATIVE_TAGGED, VlanMode.NATIVE_UNTAGGED) and self.tag:
            return vlan == self.tag or (carried and vlan != 0)
        return carried

    def allows_customer(self, vlan: int) -> bool:
        """Say whether a tunnel takes a customer's VLAN."""
        return self.cvlans is None or vlan in self.cvlans


TRUNK_OF_ALL = PortVlan()


@dataclass(slots=True)
class Bridging:
    """One bridge's VLANs, its mirrors, and its learned addresses: (VLAN, address) to (port, when seen last).

    An entry whose time is None is static: it neither ages nor moves.
    """

    vlans: Mapping[int, PortVlan] = field(default_factory=dict)
    learned: dict[tuple[int, int], tuple[int, int | None]] = field(default_factory=dict)
    mirrors: tuple[Mirror, ...] = ()

    def vlan(self, of_port: int) -> PortVlan:
        """Return how a port treats tags."""
        return self.vlans.get(of_port, TRUNK_OF_ALL)

    def learn(self, vlan: int, mac: int, of_port: int, now_ns: int) -> None:
        """Remember where an address was seen; groups send nothing."""
        if mac & _GROUP_BIT:
            return
        held = self.learned.get((vlan, mac))
        if held is not None and held[1] is None:
            return
        if held is None and len(self.learned) >= MAX_ADDRESSES:
            del self.learned[min(self.learned, key=lambda key: self.learned[key][1] or 0)]
        self.learned[vlan, mac] = of_port, now_ns

    def find(self, vlan: int, mac: int, now_ns: int) -> int | None:
        """Return the port behind which an address is, or None where nobody knows any more."""
        held = self.learned.get((vlan, mac))
        if held is None:
            return None
        of_port, seen_ns = held
        if seen_ns is not None and now_ns - seen_ns >= AGING_NS:
            del self.learned[vlan, mac]
            return None
        return of_port

    def forget(self, of_port: int | None = None) -> None:
        """Forget what was learned (at one port), as when a port goes down."""
        self.learned = {
            key: held for key, held in self.learned.items() if of_port is not None and held[0] != of_port
        }
