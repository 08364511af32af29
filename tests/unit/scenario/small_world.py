"""Two ports of one network and their groups: what the tables written by hand are about."""

from ipaddress import ip_address

from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow
from sdn_lab.scenario import loads
from sdn_lab.scenario.claims import pair

PROTOCOLS = {"tcp": TCP, "udp": UDP, "sctp": SCTP}
WORLD = """
version: 1
name: table
underlay: {{sites: {{east: [hv1]}}}}
tenants:
  t:
    networks:
      n: {{cidr: [10.0.0.0/24, "fd00::/64"]}}
      other: {{cidr: 10.0.0.0/24}}
    security_groups:
      a: {a}
      b: {b}
      marked: []
    instances:
      s: {{network: n, hypervisor: hv1, ip: [10.0.0.1, "fd00::1"], groups: {of_s}}}
      d: {{network: n, hypervisor: hv1, ip: [10.0.0.2, "fd00::2"], groups: {of_d}}}
"""


def world(*, a="[]", b="[]", of_s="[]", of_d="[a]"):
    scenario = loads(WORLD.format(a=a, b=b, of_s=of_s, of_d=of_d), "table.yaml")
    return pair(scenario, scenario.port("t/s"), scenario.port("t/d"))


def flow(what, *, src_l4=40000, family=4, back=False):
    """Write ``tcp/80``, ``icmp/8``, ``ip/47``."""
    word, _, number = what.partition("/")
    s, d = ("10.0.0.1", "10.0.0.2") if family == 4 else ("fd00::1", "fd00::2")
    if back:
        s, d = d, s
    ends = {"src": ip_address(s), "dst": ip_address(d)}
    if word in PROTOCOLS:
        return Microflow(**ends, protocol=PROTOCOLS[word], src_l4=src_l4, dst_l4=int(number))
    if word == "icmp":
        return Microflow(**ends, protocol=ICMP if family == 4 else ICMPV6, icmp_type=int(number))
    return Microflow(**ends, protocol=int(number))


IN = "direction: ingress"
OUT = "direction: egress"
OPEN = f"[{{{IN}, protocol: any}}]"


def swap(said):
    """The semantics of (d, s), in which d answers flows that s opens."""
    return type(said)(
        new=said.reverse_new,
        egress=said.reverse_egress,
        reverse_new=said.new,
        reverse_egress=said.egress,
    )
