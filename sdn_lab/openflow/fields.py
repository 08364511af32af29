"""The match fields: one row each.  To add a field, add a row.

A row names the field (the OXM name of OpenFlow 1.3.5, section 7.2.3.7, or of ovs-fields(7)), its
width, what ``ovs-ofctl dump-flows`` calls it, which other fields a match must test before it may
test this one, how its value is written, and its number on the wire.

Values are non-negative integers everywhere: a MAC address is 48 bits, an IPv6 address 128.

VLAN: `vlan_vid` is 13 bits; bit 12 (0x1000) says that a tag is present, so ``vlan_vid=0`` under the
full mask means untagged.  `vlan_pcp` is 0 on an untagged packet.  A match on ovs-ofctl's ``vlan_tci`` is
split into these two; only actions know the whole (`fields_ovs`).

`nd_reserved` is the word between checksum and target (flags of an advertisement); `nd_options_type` the type
of the first link-layer option, 0 without one: 1 from the sender, 2 about the target.

`ip_frag` is OVS's: bit 0 any fragment, bit 1 later fragment (offset is not 0).  `ct_state` bits are in
`CT_STATE_BITS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdn_lab.openflow import fields_labels, fields_ovs
from sdn_lab.openflow.field import (
    CT_STATE_BITS,
    ETH_ARP,
    ETH_IP,
    ETH_IPV6,
    ETH_QINQ,
    ETH_VLAN,
    FRAG_ANY,
    FRAG_LATER,
    OFPVID_PRESENT,
    OFPXMC_BASIC,
    OFPXMC_EXPERIMENTER,
    OFPXMC_ND,
    OFPXMC_NXM_0,
    OFPXMC_NXM_1,
    OFPXMC_REGISTERS,
    ONF,
    TCP_FLAG_BITS,
    Domain,
    Field,
    Form,
    Prerequisites,
    row,
)

__all__ = [
    "CT_STATE_BITS",
    "ETH_ARP",
    "ETH_IP",
    "ETH_IPV6",
    "ETH_QINQ",
    "ETH_VLAN",
    "FIELDS",
    "FRAG_ANY",
    "FRAG_LATER",
    "OFPVID_PRESENT",
    "OFPXMC_BASIC",
    "OFPXMC_EXPERIMENTER",
    "OFPXMC_ND",
    "OFPXMC_NXM_0",
    "OFPXMC_NXM_1",
    "OFPXMC_REGISTERS",
    "ONF",
    "ORDER",
    "TCP_FLAG_BITS",
    "Domain",
    "Field",
    "Form",
    "check_test",
]

_IP4: Prerequisites = (("eth_type", (ETH_IP,)),)
_IP6: Prerequisites = (("eth_type", (ETH_IPV6,)),)
_IP: Prerequisites = (("eth_type", (ETH_IP, ETH_IPV6)),)
_ARP: Prerequisites = (("eth_type", (ETH_ARP,)),)


def _l4(number: int) -> Prerequisites:
    return (*_IP, ("ip_proto", (number,)))


_ICMP4: Prerequisites = (*_IP4, ("ip_proto", (1,)))
_ICMP6: Prerequisites = (*_IP6, ("ip_proto", (58,)))
_NS: Prerequisites = (*_ICMP6, ("icmpv6_type", (135,)))
_NA: Prerequisites = (*_ICMP6, ("icmpv6_type", (136,)))
_ND: Prerequisites = (*_ICMP6, ("icmpv6_type", (135, 136)))


_B, _N0, _N1, _X = OFPXMC_BASIC, OFPXMC_NXM_0, OFPXMC_NXM_1, OFPXMC_EXPERIMENTER
_D = Domain

_ROWS: tuple[Field, ...] = (
    # beside the packet
    row("in_port", 32, (_B, 0), "in_port", "NXM_OF_IN_PORT", Form.OF_PORT, domain=_D.PIPELINE),
    *fields_labels.PIPELINE_ROWS,
    row("metadata", 64, (_B, 2), "metadata", "OXM_OF_METADATA", Form.HEX, domain=_D.PIPELINE, maskable=True),
    *(
        row(f"reg{n}", 32, (_N1, n), f"reg{n}", f"NXM_NX_REG{n}", Form.HEX, domain=_D.PIPELINE, maskable=True)
        for n in range(16)
    ),
    row("tun_id", 64, (_B, 38), "tun_id", "NXM_NX_TUN_ID", Form.HEX, domain=_D.TUNNEL, maskable=True),
    row(
        "tun_src", 32, (_N1, 31), "tun_src", "NXM_NX_TUN_IPV4_SRC", Form.IPV4, domain=_D.TUNNEL, maskable=True
    ),
    row(
        "tun_dst", 32, (_N1, 32), "tun_dst", "NXM_NX_TUN_IPV4_DST", Form.IPV4, domain=_D.TUNNEL, maskable=True
    ),
    *fields_ovs.TUNNEL_ROWS,
    *fields_ovs.PIPELINE_ROWS,
    row("conj_id", 32, (_N1, 37), "conj_id", "NXM_NX_CONJ_ID", domain=_D.PIPELINE, writable=False),
    row(
        "ct_state",
        32,
        (_N1, 105),
        "ct_state",
        "NXM_NX_CT_STATE",
        Form.CT_STATE,
        domain=_D.CONNTRACK,
        maskable=True,
        writable=False,
    ),
    row("ct_zone", 16, (_N1, 106), "ct_zone", "NXM_NX_CT_ZONE", domain=_D.CONNTRACK, writable=False),
    row("ct_mark", 32, (_N1, 107), "ct_mark", "NXM_NX_CT_MARK", Form.HEX, domain=_D.CONNTRACK, maskable=True),
    row(
        "ct_label",
        128,
        (_N1, 108),
        "ct_label",
        "NXM_NX_CT_LABEL",
        Form.HEX,
        domain=_D.CONNTRACK,
        maskable=True,
    ),
    *fields_ovs.TRACKED_ROWS,
    # Ethernet, VLAN
    row("eth_dst", 48, (_B, 3), "dl_dst", "NXM_OF_ETH_DST", Form.MAC, maskable=True),
    row("eth_src", 48, (_B, 4), "dl_src", "NXM_OF_ETH_SRC", Form.MAC, maskable=True),
    row("eth_type", 16, (_B, 5), "dl_type", "NXM_OF_ETH_TYPE", Form.HEX, writable=False),
    row("vlan_vid", 13, (_B, 6), "vlan_vid", "OXM_OF_VLAN_VID", maskable=True),
    row("vlan_pcp", 3, (_B, 7), "vlan_pcp", "OXM_OF_VLAN_PCP"),
    # IP
    row("ip_dscp", 6, (_B, 8), "ip_dscp", "OXM_OF_IP_DSCP", needs=_IP),
    row("ip_ecn", 2, (_B, 9), "nw_ecn", "NXM_NX_IP_ECN", needs=_IP),
    row("ip_proto", 8, (_B, 10), "nw_proto", "NXM_OF_IP_PROTO", needs=_IP, writable=False),
    row("nw_ttl", 8, (_N1, 29), "nw_ttl", "NXM_NX_IP_TTL", needs=_IP),
    row(
        "ip_frag",
        2,
        (_N1, 26),
        "ip_frag",
        "NXM_NX_IP_FRAG",
        Form.FRAG,
        needs=_IP,
        maskable=True,
        writable=False,
    ),
    row("ipv4_src", 32, (_B, 11), "nw_src", "NXM_OF_IP_SRC", Form.IPV4, needs=_IP4, maskable=True),
    row("ipv4_dst", 32, (_B, 12), "nw_dst", "NXM_OF_IP_DST", Form.IPV4, needs=_IP4, maskable=True),
    row("ipv6_src", 128, (_B, 26), "ipv6_src", "NXM_NX_IPV6_SRC", Form.IPV6, needs=_IP6, maskable=True),
    row("ipv6_dst", 128, (_B, 27), "ipv6_dst", "NXM_NX_IPV6_DST", Form.IPV6, needs=_IP6, maskable=True),
    row("ipv6_flabel", 20, (_B, 28), "ipv6_label", "NXM_NX_IPV6_LABEL", Form.HEX, needs=_IP6, maskable=True),
    # transport.  ovs-ofctl writes tp_src, tp_dst for all three.
    row("tcp_src", 16, (_B, 13), "tp_src", "NXM_OF_TCP_SRC", needs=_l4(6), maskable=True),
    row("tcp_dst", 16, (_B, 14), "tp_dst", "NXM_OF_TCP_DST", needs=_l4(6), maskable=True),
    row(
        "tcp_flags",
        12,
        (_N1, 34),
        "tcp_flags",
        "NXM_NX_TCP_FLAGS",
        Form.TCP_FLAGS,
        needs=_l4(6),
        maskable=True,
        writable=False,
    ),
    row("udp_src", 16, (_B, 15), "tp_src", "NXM_OF_UDP_SRC", needs=_l4(17), maskable=True),
    row("udp_dst", 16, (_B, 16), "tp_dst", "NXM_OF_UDP_DST", needs=_l4(17), maskable=True),
    row("sctp_src", 16, (_B, 17), "tp_src", "OXM_OF_SCTP_SRC", needs=_l4(132), maskable=True),
    row("sctp_dst", 16, (_B, 18), "tp_dst", "OXM_OF_SCTP_DST", needs=_l4(132), maskable=True),
    # ICMP and neighbour discovery
    row("icmpv4_type", 8, (_B, 19), "icmp_type", "NXM_OF_ICMP_TYPE", needs=_ICMP4),
    row("icmpv4_code", 8, (_B, 20), "icmp_code", "NXM_OF_ICMP_CODE", needs=_ICMP4),
    row("icmpv6_type", 8, (_B, 29), "icmp_type", "NXM_NX_ICMPV6_TYPE", needs=_ICMP6),
    row("icmpv6_code", 8, (_B, 30), "icmp_code", "NXM_NX_ICMPV6_CODE", needs=_ICMP6),
    row("nd_target", 128, (_B, 31), "nd_target", "NXM_NX_ND_TARGET", Form.IPV6, needs=_ND, maskable=True),
    row("nd_sll", 48, (_B, 32), "nd_sll", "NXM_NX_ND_SLL", Form.MAC, needs=_NS, maskable=True),
    row("nd_tll", 48, (_B, 33), "nd_tll", "NXM_NX_ND_TLL", Form.MAC, needs=_NA, maskable=True),
    row("nd_reserved", 32, (OFPXMC_ND, 1), "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED", needs=_ND),
    row(
        "nd_options_type",
        8,
        (OFPXMC_ND, 2),
        "nd_options_type",
        "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE",
        needs=_ND,
    ),
    # ARP
    row("arp_op", 16, (_B, 21), "arp_op", "NXM_OF_ARP_OP", needs=_ARP),
    row("arp_spa", 32, (_B, 22), "arp_spa", "NXM_OF_ARP_SPA", Form.IPV4, needs=_ARP, maskable=True),
    row("arp_tpa", 32, (_B, 23), "arp_tpa", "NXM_OF_ARP_TPA", Form.IPV4, needs=_ARP, maskable=True),
    row("arp_sha", 48, (_B, 24), "arp_sha", "NXM_NX_ARP_SHA", Form.MAC, needs=_ARP, maskable=True),
    row("arp_tha", 48, (_B, 25), "arp_tha", "NXM_NX_ARP_THA", Form.MAC, needs=_ARP, maskable=True),
    *fields_labels.PACKET_ROWS,
    *fields_ovs.PACKET_ROWS,
)

FIELDS: Mapping[str, Field] = {held.name: held for held in _ROWS}
ORDER: Mapping[str, int] = {name: index for index, name in enumerate(FIELDS)}


def check_test(name: str, value: int, mask: int) -> None:
    """Raise ValueError, in words, if *name* is no field or the test does not fit its width or form."""
    field = FIELDS.get(name)
    if field is None:
        raise ValueError(f"'{name}' is not a match field")
    if value < 0 or value > field.full_mask:
        raise ValueError(f"{name}={value:#x} does not fit {field.bits} bits")
    if mask < 0 or mask > field.full_mask:
        raise ValueError(f"mask {mask:#x} of {name} does not fit {field.bits} bits")
    if mask not in (0, field.full_mask) and not field.maskable:
        raise ValueError(f"{name} cannot be masked")
