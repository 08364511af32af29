"""The underlay's links in a lab that runs: which there are, which are cut; links and nodes cut and mended.

A link is named by its two ends, in either order: sites, switches, hypervisors.  Cutting one moves the lab, so
it is a job (`jobs`): it comes before or after a check, never in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from sdn_lab.backends.fabric import Ends, Fabric, cut_links, fabric, next_hops
from sdn_lab.lab import Lab
from sdn_lab.model.diagnostic import Diagnostic, InputError, LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.resident.asked import Asked


def link(asked: Asked) -> dict[str, Any]:
    """Cut the link ``between`` two names, or mend it if it is to be ``up``; answer with all links."""
    lab, request = asked.server.lab, asked.request
    ends = find_link(lab.scenario, request["between"])
    act = lab.backend.mend if request["up"] else lab.backend.cut
    asked.server.jobs.do("link", lambda: act(ends), asked.progress)
    return {"between": ends, **told_of(lab)}


def node(asked: Asked) -> dict[str, Any]:
    """Have a ``node`` of the underlay fail, or come back if it is to be ``up``; answer with all links.

    Nothing passes any of its links then.  A hypervisor stands still as well, where the backend can have it
    do so: ``whole``.  When it comes back its links carry again, but for those to others that failed.
    """
    lab, request, failed = asked.server.lab, asked.request, asked.server.failed
    name, up = request["node"], request["up"]
    ends = find_links_of(lab.scenario, name)

    def act() -> bool:
        (failed.discard if up else failed.add)(name)
        for one in ends:
            if not up:
                lab.backend.cut(one)
            elif not failed & set(one):
                lab.backend.mend(one)
        hypervisors = lab.scenario.underlay.hypervisors
        return name not in hypervisors or lab.backend.stand_still(name, still=not up)

    whole = asked.server.jobs.do("node", act, asked.progress)
    return {"node": name, "whole": whole, **told_of(lab)}


def links(asked: Asked) -> dict[str, Any]:
    """Say which links there are, which are cut, and who has lost whom."""
    return told_of(asked.server.lab)


def told_of(lab: Lab) -> dict[str, Any]:
    """Return the links, each cut or not; what else is not as written; pairs between which no way is left.

    Raises LabError.
    """
    drawn, remarks = fabric(lab.scenario.underlay), tuple(lab.backend.remarks())
    cut = [known.between for known in drawn.links if cut_links([known.between])[0] in remarks]
    hops = next_hops(drawn, cut)
    return {
        "links": [{"between": known.between, "cut": known.between in cut} for known in drawn.links],
        "remarks": [remark for remark in remarks if remark not in cut_links(cut)],
        "parted": [pair for pair in combinations(drawn.hypervisors, 2) if pair not in hops],
    }


def find_links_of(scenario: Scenario, name: str) -> tuple[Ends, ...]:
    """Return the links of the site, switch or hypervisor that a person means.  Raises InputError."""
    drawn = fabric(scenario.underlay)
    _known(drawn, (name,))
    return tuple(known.between for known in drawn.links if name in known.between)


def find_link(scenario: Scenario, names: Sequence[str]) -> Ends:
    """Return the ends of the link that a person means.  Raises InputError."""
    drawn = fabric(scenario.underlay)
    _known(drawn, names)
    try:
        return drawn.ends(names)
    except LabError:
        there = ", ".join(" - ".join(known.between) for known in drawn.links)
        raise _unknown(f"no link joins '{names[0]}' and '{names[1]}'", f"there are: {there}") from None


def _known(drawn: Fabric, names: Sequence[str]) -> None:
    places = (*drawn.switches, *drawn.hypervisors)
    for name in names:
        if name not in places:
            raise _unknown(f"the underlay has no '{name}'", f"there are: {', '.join(places)}")


def _unknown(what: str, fix: str) -> InputError:
    return InputError((Diagnostic(code="USE008", what=what, fix=fix),))
