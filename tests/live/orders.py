"""What is sent while a lab is broken or changed: `siege.Order`s, made from a scenario.

`protected` is a scenario in which every kind of packet is denied to a neighbour on the same hypervisor and to
one elsewhere; `kinds` are these packets, and frames that a port may not send at all.
"""

from functools import partial

from siege import Order

from sdn_lab.openflow import packet
from sdn_lab.scenario import find, loads
from tests.unit.lab.probing import frame

BROADCAST, STRANGER = "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:99"
_FIFTH = (
    '      vm5: {network: app, hypervisor: hv1, ip: [10.0.0.15, "fd00:a::15"], mac: "02:00:00:00:00:15"}\n'
)


def protected():
    """The scenario `overlap`, and in both tenants a vm5 on hv1 that admits nothing."""
    text = find("overlap").read_text()
    before = text.index("  blue: *tenant")
    return loads(text[:before] + _FIFTH + text[before:], "protected.yaml")


def of_pair(pair):
    """Return the orders for what both scenarios of a pair deny, and for what both allow."""
    return [
        Order(
            what=f"tcp/{kind.l4_port} to {kind.dst}",
            src=kind.src,
            dst=kind.dst if kind in pair.allowed else None,
            make=lambda nonce, n, kind=kind: frame(pair.one, kind, 20000 + n, nonce),
        )
        for kind in (*pair.denied, *pair.allowed)
    ]


def kinds(scenario):
    """Return orders for `protected`: opening packets of TCP, UDP and echo, IPv4 and IPv6, near and far."""
    denied = {
        ("red/vm1", "red/vm2"): ("tcp/22", "udp/53"),
        ("red/vm1", "red/vm5"): ("echo",),
        ("red/vm1", "red/vm3"): ("tcp/22", "udp/53"),
        ("red/vm1", "red/vm4"): ("echo",),
        ("blue/vm3", "blue/vm1"): ("tcp/22", "udp/53"),
        ("blue/vm3", "blue/vm5"): ("echo",),
    }
    allowed = {
        ("red/vm1", "red/vm2"): ("tcp/80",),
        ("red/vm1", "red/vm3"): ("echo",),
        ("blue/vm3", "blue/vm1"): ("tcp/80",),
    }
    made = [
        Order(
            what=f"{what} over IPv{version} to {dst}",
            src=src,
            dst=dst if among is allowed else None,
            make=make,
        )
        for among in (denied, allowed)
        for (src, dst), whats in among.items()
        for what in whats
        for version in (4, 6)
        for make in [partial(_opening, scenario.port(src), scenario.port(dst), what, version)]
    ]
    for src, dst in (("red/vm1", "red/vm2"), ("blue/vm3", "blue/vm1")):
        made += [
            Order(what=what, src=src, dst=None, make=make)
            for what, make in _forbidden(scenario.port(src), scenario.port(dst)).items()
        ]
    return made


def _opening(src, dst, what, version, nonce, number):
    """A packet that opens a connection, or would."""
    (here,), (there,) = ([ip for ip in port.ips if ip.version == version] for port in (src, dst))
    name, _, l4_port = what.partition("/")
    source_port = 20000 + number
    if name != "echo":
        protocol, make = {"tcp": (6, packet.tcp), "udp": (17, packet.udp)}[name]
        message = make(here, there, source_port, int(l4_port), nonce)
    elif version == 4:
        protocol, message = 1, packet.icmp_echo(source_port, 1, nonce)
    else:
        protocol, message = 58, packet.icmpv6_echo(here, there, source_port, 1, nonce)
    if version == 4:
        return packet.ethernet(src.mac, dst.mac, 0x0800, packet.ipv4(here, there, protocol, message))
    return packet.ethernet(src.mac, dst.mac, 0x86DD, packet.ipv6(here, there, protocol, message))


def _forbidden(src, dst):
    """What a port may not send at all: the first four would be welcome if they were not what they are."""

    def web(nonce, number):
        return _opening(src, dst, "tcp/80", 4, nonce, number)

    def arp(nonce, _):
        stranger = next(ip for ip in dst.ips if ip.version == 4) + 100
        told = packet.arp(2, src.mac, stranger, dst.mac, dst.ips[0])
        return packet.ethernet(src.mac, dst.mac, 0x0806, told + nonce, pad=True)

    return {
        "tcp/80 from a MAC that is not its own": lambda *n: (
            web(*n)[:6] + packet.mac_bytes(STRANGER) + web(*n)[12:]
        ),
        "tcp/80 to everybody": lambda *n: packet.mac_bytes(BROADCAST) + web(*n)[6:],
        "tcp/80 in a VLAN": lambda *n: web(*n)[:12] + bytes.fromhex("81000005") + web(*n)[12:],
        "an ARP reply from an address that is not its own": arp,
        "an unknown EtherType": lambda nonce, _: packet.ethernet(src.mac, dst.mac, 0x88B5, nonce, pad=True),
    }
