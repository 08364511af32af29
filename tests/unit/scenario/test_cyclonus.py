"""Security groups against 81 firewall-policy cases whose truth tables another project worked out.

Kubernetes network policies, translated: a policy is a group of the pods that it selects, its peers are
groups without rules or prefixes, a pod that no ingress policy selects has a group that admits everything,
and a policy about egress that allows none is ``egress: deny``.  All pods are on one network.
"""

import json
import lzma
from ipaddress import ip_address, ip_network
from itertools import count
from pathlib import Path

import pytest

from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    Network,
    Port,
    PortRange,
    Protocol,
    Rule,
    Scenario,
    SecurityGroup,
    Underlay,
)
from sdn_lab.model.traffic import SCTP, TCP, UDP, Microflow
from sdn_lab.scenario import loads, to_yaml
from sdn_lab.scenario.semantics import Semantics

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "cyclonus.jsonl.xz"
NUMBER = {"TCP": TCP, "UDP": UDP, "SCTP": SCTP}

pytestmark = pytest.mark.skipif(not CASES.exists(), reason="../shared/cases/cyclonus.jsonl.xz is not there")


def cases():
    if not CASES.exists():
        return []
    with lzma.open(CASES, "rt") as lines:
        return [json.loads(line) for line in lines]


def selects(selector, labels):
    """A label selector: all of its labels and expressions."""
    wanted = (selector or {}).get("matchLabels") or {}
    expressions = (selector or {}).get("matchExpressions") or []
    for expression in expressions:
        value, values = labels.get(expression["key"]), expression.get("values") or []
        fits = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[expression["operator"]]
        if not fits:
            return False
    return all(labels.get(key) == value for key, value in wanted.items())


class Translation:
    """One step of a case as a scenario."""

    def __init__(self, step):
        self.step = step
        self.pods = {f"{p['Ns']}/{p['Name']}": p for p in step["pods"]}
        self.groups = {}  # path: SecurityGroup
        self.of_pod = {name: set() for name in self.pods}
        self.markers = {}  # frozenset of pods: group path
        self.numbers = count()
        policed = set()
        for policy in step.get("policies") or []:
            policed |= self.policy(policy)
        self.group("t/open", (self.rule("t/open/rules/0", Direction.INGRESS, None, (AnyRemote(),)),))
        for name in self.pods.keys() - policed:
            self.of_pod[name].add("t/open")

    def group(self, path, rules, *, egress_deny=False):
        self.groups[path] = SecurityGroup(path=path, tenant="t", rules=rules, egress_deny=egress_deny)

    def policy(self, policy):
        """Return the pods whose ingress it polices."""
        spec, home = policy["spec"], policy["metadata"]["namespace"]
        kinds = spec.get("policyTypes") or ["Ingress"]
        path = f"t/policy{next(self.numbers)}"
        rules = []
        for kind, direction, key in (
            ("Ingress", Direction.INGRESS, "from"),
            ("Egress", Direction.EGRESS, "to"),
        ):
            for entry in (spec.get(kind.lower()) or []) if kind in kinds else []:
                remotes = tuple(self.remote(peer, home) for peer in entry.get(key) or []) or (AnyRemote(),)
                for ports in entry.get("ports") or [None]:
                    rules.append(self.rule(f"{path}/rules/{len(rules)}", direction, ports, remotes))
        self.group(path, tuple(rules), egress_deny="Egress" in kinds)
        chosen = {
            name
            for name, pod in self.pods.items()
            if pod["Ns"] == home and selects(spec.get("podSelector"), pod["Labels"])
        }
        for name in chosen:
            self.of_pod[name].add(path)
        return chosen if "Ingress" in kinds else set()

    def rule(self, path, direction, ports, remotes):
        if ports is None:  # an empty entry is TCP, any port
            return Rule(path=path, direction=direction, protocol=Protocol.ANY, remotes=remotes)
        protocol, port = ports.get("protocol") or "TCP", ports.get("port")
        ranges = None
        if isinstance(port, str):
            word, number, kind = port.split("-")
            assert word == "serve"
            if kind.upper() != protocol:
                number = None  # a name that no container port of this protocol has
            ranges = () if number is None else (PortRange(first=int(number), last=int(number)),)
        elif port is not None:
            ranges = (PortRange(first=port, last=ports.get("endPort") or port),)
        return Rule(
            path=path,
            direction=direction,
            protocol=Protocol(protocol.lower()),
            l4_ports=ranges,
            remotes=remotes,
        )

    def remote(self, peer, home):
        if peer.get("ipBlock"):
            block = peer["ipBlock"]
            holes = tuple(ip_network(c) for c in block.get("except") or [])
            return CidrRemote(cidr=ip_network(block["cidr"]), excluded=tuple(sorted(holes)))
        namespaces = self.step["namespaces"]
        members = frozenset(
            name
            for name, pod in self.pods.items()
            if selects(peer.get("podSelector"), pod["Labels"])
            and (
                pod["Ns"] == home
                if peer.get("namespaceSelector") is None
                else selects(peer["namespaceSelector"], namespaces[pod["Ns"]])
            )
        )
        if members not in self.markers:
            self.markers[members] = f"t/marker{next(self.numbers)}"
            self.group(self.markers[members], ())
            for name in members:
                self.of_pod[name].add(self.markers[members])
        return GroupRemote(group=self.markers[members])

    def scenario(self):
        ports = [
            Port(
                path="t/" + name.replace("/", "."),
                tenant="t",
                instance="t/" + name.replace("/", "."),
                network="t/n",
                hypervisor="hv1",
                mac=f"02:00:00:00:00:{number:02x}",
                ips=(ip_address(pod["IP"]),),
                groups=tuple(sorted(self.of_pod[name])),
            )
            for number, (name, pod) in enumerate(sorted(self.pods.items()))
        ]
        prefixes = {ip_network(f"{p.ips[0]}/16", strict=False) for p in ports}
        return Scenario(
            name="cyclonus",
            tenants=("t",),
            underlay=Underlay(sites={"east": ("hv1",)}),
            networks=(Network(path="t/n", tenant="t", cidrs=tuple(sorted(prefixes)), vni=1),),
            security_groups=tuple(self.groups[path] for path in sorted(self.groups)),
            ports=tuple(sorted(ports, key=lambda p: p.path)),
        )


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c['id']}-{c['description'][:40]}")
def test_truth_table(case):
    for step in case["steps"]:
        scenario = Translation(step).scenario()
        semantics = Semantics(scenario)
        for row in step["expect"]:
            if row["From"] == row["To"]:
                continue  # what a port sends to itself never leaves it
            s, d = (scenario.port("t/" + row[end].replace("/", ".")) for end in ("From", "To"))
            flow = Microflow(
                src=s.ips[0], dst=d.ips[0], protocol=NUMBER[row["Proto"]], src_l4=40000, dst_l4=row["Port"]
            )
            said = semantics.pair(s, d)
            assert said.egress.admits(flow) is row["Egress"], row
            assert said.new.admits(flow) is row["Combined"], row


def test_they_can_be_written_as_files():
    for case in cases()[::10]:
        scenario = Translation(case["steps"][0]).scenario()
        assert loads(to_yaml(scenario), "cyclonus.yaml") == scenario
