"""The fields that `parse` finds in a frame are those that real Open vSwitch finds.

Each frame gets an entry that tests *every* field of its parse for equality and writes its number into the
destination address; the frame must meet an entry with exactly its fields.
"""

from __future__ import annotations

import os
import random

import pytest

from sdn_lab.openflow.action import Output, SetField
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.fields import FIELDS, FRAG_ANY, FRAG_LATER
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.packet import describe, parse
from sdn_lab.openflow.text import format_entry

from .corpus import boundary_frames, random_frame
from .ovs_process import Vswitch

pytestmark = pytest.mark.ovs
COUNT = int(os.environ.get("SDN_LAB_DIFFERENTIAL", "1"))
BATCH = 250


def full_match(frame: bytes) -> Match:
    fields = parse(frame)
    for name in ("ipv6_exthdr", "pbb_isid"):  # OpenFlow's, which Open vSwitch does not know
        fields.pop(name, None)
    if not fields["vlan_vid"]:
        del fields["vlan_pcp"]  # OpenFlow 1.3 cannot test it on an untagged packet
    if fields.get("ip_frag") == FRAG_ANY | FRAG_LATER and fields["ip_proto"] in (1, 6, 17, 58, 132):
        del fields["ip_frag"]  # no match may test both it and a port; that the port is 0 is what is asked
    return Match.of(**fields)


def disagreements(vswitch: Vswitch, frames: list[bytes]) -> list[str]:
    """Return a line for each frame that met an entry of other fields, or none."""
    wrong = []
    for start in range(0, len(frames), BATCH):
        batch = frames[start : start + BATCH]
        matches = list(dict.fromkeys(full_match(frame) for frame in batch))
        entries = [
            FlowEntry(
                priority=9 if "ip_frag" in match.as_mapping() else 8,
                match=match,
                instructions=Instructions(apply=(_number(index), Output(of_port=2))),
            )
            for index, match in enumerate(matches, start=1)
        ]
        entries.append(FlowEntry(instructions=Instructions(apply=(_number(0), Output(of_port=2)))))
        vswitch.load("br0", "\n".join(map(format_entry, entries)))
        for frame in batch:
            vswitch.receive("p1", frame)
            sent = vswitch.transmitted().get("p2", [])
            met = int.from_bytes(sent[0][:6]) if len(sent) == 1 else None
            expected = matches.index(full_match(frame)) + 1
            if met != expected:
                wrong.append(f"{frame.hex()} {describe(frame)}: entry {met}, not {expected}: {parse(frame)}")
    return wrong


def _number(index: int) -> SetField:
    return SetField(field="eth_dst", value=index, mask=FIELDS["eth_dst"].full_mask)


def test_boundary_frames_are_read_as_open_vswitch_reads_them(vswitch: Vswitch) -> None:
    wrong = disagreements(vswitch, boundary_frames())
    assert not wrong, "\n".join(wrong[:5])


def test_random_frames_are_read_as_open_vswitch_reads_them(vswitch: Vswitch) -> None:
    rng = random.Random(2)
    wrong = disagreements(vswitch, [random_frame(rng) for _ in range(800 * COUNT)])
    assert not wrong, "\n".join(wrong[:5])


def test_the_comparison_sees_a_wrong_field(vswitch: Vswitch, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = boundary_frames()[0]
    monkeypatch.setattr(f"{__name__}.parse", lambda data: {**parse_really(data), "nw_ttl": 63})
    assert disagreements(vswitch, [frame])


parse_really = parse
