"""Frames: what is built is right to the byte, what is rewritten stays consistent."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Packet

from sdn_lab.openflow import packet as pk

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
OUTER = pk.Outer(src_mac=A, dst_mac=B, src="172.31.0.1", dst="172.31.0.2")


def v4(proto: int, payload: bytes, **header: int) -> bytes:
    return pk.ethernet(A, B, 0x0800, pk.ipv4("10.0.0.1", "10.0.0.2", proto, payload, **header))


def v6(proto: int, payload: bytes) -> bytes:
    return pk.ethernet(A, B, 0x86DD, pk.ipv6("fd00::1", "fd00::2", proto, payload))


TCP4 = v4(6, pk.tcp("10.0.0.1", "10.0.0.2", 1234, 80, b"odd"))
UDP4 = v4(17, pk.udp("10.0.0.1", "10.0.0.2", 1234, 53, b"data"))
UDP6 = v6(17, pk.udp("fd00::1", "fd00::2", 1234, 53, b"data!"))
SCTP4 = v4(132, pk.sctp(7, 9, b"\x01\0\0\x08abcd"))
ECHO4 = v4(1, pk.icmp_echo(7, 1, b"ping"))
ECHO6 = v6(58, pk.icmpv6_echo("fd00::1", "fd00::2", 7, 1, b"ping"))
NS = v6(58, pk.neighbour_solicit("fd00::1", "fd00::2", A, dst="fd00::2"))
NA = v6(58, pk.neighbour_advert("fd00::1", "fd00::2", "fd00::1", A))
REQUEST = pk.ethernet(A, B, 0x0806, pk.arp(1, A, "10.0.0.1", 0, "10.0.0.2"))


def recomputed(frame: bytes) -> bytes:
    """The frame as scapy writes it when it computes every checksum itself."""
    packet: Packet = Ether(frame)
    for layer, name in (
        (IP, "chksum"),
        (TCP, "chksum"),
        (UDP, "chksum"),
        (SCTP, "chksum"),
        (ICMP, "chksum"),
        (ICMPv6EchoRequest, "cksum"),
        (ICMPv6ND_NS, "cksum"),
        (ICMPv6ND_NA, "cksum"),
    ):
        if packet.haslayer(layer):
            packet[layer].delfieldval(name)
    return bytes(packet)


@pytest.mark.parametrize("frame", [TCP4, UDP4, UDP6, SCTP4, ECHO4, ECHO6, NS, NA, REQUEST])
def test_checksums_are_those_that_scapy_computes(frame: bytes) -> None:
    assert recomputed(frame) == frame


REWRITES = [
    (TCP4, {"ipv4_src": 0x0A090807, "tcp_dst": 81, "nw_ttl": 7, "ip_dscp": 46, "ip_ecn": 3}),
    (UDP4, {"ipv4_dst": 0xFFFFFFFF, "udp_src": 1, "udp_dst": 65535}),
    (UDP6, {"ipv6_src": 1, "ipv6_dst": (1 << 128) - 1, "udp_dst": 9, "ipv6_flabel": 0xABCDE, "nw_ttl": 1}),
    (SCTP4, {"sctp_src": 70, "sctp_dst": 90}),
    (ECHO4, {"icmpv4_type": 13, "icmpv4_code": 1}),
    (ECHO6, {"ipv6_src": 2, "icmpv6_code": 1}),
    (NS, {"nd_target": 5, "nd_sll": 0x020000000009}),
    (NA, {"nd_target": 5, "nd_tll": 0x020000000009}),
    (REQUEST, {"arp_op": 2, "arp_sha": 9, "arp_spa": 8, "arp_tha": 7, "arp_tpa": 6, "eth_dst": 5}),
]


@pytest.mark.parametrize(("frame", "values"), REWRITES)
def test_a_rewritten_field_reads_back_and_checksums_stay_right(frame: bytes, values: dict[str, int]) -> None:
    changed = pk.rewrite(frame, values)
    assert {name: pk.parse(changed)[name] for name in values} == values
    assert len(changed) == len(frame)
    assert recomputed(changed) == changed


def test_a_wrong_checksum_stays_wrong() -> None:
    wrong = TCP4[:50] + bytes((TCP4[50] ^ 1,)) + TCP4[51:]
    changed = pk.rewrite(wrong, {"tcp_dst": 443})
    assert recomputed(changed) != changed


def test_a_udp_checksum_of_zero_stays_zero() -> None:
    frame = v4(17, pk.udp("10.0.0.1", "10.0.0.2", 1, 2, checksum=False))
    assert pk.rewrite(frame, {"udp_dst": 3, "ipv4_src": 9})[40:42] == b"\0\0"


def test_a_field_that_the_frame_lacks_cannot_be_written() -> None:
    for frame, name in ((UDP4, "tcp_dst"), (REQUEST, "ipv4_src"), (TCP4, "vlan_vid"), (TCP4[:40], "tcp_dst")):
        with pytest.raises(ValueError, match=name):
            pk.rewrite(frame, {name: 1})


def test_pop_undoes_push_and_leaves_an_untagged_frame_alone() -> None:
    tagged = pk.push_vlan(TCP4, 0x8100, 0x6005)
    assert pk.parse(tagged)["vlan_vid"] == 0x1005
    assert pk.parse(tagged)["vlan_pcp"] == 3
    assert pk.parse(tagged)["tcp_dst"] == 80
    assert pk.pop_vlan(tagged) == TCP4
    assert pk.pop_vlan(TCP4) == TCP4


def test_below_a_second_tag_nothing_is_parsed() -> None:
    fields = pk.parse(pk.push_vlan(pk.push_vlan(TCP4), 0x88A8))
    assert fields["eth_type"] == 0x8100
    assert "ipv4_src" not in fields


def test_ttl_ends_at_one() -> None:
    assert pk.parse(pk.dec_ttl(TCP4) or b"")["nw_ttl"] == 63
    assert pk.dec_ttl(v4(17, b"", ttl=1)) is None
    assert pk.dec_ttl(REQUEST) == REQUEST


def test_a_fragment_has_no_ports_and_an_atomic_one_is_none() -> None:
    first, later = v4(17, UDP4[34:], flags_offset=0x2000), v4(17, UDP4[34:], flags_offset=1)
    assert [pk.parse(f)["ip_frag"] for f in (UDP4, first, later)] == [0, 1, 3]
    assert [pk.parse(f)["udp_dst"] for f in (UDP4, first, later)] == [53, 0, 0]
    atomic = v6(44, bytes((17, 0, 0, 0, 0, 0, 0, 9)) + UDP6[54:])
    assert pk.parse(atomic)["ip_frag"] == 0
    assert pk.parse(atomic)["udp_dst"] == 53


@pytest.mark.parametrize(
    ("encap", "decap"), [(pk.vxlan_encap, pk.vxlan_decap), (pk.geneve_encap, pk.geneve_decap)]
)
def test_a_tunnel_gives_back_what_went_in(encap, decap) -> None:
    carried = encap(TCP4, 0xABCDEF, OUTER)
    assert recomputed(carried)[:42] == carried[:40] + recomputed(carried)[40:42]  # UDP checksum 0, on purpose
    assert decap(carried) == pk.Decapsulated(
        vni=0xABCDEF, outer_src=0xAC1F0001, outer_dst=0xAC1F0002, inner=TCP4
    )


@pytest.mark.parametrize("at", [42, 43, 45, 49])
def test_vxlan_with_a_reserved_bit_is_refused_as_open_vswitch_refuses_it(at: int) -> None:
    carried = bytearray(pk.vxlan_encap(TCP4, 5, OUTER))
    carried[at] ^= 1
    assert pk.vxlan_decap(bytes(carried)) is None


def test_tunnel_frames_that_are_damaged_or_not_ours_are_refused() -> None:
    vxlan, geneve = pk.vxlan_encap(TCP4, 5, OUTER), pk.geneve_encap(TCP4, 5, OUTER)
    assert pk.vxlan_decap(geneve) is None
    assert pk.geneve_decap(vxlan) is None
    assert pk.vxlan_decap(pk.push_vlan(vxlan)) is None
    assert pk.vxlan_decap(vxlan[:24] + b"\0\0" + vxlan[26:]) is None  # outer IPv4 checksum
    assert pk.vxlan_decap(vxlan[:40] + b"\0\1" + vxlan[42:]) is None  # outer UDP checksum, not 0
    assert pk.vxlan_decap(vxlan[:60]) is None
    assert pk.geneve_decap(geneve[:43] + b"\x40" + geneve[44:]) is None  # a critical option


def test_the_outer_source_port_is_the_flow_s() -> None:
    other = v4(6, pk.tcp("10.0.0.1", "10.0.0.2", 1235, 80, b"odd"))
    same = v4(6, pk.tcp("10.0.0.1", "10.0.0.2", 1234, 80, b"else"))
    port = [pk.parse(pk.vxlan_encap(f, 5, OUTER))["udp_src"] for f in (TCP4, same, other)]
    assert port[0] == port[1] != port[2]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (TCP4, "IPv4 10.0.0.1:1234 > 10.0.0.2:80 TCP [S]"),
        (UDP6, "IPv6 [fd00::1]:1234 > [fd00::2]:53 UDP"),
        (ECHO4, "ICMP echo request"),
        (NS, "ND who-has fd00::2"),
        (REQUEST, "ARP who-has 10.0.0.2 tell 10.0.0.1"),
        (pk.push_vlan(TCP4, tci=5), "vlan 5"),
        (TCP4[:40], "malformed"),
        (b"\0" * 5, "too short"),
    ],
)
def test_a_frame_is_described_in_words(frame: bytes, words: str) -> None:
    assert words in pk.describe(frame)


def test_a_link_layer_address_is_written_to_the_first_option_alone() -> None:
    def solicitation(*options: bytes) -> bytes:
        body = bytes(4) + pk.ip_bytes("fd00::2") + b"".join(options)
        message = pk.icmpv6("fd00::1", "fd00::2", 135, 0, body)
        packet = pk.ipv6("fd00::1", "fd00::2", 58, message, hop_limit=255)
        return pk.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x86DD, packet)

    old, new, target = (
        kind + b"\x01" + address * 6 for kind, address in ((b"\1", b"\2"), (b"\1", b"\4"), (b"\2", b"\2"))
    )
    written = {"nd_sll": 0x040404040404}
    assert pk.rewrite(solicitation(old, old), written) == solicitation(new, old)
    with pytest.raises(ValueError, match="another, or none"):
        pk.rewrite(solicitation(target, old), written)
