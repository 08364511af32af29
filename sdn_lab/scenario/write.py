"""A scenario as a file again: what a random scenario is saved as when it found something.

``loads(to_yaml(scenario), name) == scenario`` for every scenario that `load` can give.  Ports' MACs and
VNIs are written out even where the first file left them to be derived; a router's MACs cannot be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from sdn_lab.model.intent import (
    CidrRemote,
    Dedicated,
    GroupRemote,
    Link,
    Network,
    NetworkRemote,
    Peering,
    PeeringRule,
    Port,
    PortRange,
    Protocol,
    Remote,
    Router,
    Rule,
    Scenario,
    SecurityGroup,
    Wish,
)

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_NOT_WORDS = frozenset({"null", "true", "false"})


def to_yaml(scenario: Scenario) -> str:
    """Write *scenario* as a file, version 1."""
    underlay = scenario.underlay
    file: dict[str, object] = {
        "version": 1,
        "name": scenario.name,
        "underlay": {
            "encap": underlay.encap,
            "mtu": underlay.mtu,
            "sites": {site: list(members) for site, members in underlay.sites.items()},
            "links": [_link(link) for link in underlay.links],
        },
        "tenants": {tenant: _tenant(scenario, tenant) for tenant in scenario.tenants},
        "peerings": [_peering(peering) for peering in scenario.peerings],
        "dedicated": [_dedicated(dedicated) for dedicated in scenario.dedicated],
        "intents": [_wish(wish) for wish in scenario.wishes],
    }
    return "".join(f"{line}\n" for line in _block(file, ""))


def _tenant(scenario: Scenario, tenant: str) -> dict[str, object]:
    return {
        "networks": {_short(n.path): _network(n) for n in scenario.networks if n.tenant == tenant},
        "security_groups": {
            _short(g.path): _group(g) for g in scenario.security_groups if g.tenant == tenant
        },
        "routers": {_short(r.path): _router(r) for r in scenario.routers if r.tenant == tenant},
        "instances": _instances([p for p in scenario.ports if p.tenant == tenant]),
    }


def _network(network: Network) -> dict[str, object]:
    found: dict[str, object] = {"cidr": [str(c) for c in network.cidrs], "vni": network.vni}
    return {**found, "broadcast": True} if network.broadcast else found


def _router(router: Router) -> dict[str, object]:
    return {"interfaces": {_short(leg.network): [str(a) for a in leg.addresses] for leg in router.interfaces}}


def _peering(peering: Peering) -> dict[str, object]:
    return {
        "between": list(peering.between),
        "approved_by": list(peering.approved_by),
        "allow": [_allowed(rule) for rule in peering.allow],
    }


def _dedicated(dedicated: Dedicated) -> dict[str, object]:
    return {"tenant": dedicated.tenant, "hypervisors": list(dedicated.hypervisors)}


def _instances(ports: list[Port]) -> dict[str, object]:
    found: dict[str, object] = {}
    for instance in sorted({p.instance for p in ports}):
        members = [p for p in ports if p.instance == instance]
        hypervisor = {"hypervisor": members[0].hypervisor}
        if len(members) == 1:
            found[_short(instance)] = {**hypervisor, **_port(members[0])}
        else:
            legs = {p.path.rpartition(":")[2]: _port(p) for p in members}
            found[_short(instance)] = {**hypervisor, "ports": legs}
    return found


def _port(port: Port) -> dict[str, object]:
    return {
        "network": _short(port.network),
        "ip": [str(a) for a in port.ips],
        "mac": port.mac,
        "groups": [_short(g) for g in port.groups],
    }


def _group(group: SecurityGroup) -> object:
    rules = [_rule(rule) for rule in group.rules]
    return {"egress": "deny", "rules": rules} if group.egress_deny else rules


def _rule(rule: Rule) -> dict[str, object]:
    found: dict[str, object] = {"direction": rule.direction.value, **_allowed(rule)}
    return {**found, "remote": [_remote(remote) for remote in rule.remotes]}


def _allowed(rule: Rule | PeeringRule) -> dict[str, object]:
    found: dict[str, object] = {"protocol": rule.protocol.value}
    if rule.l4_ports is not None:
        found["ports"] = [_range(r) for r in rule.l4_ports]
    if rule.icmp_types_v4 is not None:
        found["types"] = {"v4": list(rule.icmp_types_v4), "v6": list(rule.icmp_types_v6 or ())}
    return found


def _remote(remote: Remote) -> object:
    match remote:
        case CidrRemote(cidr=cidr, excluded=excluded):
            return {"cidr": str(cidr), **({"except": [str(c) for c in excluded]} if excluded else {})}
        case GroupRemote(group=group):
            return {"group": _short(group)}
        case NetworkRemote(network=network):
            return {"network": _short(network)}
        case _:
            return "any"


def _wish(wish: Wish) -> dict[str, object]:
    if wish.kind == "redundant":
        return {wish.kind: {"between": [wish.subject, wish.object_]}}
    said: dict[str, object] = {"from": wish.subject, "to": wish.object_}
    if wish.protocol is not Protocol.ANY:
        said["protocol"] = wish.protocol.value
    if wish.l4_ports is not None:
        said["ports"] = [_range(r) for r in wish.l4_ports]
    return {wish.kind: said}


def _link(link: Link) -> dict[str, object]:
    found: dict[str, object] = {"between": list(link.between)}
    if link.delay_ms:
        found["delay"] = f"{Decimal(repr(link.delay_ms)):f}ms"
    if link.rate_bps:
        found["rate"] = f"{link.rate_bps}bit"
    if link.loss:
        found["loss"] = f"{Decimal(repr(link.loss)) * 100:f}%"
    if link.jitter_ms:
        found["jitter"] = f"{Decimal(repr(link.jitter_ms)):f}ms"
    if link.queue:
        found["queue"] = link.queue
    return found


def _range(ports: PortRange) -> object:
    return ports.first if ports.first == ports.last else f"{ports.first}-{ports.last}"


def _short(path: str) -> str:
    return path.partition("/")[2]


def _block(node: object, indent: str) -> Iterator[str]:
    """Write mappings and lists line by line, down to those that fit on one."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if _is_leaf(value):
                yield f"{indent}{_flow(key)}: {_flow(value)}"
            else:
                yield f"{indent}{_flow(key)}:"
                yield from _block(value, indent + "  ")
    elif isinstance(node, list):
        yield from (f"{indent}- {_flow(item)}" for item in node)


def _is_leaf(node: object) -> bool:
    """Say whether *node* goes on one line: no mappings inside, or nothing at all."""
    if isinstance(node, Mapping):
        return all(not isinstance(value, Mapping) for value in node.values()) and not any(
            isinstance(value, list) and any(isinstance(item, Mapping) for item in value)
            for value in node.values()
        )
    return not isinstance(node, list) or not any(isinstance(item, Mapping) for item in node)


def _flow(node: object) -> str:
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(_flow(item) for item in node) + "]"
    text = str(node).lower() if isinstance(node, bool) else str(node)
    plain = isinstance(node, int) or (_PLAIN.fullmatch(text) and text.lower() not in _NOT_WORDS)
    return text if plain else json.dumps(text)
