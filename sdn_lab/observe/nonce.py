"""Nonces: sixteen bytes that only this run, and only one of its packets, carries.

Layout: `model.observation.NONCE_MAGIC` (8 bytes, found by one scan of a frame), 4 bytes of the run's seed,
4 bytes of a serial number.  So two runs on one lab do not take each other's packets for their own, and a
late frame of an earlier packet is never mistaken for a later one.

>>> nonces = Nonces(seed=1)
>>> first, second = nonces.draw(), nonces.draw()
>>> found_in(b"....." + second + b"..") == [second]
True
"""

from __future__ import annotations

import hashlib

from sdn_lab.model.observation import NONCE_BYTES, NONCE_MAGIC


class Nonces:
    """Draws nonces; equal seeds draw equal ones, in order."""

    def __init__(self, seed: int) -> None:
        self._run = hashlib.sha256(f"nonces:{seed}".encode()).digest()[:4]
        self._drawn = 0

    def draw(self) -> bytes:
        """Return the next nonce."""
        self._drawn += 1
        return NONCE_MAGIC + self._run + self._drawn.to_bytes(4)


def found_in(frame: bytes) -> list[bytes]:
    """Return every nonce in *frame*, of whichever run, in order of appearance."""
    found = []
    at = frame.find(NONCE_MAGIC)
    while at >= 0 and at + NONCE_BYTES <= len(frame):
        found.append(frame[at : at + NONCE_BYTES])
        at = frame.find(NONCE_MAGIC, at + NONCE_BYTES)
    return found
