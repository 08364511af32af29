"""From a file to a `Scenario`, or to all that is wrong with it.

text -`yaml_reader`-> tree -`decode`-> models -`networks`, `groups`, `ports`, `routers`, ...-> `Scenario`

Every step complains and goes on with what is left, so that one reading tells everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdn_lab.model.diagnostic import Span
from sdn_lab.model.intent import Scenario
from sdn_lab.scenario.apart import check_joined
from sdn_lab.scenario.complaint import Complaints, Place
from sdn_lab.scenario.decode import decode
from sdn_lab.scenario.dedicated import resolve_dedicated
from sdn_lab.scenario.generator import GENERATOR, refuse_settings, written_by
from sdn_lab.scenario.groups import resolve_groups
from sdn_lab.scenario.intents import resolve_intents
from sdn_lab.scenario.networks import resolve_networks
from sdn_lab.scenario.peerings import resolve_peerings
from sdn_lab.scenario.ports import resolve_ports
from sdn_lab.scenario.reading import Reading
from sdn_lab.scenario.routers import resolve_routers
from sdn_lab.scenario.taken import Taken
from sdn_lab.scenario.underlay import resolve_underlay
from sdn_lab.scenario.yaml_reader import read, source_lines


def load(path: Path, settings: Mapping[str, str] | None = None) -> Scenario:
    """Read a scenario file, or run a generator with *settings*.

    Raises InputError with every diagnostic, in the order of the file.
    """
    if path.suffix == GENERATOR:
        return loads(*written_by(path, settings or {}))
    if settings:
        refuse_settings(path)
    complaints = Complaints()
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        place = Place(span=Span(file=str(path), line=1, column=1))
        complaints.add("SCN045", place, "this file cannot be read", why=error.strerror or "")
    except UnicodeDecodeError as error:
        place = Place(span=Span(file=str(path), line=1, column=1))
        complaints.add(
            "SCN045", place, "this file is not UTF-8 text", why=f"byte {error.start} does not belong there"
        )
    complaints.stop([])
    return loads(text, str(path))


def loads(text: str, file: str) -> Scenario:
    """Read a scenario from *text*; *file* is what the diagnostics call it.  Raises InputError."""
    complaints = Complaints()
    document = read(text, file, complaints)
    decoded = None if document is None else decode(document, complaints)
    if document is None or decoded is None:
        complaints.stop(source_lines(text))
        raise AssertionError("a file that could not be decoded has a diagnostic")
    reading = Reading(document=document, decoded=decoded, complaints=complaints)
    if not reading.file.tenants and reading.is_whole(("tenants",)):
        reading.blame("SCN043", ("tenants",), "there is no tenant", fix="write e.g. 'tenants: {red: {}}'")
    underlay = resolve_underlay(reading)
    networks = resolve_networks(reading)
    groups = resolve_groups(reading)
    taken = Taken()
    ports = resolve_ports(reading, networks, taken)
    routers = resolve_routers(reading, networks, taken)
    peerings = resolve_peerings(reading, networks, routers)
    check_joined(reading, networks, routers, peerings)
    dedicated = resolve_dedicated(reading)
    wishes = resolve_intents(reading, ports)
    complaints.stop(source_lines(text))
    return Scenario(
        name=reading.file.name,
        tenants=tuple(sorted(reading.file.tenants)),
        underlay=underlay,
        networks=networks,
        security_groups=groups,
        ports=ports,
        routers=routers,
        peerings=peerings,
        dedicated=dedicated,
        wishes=wishes,
        sources=reading.sources,
    )
