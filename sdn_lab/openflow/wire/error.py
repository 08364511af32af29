"""The errors that a switch answers with.  OpenFlow 1.3.5, section 7.4.4; ONF EXT-230 for bundles.

Each constant is a pair (type, code).
"""

from __future__ import annotations

Pair = tuple[int, int]

HELLO_INCOMPATIBLE: Pair = (0, 0)

REQUEST_BAD_VERSION: Pair = (1, 0)
REQUEST_BAD_TYPE: Pair = (1, 1)
REQUEST_BAD_MULTIPART: Pair = (1, 2)
REQUEST_BAD_EXPERIMENTER: Pair = (1, 3)
REQUEST_BAD_LEN: Pair = (1, 6)
REQUEST_BUFFER_UNKNOWN: Pair = (1, 8)
REQUEST_BAD_TABLE_ID: Pair = (1, 9)
REQUEST_IS_SLAVE: Pair = (1, 10)
REQUEST_BAD_PORT: Pair = (1, 11)
REQUEST_BAD_PACKET: Pair = (1, 12)
REQUEST_MULTIPART_OVERFLOW: Pair = (1, 13)

ACTION_BAD_TYPE: Pair = (2, 0)
ACTION_BAD_LEN: Pair = (2, 1)
ACTION_BAD_EXPERIMENTER: Pair = (2, 2)
ACTION_BAD_EXP_TYPE: Pair = (2, 3)
ACTION_BAD_OUT_PORT: Pair = (2, 4)
ACTION_BAD_ARGUMENT: Pair = (2, 5)
ACTION_TOO_MANY: Pair = (2, 7)
ACTION_BAD_OUT_GROUP: Pair = (2, 9)
ACTION_MATCH_INCONSISTENT: Pair = (2, 10)
ACTION_BAD_SET_TYPE: Pair = (2, 13)
ACTION_BAD_SET_LEN: Pair = (2, 14)
ACTION_BAD_SET_ARGUMENT: Pair = (2, 15)

INSTRUCTION_UNKNOWN: Pair = (3, 0)
INSTRUCTION_UNSUPPORTED: Pair = (3, 1)
INSTRUCTION_BAD_TABLE_ID: Pair = (3, 2)
INSTRUCTION_BAD_EXPERIMENTER: Pair = (3, 5)
INSTRUCTION_BAD_LEN: Pair = (3, 7)

MATCH_BAD_TYPE: Pair = (4, 0)
MATCH_BAD_LEN: Pair = (4, 1)
MATCH_BAD_WILDCARDS: Pair = (4, 5)
MATCH_BAD_FIELD: Pair = (4, 6)
MATCH_BAD_VALUE: Pair = (4, 7)
MATCH_BAD_MASK: Pair = (4, 8)
MATCH_BAD_PREREQ: Pair = (4, 9)
MATCH_DUP_FIELD: Pair = (4, 10)

FLOW_BAD_TABLE_ID: Pair = (5, 2)
FLOW_OVERLAP: Pair = (5, 3)
FLOW_BAD_COMMAND: Pair = (5, 6)
FLOW_BAD_FLAGS: Pair = (5, 7)

GROUP_EXISTS: Pair = (6, 0)
GROUP_INVALID: Pair = (6, 1)
GROUP_LOOP: Pair = (6, 7)
GROUP_UNKNOWN: Pair = (6, 8)
GROUP_CHAINED: Pair = (6, 9)
GROUP_BAD_TYPE: Pair = (6, 10)
GROUP_BAD_COMMAND: Pair = (6, 11)
GROUP_BAD_BUCKET: Pair = (6, 12)
GROUP_BAD_WATCH: Pair = (6, 13)

PORT_BAD_PORT: Pair = (7, 0)
PORT_BAD_MAC: Pair = (7, 1)
PORT_BAD_CONFIG: Pair = (7, 2)
PORT_BAD_ADVERTISE: Pair = (7, 3)
TABLE_BAD_TABLE: Pair = (8, 0)
TABLE_BAD_CONFIG: Pair = (8, 1)
QUEUE_BAD_PORT: Pair = (9, 0)
QUEUE_BAD_QUEUE: Pair = (9, 1)

METER_EXISTS: Pair = (12, 1)
METER_INVALID: Pair = (12, 2)
METER_UNKNOWN: Pair = (12, 3)
METER_BAD_COMMAND: Pair = (12, 4)
METER_BAD_FLAGS: Pair = (12, 5)
METER_BAD_RATE: Pair = (12, 6)
METER_BAD_BAND: Pair = (12, 8)
METER_BAD_BAND_VALUE: Pair = (12, 9)
METER_OUT_OF_BANDS: Pair = (12, 11)

CONFIG_BAD_FLAGS: Pair = (10, 0)
ROLE_STALE: Pair = (11, 0)
ROLE_BAD: Pair = (11, 2)
TABLE_FEATURES_EPERM: Pair = (13, 5)

EXPERIMENTER = 0xFFFF
"""The type of an experimenter's errors, which here are ONF's; the code is theirs."""

BUNDLE_BAD_ID: Pair = (EXPERIMENTER, 2302)
BUNDLE_EXISTS: Pair = (EXPERIMENTER, 2303)
BUNDLE_CLOSED: Pair = (EXPERIMENTER, 2304)
BUNDLE_TOO_MANY: Pair = (EXPERIMENTER, 2305)
BUNDLE_BAD_TYPE: Pair = (EXPERIMENTER, 2306)
BUNDLE_BAD_FLAGS: Pair = (EXPERIMENTER, 2307)
BUNDLE_MSG_BAD_LEN: Pair = (EXPERIMENTER, 2308)
BUNDLE_MSG_BAD_XID: Pair = (EXPERIMENTER, 2309)
BUNDLE_MSG_UNSUPPORTED: Pair = (EXPERIMENTER, 2310)
BUNDLE_MSG_TOO_MANY: Pair = (EXPERIMENTER, 2312)
BUNDLE_MSG_FAILED: Pair = (EXPERIMENTER, 2313)


class WireError(Exception):
    """A message that cannot be used; *pair* is what the switch answers, the text is for a person."""

    def __init__(self, pair: Pair, why: str) -> None:
        self.pair = pair
        self.why = why
        super().__init__(f"{why} (error type {pair[0]}, code {pair[1]})")
