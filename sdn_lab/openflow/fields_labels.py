"""The match fields of OpenFlow 1.3.5 between Ethernet and IP, and the two that no Open vSwitch has.

Rows like those of `fields`, which puts all together.  `ipv6_exthdr` says which extension headers a packet has
and in which order (`EXTHDR_BITS`); Open vSwitch 3.1.0 knows neither it nor `pbb_isid`.

Reference: OpenFlow 1.3.5 section 7.2.3.7, tables 11 and 12.
"""

from __future__ import annotations

from sdn_lab.openflow.field import (
    ETH_IPV6,
    OFPXMC_BASIC,
    OFPXMC_NXM_1,
    Domain,
    Field,
    Form,
    Prerequisites,
    row,
)

ETH_MPLS, ETH_MPLS_MULTICAST, ETH_PBB = 0x8847, 0x8848, 0x88E7
EXTHDR_BITS = {
    "nonext": 0x001,
    "esp": 0x002,
    "auth": 0x004,
    "dest": 0x008,
    "frag": 0x010,
    "router": 0x020,
    "hop": 0x040,
    "unrep": 0x080,
    "unseq": 0x100,
}

_MPLS: Prerequisites = (("eth_type", (ETH_MPLS, ETH_MPLS_MULTICAST)),)
_PBB: Prerequisites = (("eth_type", (ETH_PBB,)),)
_IP6: Prerequisites = (("eth_type", (ETH_IPV6,)),)
_B = OFPXMC_BASIC

PIPELINE_ROWS: tuple[Field, ...] = (
    row(
        "in_phy_port",
        32,
        (_B, 1),
        "in_phy_port",
        "OXM_OF_IN_PHY_PORT",
        Form.OF_PORT,
        domain=Domain.PIPELINE,
        writable=False,
    ),
)
PACKET_ROWS: tuple[Field, ...] = (
    row("mpls_label", 20, (_B, 34), "mpls_label", "OXM_OF_MPLS_LABEL", needs=_MPLS),
    row("mpls_tc", 3, (_B, 35), "mpls_tc", "OXM_OF_MPLS_TC", needs=_MPLS),
    row("mpls_bos", 1, (_B, 36), "mpls_bos", "OXM_OF_MPLS_BOS", needs=_MPLS, writable=False),
    row("mpls_ttl", 8, (OFPXMC_NXM_1, 30), "mpls_ttl", "NXM_NX_MPLS_TTL", needs=_MPLS),
    row("pbb_isid", 24, (_B, 37), "pbb_isid", "OXM_OF_PBB_ISID", Form.HEX, needs=_PBB, maskable=True),
    row(
        "ipv6_exthdr",
        9,
        (_B, 39),
        "ipv6_exthdr",
        "OXM_OF_IPV6_EXTHDR",
        Form.HEX,
        needs=_IP6,
        maskable=True,
        writable=False,
    ),
)
