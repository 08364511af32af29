"""Who has which address in a network: ports first, then the routers' gateways, each once.

Filled by `resolve_ports` and `resolve_routers`; a second owner is a diagnostic that names the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdn_lab.model.intent import IPAddress
from sdn_lab.scenario.document import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who took something, and where that was written."""

    kind: str  # "port" or "router"
    name: str
    path: Path


@dataclass(slots=True, kw_only=True)
class Taken:
    """``{(network, value): owner}``; whoever came first keeps it."""

    ips: dict[tuple[str, IPAddress], Owner] = field(default_factory=dict)
    macs: dict[tuple[str, str], Owner] = field(default_factory=dict)
