"""The match fields: one row each.  To add a field, add a row.

A row names the field (the OXM name of OpenFlow 1.3.5, section 7.2.3.7, or of ovs-fields(7)), its
width, what ``ovs-ofctl dump-flows`` calls it, which other fields a match must test before it may
test this one, how its value is written, and its number on the wire.

Values are non-negative integers everywhere: a MAC address is 48 bits, an IPv6 address 128.

VLAN: `vlan_vid` is 13 bits; bit 12 (0x1000) says that a tag is present, so ``vlan_vid=0`` under the
full mask means untagged.  `vlan_pcp` is 0 on an untagged packet.  ovs-ofctl's ``vlan_tci`` is text only:
`sdn_lab.openflow.text` splits it into these two.

`nd_reserved` is the word between checksum and target (flags of an advertisement); `nd_options_type` the type
of the first link-layer option, 0 without one: 1 from the sender, 2 about the target.

`ip_frag` is OVS's: bit 0 any fragment, bit 1 later fragment (offset is not 0).  `ct_state` bits are in
`CT_STATE_BITS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Form(Enum):
    """How a field's value is written in text."""

    DECIMAL = "decimal"
    HEX = "hex"
    MAC = "mac"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    OF_PORT = "of_port"
    CT_STATE = "ct_state"
    TCP_FLAGS = "tcp_flags"
    FRAG = "frag"


class Domain(Enum):
    """Where a field's value lives."""

    PACKET = "packet"  # in the frame's bytes
    PIPELINE = "pipeline"  # beside the packet: registers, metadata, in_port
    TUNNEL = "tunnel"  # outer header, as a value
    CONNTRACK = "conntrack"  # what `ct` found out


OFPXMC_ND = 0x1000  # Open vSwitch's class for what OpenFlow lacks of neighbour discovery
OFPXMC_NXM_0, OFPXMC_NXM_1, OFPXMC_BASIC, OFPXMC_REGISTERS, OFPXMC_EXPERIMENTER = 0, 1, 0x8000, 0x8001, 0xFFFF
ONF = 0x4F4E4600

OFPVID_PRESENT = 0x1000
FRAG_ANY, FRAG_LATER = 1, 2
CT_STATE_BITS: Mapping[str, int] = {
    "new": 0x01,
    "est": 0x02,
    "rel": 0x04,
    "rpl": 0x08,
    "inv": 0x10,
    "trk": 0x20,
    "snat": 0x40,
    "dnat": 0x80,
}
TCP_FLAG_BITS: Mapping[str, int] = {
    "fin": 0x001,
    "syn": 0x002,
    "rst": 0x004,
    "psh": 0x008,
    "ack": 0x010,
    "urg": 0x020,
    "ece": 0x040,
    "cwr": 0x080,
    "ns": 0x100,
}

ETH_IP, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
ETH_VLAN, ETH_QINQ = 0x8100, 0x88A8

# A prerequisite is (field, value); every one must hold; alternatives are tuples of values.
Prerequisites = tuple[tuple[str, tuple[int, ...]], ...]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row.  *oxm* is (class, field number); experimenter fields use class 0xFFFF and ONF's id."""

    name: str
    bits: int
    oxm: tuple[int, int]
    ofctl: str
    form: Form = Form.DECIMAL
    domain: Domain = Domain.PACKET
    needs: Prerequisites = ()
    maskable: bool = False
    writable: bool = True
    nxm: str = ""

    @property
    def full_mask(self) -> int:
        """All bits of the field."""
        return (1 << self.bits) - 1


def _row(
    name: str,
    bits: int,
    oxm: tuple[int, int],
    ofctl: str,
    nxm: str,
    form: Form = Form.DECIMAL,
    *,
    domain: Domain = Domain.PACKET,
    needs: Prerequisites = (),
    maskable: bool = False,
    writable: bool = True,
) -> Field:
    return Field(
        name=name,
        bits=bits,
        oxm=oxm,
        ofctl=ofctl,
        nxm=nxm,
        form=form,
        domain=domain,
        needs=needs,
        maskable=maskable,
        writable=writable,
    )


_B, _N0, _N1, _X = OFPXMC_BASIC, OFPXMC_NXM_0, OFPXMC_NXM_1, OFPXMC_EXPERIMENTER
_D = Domain

_ROWS: tuple[Field, ...] = (
    # beside the packet
    _row("in_port", 32, (_B, 0), "in_port", "NXM_OF_IN_PORT", Form.OF_PORT, domain=_D.PIPELINE),
    _row("metadata", 64, (_B, 2), "metadata", "OXM_OF_METADATA", Form.HEX, domain=_D.PIPELINE, maskable=True),
    *(
        _row(
            f"reg{n}", 32, (_N1, n), f"reg{n}", f"NXM_NX_REG{n}", Form.HEX, domain=_D.PIPELINE, maskable=True
        )
        for n in range(16)
    ),
    _row("tun_id", 64, (_B, 38), "tun_id", "NXM_NX_TUN_ID", Form.HEX, domain=_D.TUNNEL, maskable=True),
    _row(
        "tun_src", 32, (_N1, 31), "tun_src", "NXM_NX_TUN_IPV4_SRC", Form.IPV4, domain=_D.TUNNEL, maskable=True
    ),
    _row(
        "tun_dst", 32, (_N1, 32), "tun_dst", "NXM_NX_TUN_IPV4_DST", Form.IPV4, domain=_D.TUNNEL, maskable=True
    ),
    _row("conj_id", 32, (_N1, 37), "conj_id", "NXM_NX_CONJ_ID", domain=_D.PIPELINE, writable=False),
    _row(
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
    _row("ct_zone", 16, (_N1, 106), "ct_zone", "NXM_NX_CT_ZONE", domain=_D.CONNTRACK, writable=False),
    _row(
        "ct_mark", 32, (_N1, 107), "ct_mark", "NXM_NX_CT_MARK", Form.HEX, domain=_D.CONNTRACK, maskable=True
    ),
    _row(
        "ct_label",
        128,
        (_N1, 108),
        "ct_label",
        "NXM_NX_CT_LABEL",
        Form.HEX,
        domain=_D.CONNTRACK,
        maskable=True,
    ),
    # Ethernet, VLAN
    _row("eth_dst", 48, (_B, 3), "dl_dst", "NXM_OF_ETH_DST", Form.MAC, maskable=True),
    _row("eth_src", 48, (_B, 4), "dl_src", "NXM_OF_ETH_SRC", Form.MAC, maskable=True),
    _row("eth_type", 16, (_B, 5), "dl_type", "NXM_OF_ETH_TYPE", Form.HEX, writable=False),
    _row("vlan_vid", 13, (_B, 6), "vlan_vid", "OXM_OF_VLAN_VID", maskable=True),
    _row("vlan_pcp", 3, (_B, 7), "vlan_pcp", "OXM_OF_VLAN_PCP"),
    # IP
    _row("ip_dscp", 6, (_B, 8), "ip_dscp", "OXM_OF_IP_DSCP", needs=_IP),
    _row("ip_ecn", 2, (_B, 9), "nw_ecn", "NXM_NX_IP_ECN", needs=_IP),
    _row("ip_proto", 8, (_B, 10), "nw_proto", "NXM_OF_IP_PROTO", needs=_IP, writable=False),
    _row("nw_ttl", 8, (_N1, 29), "nw_ttl", "NXM_NX_IP_TTL", needs=_IP),
    _row(
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
    _row("ipv4_src", 32, (_B, 11), "nw_src", "NXM_OF_IP_SRC", Form.IPV4, needs=_IP4, maskable=True),
    _row("ipv4_dst", 32, (_B, 12), "nw_dst", "NXM_OF_IP_DST", Form.IPV4, needs=_IP4, maskable=True),
    _row("ipv6_src", 128, (_B, 26), "ipv6_src", "NXM_NX_IPV6_SRC", Form.IPV6, needs=_IP6, maskable=True),
    _row("ipv6_dst", 128, (_B, 27), "ipv6_dst", "NXM_NX_IPV6_DST", Form.IPV6, needs=_IP6, maskable=True),
    _row("ipv6_flabel", 20, (_B, 28), "ipv6_label", "NXM_NX_IPV6_LABEL", Form.HEX, needs=_IP6, maskable=True),
    # transport.  ovs-ofctl writes tp_src, tp_dst for all three.
    _row("tcp_src", 16, (_B, 13), "tp_src", "NXM_OF_TCP_SRC", needs=_l4(6), maskable=True),
    _row("tcp_dst", 16, (_B, 14), "tp_dst", "NXM_OF_TCP_DST", needs=_l4(6), maskable=True),
    _row(
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
    _row("udp_src", 16, (_B, 15), "tp_src", "NXM_OF_UDP_SRC", needs=_l4(17), maskable=True),
    _row("udp_dst", 16, (_B, 16), "tp_dst", "NXM_OF_UDP_DST", needs=_l4(17), maskable=True),
    _row("sctp_src", 16, (_B, 17), "tp_src", "OXM_OF_SCTP_SRC", needs=_l4(132), maskable=True),
    _row("sctp_dst", 16, (_B, 18), "tp_dst", "OXM_OF_SCTP_DST", needs=_l4(132), maskable=True),
    # ICMP and neighbour discovery
    _row("icmpv4_type", 8, (_B, 19), "icmp_type", "NXM_OF_ICMP_TYPE", needs=_ICMP4),
    _row("icmpv4_code", 8, (_B, 20), "icmp_code", "NXM_OF_ICMP_CODE", needs=_ICMP4),
    _row("icmpv6_type", 8, (_B, 29), "icmp_type", "NXM_NX_ICMPV6_TYPE", needs=_ICMP6),
    _row("icmpv6_code", 8, (_B, 30), "icmp_code", "NXM_NX_ICMPV6_CODE", needs=_ICMP6),
    _row("nd_target", 128, (_B, 31), "nd_target", "NXM_NX_ND_TARGET", Form.IPV6, needs=_ND, maskable=True),
    _row("nd_sll", 48, (_B, 32), "nd_sll", "NXM_NX_ND_SLL", Form.MAC, needs=_NS, maskable=True),
    _row("nd_tll", 48, (_B, 33), "nd_tll", "NXM_NX_ND_TLL", Form.MAC, needs=_NA, maskable=True),
    _row("nd_reserved", 32, (OFPXMC_ND, 1), "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED", needs=_ND),
    _row(
        "nd_options_type",
        8,
        (OFPXMC_ND, 2),
        "nd_options_type",
        "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE",
        needs=_ND,
    ),
    # ARP
    _row("arp_op", 16, (_B, 21), "arp_op", "NXM_OF_ARP_OP", needs=_ARP),
    _row("arp_spa", 32, (_B, 22), "arp_spa", "NXM_OF_ARP_SPA", Form.IPV4, needs=_ARP, maskable=True),
    _row("arp_tpa", 32, (_B, 23), "arp_tpa", "NXM_OF_ARP_TPA", Form.IPV4, needs=_ARP, maskable=True),
    _row("arp_sha", 48, (_B, 24), "arp_sha", "NXM_NX_ARP_SHA", Form.MAC, needs=_ARP, maskable=True),
    _row("arp_tha", 48, (_B, 25), "arp_tha", "NXM_NX_ARP_THA", Form.MAC, needs=_ARP, maskable=True),
)

FIELDS: Mapping[str, Field] = {row.name: row for row in _ROWS}
ORDER: Mapping[str, int] = {row.name: index for index, row in enumerate(_ROWS)}


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
