"""Answers to frames: what the one who received a frame would send back, to keep connections going.

Headers are swapped and nothing is known of the sender: so an answer to a translated packet goes to the
translated address, as from a real host.
"""

from __future__ import annotations

import random
from ipaddress import ip_address

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.packet_parse import ICMP, ICMPV6, TCP, UDP, Dissection, dissect

_ANSWER = {8: 0, 13: 14, 15: 16, 128: 129, 0: 8, 129: 128}
_FLAGS = (0x12, 0x12, 0x10, 0x10, 0x18, 0x11, 0x14, 0x04, 0x02)


def answer(frame: bytes, rng: random.Random) -> bytes | None:
    """Return an answer to *frame*, now and then an ICMP error about it; None where there is none to make."""
    found = dissect(frame)
    at, l3 = found.l4, found.l3
    if at is None or found.real_proto is None or found.fields.get("ip_frag"):
        return None
    v4 = found.fields["eth_type"] == 0x0800
    src = frame[l3 + 12 : l3 + 16] if v4 else frame[l3 + 8 : l3 + 24]
    dst = frame[l3 + 16 : l3 + 20] if v4 else frame[l3 + 24 : l3 + 40]
    here, there = _text(dst), _text(src)
    if rng.random() < 0.15:
        quoted = frame[l3 : found.end][: rng.choice((1000, 1000, 48, 28))]
        proto = ICMP if v4 else ICMPV6
        body = bytes(4) + quoted
        kind = rng.choice((3, 11, 12) if v4 else (1, 3))
        message = pk.icmp(kind, 0, body) if v4 else pk.icmpv6(here, there, kind, 0, body)
    else:
        proto = found.real_proto
        made = _message(frame, found, at, here, there, rng)
        if made is None:
            return None
        message = made
    packet = (pk.ipv4 if v4 else pk.ipv6)(here, there, proto, message)
    return pk.ethernet(frame[0:6], frame[6:12], found.fields["eth_type"], packet)


def _text(address: bytes) -> str:
    return str(ip_address(address))


def _message(
    frame: bytes, found: Dissection, at: int, here: str, there: str, rng: random.Random
) -> bytes | None:
    proto = found.real_proto
    sport, dport = int.from_bytes(frame[at : at + 2]), int.from_bytes(frame[at + 2 : at + 4])
    if proto == TCP:
        seq, ack = int.from_bytes(frame[at + 4 : at + 8]), int.from_bytes(frame[at + 8 : at + 12])
        flags = rng.choice(_FLAGS)
        return pk.tcp(here, there, dport, sport, b"", flags=flags, seq=ack, ack=seq + 1 & 0xFFFFFFFF)
    if proto == UDP:
        return pk.udp(here, there, dport, sport, b"answer")
    if proto == ICMP:
        return pk.icmp(_ANSWER.get(frame[at], frame[at]), 0, frame[at + 4 : found.end])
    if proto == ICMPV6:
        return pk.icmpv6(here, there, _ANSWER.get(frame[at], frame[at]), 0, frame[at + 4 : found.end])
    return frame[at : found.end]
