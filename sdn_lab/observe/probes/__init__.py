"""The families of probes.  To add one: write its module, and its row here.

Each answers to a row of the attack catalogue, which two may share (REACH-03: broadcast that is forbidden, and
broadcast that is allowed), and makes cases (`observe.case`) for a `World`.  Two rules above all: every family
has a positive control, the legitimate packet of the same kind (`Shot.proves`, `Shot.leans_on`), and a
negative control, in `tests/faults`: with the guard taken out of the tables, its probes must report it.
"""

from __future__ import annotations

from sdn_lab.observe.case import Family
from sdn_lab.observe.probes import (
    broadcast,
    fragments,
    gateways,
    groups,
    impostors,
    management,
    neighbour,
    nobody,
    overlap,
    planted,
    reach,
    source,
    state,
    tags,
    tunnel,
    zones,
)

PROBES: tuple[Family, ...] = (
    *reach.FAMILIES,
    *broadcast.FAMILIES,
    *nobody.FAMILIES,
    *gateways.FAMILIES,
    *impostors.FAMILIES,
    *overlap.FAMILIES,
    *neighbour.FAMILIES,
    *source.FAMILIES,
    *tags.FAMILIES,
    *tunnel.FAMILIES,
    *groups.FAMILIES,
    *fragments.FAMILIES,
    *state.FAMILIES,
    *zones.FAMILIES,
    *management.FAMILIES,
    *planted.FAMILIES,
)
