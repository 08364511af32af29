"""Outer headers to the byte: what Open vSwitch's tunnels send, and what scapy makes of what ours send.

Only the UDP source port may differ: it is a hash of the inner flow, and every switch has its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from sdn_lab.openflow import frames, packet
from sdn_lab.openflow.frames_tunnel import GENEVE_PORT, VXLAN_PORT

from .ovs_process import Vswitch

HERE, THERE = ("172.31.0.1", "0e:00:00:00:00:01"), ("172.31.0.2", "0e:00:00:00:00:02")
OUTER = packet.Outer(src_mac=HERE[1], dst_mac=THERE[1], src=HERE[0], dst=THERE[0])
WRAPS = {"vxlan": packet.vxlan_encap, "geneve": packet.geneve_encap}
L4_PORTS = {"vxlan": VXLAN_PORT, "geneve": GENEVE_PORT}
SOURCE_PORT = slice(34, 36)
FLOWS = "in_port=2,actions=set_field:{vni}->tun_id,set_field:172.31.0.2->tun_dst,output:1"


def inner(size: int, protocol: int) -> bytes:
    """Return an Ethernet frame of *size* bytes."""
    made = {
        4: lambda n: frames.ipv4(
            "10.0.0.1", "10.0.0.2", 17, frames.udp("10.0.0.1", "10.0.0.2", 9, 7, bytes(n))
        ),
        6: lambda n: frames.ipv6("fd00::1", "fd00::2", 17, frames.udp("fd00::1", "fd00::2", 9, 7, bytes(n))),
        0: bytes,
    }
    head = len(made[protocol](0))
    kind = {4: 0x0800, 6: 0x86DD, 0: 0x88B5}[protocol]
    return frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", kind, made[protocol](size - 14 - head))


INNER = {
    "shortest": inner(60, 4),
    "IPv6": inner(90, 6),
    "neither": inner(77, 0),
    "odd": inner(1001, 4),
    "largest": inner(1464, 6),
    "with a tag": packet.push_vlan(inner(100, 4)),
}


@pytest.fixture(params=["vxlan", "geneve"])
def tunnel(request: pytest.FixtureRequest, ovs: None) -> Iterator[tuple[str, Vswitch]]:
    """A hypervisor whose one port's frames go into a tunnel."""
    switch = Vswitch({"br-int": "0e:01:00:00:00:01", "br-phy": HERE[1]})
    try:
        words = [
            "--",
            "add-port",
            "br-int",
            "tunnel",
            "--",
            "set",
            "interface",
            "tunnel",
            f"type={request.param}",
        ]
        switch.vsctl(*words, "ofport_request=1", "options:remote_ip=flow", "options:key=flow")
        switch.add_ports("br-phy", {"uplink": 1})
        switch.add_ports("br-int", {"p2": 2})
        switch.load("br-phy", "in_port=LOCAL,actions=output:1")
        switch.control.call("netdev-dummy/ip4addr", "br-phy", f"{HERE[0]}/16")
        switch.control.call("ovs/route/add", "172.31.0.0/16", "br-phy")
        switch.control.call("tnl/neigh/set", "br-phy", *THERE)
        yield request.param, switch
    finally:
        switch.close()


@pytest.mark.ovs
@pytest.mark.parametrize("vni", [1, 0xABCDEF])
def test_every_byte_is_open_vswitchs_but_the_source_port(tunnel: tuple[str, Vswitch], vni: int) -> None:
    kind, switch = tunnel
    switch.load("br-int", FLOWS.format(vni=vni))
    for name, frame in INNER.items():
        switch.transmitted()
        switch.receive("p2", frame)
        [theirs] = switch.transmitted()["uplink"]
        ours = WRAPS[kind](frame, vni, OUTER)
        assert _without(theirs) == _without(ours), name
        assert int.from_bytes(theirs[SOURCE_PORT]) >= 32768, name
        assert int.from_bytes(ours[SOURCE_PORT]) >= 32768, name


def _without(frame: bytes) -> bytes:
    return frame[: SOURCE_PORT.start] + b"??" + frame[SOURCE_PORT.stop :]


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("kind", ["vxlan", "geneve"])
def test_scapy_finds_the_frame_in_the_tunnel(kind: str, name: str) -> None:
    frame = INNER[name]
    ours = WRAPS[kind](frame, 0xABCDEF, OUTER)
    seen = Ether(ours)
    assert (seen.src, seen.dst, seen[IP].src, seen[IP].dst) == (HERE[1], THERE[1], HERE[0], THERE[0])
    assert (seen[IP].ttl, str(seen[IP].flags), seen[IP].len) == (64, "DF", len(ours) - 14)
    assert (seen[UDP].dport, seen[UDP].len, seen[UDP].chksum) == (
        L4_PORTS[kind],
        len(ours) - 34,
        0,
    )
    checked = IP(ours[14:])
    del checked.chksum
    assert bytes(checked)[10:12] == ours[24:26], "outer IPv4 checksum"
    layer = seen[VXLAN] if kind == "vxlan" else GENEVE(bytes(seen[UDP].payload))
    assert layer.vni == 0xABCDEF
    assert bytes(layer.payload) == frame
