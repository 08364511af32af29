"""Checksums: the Internet checksum, its incremental update, and SCTP's CRC32c.

Used by `frames` (which computes whole ones) and `packet_rewrite` (which corrects, so that a packet
that came with a wrong checksum leaves with a wrong one, as from a real switch).

Reference: RFC 1071, RFC 1624, RFC 9260 appendix A.

>>> hex(internet(bytes.fromhex("4500003c1c4640004006 0000 ac100a63ac100a0c")))
'0xb1e6'
"""

from __future__ import annotations

from functools import cache


def raw_sum(data: bytes) -> int:
    """Return a number congruent to the sum of the 16-bit words of *data* (an odd tail is padded with 0)."""
    if len(data) & 1:
        data += b"\0"
    return int.from_bytes(data) % 0xFFFF or (0xFFFF if any(data) else 0)


def internet(data: bytes, start: int = 0) -> int:
    """Return the Internet checksum of *data*, with *start* (a `raw_sum`) added."""
    total = raw_sum(data) + start
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def updated(checksum: int, old: bytes, new: bytes) -> int:
    """Return *checksum* corrected for *old* having become *new* at an even offset (RFC 1624, equation 3)."""
    total = ~checksum & 0xFFFF
    for at in range(0, len(old), 2):
        total += (~(old[at] << 8 | old[at + 1]) & 0xFFFF) + (new[at] << 8 | new[at + 1])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@cache
def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc32c(data: bytes) -> bytes:
    """Return the CRC32c of *data* as SCTP writes it (four bytes, in the packet's order)."""
    table = _crc32c_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")
