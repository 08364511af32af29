"""What a switch sends, encoded: answers, and what it says unasked.  Multipart bodies are in `stats`.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.3, 7.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from sdn_lab.openflow.action import NO_BUFFER
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import bundle, error, frame, oxm
from sdn_lab.openflow.wire.frame import message

REASON_NO_MATCH, REASON_ACTION, REASON_INVALID_TTL = 0, 1, 2
REMOVED_IDLE, REMOVED_HARD, REMOVED_DELETE, REMOVED_GROUP = range(4)
PORT_ADDED, PORT_DELETED, PORT_MODIFIED = range(3)
_CAPABILITIES = 0b1111  # flow, table, port and group statistics
_N_TABLES = 254

_FEATURES = Struct("!QIBB2xII")
_PACKET_IN = Struct("!IHBBQ")
_FLOW_REMOVED = Struct("!QHBBIIHHQQ")
_PORT = Struct("!I4x6s2x16sIIIIIIII")
_MULTIPART = Struct("!HH4x")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """A port as a controller sees it; *up* is its link, *config* what a port-mod made of it (`port`)."""

    of_port: int
    mac: bytes
    name: str
    up: bool = True
    config: int = 0

    def encode(self) -> bytes:
        """Return the ``ofp_port``."""
        state = 4 if self.up else 1  # live, or link down
        speed = 10_000_000
        return _PORT.pack(
            self.of_port, self.mac, self.name.encode()[:15], self.config, state, 0, 0, 0, 0, speed, speed
        )


def hello(xid: int) -> bytes:
    """Say that we speak OpenFlow 1.3 and nothing else."""
    return message(frame.HELLO, xid, b"\x00\x01\x00\x08" + (1 << frame.VERSION).to_bytes(4, "big"))


def refusal(xid: int, pair: error.Pair, request: bytes) -> bytes:
    """Answer *request* with an error; the first bytes of the request go back with it."""
    head = pair[0].to_bytes(2) + pair[1].to_bytes(2)
    head += bundle.ONF.to_bytes(4) if pair[0] == error.EXPERIMENTER else b""
    return message(frame.ERROR, xid, head + request[: frame.MAX_LENGTH - 8 - len(head)])


def features(xid: int, dpid: int) -> bytes:
    """Answer a features request.  No buffers."""
    return message(frame.FEATURES_REPLY, xid, _FEATURES.pack(dpid, 0, _N_TABLES, 0, _CAPABILITIES, 0))


def config(xid: int, flags: int, miss_send_len: int) -> bytes:
    """Answer a get-config request."""
    body = flags.to_bytes(2, "big") + miss_send_len.to_bytes(2, "big")
    return message(frame.GET_CONFIG_REPLY, xid, body)


def packet_in(
    *, xid: int, reason: int, table_id: int, cookie: int, match: Match, data: bytes, total: int
) -> bytes:
    """Hand a frame of *total* bytes, or the first of it, to the controller."""
    body = (
        _PACKET_IN.pack(NO_BUFFER, total, reason, table_id, cookie) + oxm.write_match(match) + b"\0\0" + data
    )
    return message(frame.PACKET_IN, xid, body)


def flow_removed(*, xid: int, entry: FlowEntry, reason: int, age_ns: int, packets: int, octets: int) -> bytes:
    """Say that an entry is gone, and why."""
    seconds, rest = divmod(age_ns, 1_000_000_000)
    body = _FLOW_REMOVED.pack(
        entry.cookie,
        entry.priority,
        reason,
        entry.table_id,
        seconds,
        rest,
        entry.idle_timeout,
        entry.hard_timeout,
        packets,
        octets,
    )
    return message(frame.FLOW_REMOVED, xid, body + oxm.write_match(entry.match))


def port_status(xid: int, reason: int, port: PortState) -> bytes:
    """Say that a port came, went or changed."""
    return message(frame.PORT_STATUS, xid, bytes((reason, 0, 0, 0, 0, 0, 0, 0)) + port.encode())


def queues(xid: int, of_port: int) -> bytes:
    """Answer a queue-get-config request: no port has any."""
    return message(frame.QUEUE_GET_CONFIG_REPLY, xid, of_port.to_bytes(4, "big") + bytes(4))


def role(xid: int, role_: int, generation: int) -> bytes:
    """Answer a role request."""
    return message(frame.ROLE_REPLY, xid, role_.to_bytes(4, "big") + bytes(4) + generation.to_bytes(8, "big"))


def async_config(xid: int, masks: Iterable[tuple[int, int]]) -> bytes:
    """Answer a get-async request: masks for packet-in, port-status, flow-removed."""
    body = b"".join(m.to_bytes(4, "big") for pair in masks for m in pair)
    return message(frame.GET_ASYNC_REPLY, xid, body)


def multipart(xid: int, kind: int, parts: Iterable[bytes]) -> list[bytes]:
    """Answer a multipart request with whole *parts*, in as many messages as they need."""
    room = frame.MAX_LENGTH - 16
    bodies: list[bytearray] = [bytearray()]
    for part in parts:
        if len(bodies[-1]) + len(part) > room:
            bodies.append(bytearray())
        bodies[-1] += part
    last = len(bodies) - 1
    return [
        message(frame.MULTIPART_REPLY, xid, _MULTIPART.pack(kind, int(n < last)) + bytes(body))
        for n, body in enumerate(bodies)
    ]
