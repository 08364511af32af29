"""How the underlay hangs together, for drawing: which site, switch or hypervisor has a line to which.

As the scenario's ``underlay`` says: links as written; sites without a written way between any two of them are
meshed; a hypervisor that no link names hangs on its site (and needs no line: it is drawn in its box).
"""

from __future__ import annotations

from itertools import combinations

from sdn_lab.model.intent import Link, Underlay


def switches(underlay: Underlay) -> tuple[str, ...]:
    """Return the names in links that are neither site nor hypervisor, sorted."""
    known = {*underlay.sites, *underlay.hypervisors}
    return tuple(sorted({name for link in underlay.links for name in link.between} - known))


def wires(underlay: Underlay) -> tuple[Link, ...]:
    """Return all links to draw; those that nobody wrote have no properties."""
    written = underlay.links
    reached = {name: {name} for link in written for name in link.between}
    for link in written:
        first, second = link.between
        if first in underlay.hypervisors or second in underlay.hypervisors:
            continue  # a hypervisor forwards for nobody
        joined = reached[first] | reached[second]
        for name in joined:
            reached[name] = joined
    together = any(b in reached.get(a, ()) for a, b in combinations(underlay.sites, 2))
    mesh = () if together else tuple(Link(between=pair) for pair in combinations(sorted(underlay.sites), 2))
    return (*written, *mesh)


def told(link: Link) -> str:
    """Return a link's properties in short, empty where it has none."""
    words = []
    if link.delay_ms:
        words.append(f"{link.delay_ms:g} ms")
    if link.rate_bps:
        giga = link.rate_bps >= 1_000_000_000
        words.append(f"{link.rate_bps / (1e9 if giga else 1e6):g} {'Gbit/s' if giga else 'Mbit/s'}")
    if link.loss:
        words.append(f"{link.loss * 100:g} % loss")
    return ", ".join(words)
