"""The reference semantics: tables written by hand."""

from ipaddress import ip_address

import pytest

from sdn_lab.model.traffic import Microflow, refused

from .small_world import IN, OPEN, OUT, flow, world


@pytest.mark.parametrize(
    ("rules", "what", "family", "admitted"),
    [
        # protocols and ports
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "tcp/80", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "tcp/80", 6, True),
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "tcp/81", 4, False),
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "udp/80", 4, False),
        (f"[{{{IN}, protocol: sctp, ports: 80}}]", "sctp/80", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]", "tcp/8080", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]", "tcp/8081", 4, False),
        (f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]", "tcp/7999", 4, False),
        (f"[{{{IN}, protocol: tcp}}]", "tcp/65535", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: []}}]", "tcp/80", 4, False),
        # any is every protocol, but not every packet
        (f"[{{{IN}, protocol: any}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: any}}]", "sctp/1", 6, True),
        (f"[{{{IN}, protocol: any}}]", "ip/47", 4, True),
        (f"[{{{IN}, protocol: any}}]", "ip/50", 6, True),
        (f"[{{{IN}, protocol: any}}]", "icmp/8", 4, True),
        (f"[{{{IN}, protocol: any}}]", "icmp/0", 4, False),
        (f"[{{{IN}, protocol: any}}]", "icmp/135", 6, False),
        (f"[{{{IN}, protocol: any}}]", "ip/2", 4, False),
        (f"[{{{IN}, protocol: any}}]", "ip/58", 4, False),
        (f"[{{{IN}, protocol: any}}]", "ip/0", 4, False),
        (f"[{{{IN}, protocol: any}}]", "ip/1", 6, False),
        (f"[{{{IN}, protocol: any}}]", "udp/67", 4, False),
        (f"[{{{IN}, protocol: any}}]", "udp/67", 6, True),
        (f"[{{{IN}, protocol: any}}]", "udp/547", 6, False),
        (f"[{{{IN}, protocol: any}}]", "udp/547", 4, True),
        (f"[{{{IN}, protocol: udp, ports: 67}}]", "udp/67", 4, False),
        (f"[{{{IN}, protocol: any}}]", "tcp/67", 4, True),
        # icmp
        (f"[{{{IN}, protocol: icmp}}]", "icmp/8", 4, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/13", 4, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/15", 4, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/17", 4, False),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/128", 6, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/129", 6, False),
        (f"[{{{IN}, protocol: icmp}}]", "ip/47", 4, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [8]}}}}]", "icmp/8", 4, True),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [8]}}}}]", "icmp/13", 4, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [8]}}}}]", "icmp/128", 6, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [], v6: []}}}}]", "icmp/8", 4, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [0, 8], v6: []}}}}]", "icmp/0", 4, False),
        # remotes
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.0/31}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.2/31}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 0.0.0.0/0}}}}]", "tcp/1", 6, False),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.0/8, except: 10.0.0.1/32}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.0/8, except: [10.0.0.2/32]}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{group: marked}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{group: a}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: {{network: n}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{network: other}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: []}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: [{{network: other}}, {{group: marked}}]}}]", "tcp/1", 4, True),
        # a second rule only adds
        (f"[{{{IN}, protocol: tcp, remote: []}}, {{{IN}, protocol: tcp}}]", "tcp/1", 4, True),
        # a group that is about egress says nothing of ingress
        (f"[{{{OUT}, protocol: any}}]", "tcp/1", 4, False),
        ("[]", "tcp/1", 4, False),
    ],
)
def test_ingress_is_an_allow_list(rules, what, family, admitted):
    assert world(a=rules, of_s="[marked]").new.admits(flow(what, family=family)) is admitted


@pytest.mark.parametrize(
    ("b", "what", "admitted"),
    [
        ("[]", "tcp/80", True),  # open until somebody speaks of egress
        (f"[{{{IN}, protocol: tcp}}]", "tcp/80", True),
        ("{egress: deny}", "tcp/80", False),
        (f"{{egress: deny, rules: [{{{OUT}, protocol: tcp}}]}}", "tcp/80", True),
        (f"[{{{OUT}, protocol: udp}}]", "tcp/80", False),
        (f"[{{{OUT}, protocol: tcp, ports: []}}]", "tcp/80", False),  # admits nothing, and still closes
        (f"[{{{OUT}, protocol: tcp, remote: []}}]", "udp/80", False),
        (
            f"[{{{OUT}, protocol: tcp, remote: {{cidr: 10.0.0.2/32}}}}]",
            "tcp/80",
            True,
        ),  # remote: where it goes
        (f"[{{{OUT}, protocol: tcp, remote: {{cidr: 10.0.0.1/32}}}}]", "tcp/80", False),
        (f"[{{{OUT}, protocol: tcp, remote: {{group: a}}}}]", "tcp/80", True),
        (f"[{{{OUT}, protocol: tcp, remote: {{group: b}}}}]", "tcp/80", False),
    ],
)
def test_egress_is_open_until_a_group_speaks_of_it(b, what, admitted):
    assert world(a=OPEN, b=b, of_s="[b]").new.admits(flow(what)) is admitted


def test_one_group_closes_egress_for_all_groups_of_a_port():
    assert world(a=OPEN, of_s="[marked]").new.admits(flow("tcp/80"))
    assert not world(a=OPEN, b="{egress: deny}", of_s="[marked, b]").new.admits(flow("tcp/80"))


def test_a_port_without_a_group_admits_nothing_and_may_send():
    said = world(a=OPEN, of_d="[]")
    assert not said.new
    assert said.egress.admits(flow("tcp/80"))


def test_groups_of_a_port_are_a_union():
    said = world(
        a=f"[{{{IN}, protocol: tcp, ports: 80}}]", b=f"[{{{IN}, protocol: tcp, ports: 22}}]", of_d="[a, b]"
    )
    assert [n for n in (22, 80, 443) if said.new.admits(flow(f"tcp/{n}"))] == [22, 80]


def test_udp_from_a_dhcp_server_port_is_refused_too():
    said = world(a=OPEN)
    assert said.new.admits(flow("udp/5000"))
    assert not said.new.admits(flow("udp/5000", src_l4=67))
    assert not said.new.admits(flow("udp/5000", src_l4=547, family=6))


def test_port_zero_and_mixed_families_are_refused():
    assert refused(flow("tcp/0"))
    assert refused(flow("tcp/80", src_l4=0))
    assert refused(Microflow(src=ip_address("10.0.0.1"), dst=ip_address("fd00::2"), protocol=47))
    assert not refused(flow("tcp/80"))
