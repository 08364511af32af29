"""What every backend promises (`contracts.Backend`, `contracts.RunningLab`), tried on each of them.

The network is the shipped ``overlap``, compiled and pushed by the overlay controller over real OpenFlow.  The
Mininet backend takes part where it can run; elsewhere its part is skipped, naming what is missing, or fails
where ``SDN_LAB_REQUIRE`` lists ``live``.
"""

import os
import select
import sys
from functools import cache

import pytest

from sdn_lab.backends import BACKENDS, load_backend
from sdn_lab.backends.as_built import as_built
from sdn_lab.compiler import compile_scenario
from sdn_lab.control.controller import Controller
from sdn_lab.doctor import lacking
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import InputError, LabError
from sdn_lab.model.observation import NONCE_MAGIC, Injection, PointKind, WatchPoint, Window
from sdn_lab.observe.markers import WINDOW_FRAMES
from sdn_lab.openflow import packet
from sdn_lab.scenario import find, load

PARTS = ("sim", pytest.param("mininet", marks=pytest.mark.live))


def silent(what, done, total):
    pass


@pytest.fixture(scope="module")
def scenario():
    return overlap()


@pytest.fixture(scope="module", params=PARTS)
def backend(request):
    missing = lacking("mininet") if request.param == "mininet" else ()
    if missing:
        sentences = "; ".join(f"{n.missing} ({n.remedy})" for n in missing)
        required = "live" in os.environ.get("SDN_LAB_REQUIRE", "").split(",")
        (pytest.fail if required else pytest.skip)(sentences)
    return load_backend(request.param)


@pytest.fixture(scope="module")
def lab(backend, scenario):
    with backend.start(scenario, assign(scenario), seed=0, progress=silent) as running:
        yield running


@pytest.fixture(scope="module")
def before(lab):
    """What a lab is before a controller was ever there."""
    return lab.snapshot(), lab.exchange(
        Window(injections=(greeting("red/vm1", "red/vm3", 0),), timeout_ms=200)
    )


@pytest.fixture(scope="module")
def program(scenario):
    return compile_scenario(scenario, assign(scenario))


@pytest.fixture(scope="module")
def pushed(lab, before, scenario, program):
    """The lab, once the overlay controller has pushed the compiled tables."""
    controller = Controller(
        lab.spawn,
        app="overlay",
        host=lab.controller_host,
        l4_port=0,
        scenario=scenario,
        assignment=assign(scenario),
        program=program,
    )
    controller.start()
    lab.connect(lab.controller_host, controller.l4_port, controller.settle)
    controller.wait_confirmed(timeout_ms=30_000, progress=silent)
    yield lab
    controller.stop()


def nonce(number):
    return NONCE_MAGIC + number.to_bytes(9, "big")


def at(kind, name):
    return WatchPoint(kind=kind, name=name)


@cache
def overlap():
    return load(find("overlap"))


def arp_reply(src, dst, number):
    """A legitimate frame whatever the groups say, with a nonce behind it."""
    here, there = overlap().port(src), overlap().port(dst)
    body = packet.arp(2, here.mac, here.ips[0], there.mac, there.ips[0])
    return packet.ethernet(here.mac, there.mac, 0x0806, body, pad=True) + nonce(number)


def greeting(src, dst, number, kind=PointKind.PORT):
    name = src if kind is not PointKind.UNDERLAY else "hv1"
    return Injection(point=at(kind, name), frame=arp_reply(src, dst, number))


def sightings(captured, number):
    return {str(c.point) for c in captured.captures if nonce(number) in c.frame}


def test_a_new_lab_is_closed(before):
    snapshot, captured = before
    assert {s.fail_mode for s in snapshot.datapaths.values()} == {"secure"}
    held = {name: len(s.tables.entries) for name, s in snapshot.datapaths.items()}
    assert {n: count for n, count in held.items() if "/" not in n} == {"hv1": 0, "hv2": 0, "hv3": 0}
    assert all(count for name, count in held.items() if name.endswith("/underlay"))
    assert sightings(captured, 0) == set()


def test_the_snapshot_names_what_is_behind_every_port(lab, before, scenario):
    snapshot, _ = before
    assert snapshot.assignment == assign(scenario)
    for hypervisor, datapath in snapshot.assignment.datapaths.items():
        behind = snapshot.datapaths[hypervisor].ports
        assert behind[datapath.tunnel_of_port] == "tunnel"
        for attachment in datapath.attachments:
            assert behind[attachment.of_port] == f"port:{attachment.port}"
        assert {"uplink", "local"} == set(snapshot.datapaths[f"{hypervisor}/underlay"].ports.values())


def test_what_a_controller_pushed_is_what_the_snapshot_holds(pushed, program):
    snapshot = pushed.snapshot()
    for hypervisor, wanted in program.tables.items():
        held = snapshot.datapaths[hypervisor].tables
        assert {(e.key, e.instructions, e.cookie) for e in held.entries} == {
            (e.key, e.instructions, e.cookie) for e in wanted.entries
        }


def test_two_snapshots_of_the_same_lab_have_one_hash(pushed):
    first = pushed.snapshot()
    pushed.exchange(Window(injections=(greeting("red/vm1", "red/vm2", 1),), timeout_ms=100))
    assert pushed.snapshot().hash == first.hash


@pytest.mark.parametrize(
    ("dst", "wires"), [("red/vm2", set()), ("red/vm3", {"underlay:hv1", "underlay:hv2"})]
)
def test_a_frame_is_seen_where_it_passes_and_nowhere_else(pushed, dst, wires):
    point = at(PointKind.PORT, dst)
    pushed.exchange(Window(injections=(greeting(dst, "red/vm1", 2),), timeout_ms=100))  # the wire learns
    got = pushed.exchange(Window(injections=(greeting("red/vm1", dst, 2),), markers=((point, nonce(2)),)))
    assert (got.missing, got.lost) == ((), 0)
    assert sightings(got, 2) == {f"port:{dst}", *wires}


def test_between_hypervisors_it_travels_encapsulated_under_its_networks_vni(pushed, scenario):
    point = at(PointKind.PORT, "red/vm3")
    sent = greeting("red/vm1", "red/vm3", 3)
    got = pushed.exchange(Window(injections=(sent,), markers=((point, nonce(3)),)))
    (outer, *_) = [c.frame for c in got.captures if c.point == at(PointKind.UNDERLAY, "hv2")]
    opened = packet.vxlan_decap(outer)
    assert (opened.vni, opened.inner) == (scenario.network("red/app").vni, sent.frame)
    (inner,) = [c.frame for c in got.captures if c.point == point and nonce(3) in c.frame]
    assert inner == sent.frame


def test_a_marker_at_the_wrong_port_is_missing(pushed):
    wrong = (at(PointKind.PORT, "blue/vm2"), nonce(4))
    got = pushed.exchange(
        Window(injections=(greeting("red/vm1", "red/vm2", 4),), markers=(wrong,), timeout_ms=200)
    )
    assert got.missing == (wrong,)
    assert sightings(got, 4) == {"port:red/vm2"}


def test_at_the_veth_a_frame_is_for_the_instance_alone(pushed):
    point = at(PointKind.PORT, "red/vm4")
    got = pushed.exchange(
        Window(injections=(greeting("red/vm4", "red/vm1", 5, PointKind.VETH),), markers=((point, nonce(5)),))
    )
    assert (got.missing, sightings(got, 5)) == ((), {"port:red/vm4"})


def test_from_the_wire_what_is_no_peers_tunnel_frame_goes_no_further(pushed):
    got = pushed.exchange(
        Window(injections=(greeting("red/vm3", "red/vm1", 6, PointKind.UNDERLAY),), timeout_ms=200)
    )
    assert sightings(got, 6) == {"underlay:hv1"}


def test_many_frames_in_one_window_all_arrive(pushed):
    injections = tuple(greeting("red/vm1", "red/vm3", 1000 + n) for n in range(WINDOW_FRAMES))
    point = at(PointKind.PORT, "red/vm3")
    got = pushed.exchange(Window(injections=injections, markers=((point, nonce(999 + WINDOW_FRAMES)),)))
    arrived = [n for n in range(1000, 1000 + WINDOW_FRAMES) if "port:red/vm3" in sightings(got, n)]
    assert (len(arrived), got.lost) == (WINDOW_FRAMES, 0)


def test_a_snapshot_is_what_was_built_and_after_an_edit_restore_makes_it_so(pushed, scenario, program):
    """Ports, fail modes and the physical bridges' entries; an integration bridge's are the controller's."""
    built = as_built(scenario, assign(scenario))
    for name, state in pushed.snapshot().datapaths.items():
        assert (dict(state.ports), state.fail_mode, state.copies) == (
            dict(built[name].ports),
            built[name].fail_mode,
            (),
        )
        wanted = program.tables[name] if name in program.tables else built[name].tables
        assert set(state.tables.entries) == set(wanted.entries)
    before = pushed.snapshot()
    edit(pushed, "hv1", "add-flow", "br-phy", "table=0,priority=7,actions=LOCAL")
    edit(pushed, "hv2", "del-flows", "br-phy", "arp")
    assert pushed.snapshot().hash != before.hash

    pushed.restore(["hv1/underlay", "hv2/underlay"])

    after = pushed.snapshot()
    for name, state in after.datapaths.items():
        assert set(state.tables.entries) == set(before.datapaths[name].tables.entries), name


def edit(lab, hypervisor, *words):
    """Run ``ovs-ofctl`` on a hypervisor."""
    silence = os.open(os.devnull, os.O_RDWR)
    try:
        argv = ["ovs-ofctl", "-O", "OpenFlow13", *words]
        running = lab.execute(hypervisor, argv, os.environ, "/", (silence, silence, silence))
        ended = select.poll()
        ended.register(running.fileno(), select.POLLIN)
        assert ended.poll(20_000), f"{argv} does not end"
        assert running.finish() == 0, argv
    finally:
        os.close(silence)


def test_it_says_what_forwards(pushed):
    versions = pushed.versions()
    assert versions
    assert all(versions.values())


def test_a_child_speaks_lines_and_dies_with_the_lab(backend, scenario):
    with backend.start(scenario, assign(scenario), seed=0, progress=silent) as lab:
        text = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
        child = lab.spawn([sys.executable, "-c", text], dict(os.environ))
        child.stdin.write("hello\n")
        child.stdin.flush()
        assert child.stdout.readline() == "olleh\n"
        assert child.poll() is None
    assert child.poll() is not None
    child.kill()  # once more is no error


def test_a_controller_that_is_not_there_fails_in_one_sentence(backend, scenario, monkeypatch):
    monkeypatch.setattr("sdn_lab.backends.mininet.lab._CONNECT_S", 1.0)
    with backend.start(scenario, assign(scenario), seed=0, progress=silent) as lab:
        with pytest.raises(LabError) as failed:
            lab.connect(lab.controller_host, 1, lambda: None)
        assert "\n" not in str(failed.value)


def test_every_backend_is_tried_here():
    assert {getattr(p, "values", (p,))[0] for p in PARTS} == set(BACKENDS)


def test_an_unknown_backend_is_refused_with_what_there_is():
    with pytest.raises(InputError, match="no backend 'gns3'") as refused:
        load_backend("gns3")
    assert "mininet, sim" in str(refused.value)
