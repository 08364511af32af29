"""The simulator's underlay: ways around what is cut, and delay, rate and loss on the virtual clock."""

import io
import tempfile
from dataclasses import replace
from itertools import combinations, pairwise, product

import pytest
from scapy.utils import RawPcapNgReader

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Link
from sdn_lab.model.observation import PointKind, WatchPoint, Window
from sdn_lab.openflow import packet
from sdn_lab.resident.pcapng import Writer
from sdn_lab.scenario import find, load
from sdn_lab.verify.graph.underlay import redundancy
from tests.unit.backends.test_fabric import random_underlay

MS_NS = 1_000_000


@pytest.fixture(scope="module")
def leaf_spine():
    return load(find("leaf_spine"), {"spines": "2", "hypervisors": "4", "instances": "8"})


def started(scenario, seed=0):
    assignment = assign(scenario)
    lab = SimLab(scenario, assignment, seed)
    lab.program(compile_scenario(scenario, assignment).tables)
    return lab


def with_links(scenario, *links):
    made = tuple(sorted(links, key=lambda link: link.between))
    return replace(scenario, underlay=replace(scenario.underlay, links=made))


def between(scenario, one, other):
    """Return a port in each of two racks, of one tenant, of which the second answers pings."""
    here, there = scenario.underlay.sites[one], scenario.underlay.sites[other]
    return next(
        (a.path, b.path)
        for a, b in product(scenario.ports, scenario.ports)
        if a.hypervisor in here and b.hypervisor in there and a.tenant == b.tenant
        if all(any(name.endswith("/web") for name in port.groups) for port in (a, b))
    )


def tunnelled(lab, one, other, body=b"x"):
    """Return a frame of a tunnel, as one hypervisor sends it to another."""
    here, there = (lab.assignment.datapaths[name] for name in (one, other))
    ends = packet.Outer(
        src_mac=here.vtep_mac, dst_mac=there.vtep_mac, src=str(here.vtep), dst=str(there.vtep)
    )
    return packet.vxlan_encap(body, 5, ends)


def reaches(lab, one, other):
    """Say whether a frame that *one*'s physical bridge sends arrives at *other*'s NIC."""
    lab.network.begin()
    leave(lab, one, tunnelled(lab, one, other))
    lab._run()
    return any(str(c.point) == f"underlay:{other}" for c in lab.network.captures)


def leave(lab, hypervisor, frame):
    """Have a physical bridge emit a frame at its uplink."""
    lab.network.physical[hypervisor].on_emit(1, frame, None, False)


def test_with_two_spines_any_one_link_between_racks_may_be_cut(leaf_spine):
    with started(leaf_spine) as lab:
        src, dst = between(leaf_spine, "rack1", "rack2")
        for link in leaf_spine.underlay.links:
            lab.cut(link.between)
            assert lab.ping(src, dst), f"{link.between} is cut"
            assert lab.ping(dst, src), f"{link.between} is cut"
            lab.mend(link.between)


def test_both_ways_cut_stop_it_and_one_mended_lets_it_pass(leaf_spine):
    with started(leaf_spine) as lab:
        src, dst = between(leaf_spine, "rack1", "rack2")
        lab.cut(("rack1", "spine1"))
        lab.cut(("spine2", "rack2"))
        assert not lab.ping(src, dst)
        assert lab.remarks() == (
            "the underlay link rack1 - spine1 is cut",
            "the underlay link rack2 - spine2 is cut",
        )
        lab.mend(("rack2", "spine2"))
        assert lab.ping(src, dst)
        assert lab.remarks() == ("the underlay link rack1 - spine1 is cut",)


def test_links_that_nobody_wrote_are_links_too(scenario):
    with started(scenario) as lab:
        assert reaches(lab, "hv1", "hv2")
        lab.cut(("hv1", "east"))
        assert not reaches(lab, "hv1", "hv2")
        assert not reaches(lab, "hv2", "hv1")
        assert reaches(lab, "hv2", "hv3")


def test_what_is_not_there_cannot_be_cut(leaf_spine):
    with started(leaf_spine) as lab, pytest.raises(LabError, match="no link rack1 - rack2: there is hv1 - "):
        lab.cut(("rack1", "rack2"))


def test_switches_flood_nothing(leaf_spine):
    with started(leaf_spine) as lab:
        for mac in ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:99"):
            lab.network.begin()
            frame = packet.mac_bytes(mac) + tunnelled(lab, "hv1", "hv3")[6:]
            leave(lab, "hv1", frame)
            lab._run()
            assert [str(c.point) for c in lab.network.captures] == ["underlay:hv1"]


def arrivals(lab, one, other, frames):
    """Send frames at once; return when each arrives, in ns from then."""
    began, times = lab.clock.now_ns, []
    arrive = lab.network.wires._arrive
    lab.network.wires._arrive = lambda hv, frame: (times.append(lab.clock.now_ns - began), arrive(hv, frame))
    for frame in frames:
        leave(lab, one, frame)
    lab._run()
    return times


def test_delays_of_a_way_add_up_and_rates_make_a_queue(scenario):
    slow = with_links(
        scenario,
        Link(between=("east", "mid"), delay_ms=20, rate_bps=8_000_000),  # a byte takes 1000 ns
        Link(between=("mid", "west"), delay_ms=5),
    )
    with started(slow) as lab:
        frame = tunnelled(lab, "hv1", "hv3", bytes(150))
        each = len(frame) * 1000
        got = arrivals(lab, "hv1", "hv3", [frame] * 3)
        assert got == [25 * MS_NS + n * each for n in (1, 2, 3)]
        back = arrivals(lab, "hv3", "hv1", [tunnelled(lab, "hv3", "hv1")])
        assert back[0] < 26 * MS_NS, "the other direction has a queue of its own"
        assert arrivals(lab, "hv1", "hv2", [tunnelled(lab, "hv1", "hv2")]) == [0], "a link away from it all"


def test_what_a_link_loses_is_counted_and_the_seed_says_which(scenario):
    lossy = with_links(scenario, Link(between=("east", "west"), loss=0.3))

    def tried(seed):
        with started(lossy, seed) as lab:
            frames = [tunnelled(lab, "hv1", "hv3", bytes([n])) for n in range(200)]
            lab.network.begin()
            for frame in frames:
                leave(lab, "hv1", frame)
            lab._run()
            came = [c.frame for c in lab.network.captures if str(c.point) == "underlay:hv3"]
            assert len(came) + lab.network.wires.lost == 200
            return came

    assert 100 < len(tried(1)) < 180
    assert tried(1) == tried(1)
    assert tried(1) != tried(2)


def recorded(scenario, seed):
    """Return a capture of everything that two pings and a connection cause, as bytes of a pcapng file."""
    points = [
        *(WatchPoint(kind=PointKind.PORT, name=port.path) for port in scenario.ports),
        *(WatchPoint(kind=PointKind.UNDERLAY, name=name) for name in scenario.underlay.hypervisors),
    ]
    file = io.BytesIO()
    with started(scenario, seed) as lab:
        ear, writer = lab.listen(points), Writer(file, points)
        for _ in range(8):
            lab.ping("red/vm4", "red/vm1")
            lab.tcp_connect("red/vm4", "red/vm1", 80)
        for seen in ear.frames():
            writer.write(seen)
        ear.close()
    return file.getvalue()


def test_the_same_seed_gives_the_same_bytes_of_a_capture_and_another_seed_others(scenario):
    rough = with_links(
        scenario,
        Link(between=("east", "west"), delay_ms=3, jitter_ms=2.5, rate_bps=10**6, queue=2, loss=0.2),
    )
    one = recorded(rough, 1)
    assert one == recorded(rough, 1)
    assert one != recorded(rough, 2)


def test_a_capture_has_the_times_of_the_virtual_clock(scenario):
    slow = with_links(scenario, Link(between=("east", "west"), delay_ms=250))
    with tempfile.NamedTemporaryFile(suffix=".pcapng") as file:
        file.write(recorded(slow, 0))
        file.flush()
        reader = RawPcapNgReader(file.name)
        times = [(meta.tshigh << 32 | meta.tslow) / 1e9 for _, meta in reader]
        reader.close()
    assert times[0] == 0
    assert times == sorted(times)
    waits = {round(b - a, 3) for a, b in pairwise(times)} - {0}
    assert waits <= {0.25, 0.001, 0.251}, "nothing takes time but the link, and what passes between two turns"
    assert 0.25 in waits


def test_a_queue_that_is_full_drops_and_the_window_says_so(scenario):
    short = with_links(scenario, Link(between=("east", "west"), rate_bps=8_000, queue=3))
    with started(short) as lab:
        frame = tunnelled(lab, "hv1", "hv3")
        for _ in range(10):
            lab.clock.plan(lambda: leave(lab, "hv1", frame))
        assert lab.exchange(Window(injections=())).lost == 6, "one is being sent, three wait"


def test_a_window_that_met_loss_says_so(scenario):
    """So the probes send it again, and call what stays away inconclusive."""
    lossy = with_links(scenario, Link(between=("east", "west"), loss=1.0))
    with started(lossy) as lab:
        frame = tunnelled(lab, "hv1", "hv3")
        lab.clock.plan(lambda: leave(lab, "hv1", frame))
        assert lab.exchange(Window(injections=())).lost == 1
        assert lab.exchange(Window(injections=())).lost == 0


@pytest.mark.parametrize("seed", range(60))
def test_the_graph_counts_as_many_disjoint_paths_as_cuts_separate_two_sites(scenario, seed):
    """Menger's theorem, between the graph's maximum flow and what really passes on wires that are cut."""
    drawn = random_underlay(seed)
    bare = replace(scenario, underlay=drawn, ports=(), networks=(), security_groups=(), wishes=())
    for one, other in combinations(drawn.sites, 2):
        found = redundancy(drawn, one, other)
        pairs = list(product(drawn.sites[one], drawn.sites[other]))
        with SimLab(bare, assign(bare)) as lab:
            whole = all(reaches(lab, a, b) for a, b in pairs)
            links = [link.between for link in lab.network.wires.fabric.links if not _own(lab, link.between)]

            def joined(cuts, lab=lab, pairs=pairs):
                for link in cuts:
                    lab.cut(link)
                try:
                    return [reaches(lab, a, b) for a, b in pairs]
                finally:
                    for link in cuts:
                        lab.mend(link)

            for few in range(found.disjoint_paths):
                for cuts in combinations(links, few):
                    assert any(joined(cuts)), f"{drawn}: {cuts} separate {one} from {other}"
            separating = [cuts for cuts in combinations(links, found.disjoint_paths) if not any(joined(cuts))]
            if not separating:  # hypervisors of both hang on one switch: no link lies between them
                assert found.disjoint_paths == 1, f"{drawn}: {one} to {other}, {found}"
                assert any(joined(links)), f"{drawn}: {one} to {other}, {found}"
            for link in links:
                said = f"link {' - '.join(link)}" in found.single_points
                assert said is not all(joined([link])) or not whole, f"{drawn}: {link}"


def _own(lab, link):
    """Say whether a link is the only one of a hypervisor, to a switch."""
    neighbours = lab.network.wires.fabric.neighbours()
    ends = [name for name in link if name in lab.network.wires.fabric.hypervisors]
    return len(ends) == 1 and len(neighbours[ends[0]]) == 1
