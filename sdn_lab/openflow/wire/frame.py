"""Messages in a byte stream: the header, and the cutting of a stream into whole messages.

Reference: OpenFlow Switch Specification 1.3.5, section 7.1.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError

VERSION = 4  # OpenFlow 1.3
HEADER = Struct("!BBHI")  # version, type, length, xid
MAX_LENGTH = 0xFFFF

(HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST, FEATURES_REPLY) = range(7)
(GET_CONFIG_REQUEST, GET_CONFIG_REPLY, SET_CONFIG, PACKET_IN, FLOW_REMOVED, PORT_STATUS) = range(7, 13)
(PACKET_OUT, FLOW_MOD, GROUP_MOD, PORT_MOD, TABLE_MOD, MULTIPART_REQUEST, MULTIPART_REPLY) = range(13, 20)
(BARRIER_REQUEST, BARRIER_REPLY) = range(20, 22)
(QUEUE_GET_CONFIG_REQUEST, QUEUE_GET_CONFIG_REPLY) = range(22, 24)
(ROLE_REQUEST, ROLE_REPLY, GET_ASYNC_REQUEST, GET_ASYNC_REPLY, SET_ASYNC, METER_MOD) = range(24, 30)


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    """Return a whole message."""
    return HEADER.pack(VERSION, kind, 8 + len(body), xid) + body


class Framer:
    """Cuts what arrives into whole messages.  A length below 8 ends the stream: `WireError`."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add *data* and give every message that is now complete."""
        self._held += data
        at, held = 0, self._held
        try:
            while len(held) - at >= HEADER.size:
                length = int.from_bytes(held[at + 2 : at + 4], "big")
                if length < HEADER.size:
                    raise WireError(error.REQUEST_BAD_LEN, f"a message says it is {length} bytes long")
                if len(held) - at < length:
                    break
                at += length
                yield bytes(held[at - length : at])
        finally:
            del held[:at]
