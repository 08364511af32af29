"""Which object of a scenario an entry's cookie stands for."""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.cookie import PLATFORM, Explainer
from sdn_lab.openflow.entry import FlowEntry, Origin


class Origins:
    """Explains the entries of one scenario's dumps, in the scenario's words."""

    def __init__(self, scenario: Scenario) -> None:
        self._sources = scenario.sources
        self._explainer = Explainer(_paths(scenario))

    def of(self, entry: FlowEntry) -> Origin | None:
        """Return why an entry is there, or None where this scenario cannot have made it."""
        return entry.origin or self._explainer.explain(entry.cookie)

    def told(self, entry: FlowEntry) -> str:
        """Return the same in words, with the line of the scenario file where there is one."""
        origin = self.of(entry)
        if origin is None:
            return f"cookie {entry.cookie:#x}, nothing of this scenario" if entry.cookie else "no cookie"
        place = self._sources.get(origin.path)
        return f"{origin} ({place.file}:{place.line})" if place is not None else str(origin)


def _paths(scenario: Scenario) -> Iterator[tuple[str, str]]:
    yield from (("platform", path) for path in sorted(PLATFORM))
    yield from (("hypervisor", name) for name in scenario.underlay.hypervisors)
    yield from (("network", network.path) for network in scenario.networks)
    yield from (("broadcast", network.path) for network in scenario.networks)
    yield from (("port", port.path) for port in scenario.ports)
    yield from (("router", router.path) for router in scenario.routers)
    yield from (("peering", peering.path) for peering in scenario.peerings)
    for group in scenario.security_groups:
        yield "group", group.path
        yield from (("rule", rule.path) for rule in group.rules)
