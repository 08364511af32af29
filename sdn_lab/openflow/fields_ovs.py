"""The match fields that only Open vSwitch has: tunnel options, marks, NSH, what the tracker keeps.

Rows like those of `fields`, which puts both together.  `vlan_tci` is for actions alone (``load``, ``learn``):
in a match, text and wire split it into `vlan_vid` and `vlan_pcp`.  The wide registers (``xreg0``,
``xxreg0``) are no rows: `registers` says which `reg` they are.

Reference: ovs-fields(7) of Open vSwitch 3.1.0.
"""

from __future__ import annotations

from sdn_lab.openflow.field import (
    ETH_IP,
    ETH_IPV6,
    OFPXMC_BASIC,
    OFPXMC_EXPERIMENTER,
    OFPXMC_NXM_0,
    OFPXMC_NXM_1,
    Domain,
    Field,
    Form,
    Prerequisites,
    row,
)

NICIRA, NSH = 0x00002320, 0x005AD650
ACTSET_UNSET = 0xFFFFFFF7
TUN_METADATA_FIELDS = 64

_N1, _X = OFPXMC_NXM_1, OFPXMC_EXPERIMENTER
_ETH_NSH = 0x894F
_NSH: Prerequisites = (("eth_type", (_ETH_NSH,)),)
_NSH1: Prerequisites = (*_NSH, ("nsh_mdtype", (1,)))
_CT_IP4: Prerequisites = (("eth_type", (ETH_IP,)),)
_CT_IP6: Prerequisites = (("eth_type", (ETH_IPV6,)),)
_CT_L4: Prerequisites = (("eth_type", (ETH_IP, ETH_IPV6)), ("ct_nw_proto", (6, 17, 132)))


def _tunnel(name: str, bits: int, oxm: tuple[int, int], nxm: str, form: Form, experimenter: int = 0) -> Field:
    ofctl = name
    return row(
        name, bits, oxm, ofctl, nxm, form, domain=Domain.TUNNEL, maskable=True, experimenter=experimenter
    )


def _nsh(name: str, bits: int, number: int, form: Form = Form.DECIMAL, needs: Prerequisites = _NSH) -> Field:
    return row(
        name,
        bits,
        (_X, number),
        name,
        f"NXOXM_{name.upper()}",
        form,
        needs=needs,
        maskable=name in ("nsh_flags", "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4"),
        writable=name not in ("nsh_mdtype", "nsh_np"),
        experimenter=NSH,
    )


def _tracked(name: str, bits: int, number: int, form: Form, needs: Prerequisites, *, mask: bool) -> Field:
    nxm = f"NXM_NX_{name.upper()}"
    return row(
        name,
        bits,
        (_N1, number),
        name,
        nxm,
        form,
        domain=Domain.CONNTRACK,
        needs=needs,
        maskable=mask,
        writable=False,
    )


PIPELINE_ROWS: tuple[Field, ...] = (
    row(
        "pkt_mark",
        32,
        (_N1, 33),
        "pkt_mark",
        "NXM_NX_PKT_MARK",
        Form.HEX,
        domain=Domain.PIPELINE,
        maskable=True,
    ),
    row(
        "dp_hash",
        32,
        (_N1, 35),
        "dp_hash",
        "NXM_NX_DP_HASH",
        Form.HEX,
        domain=Domain.PIPELINE,
        maskable=True,
        writable=False,
    ),
    row(
        "actset_output",
        32,
        (_X, 43),
        "actset_output",
        "ONFOXM_ET_ACTSET_OUTPUT",
        Form.OF_PORT,
        domain=Domain.PIPELINE,
        writable=False,
    ),
    row(
        "packet_type",
        32,
        (OFPXMC_BASIC, 44),
        "packet_type",
        "OXM_OF_PACKET_TYPE",
        Form.PACKET_TYPE,
        domain=Domain.PIPELINE,
        writable=False,
    ),
)

TUNNEL_ROWS: tuple[Field, ...] = (
    _tunnel("tun_ipv6_src", 128, (_N1, 109), "NXM_NX_TUN_IPV6_SRC", Form.IPV6),
    _tunnel("tun_ipv6_dst", 128, (_N1, 110), "NXM_NX_TUN_IPV6_DST", Form.IPV6),
    _tunnel("tun_gbp_id", 16, (_N1, 38), "NXM_NX_TUN_GBP_ID", Form.DECIMAL),
    _tunnel("tun_gbp_flags", 8, (_N1, 39), "NXM_NX_TUN_GBP_FLAGS", Form.HEX),
    _tunnel("tun_flags", 16, (_N1, 104), "NXM_NX_TUN_FLAGS", Form.TUN_FLAGS),
    _tunnel("tun_erspan_ver", 4, (_X, 12), "NXOXM_ET_ERSPAN_VER", Form.DECIMAL, NICIRA),
    _tunnel("tun_erspan_idx", 20, (_X, 11), "NXOXM_ET_ERSPAN_IDX", Form.HEX, NICIRA),
    _tunnel("tun_erspan_dir", 1, (_X, 13), "NXOXM_ET_ERSPAN_DIR", Form.DECIMAL, NICIRA),
    _tunnel("tun_erspan_hwid", 6, (_X, 14), "NXOXM_ET_ERSPAN_HWID", Form.HEX, NICIRA),
    _tunnel("gtpu_flags", 8, (_X, 15), "NXOXM_ET_GTPU_FLAGS", Form.HEX, NICIRA),
    _tunnel("gtpu_msgtype", 8, (_X, 16), "NXOXM_ET_GTPU_MSGTYPE", Form.DECIMAL, NICIRA),
    *(
        _tunnel(f"tun_metadata{n}", 992, (_N1, 40 + n), f"NXM_NX_TUN_METADATA{n}", Form.HEX)
        for n in range(TUN_METADATA_FIELDS)
    ),
)

TRACKED_ROWS: tuple[Field, ...] = (
    _tracked("ct_nw_proto", 8, 119, Form.DECIMAL, (("eth_type", (ETH_IP, ETH_IPV6)),), mask=False),
    _tracked("ct_nw_src", 32, 120, Form.IPV4, _CT_IP4, mask=True),
    _tracked("ct_nw_dst", 32, 121, Form.IPV4, _CT_IP4, mask=True),
    _tracked("ct_ipv6_src", 128, 122, Form.IPV6, _CT_IP6, mask=True),
    _tracked("ct_ipv6_dst", 128, 123, Form.IPV6, _CT_IP6, mask=True),
    _tracked("ct_tp_src", 16, 124, Form.DECIMAL, _CT_L4, mask=True),
    _tracked("ct_tp_dst", 16, 125, Form.DECIMAL, _CT_L4, mask=True),
)

PACKET_ROWS: tuple[Field, ...] = (
    row("vlan_tci", 16, (OFPXMC_NXM_0, 4), "vlan_tci", "NXM_OF_VLAN_TCI", Form.HEX, maskable=True),
    _nsh("nsh_flags", 8, 1),
    _nsh("nsh_ttl", 6, 10),
    _nsh("nsh_mdtype", 8, 2),
    _nsh("nsh_np", 8, 3),
    _nsh("nsh_spi", 24, 4, Form.HEX),
    _nsh("nsh_si", 8, 5),
    *(_nsh(f"nsh_c{n}", 32, 5 + n, Form.HEX, _NSH1) for n in range(1, 5)),
)
