"""Which extension headers an IPv6 packet has, as the bits of `ipv6_exthdr`.

``unrep`` is set when a header comes more often than it may (destination options twice, all others once),
``unseq`` when the headers are not in the order that RFC 2460 section 4.1 prefers.  What is behind an ESP
header or in a later fragment cannot be seen.  Of a chain that is cut short, what was seen counts.

Reference: OpenFlow 1.3.5 section 7.2.3.7 ("OXM_OF_IPV6_EXTHDR").

>>> extension_headers(bytes((6, 0)) + bytes(6), 0, 8, 0) == EXTHDR_BITS["hop"]
True
"""

from __future__ import annotations

from collections import Counter

from sdn_lab.openflow.fields_labels import EXTHDR_BITS

_HOP, _ROUTER, _FRAGMENT, _ESP, _AUTH, _NO_NEXT, _DEST = 0, 43, 44, 50, 51, 59, 60
_NAMES = {_HOP: "hop", _ROUTER: "router", _FRAGMENT: "frag", _ESP: "esp", _AUTH: "auth", _DEST: "dest"}
_PREFERRED = (_HOP, _DEST, _ROUTER, _FRAGMENT, _AUTH, _ESP, _DEST)
SEEN = frozenset({*_NAMES, _NO_NEXT})  # next-header values that set a bit


def extension_headers(frame: bytes, at: int, end: int, proto: int) -> int:
    """Return the bits for the chain that starts at *at* with a header of kind *proto*."""
    kinds: list[int] = []
    while proto in _NAMES and end - at >= 8:
        kinds.append(proto)
        if proto == _ESP or (proto == _FRAGMENT and int.from_bytes(frame[at + 2 : at + 4]) & 0xFFF8):
            break
        length = 8 if proto == _FRAGMENT else (frame[at + 1] + 1) * 8
        if proto == _AUTH:
            length = (frame[at + 1] + 2) * 4
        proto, at = frame[at], at + length
    bits = EXTHDR_BITS["nonext"] if proto == _NO_NEXT else 0
    for kind in kinds:
        bits |= EXTHDR_BITS[_NAMES[kind]]
    if any(count > (2 if kind == _DEST else 1) for kind, count in Counter(kinds).items()):
        bits |= EXTHDR_BITS["unrep"]
    return bits if _in_order(kinds) else bits | EXTHDR_BITS["unseq"]


def _in_order(kinds: list[int]) -> bool:
    place = 0
    for kind in kinds:
        if kind not in _PREFERRED[place:]:
            return False
        place = _PREFERRED.index(kind, place)
    return True
