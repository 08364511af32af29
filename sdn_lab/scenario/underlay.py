"""Sites, hypervisors, links and the MTU: the meaning of ``underlay``."""

from __future__ import annotations

from sdn_lab.model.intent import Link, Underlay
from sdn_lab.scenario.complaint import quote
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import Link as Written
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.reading import Reading

SITES: Path = ("underlay", "sites")
MIN_INNER_MTU_V4 = 576  # what every IPv4 host must accept (RFC 791)
MIN_INNER_MTU_V6 = 1280  # below it, IPv6 does not run on a link (RFC 8200, section 5)
MAX_MTU = 65535


def resolve_underlay(reading: Reading) -> Underlay:
    """Check the underlay and return it."""
    written = reading.file.underlay
    places: dict[str, Path] = {}
    for site, members in written.sites.items():
        reading.written("site", site, (*SITES, site))
        for index, hypervisor in enumerate(members):
            path = (*SITES, site, index)
            if hypervisor in written.sites:
                reading.blame(
                    "SCN031",
                    path,
                    f"{quote(hypervisor)} is the name of a site and of a hypervisor",
                    "links could not tell which one they join",
                    first=(*SITES, hypervisor),
                )
            if hypervisor in places:
                reading.blame(
                    "SCN028",
                    path,
                    f"hypervisor {quote(hypervisor)} is in two places",
                    f"it is in site '{places[hypervisor][2]}' already",
                    "leave one of them out",
                    first=places[hypervisor],
                )
                continue
            places[hypervisor] = path
            reading.written("hypervisor", hypervisor, path)
    if not places and reading.is_whole(SITES):
        reading.blame("SCN043", SITES, "there is no hypervisor", fix="write e.g. 'sites: {east: [hv1]}'")
    links = _links(reading)
    underlay = Underlay(
        encap=written.encap,
        mtu=written.mtu,
        sites={site: tuple(sorted(members)) for site, members in sorted(written.sites.items())},
        links=links,
    )
    _check_mtu(reading, underlay)
    return underlay


def _links(reading: Reading) -> tuple[Link, ...]:
    links: list[Link] = []
    seen: dict[tuple[str, ...], Path] = {}
    for index, link in enumerate(reading.file.underlay.links):
        path: Path = ("underlay", "links", index, "between")
        if is_broken(link):
            continue
        if len(link.between) != 2:
            reading.blame("SCN007", path, f"a link is between two names, not {len(link.between)}")
            continue
        first, second = sorted(link.between)
        if first == second:
            reading.blame("SCN029", path, f"this link joins {quote(first)} to itself")
            continue
        if (first, second) in seen:
            reading.blame(
                "SCN030",
                path,
                f"there is a link between {quote(first)} and {quote(second)} already",
                fix="leave one out",
                first=seen[first, second],
            )
            continue
        seen[first, second] = path
        _check_shape(reading, index, link)
        links.append(
            Link(
                between=(first, second),
                delay_ms=float(link.delay),
                rate_bps=round(link.rate),
                loss=float(link.loss),
                jitter_ms=float(link.jitter),
                queue=link.queue or 0,
            )
        )
    return tuple(sorted(links, key=lambda link: link.between))


def _check_shape(reading: Reading, index: int, link: Written) -> None:
    path: Path = ("underlay", "links", index)
    if link.jitter > link.delay:
        reading.blame(
            "SCN060",
            (*path, "jitter"),
            f"a delay of {link.delay:f} ms cannot vary by {link.jitter:f} ms",
            "some frames would arrive before they were sent",
            "write a delay that is at least as long",
        )
    if link.queue is not None and not link.rate:
        reading.blame(
            "SCN060",
            (*path, "queue"),
            "nothing ever waits on a link without a rate",
            fix="write a rate, or leave the queue out",
        )


def _check_mtu(reading: Reading, underlay: Underlay) -> None:
    v6 = any(
        prefix.version == 6
        for _, tenant in reading.tenants()
        for network in tenant.networks.values()
        if not is_broken(network)
        for prefix in network.cidr
    )
    least, why = (MIN_INNER_MTU_V6, "IPv6 needs 1280") if v6 else (MIN_INNER_MTU_V4, "IPv4 needs 576")
    overhead = underlay.mtu - underlay.inner_mtu
    if underlay.inner_mtu < least:
        reading.blame(
            "SCN033",
            ("underlay", "mtu"),
            f"an MTU of {underlay.mtu} leaves {underlay.inner_mtu} bytes inside the tunnel",
            why,
            f"write {least + overhead} or more",
        )
    elif underlay.mtu > MAX_MTU:
        reading.blame(
            "SCN033", ("underlay", "mtu"), f"there is no MTU of {underlay.mtu}", f"at most {MAX_MTU}"
        )
