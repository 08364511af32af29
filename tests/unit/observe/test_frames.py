"""A template filled in is, byte for byte, what scapy builds from scratch."""

from ipaddress import IPv4Address, ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from sdn_lab.model.traffic import Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.nonce import Nonces, found_in
from sdn_lab.openflow.packet import parse, vxlan_decap

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
V4 = Ends(eth_src=A, eth_dst=B, src=ip_address("10.0.0.1"), dst=ip_address("10.0.0.2"))
V6 = Ends(eth_src=A, eth_dst=B, src=ip_address("fd00::1"), dst=ip_address("fd00::2"))
NONCE = Nonces(3).draw()


def by_scapy(ends: Ends, layers, trailer: bytes = b"", **options) -> bytes:
    four = isinstance(ends.src, IPv4Address)
    ip = (
        IP(src=str(ends.src), dst=str(ends.dst), flags="DF", ttl=options.get("ttl", 64))
        if four
        else IPv6(src=str(ends.src), dst=str(ends.dst), hlim=options.get("ttl", 64))
    )
    return (bytes(Ether(src=ends.eth_src, dst=ends.eth_dst) / ip / layers) + trailer).ljust(60, b"\0")


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
def test_udp(ends: Ends) -> None:
    assert frames.udp(ends, 20000, 53, NONCE) == by_scapy(ends, UDP(sport=20000, dport=53) / Raw(NONCE))


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize(
    "flags", [frames.SYN, frames.ACK | frames.PSH, 0, frames.SYN | frames.ECE | frames.CWR]
)
def test_tcp_with_its_nonce_behind_it(ends: Ends, flags: int) -> None:
    expected = TCP(sport=20000, dport=80, flags=flags, seq=7, ack=9, window=64240)

    assert frames.tcp(ends, 20000, 80, NONCE, flags, seq=7, ack=9) == by_scapy(ends, expected, NONCE)


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
def test_tcp_with_data(ends: Ends) -> None:
    expected = TCP(sport=1, dport=2, flags="PA", seq=1000, ack=3, window=64240) / Raw(NONCE)

    built = frames.tcp(ends, 1, 2, NONCE, frames.PSH | frames.ACK, ack=3, data=True)

    assert built == by_scapy(ends, expected)


def test_echo_requests() -> None:
    assert frames.icmp_query(V4, 8, 77, NONCE) == by_scapy(V4, ICMP(type=8, id=77, seq=1) / Raw(NONCE))
    expected = ICMPv6EchoRequest(id=77, seq=1, data=NONCE)
    assert frames.icmp_query(V6, 128, 77, NONCE) == by_scapy(V6, expected)


def test_arp() -> None:
    expected = Ether(src=A, dst=B) / ARP(op=2, hwsrc=A, psrc="10.0.0.1", hwdst=B, pdst="10.0.0.2")

    built = frames.arp(A, B, 2, A, V4.src, B, V4.dst, NONCE)

    assert built == (bytes(expected) + NONCE).ljust(60, b"\0")


def test_neighbour_discovery() -> None:
    ask = ICMPv6ND_NS(tgt="fd00::2") / ICMPv6NDOptSrcLLAddr(lladdr=A)
    tell = ICMPv6ND_NA(R=0, S=1, O=1, tgt="fd00::1") / ICMPv6NDOptDstLLAddr(lladdr=A)

    assert frames.solicit(V6, V6.dst, A, NONCE) == by_scapy(V6, ask, NONCE, ttl=255)
    assert frames.advertise(V6, V6.src, A, NONCE) == by_scapy(V6, tell, NONCE, ttl=255)


def test_tags_are_put_before_the_ethertype() -> None:
    plain = frames.udp(V4, 1, 2, NONCE)
    expected = Ether(src=A, dst=B) / Dot1Q(vlan=5, prio=7) / Raw(plain[14:])

    built = frames.tagged(plain, (0x8100, 7 << 13 | 5))

    assert built == bytes(expected)[:16] + plain[12:]


def test_vxlan_goes_to_port_4789_and_is_decapsulated() -> None:
    inner = frames.udp(V6, 1, 2, NONCE)
    outer = frames.udp(V4, 20000, frames.VXLAN_PORT, frames.vxlan_payload(5001, inner))

    opened = vxlan_decap(outer)

    assert opened is not None
    assert (opened.vni, opened.inner) == (5001, inner)


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("protocol", [1, 6, 17, 58, 132, 47])
def test_every_opening_carries_its_nonce_and_its_protocol(ends: Ends, protocol: int) -> None:
    types = {1: 8, 58: 128}
    flow = Microflow(
        src=ends.src,
        dst=ends.dst,
        protocol=protocol,
        src_l4=20000,
        dst_l4=80,
        icmp_type=types.get(protocol, 0),
    )

    frame = frames.opening(flow, A, B, NONCE)

    assert found_in(frame) == [NONCE]
    assert len(frame) >= 60
    assert parse(frame)["ip_proto"] == protocol


def test_unreachable_quotes_what_it_refuses() -> None:
    refused = frames.udp(V4, 20000, 53, NONCE)
    back = Ends(eth_src=B, eth_dst=A, src=V4.dst, dst=V4.src)

    frame = frames.icmp_unreachable(back, refused, NONCE)

    assert refused[14:42] in frame
    assert (parse(frame)["icmpv4_type"], parse(frame)["icmpv4_code"]) == (3, 3)


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize(("later", "frag"), [(False, 1), (True, 3)])
def test_fragments_are_read_as_fragments_and_carry_their_nonce(ends: Ends, later: bool, frag: int) -> None:
    whole = frames.udp(ends, 20000, 53, NONCE)

    frame = frames.fragment(ends, 17, whole, NONCE, 99, later=later)

    fields = parse(frame)
    assert fields["ip_frag"] == frag
    assert fields["ip_proto"] in (17, frames.IPV6_FRAGMENT)  # a later one's is the fragment header's, to OVS
    assert found_in(frame)[-1:] == [NONCE]
    scapy = Ether(frame)
    if IP in scapy:
        intact = scapy[IP].chksum
        del scapy[IP].chksum
        assert IP(bytes(scapy[IP])).chksum == intact


def test_link_local_and_solicited_node() -> None:
    assert frames.link_local("02:00:00:00:00:11") == ip_address("fe80::ff:fe00:11")
    assert frames.solicited_node(ip_address("fd00:a::12:3456")) == (
        "33:33:ff:12:34:56",
        ip_address("ff02::1:ff12:3456"),
    )
