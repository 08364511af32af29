"""The designs that people start with: they must work, and leak exactly where their docstrings say."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from sdn_lab.control.controller import Controller
from sdn_lab.model.assignment import Assignment, Datapath, assign
from tests.unit.control import lab
from tests.unit.control.dummy_ovs import DummyOvs, eventually

pytestmark = pytest.mark.ovs

A, B, C = (bytes.fromhex(f"0200000000{n:02x}") for n in (0x0A, 0x0B, 0x0C))
EVERYBODY = bytes.fromhex("ffffffffffff")
UNDERLAY_MAC = "0e:00:00:00:99:99"
SHARED_VNI = 1


def frame(destination: bytes, source: bytes, body: bytes, *, vid: int | None = None) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + vid.to_bytes(2, "big")
    return (destination + source + tag + b"\x88\xb5" + body).ljust(60, b"\0")


def vxlan(source: str, destination: str, mac: str, vni: int, inner: bytes) -> bytes:
    """An encapsulated frame as it comes from the wire; UDP checksum 0 is allowed over IPv4."""
    udp_length = 8 + 8 + len(inner)
    ip = bytearray.fromhex("4500000000000000401100000000000000000000")
    ip[2:4] = (20 + udp_length).to_bytes(2, "big")
    ip[12:16], ip[16:20] = IPv4Address(source).packed, IPv4Address(destination).packed
    total = sum(int.from_bytes(ip[i : i + 2], "big") for i in range(0, 20, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    ip[10:12] = (~total & 0xFFFF).to_bytes(2, "big")
    return (
        bytes.fromhex(mac.replace(":", ""))
        + bytes.fromhex(UNDERLAY_MAC.replace(":", ""))
        + b"\x08\x00"
        + ip
        + (50000).to_bytes(2, "big")
        + (4789).to_bytes(2, "big")
        + udp_length.to_bytes(2, "big")
        + b"\0\0"
        + b"\x08\0\0\0"
        + vni.to_bytes(3, "big")
        + b"\0"
        + inner
    )


class Rig:
    """One hypervisor of two, with red/a and red/b in one network, blue/c in another, on real Open vSwitch."""

    def __init__(self, ovs: DummyOvs, name: str) -> None:
        self.ovs, self.name, self.peer = ovs, name, f"{name}z"
        self.scenario = lab.scenario(
            {
                name: {"blue/c": "blue/app", "red/a": "red/app", "red/b": "red/app"},
                self.peer: {"red/d": "red/app"},
            }
        )
        self.assignment: Assignment = assign(self.scenario)
        self.here: Datapath = self.assignment.datapaths[name]
        self.there: Datapath = self.assignment.datapaths[self.peer]
        of_ports = {a.port.split("/")[1]: a.of_port for a in self.here.attachments}
        ovs.add_bridge(name, self.here.dpid, of_ports)
        peers = {str(self.there.vtep): UNDERLAY_MAC}
        self.underlay = ovs.add_tunnel(name, self.here.tunnel_of_port, str(self.here.vtep), peers)
        self.controller: Controller | None = None

    def up(self, controller: Controller) -> None:
        self.controller = controller
        self.ovs.connect(self.name, controller.l4_port)
        eventually(lambda: self.ovs.dump_flows(self.name), "the app's entry for what matches nothing")

    def send(self, port: str, data: bytes) -> None:
        self.ovs.receive(self.name, port, data)

    def send_from_wire(self, data: bytes, vni: int = SHARED_VNI) -> None:
        (mac,) = self.ovs.vsctl("get", "interface", self.underlay, "mac_in_use").split()
        outer = vxlan(str(self.there.vtep), str(self.here.vtep), mac.strip('"'), vni, data)
        self.ovs.receive(self.underlay, "nic", outer)

    def seen(self, body: bytes) -> dict[str, list[bytes]]:
        """Where a frame with this in it has come out so far: port names, and ``wire``."""
        out = {p: self.ovs.transmitted(self.name, p) for p in ("a", "b", "c")}
        out["wire"] = self.ovs.transmitted(self.underlay, "nic")
        found = {place: [f for f in frames if body in f] for place, frames in out.items()}
        return {place: frames for place, frames in found.items() if frames}

    def state(self, body: bytes, wanted: tuple[str, ...]) -> str:
        assert self.controller is not None
        self.controller.check()
        held = "\n".join(self.ovs.dump_flows(self.name))
        return f"{body!r} at {wanted}, but {self.seen(body)}; {self.controller.said}\n{held}"

    def expect(self, body: bytes, *places: str) -> dict[str, list[bytes]]:
        """Wait until the frame has come out in all these places; then it must be nowhere else."""
        assert self.controller is not None
        eventually(lambda: set(places) <= self.seen(body).keys(), lambda: self.state(body, places))
        self.controller.settle()
        assert self.seen(body).keys() == set(places)
        return self.seen(body)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[[str], Rig]]:
    """Makes rigs; each has an Open vSwitch of its own, because routes belong to the whole of it."""
    ovs = DummyOvs(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(ovs.stop)

        def make(app: str) -> Rig:
            made = Rig(ovs, "hv")
            made.up(stack.enter_context(lab.started(made.scenario, made.assignment, app=app)))
            return made

        yield make


def test_learning_switch_learns_and_forwards(rig: Callable[[str], Rig]) -> None:
    switch = rig("learning_switch")

    switch.send("a", frame(EVERYBODY, A, b"to everybody"))
    switch.expect(b"to everybody", "b", "c", "wire")
    switch.send("b", frame(A, B, b"hello a"))
    switch.expect(b"hello a", "a")
    switch.send("b", frame(A, B, b"by flow entry"))
    switch.expect(b"by flow entry", "a")

    assert any("dl_dst=02:00:00:00:00:0a" in line for line in switch.ovs.dump_flows(switch.name))


def test_learning_switch_carries_frames_between_hypervisors_under_one_vni(rig: Callable[[str], Rig]) -> None:
    switch = rig("learning_switch")

    switch.send_from_wire(frame(EVERYBODY, C, b"from afar"))
    switch.expect(b"from afar", "a", "b", "c")  # and not back into the tunnel
    switch.send("a", frame(C, A, b"to afar"))
    out = switch.expect(b"to afar", "wire")["wire"]

    assert [f[14 + 20 + 8 + 4 :][:3] for f in out] == [SHARED_VNI.to_bytes(3, "big")]
    assert [f[14 + 16 :][:4] for f in out] == [switch.there.vtep.packed]


def test_learning_switch_shows_unknown_unicast_to_another_tenant(rig: Callable[[str], Rig]) -> None:
    switch = rig("learning_switch")

    switch.send("a", frame(B, A, b"for b alone"))

    switch.expect(b"for b alone", "b", "c", "wire")


def test_vlan_learns_and_keeps_a_flood_in_its_network(rig: Callable[[str], Rig]) -> None:
    switch = rig("vlan")

    switch.send("a", frame(EVERYBODY, A, b"hello red"))
    out = switch.expect(b"hello red", "b", "wire")
    switch.send("b", frame(A, B, b"hello a"))
    switch.expect(b"hello a", "a")
    switch.send("b", frame(A, B, b"by flow entry"))
    switch.expect(b"by flow entry", "a")

    assert b"\x81\x00" not in out["b"][0]
    assert bytes.fromhex("8100000b88b5") in out["wire"][0]  # tagged 11: the second network


def test_vlan_takes_a_tag_from_a_tenant_at_its_word(rig: Callable[[str], Rig]) -> None:
    switch = rig("vlan")

    switch.send("a", frame(EVERYBODY, A, b"hop", vid=10))

    switch.expect(b"hop", "c", "wire")


def test_vlan_delivers_by_the_tag_that_came_through_the_tunnel(rig: Callable[[str], Rig]) -> None:
    switch = rig("vlan")

    switch.send_from_wire(frame(EVERYBODY, C, b"tagged blue", vid=10))
    out = switch.expect(b"tagged blue", "c")
    switch.send("c", frame(C, B, b"answer"))
    back = switch.expect(b"answer", "wire")

    assert b"\x81\x00" not in out["c"][0]
    assert bytes.fromhex("8100000a88b5") in back["wire"][0]
