"""The features that an OpenFlow case needs: messages, matches, actions, bands, kinds of group and of step.

A feature is named ``kind:name``, with ``/mask`` where a match is masked: ``match:ipv6_exthdr/mask``,
``action:pop_pbb``, ``set_field:eth_type``, ``band:dscp_remark``, ``group:select``, ``step:throughput``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sdn_lab.openflow.packet_checksum import crc32c
from sdn_lab.openflow.packet_parse import SCTP, dissect

_GROUPS = ("all", "select", "indirect", "ff")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def of(case: dict) -> frozenset[str]:
    """Return the features of a case."""
    found = set()
    for message in case["prerequisite"]:
        found.update(_walk(message))
    for step in case["steps"]:
        found.update(_of_step(step))
        if found & {"set_field:sctp_src", "set_field:sctp_dst"} and _is_not_crc32c(step.get("egress")):
            found.add("checksum:sctp_not_crc32c")
    return frozenset(found)


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()


def _walk(held: object) -> Iterator[str]:
    if isinstance(held, list):
        for one in held:
            yield from _walk(one)
    if not isinstance(held, dict):
        return
    for name, inner in held.items():
        if name == "OFPActionSetField":
            yield f"set_field:{inner['field']['OXMTlv']['field']}"
            continue
        if name == "OFPGroupMod":
            yield f"group:{_GROUPS[inner.get('type', 0)]}"
        if name == "OXMTlv":
            yield f"match:{inner['field']}" + ("" if inner.get("mask") is None else "/mask")
        for prefix, kind in (
            ("OFPAction", "action"),
            ("OFPInstruction", "instruction"),
            ("OFPMeterBand", "band"),
        ):
            if name.startswith(prefix):
                yield f"{kind}:{_snake(name.removeprefix(prefix))}"
        if name.startswith("OFP") and name.endswith("Mod"):
            yield f"message:{_snake(name.removeprefix('OFP'))}"
        yield from _walk(inner)


def _of_step(step: dict) -> Iterator[str]:
    expected = next(key for key in ("egress", "PACKET_IN", "table_miss") if key in step)
    throughput = isinstance(step[expected], dict)
    yield "step:throughput" if throughput else f"step:{expected.lower()}"


def _is_not_crc32c(egress: object) -> bool:
    """Say whether a frame is expected whose SCTP checksum is not that of RFC 9260."""
    if not isinstance(egress, str):
        return False
    frame = bytes.fromhex(egress)
    found = dissect(frame)
    if found.real_proto != SCTP or found.l4 is None:
        return False
    packet = frame[found.l4 : found.end]
    return crc32c(packet[:8] + bytes(4) + packet[12:]) != packet[8:12]
