"""Single values of a scenario file: names, addresses, prefixes, MACs, port ranges, quantities.

Each is an annotated type for the models of `sdn_lab.scenario.format`: a reader that takes what YAML
gave and returns the model's value or raises `wrong(...)`, and the JSON Schema that an editor is shown.

Readers are strict: what is guessed wrongly in a lab about isolation is a hole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from sdn_lab.model.intent import IPAddress, IPNetwork, PortRange
from sdn_lab.scenario.complaint import quote

LONGEST_NAME = 63
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")
_PORT_PATH = re.compile(r"[^\s/]+/[^\s/]+")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_QUANTITY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?) ?([a-z%]+)")
_DELAY_MS = {"s": "1000", "ms": "1", "us": "0.001"}
_RATE_BPS = {"bit": "1", "kbit": "1000", "mbit": "1000000", "gbit": "1000000000"}
_LOSS = {"%": "0.01"}


def wrong(code: str, what: str, why: str = "", fix: str = "") -> PydanticCustomError:
    """Make the error that a reader raises.  `decode` turns it into a diagnostic."""
    return PydanticCustomError("sdn_lab", "{what}", {"code": code, "what": what, "why": why, "fix": fix})


def read_name(value: object) -> str:
    """Read a name of a scenario, tenant, network, group, instance, port, site or hypervisor."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    fix = "quote it, if it is meant as a name" if isinstance(value, bool | int | float | None) else ""
    raise wrong(
        "SCN010",
        f"{quote(value)} cannot be a name",
        f"a name is 1 to {LONGEST_NAME} letters, digits, '.', '_', '-', and starts with a letter or digit",
        fix,
    )


def _read_own_network(value: object) -> str:
    if isinstance(value, str) and "/" in value:
        raise wrong(
            "SCN052",
            f"{quote(value)} is not a network of this tenant's own",
            "a router joins its tenant's networks, and names them without the tenant",
            "write the network's name alone; networks of two tenants are joined by a peering",
        )
    return read_name(value)


def _read_port_path(value: object) -> str:
    if isinstance(value, str) and _PORT_PATH.fullmatch(value):
        return value
    raise wrong(
        "SCN027",
        f"{quote(value)} does not name a port",
        "a port is named by tenant and instance, 'red/vm1', or 'red/fw:eth1' where there are several",
    )


def _read_address(value: object) -> IPAddress:
    if isinstance(value, str) and _is_address(value):
        return _usable(ip_address(value), value)
    fix = ""
    if isinstance(value, str) and "/" in value:
        fix = f"leave out the prefix length: {value.partition('/')[0]}"
    raise wrong(
        "SCN012",
        f"{quote(value)} is not an IP address",
        'an address is written like 10.0.0.11 or "fd00:a::11"',
        fix,
    )


def _usable(address: IPAddress, text: str) -> IPAddress:
    kind = next((name for name, test in _UNUSABLE if test(address)), None)
    if kind is None:
        return address
    raise wrong(
        "SCN015",
        f"'{text}' cannot be the address of an instance",
        f"it is {kind}",
        "choose a unicast address; link-local IPv6 addresses are there by themselves"
        if address.is_link_local and address.version == 6
        else "choose a unicast address inside the network's prefix",
    )


def _mapped(address: IPAddress) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _old(address: IPAddress) -> bool:
    return isinstance(address, IPv4Address) and (address.packed[0] == 0 or address.packed[0] >= 240)


_UNUSABLE: tuple[tuple[str, Callable[[IPAddress], bool]], ...] = (
    ("the unspecified address", lambda a: a.is_unspecified),
    ("a loopback address", lambda a: a.is_loopback),
    ("a multicast address", lambda a: a.is_multicast),
    ("a link-local address", lambda a: a.is_link_local),
    ("an IPv4 address in IPv6 clothes", _mapped),
    ("in a reserved range (0.0.0.0/8 or 240.0.0.0/4)", _old),
)


def _read_prefix(value: object) -> IPNetwork:
    if not isinstance(value, str) or "/" not in value or "%" in value:
        fix = (
            f"write {value}/{128 if ':' in value else 32}"
            if isinstance(value, str) and _is_address(value)
            else ""
        )
        raise wrong("SCN013", f"{quote(value)} is not a prefix", "a prefix is written like 10.0.0.0/24", fix)
    length = value.partition("/")[2]
    try:
        loose = ip_network(value if length.isascii() and length.isdigit() else "", strict=False)
    except ValueError:
        raise wrong(
            "SCN013",
            f"{quote(value)} is not a prefix",
            'a prefix is written like 10.0.0.0/24 or "fd00:a::/64"',
        ) from None
    if _is_address(value.partition("/")[0]) and ip_address(value.partition("/")[0]) != loose.network_address:
        raise wrong("SCN013", f"{quote(value)} has bits beyond its length", "", f"write {loose}")
    return loose


def _read_network_prefix(value: object) -> IPNetwork:
    prefix = _read_prefix(value)
    kind = next(
        (
            name
            for name, bad in (
                ("multicast", prefix.is_multicast),
                ("loopback", prefix.is_loopback),
                ("link-local", prefix.is_link_local),
            )
            if bad
        ),
        None,
    )
    if kind is not None:
        raise wrong("SCN013", f"{quote(value)} cannot be a network's prefix", f"its addresses are {kind}")
    return prefix


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _read_mac(value: object) -> str:
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        raise wrong(
            "SCN014", f"{quote(value)} is not a MAC address", 'it is written like "02:00:00:00:00:11"'
        )
    mac = value.lower()
    if int(mac[:2], 16) & 1:
        kind = "the broadcast address" if mac == "ff:ff:ff:ff:ff:ff" else "a multicast address"
        raise wrong("SCN014", f"{quote(value)} cannot be a port's MAC address", f"it is {kind}")
    if mac == "00:00:00:00:00:00":
        raise wrong("SCN014", f"{quote(value)} cannot be a port's MAC address", "it is all zero")
    return mac


def _read_range(value: object) -> PortRange:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _RANGE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise wrong(
            "SCN016",
            f"{quote(value)} is neither a port nor a range of ports",
            'ports are written 80, "8000-8080" or a list of these',
        )
    first = int(found[1])
    last = int(found[2] or first)
    if first > last:
        raise wrong(
            "SCN016",
            f"the range {quote(value)} is empty",
            "its first port is above its last",
            f"write {last}-{first}",
        )
    outside = next((n for n in (first, last) if not 1 <= n <= 65535), None)
    if outside is not None:
        raise wrong("SCN016", f"there is no port {outside}", "ports are 1 to 65535")
    return PortRange(first=first, last=last)


def _read_icmp_type(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise wrong("SCN036", f"{quote(value)} is not an ICMP type", "types are 0 to 255")


def _read_vni(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 0xFFFFFF:
        return value
    raise wrong(
        "SCN021", f"{quote(value)} is not a VNI", "a VNI is 1 to 16777215", "leave it out to have one chosen"
    )


def _quantity(units: Mapping[str, str], example: str) -> Callable[[object], Decimal]:
    def read(value: object) -> Decimal:
        found = _QUANTITY.fullmatch(value.strip().lower()) if isinstance(value, str) else None
        if found is None or found[2] not in units:
            raise wrong(
                "SCN032",
                f"{quote(value)} cannot be read",
                f"it is written like {example}, with one of the units {', '.join(units)}",
            )
        return Decimal(found[1]) * Decimal(units[found[2]])

    return read


def _read_loss(value: object) -> Decimal:
    share = _quantity(_LOSS, "0.1%")(value)
    if share > 1:
        raise wrong("SCN032", f"{quote(value)} is more than everything", "a loss is 0% to 100%")
    return share


def _read_queue(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:
        return value
    raise wrong(
        "SCN032",
        f"{quote(value)} is not a queue",
        "a queue is 1 to 1000000 frames",
        "leave it out for one without end",
    )


def _typed(reader: Callable[[object], Any], **schema: Any) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(reader), WithJsonSchema(schema)


Name = Annotated[str, *_typed(read_name, type="string", pattern=f"^{_NAME.pattern}$")]
OwnNetwork = Annotated[str, *_typed(_read_own_network, type="string", pattern=f"^{_NAME.pattern}$")]
PortPath = Annotated[
    str,
    *_typed(
        _read_port_path,
        type="string",
        description="tenant/instance, or tenant/instance:port where there are several",
    ),
]
Address = Annotated[
    IPv4Address | IPv6Address, *_typed(_read_address, type="string", description="an IPv4 or IPv6 address")
]
Prefix = Annotated[
    IPNetwork, *_typed(_read_prefix, type="string", description="an IPv4 or IPv6 prefix, like 10.0.0.0/24")
]
NetworkPrefix = Annotated[
    IPNetwork,
    *_typed(_read_network_prefix, type="string", description="an IPv4 or IPv6 prefix, like 10.0.0.0/24"),
]
Mac = Annotated[
    str,
    *_typed(
        _read_mac,
        type="string",
        pattern=f"^{_MAC.pattern}$",
        description="unicast; left out, it is a locally administered stable hash of the port's path",
    ),
]
L4Ports = Annotated[
    PortRange,
    *_typed(
        _read_range,
        anyOf=[
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {"type": "string", "pattern": f"^{_RANGE.pattern}$"},
        ],
        description="a port, or a range like 8000-8080",
    ),
]
IcmpType = Annotated[int, *_typed(_read_icmp_type, type="integer", minimum=0, maximum=255)]
Vni = Annotated[
    int,
    *_typed(
        _read_vni,
        type="integer",
        minimum=1,
        maximum=0xFFFFFF,
        description="left out, it is a stable hash of tenant/network",
    ),
]
Delay = Annotated[Decimal, *_typed(_quantity(_DELAY_MS, "20ms"), type="string", examples=["20ms"])]
Rate = Annotated[Decimal, *_typed(_quantity(_RATE_BPS, "1gbit"), type="string", examples=["1gbit"])]
Queue = Annotated[
    int,
    *_typed(
        _read_queue,
        type="integer",
        minimum=1,
        maximum=1_000_000,
        description="how many frames wait where a rate makes them; left out, there is no end to it",
    ),
]
Loss = Annotated[Decimal, *_typed(_read_loss, type="string", examples=["0.1%"])]
