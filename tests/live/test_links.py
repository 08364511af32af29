"""Underlay links on both backends: one of two ways may be cut; without any, traffic stops till mended."""

import re
from dataclasses import replace
from ipaddress import ip_network

import pytest

from sdn_lab.lab import Lab, Options
from sdn_lab.model.intent import Link
from sdn_lab.model.observation import Expected, Injection, Outcome, PointKind, WatchPoint, Window
from sdn_lab.model.verdict import Kind, Status
from sdn_lab.observe import run_probes
from sdn_lab.observe.probes import PROBES
from sdn_lab.resident import links
from sdn_lab.scenario import find, load

ALLOWED = tuple(probe for probe in PROBES if probe.name == "REACH-07")
BOTH = pytest.mark.parametrize("lab", ["sim", "mininet"], indirect=True)


@pytest.fixture(scope="module")
def lab(request):
    """Two racks of two, two spines, two tenants."""
    scenario = load(find("leaf_spine"), {"spines": "2", "hypervisors": "4", "instances": "8"})
    with Lab(scenario, Options(backend=request.param, methods=("graph",))) as made:
        yield made


def between_racks(lab):
    """Return what became of everything allowed from rack to rack, by outcome."""
    rack = {hv: site for site, members in lab.scenario.underlay.sites.items() for hv in members}
    at = {port.path: rack[port.hypervisor] for port in lab.scenario.ports}
    observed = run_probes(
        lab.backend,
        lab.scenario,
        lab.claims,
        lab.backend.snapshot(),
        lab.assignment,
        seed=7,
        progress=lambda *_: None,
        probes=ALLOWED,
    )
    crossing = [o for o in observed.seen if o.expected is Expected.DELIVERED and at[o.src] != at[o.dst]]
    assert len(crossing) > 10
    return {o.outcome for o in crossing}


@BOTH
def test_any_one_link_between_racks_may_be_cut_and_not_both_ways(lab):
    assert between_racks(lab) == {Outcome.DELIVERED}
    for link in lab.scenario.underlay.links:
        lab.backend.cut(link.between)
        assert between_racks(lab) == {Outcome.DELIVERED}, f"{link.between} is cut"
        lab.backend.mend(link.between)

    lab.backend.cut(("rack1", "spine1"))
    lab.backend.cut(("rack1", "spine2"))
    assert Outcome.DELIVERED not in between_racks(lab)
    lab.backend.mend(("spine2", "rack1"))
    assert between_racks(lab) == {Outcome.DELIVERED}
    lab.backend.mend(("spine1", "rack1"))
    assert lab.backend.remarks() == ()


@BOTH
def test_the_graph_says_of_the_racks_what_cutting_shows(lab):
    report = lab.check()
    [claim] = [c for c in lab.claims if c.kind is Kind.REDUNDANT]
    assert report.summary[claim.id] is Status.HOLDS


@BOTH
def test_a_switch_that_fails_is_gone_round_and_a_rack_that_fails_is_gone(lab):
    spine, rack = (links.find_links_of(lab.scenario, name) for name in ("spine1", "rack1"))
    for link in spine:
        lab.backend.cut(link)
    assert between_racks(lab) == {Outcome.DELIVERED}
    for link in rack:
        lab.backend.cut(link)
    assert Outcome.DELIVERED not in between_racks(lab)
    for link in {*rack, *spine}:
        lab.backend.mend(link)
    assert between_racks(lab) == {Outcome.DELIVERED}


@BOTH
def test_a_hypervisor_stands_still_on_the_simulator_and_a_real_one_does_not(lab):
    stands = lab.backend.stand_still("hv1", still=True)
    try:
        assert stands is (lab.backend.name == "sim")
        assert (between_racks(lab) == {Outcome.DELIVERED}) is not stands
    finally:
        lab.backend.stand_still("hv1", still=False)
    assert between_racks(lab) == {Outcome.DELIVERED}


@BOTH
def test_the_report_names_the_links_that_are_cut(lab):
    lab.backend.cut(("rack1", "spine1"))
    try:
        assert "the underlay link rack1 - spine1 is cut" in lab.check().information
        told = links.told_of(lab)
        assert [known["between"] for known in told["links"] if known["cut"]] == [("rack1", "spine1")]
        assert (told["remarks"], told["parted"]) == ([], [])
    finally:
        lab.backend.mend(("rack1", "spine1"))
    assert not [line for line in lab.check().information if "cut" in line]


@BOTH
def test_cutting_changes_nothing_that_a_datapath_holds(lab):
    before = lab.backend.snapshot().hash
    lab.backend.cut(("rack2", "spine2"))
    try:
        assert lab.backend.snapshot().hash == before
    finally:
        lab.backend.mend(("rack2", "spine2"))


@pytest.mark.parametrize("lab", ["mininet"], indirect=True)
def test_a_ping_under_way_goes_on_by_the_other_spine(lab):
    src, dst = (p for p in lab.scenario.ports if p.path in {"t01/vm0001", "t01/vm0004"})
    assert {src.hypervisor, dst.hypervisor} == {"hv1", "hv4"}
    with_echo = [p for p in lab.scenario.ports if p.tenant == "t01" and p.groups == src.groups]
    dst = next(p for p in with_echo if p.hypervisor in {"hv3", "hv4"})
    command = ["stdbuf", "-oL", "ping", "-n", "-i", "0.005", "-c", "400", "-W", "1", str(dst.ips[0])]
    child = lab.backend.spawn_at(src.path, command)
    assert "PING" in child.stdout.readline()
    for _ in range(2):
        for spine in ("spine1", "spine2"):
            assert "bytes from" in child.stdout.readline()  # it flows
            lab.backend.cut(("rack1", spine))
            assert "bytes from" in child.stdout.readline()
            lab.backend.mend(("rack1", spine))
    told = child.stdout.read()
    child.kill()
    lost = int(re.search(r"(\d+) packets transmitted, (\d+) received", told)[1]) - int(
        re.search(r"(\d+) packets transmitted, (\d+) received", told)[2]
    )
    print(f"\n4 cuts under a ping every 5 ms: {lost} of 400 lost, {lost * 5 / 4:.0f} ms each")  # noqa: T201
    assert lost < 200


def small(*links, sites):
    """Return `overlap` on other links."""
    base = load(find("overlap"))
    made = tuple(sorted(links, key=lambda link: link.between))
    return replace(base, underlay=replace(base.underlay, sites=sites, links=made))


def test_a_hypervisor_with_two_links_and_one_with_a_direct_one_are_reached():
    scenario = small(
        Link(between=("hv1", "spine1")),
        Link(between=("hv1", "spine2")),
        Link(between=("hv2", "spine1")),
        Link(between=("hv2", "hv3")),
        Link(between=("hv3", "spine2")),
        sites={"east": ("hv1", "hv2"), "west": ("hv3",)},
    )
    with Lab(scenario, Options(backend="mininet", methods=("probe",))) as lab:
        assert lab.check().exit == 0
        lab.backend.cut(("hv1", "spine2"))  # hv3 carries nobody else's traffic
        broken = [claim for claim, status in lab.check().summary.items() if status is Status.VIOLATED]
        assert broken
        paths = {p.path: p.hypervisor for p in scenario.ports}
        for claim in lab.claims:
            if claim.id in broken:
                assert {paths[o] for o in claim.objects} == {"hv1", "hv3"}, claim.id


def test_what_a_slow_link_drops_is_a_loss_and_proves_nothing():
    """More than its queue holds: lost frames are counted, so absence is inconclusive."""
    scenario = small(
        Link(between=("east", "west"), rate_bps=10_000_000), sites={"east": ("hv1", "hv2"), "west": ("hv3",)}
    )
    port = next(p for p in scenario.ports if p.hypervisor == "hv1" and p.tenant == "red")
    peer = next(p for p in scenario.ports if p.hypervisor == "hv3" and p.tenant == "red")
    assert port.ips[0] in ip_network("10.0.0.0/24")
    with Lab(scenario, Options(backend="mininet", methods=("probe",))) as lab:
        frame = b"".join(bytes.fromhex(p.mac.replace(":", "")) for p in (peer, port)) + _arp_reply(port, peer)
        burst = tuple(
            Injection(point=WatchPoint(kind=PointKind.PORT, name=port.path), frame=frame) for _ in range(3000)
        )
        assert lab.backend.exchange(Window(injections=burst, timeout_ms=300)).lost > 0
        assert lab.check().exit == 0


def _arp_reply(port, peer):
    """Return a legitimate answer of *port* to *peer*, padded to a full frame."""
    macs = [bytes.fromhex(p.mac.replace(":", "")) for p in (port, peer)]
    addresses = [p.ips[0].packed for p in (port, peer)]
    head = bytes.fromhex("08060001080006040002")
    return head + macs[0] + addresses[0] + macs[1] + addresses[1] + bytes(1400)
