"""``--datapath system``: what is told to Open vSwitch and the kernel, and what is read of them, as text.

Nobody has seen it forward: the machine that these were written on has no openvswitch module.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sdn_lab import doctor, genetlink
from sdn_lab.backends import load_backend
from sdn_lab.backends.mininet import build, exchange, kernel_datapath, revive
from sdn_lab.backends.mininet.datapath_sockets import DatapathSockets
from sdn_lab.backends.mininet.kernel_datapath import KernelDatapath, is_tunnel, lost_upcalls, packed
from sdn_lab.backends.mininet.lab import MininetLab
from sdn_lab.backends.mininet.ovs import OpenVSwitch
from sdn_lab.backends.mininet.plan import Plan, plan
from sdn_lab.cli import main
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import ApparatusError, InputError, LabError
from sdn_lab.model.observation import NONCE_MAGIC, PointKind, WatchPoint
from sdn_lab.openflow import packet
from sdn_lab.scenario import find, load

SCENARIO = load(find("overlap"))
DATAPATHS = ("netdev", "system")
HOST = WatchPoint(kind=PointKind.MANAGEMENT, name="hv1")


def planned(datapath):
    return plan(SCENARIO, assign(SCENARIO), datapath=datapath)


# -- what is told


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_both_bridges_have_the_type_and_are_secure_in_the_transaction_that_makes_them(
    monkeypatch, tmp_path, datapath
):
    told = []
    monkeypatch.setattr(OpenVSwitch, "vsctl", lambda _, *words: told.append(words))
    monkeypatch.setattr(OpenVSwitch, "_await", lambda *_: None)
    monkeypatch.setattr(OpenVSwitch, "load", lambda *_: None)
    wanted = planned(datapath)
    OpenVSwitch(tmp_path, (), {}).make_bridges(wanted.hypervisors[0], wanted, lambda: None)
    [words] = told
    for bridge in ("br-int", "br-phy"):
        at = words.index(bridge, words.index("set", words.index(bridge)))
        assert words[at + 1 : at + 4] == (
            f"datapath_type={datapath}",
            "fail_mode=secure",
            "protocols=OpenFlow13",
        )


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_peers_are_told_to_whoever_makes_the_tunnel_packets(datapath):
    switch, kernel = [], []
    wanted = planned(datapath)
    built = SimpleNamespace(
        plan=wanted,
        switches={"hv1": SimpleNamespace(know_peers=switch.append)},
        hypervisors={"hv1": SimpleNamespace(configure=kernel.append)},
    )
    build.know_peers(wanted.hypervisors[0], built)
    others = {h.vtep.partition("/")[0]: h.vtep_mac for h in wanted.hypervisors[1:]}
    commands = [f"neighbour replace {ip} lladdr {mac} dev br-phy nud permanent" for ip, mac in others.items()]
    assert (switch, kernel) == (([others], []) if datapath == "netdev" else ([], [commands]))


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_a_restarted_switch_remembers_no_connection(monkeypatch, datapath):
    """In userspace the tracker died with the switch; the kernel's did not."""
    told = []
    switch = SimpleNamespace(restart_switch=lambda _: SimpleNamespace(pid=7), control=told.extend)
    wanted = planned(datapath)
    built = SimpleNamespace(
        plan=wanted,
        switches={"hv1": switch},
        switch_pids=[1, 2, 3],
        hypervisors={"hv1": SimpleNamespace(configure=lambda _: None)},
    )
    monkeypatch.setattr(revive, "restore", lambda *_: None)
    monkeypatch.setattr(revive, "know_peers", lambda *_: None)
    watch, lab = SimpleNamespace(check=None, own=lambda *_: None), SimpleNamespace(renew=lambda *_: None)
    revive.menders(built, watch, lab)["ovs-vswitchd of hv1"]()
    assert told == ([] if datapath == "netdev" else [("dpctl/flush-conntrack",)])


def test_a_plan_keeps_its_datapath_on_its_way_and_when_the_lab_changes():
    wanted = planned("system")
    assert Plan.from_json(json.loads(json.dumps(wanted.as_json()))) == wanted
    asked = []
    lab = MininetLab.__new__(MininetLab)
    lab._scenario, lab._assignment, lab._planned, lab._datapath = SCENARIO, assign(SCENARIO), (), "system"
    lab._nodes, lab._nodes_ever = {(p.tenant, p.instance): f"i{n}" for n, p in enumerate(SCENARIO.ports)}, 8
    lab._ask = lambda op, arguments, **_: asked.append((op, arguments))
    lab.change(SCENARIO, assign(SCENARIO))
    [(op, arguments)] = asked
    assert (op, arguments["plan"]["datapath"]) == ("change", "system")


# -- what is read


def test_what_a_datapath_lost_is_read_strictly():
    shown = (
        "system@ovs-system:\n  lookups: hit:9 missed:4 lost:{}\n  flows: 1\n  port 0: ovs-system (internal)\n"
    )
    assert lost_upcalls(shown.format(3)) == 3
    for wrong in ("", "system@ovs-system:\n  flows: 1\n", shown.format(1) * 2, shown.format("many")):
        with pytest.raises(LabError, match="does not say what one datapath lost"):
            lost_upcalls(wrong)


STAT = (
    "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop "
    "icmp_error  expect_new expect_create expect_delete search_restart\n"
    "00000010  00000000 00000001 00000000 00000007 00000000 00000000 00000000 00000000 {:08x} {:08x} {:08x} "
    "00000000  00000000 00000000 00000000 00000000\n"
)


def test_what_the_tracker_had_no_room_for_is_read_strictly():
    assert kernel_datapath.refused_connections(STAT.format(0, 0, 0)) == 0
    two = STAT.format(1, 16, 2) + STAT.format(0, 1, 0).splitlines(keepends=True)[1]
    assert kernel_datapath.refused_connections(two) == 20
    for wrong in ("", STAT.splitlines()[0], STAT.format(0, 0, 0).replace(" drop ", " gone "), STAT[:-20]):
        with pytest.raises(LabError, match="does not say what its connection tracker drops"):
            kernel_datapath.refused_connections(wrong)


class Switch:
    """Says what *lost* is."""

    def __init__(self):
        self.lost = 0

    def control(self, commands):
        assert commands == [("dpctl/show",)]
        if self.lost is None:
            raise LabError("nobody answers")
        return [(f"system@ovs-system:\n  lookups: hit:0 missed:0 lost:{self.lost}\n", True)]


def test_a_loss_is_counted_once_and_no_answer_is_one(monkeypatch):
    stat = {"text": STAT.format(0, 0, 0)}
    monkeypatch.setattr(kernel_datapath.Path, "read_text", lambda _: stat["text"])
    one, other = Switch(), Switch()
    one.lost = 5  # before we looked
    datapath = KernelDatapath([one, other], [1, 2])
    assert datapath.lost() == 0
    one.lost, other.lost = 7, 1
    assert [datapath.lost(), datapath.lost()] == [3, 0]
    stat["text"] = STAT.format(0, 2, 0)
    assert [datapath.lost(), datapath.lost()] == [4, 0]  # two processes, which here share a tracker
    other.lost = None
    assert [datapath.lost(), datapath.lost()] == [1, 1]
    other.lost = 0  # of a datapath that is new
    assert datapath.lost() == 0


def test_nobody_is_idle_while_any_thread_of_a_switch_works(monkeypatch):
    monkeypatch.setattr(kernel_datapath, "all_threads_sleep", lambda pid: pid == 1)
    datapath = KernelDatapath([], [])
    datapath.watch([1])
    assert datapath.idle()
    datapath.watch([1, 2])
    assert not datapath.idle()


OURS, PEER = "172.31.0.1", "172.31.0.2"


def datagram(src=PEER, dst=OURS, l4_port=4789, protocol=17, flags=b"\x40\0"):
    body = packet.udp(src, dst, 40000, l4_port, NONCE_MAGIC)
    made = bytearray(
        packet.ethernet(
            "0e:00:00:00:00:01", "0e:00:00:00:00:02", 0x0800, packet.ipv4(src, dst, protocol, body)
        )
    )
    made[20:22] = flags
    return bytes(made)


@pytest.mark.parametrize(
    ("frame", "tunnel"),
    [
        (datagram(), True),
        (datagram(flags=b"\0\0"), True),
        (datagram(src="172.31.0.9"), False),
        (datagram(dst="172.31.0.3"), False),
        (datagram(l4_port=4788), False),
        (datagram(protocol=6), False),
        (datagram(flags=b"\x20\0"), False),
        (datagram(flags=b"\0\x01"), False),
        (datagram()[:41], False),
        (b"", False),
    ],
)
def test_only_a_peers_tunnel_packets_to_us_are_no_frames_at_the_host(frame, tunnel):
    [own] = packed([f"{OURS}/24"])
    assert is_tunnel(frame, own, packed([f"{PEER}/24"]), 4789) is tunnel


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_what_else_arrives_at_the_tunnel_end_is_reported_on_both(datapath):
    wanted = planned(datapath)
    us, peer, *_ = wanted.hypervisors
    meaning = exchange._at_tunnel_end(wanted, us, HOST)
    vteps = peer.vtep.partition("/")[0], us.vtep.partition("/")[0]
    assert (meaning(datagram(*vteps)) is None) is (datapath == "system")
    assert meaning(datagram("10.0.0.11", vteps[1])).point == HOST
    assert meaning(datagram(*vteps, l4_port=22)).point == HOST


@pytest.mark.parametrize(("datapath", "kind"), [("netdev", DatapathSockets), ("system", KernelDatapath)])
def test_losses_are_asked_of_what_forwards(datapath, kind):
    built = SimpleNamespace(plan=planned(datapath), switches={}, switch_pids=[])
    assert type(exchange._datapath_of(built)) is kind


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_every_report_of_it_says_that_it_was_not_measured(datapath):
    lab = MininetLab.__new__(MininetLab)
    lab._datapath, lab._ask = datapath, lambda *_: ({"remarks": ["a link is cut"]}, [])
    said = ["a link is cut", *([kernel_datapath.REMARK] if datapath == "system" else [])]
    assert list(lab.remarks()) == said


# -- whether it is there


def test_the_kernel_is_asked_for_a_family():
    assert genetlink.speaks("nlctrl")
    assert not genetlink.speaks("sdn_lab_none")


def test_without_the_module_nothing_is_started_and_one_sentence_says_what_to_install(monkeypatch, capsys):
    there = [replace(n, check=lambda: "there") if n.backends == ("mininet",) else n for n in doctor.NEEDS]
    monkeypatch.setattr(doctor, "NEEDS", tuple(there))
    monkeypatch.setattr(genetlink, "speaks", lambda _: False)
    monkeypatch.setattr(MininetLab, "__init__", lambda *_: pytest.fail("a lab was started"))
    with pytest.raises(ApparatusError, match=r"no openvswitch module.*: modprobe openvswitch"):
        load_backend("mininet", "system").start(SCENARIO, assign(SCENARIO), seed=0, progress=None)
    assert main(["run", "overlap", "--backend", "mininet", "--datapath", "system"]) == 5
    said = capsys.readouterr()
    assert (said.out, said.err.count("modprobe openvswitch")) == ("", 1)
    main(["doctor"])
    assert "--datapath system, not measured): MISSING" in capsys.readouterr().out


def test_the_other_datapath_does_not_need_the_module(monkeypatch):
    monkeypatch.setattr(genetlink, "speaks", lambda _: False)
    assert "openvswitch" not in {need.name for need in doctor.lacking("mininet")}
    assert {need.name for need in doctor.lacking("system")} == {"openvswitch"}


@pytest.mark.parametrize(("backend", "datapath"), [("sim", "system"), ("sim", "netdev"), ("mininet", "dpdk")])
def test_a_datapath_that_a_backend_has_not_is_refused(backend, datapath):
    with pytest.raises(InputError, match=f"the backend {backend} has no datapath '{datapath}'"):
        load_backend(backend, datapath)
