"""Cookies: stage (8 bits), kind (8 bits), stable hash of the object's path (48 bits).

Never a position: a dump explains itself with the scenario alone, on any machine, in any order.  Codes
are stable: append, never renumber.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sdn_lab.openflow.entry import Origin

STAGES: Mapping[str, int] = {
    "classify": 1,
    "admission": 2,
    "port_security": 3,
    "neighbours": 4,
    "egress_group": 5,
    "forwarding": 6,
    "ingress_group": 7,
    "output": 8,
    "underlay": 9,
    "peering": 10,
    "routing": 11,
    "broadcast": 12,
}
KINDS: Mapping[str, int] = {
    "platform": 1,  # holds for everybody; path: what for, e.g. "fragments"
    "hypervisor": 2,
    "network": 3,
    "port": 4,
    "group": 5,
    "rule": 6,
    "router": 7,
    "peering": 8,
    "broadcast": 9,  # path: the network's
}
PLATFORM = frozenset(  # the paths of kind "platform": what holds for everybody
    {
        "dhcp-server",
        "ethertypes",
        "fragments",
        "icmp-of-the-other-family",
        "igmp",
        "ip-protocol-0",
        "l4-port-0",
        "mld",
        "neighbour-discovery",
        "redirect",
        "related-errors",
        "router-advertisement",
        "router-solicitation",
        "sctp",
        "tcp-syn-only",
        "tracking",
    }
)
_STAGE_NAMES = {code: name for name, code in STAGES.items()}
_KIND_NAMES = {code: name for name, code in KINDS.items()}


def encode(origin: Origin) -> int:
    """Return the 64-bit cookie of *origin*.  KeyError: undeclared stage, kind, platform path."""
    if origin.kind == "platform" and origin.path not in PLATFORM:
        raise KeyError(origin.path)
    digest = hashlib.sha256(f"{origin.kind}:{origin.path}".encode()).digest()
    return STAGES[origin.stage] << 56 | KINDS[origin.kind] << 48 | int.from_bytes(digest[:6], "big")


class Explainer:
    """Turns cookies back into origins, given the paths that the scenario has.

    *paths* are (kind, path).  Raises ValueError when two paths hash to one value.
    """

    def __init__(self, paths: Iterable[tuple[str, str]]) -> None:
        self._known: dict[int, tuple[str, str]] = {}
        for kind, path in paths:
            low = encode(Origin(stage="classify", kind=kind, path=path)) & ((1 << 56) - 1)
            other = self._known.setdefault(low, (kind, path))
            if other != (kind, path):
                raise ValueError(f"{kind} {path} and {other[0]} {other[1]} share one cookie")

    def explain(self, cookie: int) -> Origin | None:
        """Return the origin of a cookie, or None for one that this scenario cannot have made."""
        stage = _STAGE_NAMES.get(cookie >> 56)
        known = self._known.get(cookie & ((1 << 56) - 1))
        return Origin(stage=stage, kind=known[0], path=known[1]) if stage and known else None
