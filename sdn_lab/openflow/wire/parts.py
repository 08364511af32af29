"""Requests that come in several parts (``OFPMPF_REQ_MORE``): put together before they are read.

Invariants
----------
1.  At most `MOST` bytes wait, whatever a controller sends; of a request that is larger the rest is ignored,
    so that its last part is not taken for a request of its own.

Reference: OpenFlow 1.3.5, section 7.3.5.
"""

from __future__ import annotations

from sdn_lab.openflow.wire import error, frame
from sdn_lab.openflow.wire.error import WireError

MOST = 1 << 20
_MORE = 1
_HEADER = 16
_TOO_LARGE = b""

Key = tuple[int, bytes]


class Assembler:
    """Puts requests of one connection together."""

    def __init__(self) -> None:
        self._waiting: dict[Key, bytes] = {}  # by transaction and kind; `_TOO_LARGE` where it was refused

    def take(self, message: bytes) -> bytes | None:
        """Return a whole message, or None while parts are missing.  Raises WireError for too many.

        A request of several parts may be longer than its header's length can say: that is then 0xffff.
        """
        if message[1] != frame.MULTIPART_REQUEST or len(message) < _HEADER:
            return message
        key = int.from_bytes(message[4:8], "big"), message[8:10]
        flags = int.from_bytes(message[10:12], "big")
        if flags & ~_MORE:
            raise WireError(error.REQUEST_BAD_MULTIPART, f"multipart flags {flags:#x}")
        if not flags and key not in self._waiting:
            return message
        held = self._waiting.get(key, message[:10] + bytes(6))
        if held != _TOO_LARGE:
            held += message[_HEADER:]
            if sum(map(len, self._waiting.values())) + len(message) > MOST:
                self._waiting[key] = _TOO_LARGE
                raise WireError(
                    error.REQUEST_MULTIPART_OVERFLOW, f"requests in parts of more than {MOST} bytes"
                )
        self._waiting[key] = held
        if flags:
            return None
        del self._waiting[key]
        if held == _TOO_LARGE:
            return None
        return held[:2] + min(len(held), frame.MAX_LENGTH).to_bytes(2) + held[4:]
