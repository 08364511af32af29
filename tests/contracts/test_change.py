"""What every backend promises of a lab that changes (`RunningLab`: change, tracked, forget).

On the shipped ``overlap``, with the overlay controller; on Mininet where it can run, as in `test_backend`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import pytest

from sdn_lab.backends import BACKENDS
from sdn_lab.doctor import lacking
from sdn_lab.lab import Lab, Options
from sdn_lab.model.observation import NONCE_MAGIC, Injection, PointKind, WatchPoint, Window
from sdn_lab.model.tracked import Tracked
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow
from sdn_lab.openflow import packet
from sdn_lab.scenario import find, load

PARTS = ("sim", pytest.param("mininet", marks=pytest.mark.live))
OVERLAP = load(find("overlap"))
NOBODY = IPv4Address(0)
V4, V6 = 0, 1  # which of a port's addresses
FLOWS = {
    "tcp": Microflow(src=NOBODY, dst=NOBODY, protocol=TCP, src_l4=40001, dst_l4=22),
    "udp": Microflow(src=NOBODY, dst=NOBODY, protocol=UDP, src_l4=40002, dst_l4=53),
    "sctp": Microflow(src=NOBODY, dst=NOBODY, protocol=SCTP),
    "gre": Microflow(src=NOBODY, dst=NOBODY, protocol=47),
}


@pytest.fixture(scope="module", params=PARTS)
def lab(request):
    missing = lacking("mininet") if request.param == "mininet" else ()
    if missing:
        sentences = "; ".join(f"{n.missing} ({n.remedy})" for n in missing)
        required = "live" in os.environ.get("SDN_LAB_REQUIRE", "").split(",")
        (pytest.fail if required else pytest.skip)(sentences)
    with Lab(OVERLAP, Options(backend=request.param, methods=("graph",))) as running:
        yield running


@pytest.fixture(autouse=True)
def as_it_was(lab):
    """Each test starts from overlap, with nothing tracked."""
    lab.apply(OVERLAP)
    lab.backend.forget(lab.backend.tracked())
    assert tuple(lab.backend.tracked()) == ()


def moved(scenario, port, hypervisor):
    ports = tuple(replace(p, hypervisor=hypervisor) if p.path == port else p for p in scenario.ports)
    return replace(scenario, ports=ports)


def between(src, dst, which, flow):
    """*flow* with the addresses of two ports."""
    return replace(flow, src=OVERLAP.port(src).ips[which], dst=OVERLAP.port(dst).ips[which])


def opening(flow):
    """The transport message that opens *flow*."""
    if flow.protocol == TCP:
        return packet.tcp(flow.src, flow.dst, flow.src_l4, flow.dst_l4, flags=2)
    if flow.protocol == UDP:
        return packet.udp(flow.src, flow.dst, flow.src_l4, flow.dst_l4, b"x")
    if flow.protocol == SCTP:
        return packet.sctp(40003, 5000)
    if flow.protocol == ICMP:
        return packet.icmp_echo(7, 1, b"x")
    if flow.protocol == ICMPV6:
        return packet.icmpv6_echo(flow.src, flow.dst, 7, 1, b"x")
    return bytes(8)


def frame(src, dst, flow):
    body = opening(flow)
    four = isinstance(flow.src, IPv4Address)
    inner = (packet.ipv4 if four else packet.ipv6)(flow.src, flow.dst, flow.protocol, body)
    return packet.ethernet(OVERLAP.port(src).mac, OVERLAP.port(dst).mac, 0x0800 if four else 0x86DD, inner)


def marker(src, dst, number):
    """A legitimate frame whatever the groups say, and the window that waits for it."""
    here, there = OVERLAP.port(src), OVERLAP.port(dst)
    nonce = NONCE_MAGIC + number.to_bytes(9, "big")
    body = packet.arp(2, here.mac, here.ips[0], there.mac, there.ips[0])
    sent = packet.ethernet(here.mac, there.mac, 0x0806, body, pad=True) + nonce
    return at(src, sent), ((WatchPoint(kind=PointKind.PORT, name=dst), nonce),)


def at(port, sent):
    return Injection(point=WatchPoint(kind=PointKind.PORT, name=port), frame=sent)


def send(lab, src, dst, *flows):
    """Send the openings, and wait until they have gone where they go."""
    last, markers = marker(src, dst, 1)
    got = lab.backend.exchange(
        Window(injections=(*(at(src, frame(src, dst, f)) for f in flows), last), markers=markers)
    )
    assert (got.missing, got.lost) == ((), 0)


def tracked_at(lab, port, flow):
    """*flow* as it is tracked in a port's zone."""
    datapath, attachment = lab.assignment.locate(port)
    icmp = flow.protocol in (ICMP, ICMPV6)
    return Tracked(hypervisor=datapath.hypervisor, zone=attachment.zone, flow=flow, icmp_id=7 if icmp else 0)


def every_flow():
    pings = [
        Microflow(src=NOBODY, dst=NOBODY, protocol=ICMP, icmp_type=8),
        Microflow(src=NOBODY, dst=NOBODY, protocol=ICMPV6, icmp_type=128),
    ]
    for which, ping in zip((V4, V6), pings, strict=True):
        for flow in (*FLOWS.values(), ping):
            yield between("red/vm1", "red/vm4", which, flow)


def test_every_flow_is_told_with_its_hypervisor_and_zone(lab):
    flows = list(every_flow())

    send(lab, "red/vm1", "red/vm4", *flows)

    assert set(lab.backend.tracked()) == {tracked_at(lab, "red/vm1", flow) for flow in flows}


def test_equal_flows_of_two_tenants_are_two_flows(lab):
    flow = between("red/vm1", "red/vm4", V4, FLOWS["tcp"])
    send(lab, "red/vm1", "red/vm4", flow)
    send(lab, "blue/vm1", "blue/vm4", flow)

    red, blue = tracked_at(lab, "red/vm1", flow), tracked_at(lab, "blue/vm1", flow)
    assert set(lab.backend.tracked()) == {red, blue}
    lab.backend.forget([red])
    assert set(lab.backend.tracked()) == {blue}


@pytest.mark.parametrize(
    "flow", list(every_flow()), ids=lambda f: f"v{ip_address(f.src).version}-{f.protocol}"
)
def test_what_is_forgotten_is_that_flow_and_no_other(lab, flow):
    send(lab, "red/vm1", "red/vm4", *every_flow())
    before = set(lab.backend.tracked())
    doomed = tracked_at(lab, "red/vm1", flow)
    assert doomed in before

    lab.backend.forget([doomed])

    assert set(lab.backend.tracked()) == before - {doomed}


def test_a_whole_zone_is_forgotten_and_no_other(lab):
    flow = between("red/vm1", "red/vm2", V4, replace(FLOWS["tcp"], dst_l4=80))
    send(lab, "red/vm1", "red/vm2", flow, *every_flow())
    zone = lab.assignment.locate("red/vm1")[1].zone

    lab.backend.forget((), [("hv1", zone)])

    assert set(lab.backend.tracked()) == {tracked_at(lab, "red/vm2", flow)}


def test_a_flow_that_is_not_there_is_no_error(lab):
    lab.backend.forget([tracked_at(lab, "red/vm1", flow) for flow in every_flow()])


def test_a_moved_port_is_where_the_snapshot_says_and_gets_its_frames_there(lab):
    old = lab.assignment.locate("red/vm2")
    lab.apply(moved(OVERLAP, "red/vm2", "hv3"))

    snapshot = lab.backend.snapshot()
    datapath, attachment = lab.assignment.locate("red/vm2")
    assert datapath.hypervisor == "hv3"
    assert snapshot.assignment == lab.assignment
    assert snapshot.datapaths["hv3"].ports[attachment.of_port] == "port:red/vm2"
    assert old[1].of_port not in snapshot.datapaths["hv1"].ports
    for src, dst in (("red/vm1", "red/vm2"), ("red/vm2", "red/vm4"), ("blue/vm1", "blue/vm2")):
        send(lab, src, dst)


def test_at_its_new_hypervisor_frames_can_be_put_in_behind_a_moved_port(lab):
    lab.apply(moved(OVERLAP, "red/vm2", "hv3"))
    sent, markers = marker("red/vm1", "red/vm2", 2)
    veth = WatchPoint(kind=PointKind.VETH, name="red/vm2")

    got = lab.backend.exchange(Window(injections=(Injection(point=veth, frame=sent.frame),), markers=markers))

    assert got.missing == ()


def test_ports_that_come_and_go_leave_the_others_alone(lab):
    fewer = replace(OVERLAP, ports=tuple(p for p in OVERLAP.ports if not p.path.endswith("vm3")), wishes=())
    before = {p: lab.assignment.locate(p)[1] for p in ("red/vm1", "red/vm4", "blue/vm2")}

    lab.apply(fewer)
    assert "port:red/vm3" not in lab.backend.snapshot().datapaths["hv2"].ports.values()
    send(lab, "red/vm1", "red/vm4")
    lab.apply(OVERLAP)

    send(lab, "red/vm1", "red/vm3")
    assert {p: lab.assignment.locate(p)[1] for p in before} == before
    assert lab.check().status == "holds"


def test_every_backend_is_tried_here():
    assert {getattr(p, "values", (p,))[0] for p in PARTS} == set(BACKENDS)
