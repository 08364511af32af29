"""Random edits of a scenario: what a user changes in a file before ``apply``."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sdn_lab.model.intent import AnyRemote, Direction, PortRange, Protocol, Rule, Scenario, SecurityGroup

KINDS = ("move", "remove", "groups", "rule out", "rule in", "rule ports", "egress", "approval", "address")
L4_PORTS = (22, 80, 81, 1024)


def edited(scenario: Scenario, seed: int, *, most: int = 3) -> Scenario:
    """Return *scenario* after one to *most* edits; ports only go, move and change.  Wishes are left out."""
    dice = Random(seed)
    made = replace(scenario, wishes=())
    for _ in range(dice.randint(1, most)):
        made = _edit(dice, made)
    return made


def _edit(dice: Random, scenario: Scenario) -> Scenario:
    kind = dice.choice(KINDS)
    if kind in ("rule out", "rule in", "rule ports", "egress"):
        return _edit_group(dice, scenario, kind) if scenario.security_groups else scenario
    if kind == "approval":
        return _edit_peering(dice, scenario)
    port = dice.choice(scenario.ports)
    if kind == "remove":
        left = tuple(p for p in scenario.ports if p is not port)
        return replace(scenario, ports=left) if len(left) > 1 else scenario
    if kind == "move":
        new = replace(port, hypervisor=dice.choice(scenario.underlay.hypervisors))
    elif kind == "groups":
        own = [g.path for g in scenario.security_groups if g.tenant == port.tenant]
        new = replace(port, groups=tuple(sorted(dice.sample(own, dice.randint(0, min(2, len(own)))))))
    else:
        new = replace(port, ips=port.ips[:1])
    return replace(scenario, ports=tuple(new if p is port else p for p in scenario.ports))


def _edit_peering(dice: Random, scenario: Scenario) -> Scenario:
    """Withdraw an approval, or give all."""
    if not scenario.peerings:
        return scenario
    peering = dice.choice(scenario.peerings)
    everybody = tuple(sorted({path.partition("/")[0] for path in peering.between}))
    new = replace(peering, approved_by=() if peering.approved else everybody)
    return replace(scenario, peerings=tuple(new if p is peering else p for p in scenario.peerings))


def _edit_group(dice: Random, scenario: Scenario, kind: str) -> Scenario:
    group = dice.choice(scenario.security_groups)
    if kind == "egress":
        new = replace(group, egress_deny=not group.egress_deny)
    elif kind == "rule in":
        new = replace(group, rules=(*group.rules, _rule(dice, group)))
    elif not group.rules:
        return scenario
    else:
        rule = dice.choice(group.rules)
        other = () if kind == "rule out" else (_with_ports(dice, rule),)
        new = replace(
            group, rules=tuple(r for old in group.rules for r in (other if old is rule else (old,)))
        )
    groups = tuple(new if g is group else g for g in scenario.security_groups)
    return replace(scenario, security_groups=groups)


def _rule(dice: Random, group: SecurityGroup) -> Rule:
    rule = Rule(
        path=f"{group.path}/rules/{90 + dice.randint(0, 9)}",
        direction=dice.choice(tuple(Direction)),
        protocol=dice.choice((Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.ICMP, Protocol.ANY)),
        remotes=(AnyRemote(),),
    )
    return _with_ports(dice, rule)


def _with_ports(dice: Random, rule: Rule) -> Rule:
    if rule.protocol not in (Protocol.TCP, Protocol.UDP, Protocol.SCTP):
        return rule
    first = dice.choice(L4_PORTS)
    return replace(rule, l4_ports=(PortRange(first=first, last=first + dice.randint(0, 1)),))
