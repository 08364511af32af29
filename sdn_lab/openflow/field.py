"""What a row of the match fields says: `Field`, and the words that it is said in.

`fields` holds the rows (OpenFlow's own and the registers, tunnel and tracker fields in daily use),
`fields_ovs` those of Open vSwitch beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    TUN_FLAGS = "tun_flags"
    PACKET_TYPE = "packet_type"  # (namespace,type)


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

TUN_FLAG_BITS: Mapping[str, int] = {"oam": 1, "df": 2, "csum": 4, "key": 8}

ETH_IP, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
ETH_VLAN, ETH_QINQ = 0x8100, 0x88A8

# A prerequisite is (field, value); every one must hold; alternatives are tuples of values.
Prerequisites = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row.  *oxm* is (class, field number); of class 0xFFFF, *experimenter* says whose (0: ONF's)."""

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
    experimenter: int = 0

    full_mask: int = field(init=False, repr=False, compare=False)  # all bits; asked for all the time

    def __post_init__(self) -> None:
        object.__setattr__(self, "full_mask", (1 << self.bits) - 1)


def row(
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
    experimenter: int = 0,
) -> Field:
    """Make a row."""
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
        experimenter=experimenter,
    )
