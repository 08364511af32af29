"""How many connections a zone may have.

A zone with a limit of its own counts the connections that are made from then on.  All other zones share
one limit, the default, and *one count*: so does Open vSwitch 3.1.0 (`docs/ovs-facts.md`).  At the limit a new
connection is ``+new`` and not committed.

Reference: ovs-appctl(8), ``dpctl/ct-set-limits``; ``lib/conntrack.c``, `zone_limit_lookup_or_default`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Limit:
    """A limit and what counts against it."""

    most: int
    count: int = 0

    @property
    def reached(self) -> bool:
        """Whether no further connection is admitted."""
        return self.count >= self.most


@dataclass(slots=True)
class ZoneLimits:
    """The limits of one tracker."""

    _by_zone: dict[int, Limit] = field(default_factory=dict)
    _default: Limit | None = None

    def set(self, zone: int | None, most: int) -> None:
        """Set the limit of a zone, or (None) that of all zones without one; a count goes on."""
        held = self._default if zone is None else self._by_zone.get(zone)
        if held is not None:
            held.most = most
        elif zone is None:
            self._default = Limit(most)
        else:
            self._by_zone[zone] = Limit(most)

    def remove(self, zone: int) -> None:
        """Take a zone's own limit away."""
        self._by_zone.pop(zone, None)

    def of(self, zone: int) -> Limit | None:
        """Return the limit that a new connection in *zone* counts against, or None."""
        return self._by_zone.get(zone, self._default)

    def counts(self) -> dict[int, int]:
        """Return how many connections count against each zone's own limit."""
        return {zone: limit.count for zone, limit in self._by_zone.items()}
