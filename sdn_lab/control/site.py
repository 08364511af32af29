"""What an app may know of the lab that it controls.

    from sdn_lab.control.site import site

    place = site.place(datapath.id)      # which hypervisor, which tenant port is where, which peers
    tables = site.wanted(datapath.id)    # what the compiler wants it to hold

An OpenFlow switch says of itself only its datapath id and its ports.  A real controller learns the rest
from an inventory; this is ours.  The lab writes it once, before any app starts, as JSON values
(`facts_of` makes them, `Site.load` reads them); what is wanted can change later, and then every app that
handles `program.ProgramChanged` is told.

Nothing here says what is *allowed*: an app that only reads ports and peers, as the learning switch does,
builds whatever network it likes.  That is what the verifier is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.entry import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPort:
    """A tenant's port on this datapath: its path (``red/vm1``), its network's path, its number."""

    path: str
    network: str
    of_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One datapath: where it is, and what hangs on it.

    *vtep* is the outer IPv4 address of its own tunnels, *peers* those of all other hypervisors;
    *tunnel_of_port* is the one port that all tunnels share.
    """

    hypervisor: str
    vtep: str
    peers: tuple[str, ...]
    tunnel_of_port: int
    ports: tuple[TenantPort, ...]


class Site:
    """The inventory, and what every datapath should hold.  One per process: `site`."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}
        self._wanted: dict[int, Tables] = {}
        self.generation = 0
        """Which program is wanted: the lab counts them, so that it knows what a confirmation is of."""
        self.least = False
        """Whether a datapath is taken to hold what it confirmed last: see `Pusher`."""
        self.networks: tuple[str, ...] = ()
        self.pushes = False
        """Whether an app has a `Pusher`: only then does anything get confirmed."""
        self.tell: Callable[..., None] = lambda **_: None
        """Send an event to the lab: ``tell(event="said", text="...")``; see `sdn_lab.control.lines`."""

    def load(self, facts: Mapping[str, Any]) -> None:
        """Take over what `facts_of` wrote."""
        self.networks = tuple(facts["networks"])
        self._places = {
            int(dpid, 16): Place(
                hypervisor=fact["hypervisor"],
                vtep=fact["vtep"],
                peers=tuple(fact["peers"]),
                tunnel_of_port=fact["tunnel_of_port"],
                ports=tuple(TenantPort(path=p, network=n, of_port=o) for p, n, o in fact["ports"]),
            )
            for dpid, fact in facts["datapaths"].items()
        }

    def want(self, tables: Mapping[int, Tables], generation: int, *, least: bool = False) -> None:
        """Replace what the datapaths should hold; with *least*, only what these ones should."""
        self._wanted = {**(self._wanted if least else {}), **tables}
        self.generation, self.least = generation, least

    def place(self, dpid: int) -> Place:
        """Return what is known of a datapath.  Raises KeyError for one that is not of this lab."""
        return self._places[dpid]

    def wanted(self, dpid: int) -> Tables | None:
        """Return what a datapath should hold, or None if nobody said."""
        return self._wanted.get(dpid)

    def knows(self, dpid: int) -> bool:
        """Say whether a datapath is of this lab."""
        return dpid in self._places


def facts_of(scenario: Scenario, assignment: Assignment) -> dict[str, Any]:
    """Return the inventory as JSON values."""
    return {
        "networks": sorted(network.path for network in scenario.networks),
        "datapaths": {
            datapath.dpid: {
                "hypervisor": name,
                "vtep": str(datapath.vtep),
                "peers": sorted(
                    str(other.vtep) for other in assignment.datapaths.values() if other is not datapath
                ),
                "tunnel_of_port": datapath.tunnel_of_port,
                "ports": [[a.port, scenario.port(a.port).network, a.of_port] for a in datapath.attachments],
            }
            for name, datapath in assignment.datapaths.items()
        },
    }


site = Site()
