"""Address translation: which answer belongs to a new connection, and what becomes of a packet's bytes.

What
----
`reply_key` chooses what the answers of a connection will look like once it is translated; `translate` writes
the translation of one packet of it.

Where it sits
-------------
Reads:      `conntrack_key` (keys), `action_nat` (what is asked for).
Used by:    `conntrack`, which knows the connections.
Not here:   when a packet is translated at all.

Invariants
----------
1.  A translated connection's answers are those of no other connection in the zone; where there is no such
    choice, there is no connection (`None`).
2.  A wanted port that is taken becomes the next one that is free.  Within a range of addresses or ports the
    first choice is this module's own: Open vSwitch's is by a hash with a basis that is new at each start.
3.  Checksums are corrected, not computed, except those of ICMP errors that quote a translated packet.

Two habits of Open vSwitch 3.1.0 are kept (`docs/ovs-facts.md`): ``ct(commit,nat)`` makes a connection whose
answers come from address 0 and, for TCP and UDP, go to port 0; and ``nat(dst=...)`` moves the *source* port
where the answer would be another connection's.

Reference: Open vSwitch 3.1.0, ``lib/conntrack.c``, `nat_get_unique_tuple`, `nat_packet`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zlib import crc32

from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.conntrack_key import Key
from sdn_lab.openflow.fields import ETH_IP
from sdn_lab.openflow.packet_checksum import internet, raw_sum, updated
from sdn_lab.openflow.packet_parse import ICMPV6, TCP, UDP, Dissection, walk_extensions

MIRRORED = {NatKind.SRC: NatKind.DST, NatKind.DST: NatKind.SRC, NatKind.KNOWN: NatKind.KNOWN}
_WITH_PORTS = (TCP, UDP)
_CHECKSUM = {TCP: (16, 20), UDP: (6, 8), ICMPV6: (2, 4)}  # where it is; how much must be there
_MAX_ATTEMPTS = 128
_NO_PORTS = (0, 0)


def reply_key(key: Key, nat: Nat, taken: Callable[[Key], bool]) -> tuple[Key | None, bool]:
    """Return what answers to *key* will look like, or None where every choice is *taken*.

    The second value says that the choice was among several, and another switch's may be another.
    """
    (src, sport, src_kind), (dst, dport, dst_kind) = key.src, key.dst
    point = crc32(repr((key.src, key.dst, key.proto)).encode())
    address, several = _address(key, nat, point)
    if nat.kind is NatKind.SRC:
        src = address
    else:
        dst = address
    if key.proto not in _WITH_PORTS:
        reply = Key(key.zone, key.eth_type, key.proto, (dst, dport, dst_kind), (src, sport, src_kind))
        return (None if taken(reply) else reply), several

    def made(from_port: int, to_port: int) -> Key:
        return Key(key.zone, key.eth_type, key.proto, (dst, from_port, 0), (src, to_port, 0))

    if nat.kind is NatKind.DST and nat.ports:
        several = several or nat.ports[0] != nat.ports[1]
        for dport in _walk(_choose(nat.ports, point), nat.ports):
            if not taken(made(dport, sport)):
                return made(dport, sport), several
    if nat.kind is NatKind.DST or (nat.kind is NatKind.SRC and not nat.ports):
        ports = _near(sport)
    else:
        ports = nat.ports or _NO_PORTS
        several = several or ports[0] != ports[1]
        sport = _choose(ports, point)
    for to_port in _walk(sport, ports):
        if not taken(made(dport, to_port)):
            return made(dport, to_port), several
    return None, several


def _address(key: Key, nat: Nat, point: int) -> tuple[bytes, bool]:
    """Return the translated address, and whether it was one of several."""
    if nat.kind is NatKind.KNOWN:
        return bytes(len(key.src[0])), False
    size = len(key.src[0])  # no table holds an address of the other family: `unsupported`, and Open vSwitch
    if nat.addresses is None or not int(nat.addresses[0]) or len(nat.addresses[0].packed) != size:
        return (key.src if nat.kind is NatKind.SRC else key.dst)[0], False
    first, last = map(int, nat.addresses)
    return (first + point % (last - first + 1)).to_bytes(size), first != last


def _choose(ports: tuple[int, int], point: int) -> int:
    return ports[0] + point % (ports[1] - ports[0] + 1)


def _near(port: int) -> tuple[int, int]:
    """Return the range from which another port may be taken for one of the connection's own."""
    if port < 512:
        return 1, 511
    return (600, 1023) if port < 1024 else (1024, 65535)


def _walk(start: int, ports: tuple[int, int]) -> Iterator[int]:
    port = start
    for _ in range(min(ports[1] - ports[0] + 1, _MAX_ATTEMPTS)):
        yield port
        port = port + 1 if port != ports[1] else ports[0]


def translate(frame: bytes, found: Dissection, key: Key, kind: NatKind, *, related: bool) -> bytes:
    """Return *frame* as its translation.

    *key* is what the *other* direction carries behind the tracker; *kind* the end of this packet that is
    translated; *related*: the packet is an ICMP error, and what it quotes is translated too.
    """
    data, l4 = bytearray(frame), found.l4_start
    if kind is NatKind.KNOWN or l4 is None:
        return frame
    proto = key.proto if related and key.eth_type != ETH_IP else found.real_proto
    _set_address(data, found.l3, l4, found.end, key, kind, proto)
    if not related:
        if proto is not None and proto in _WITH_PORTS:
            _set_ports(data, l4, key, proto)
        return bytes(data)
    _translate_quoted(data, found.l3, l4, found.end, key, MIRRORED[kind])
    return bytes(data)


def _translate_quoted(data: bytearray, l3: int, l4: int, end: int, key: Key, kind: NatKind) -> None:
    inner = l4 + 8
    if key.eth_type == ETH_IP:
        inner_l4 = inner + (data[inner] & 0xF) * 4
    else:
        walked = walk_extensions(bytes(data), inner + 40, end, data[inner + 6])
        if walked is None:
            return
        inner_l4 = walked[0]
    mirrored = Key(key.zone, key.eth_type, key.proto, key.dst, key.src)
    _set_address(data, inner, inner_l4, end, mirrored, kind, key.proto)
    if key.proto in _WITH_PORTS:
        _set_ports(data, inner_l4, mirrored, key.proto)
    data[l4 + 2 : l4 + 4] = b"\0\0"
    start = 0
    if key.eth_type != ETH_IP:
        start = raw_sum(bytes(data[l3 + 8 : l3 + 40])) + ICMPV6 + (end - l4)
    data[l4 + 2 : l4 + 4] = internet(bytes(data[l4:end]), start).to_bytes(2)


def _set_address(
    data: bytearray, l3: int, l4: int, end: int, key: Key, kind: NatKind, proto: int | None
) -> None:
    """Write one address, and correct the checksums that cover it."""
    v4 = key.eth_type == ETH_IP
    source = kind is NatKind.SRC
    new = (key.dst if source else key.src)[0]
    at = l3 + ((12 if source else 16) if v4 else (8 if source else 24))
    old = bytes(data[at : at + len(new)])
    data[at : at + len(new)] = new
    if v4:
        _correct(data, l3 + 10, old, new)
    place, needed = _CHECKSUM.get(proto or 0, (0, 0))
    if place and end - l4 >= needed and not (v4 and proto == ICMPV6):
        _correct(data, l4 + place, old, new, udp=proto == UDP)


def _set_ports(data: bytearray, l4: int, key: Key, proto: int) -> None:
    new = key.dst[1].to_bytes(2) + key.src[1].to_bytes(2)
    old = bytes(data[l4 : l4 + 4])
    data[l4 : l4 + 4] = new
    place = l4 + _CHECKSUM[proto][0]
    if place + 2 <= len(data):
        _correct(data, place, old, new, udp=proto == UDP)


def _correct(data: bytearray, at: int, old: bytes, new: bytes, *, udp: bool = False) -> None:
    held = data[at] << 8 | data[at + 1]
    if udp and held == 0:
        return
    fixed = updated(held, old, new)
    data[at : at + 2] = (0xFFFF if udp and fixed == 0 else fixed).to_bytes(2)
