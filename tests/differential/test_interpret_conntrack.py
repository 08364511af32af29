"""The tracker says of every packet of a random conversation what Open vSwitch's says.

The tables write ct_state (and ct_mark) of each look-up into the destination address, so that it can be read
from the frame that comes out.  Each policy is a way in which tables use ``ct``.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.text import parse_flows

from .ovs_process import Vswitch

pytestmark = pytest.mark.ovs
COUNT = int(os.environ.get("SDN_LAB_DIFFERENTIAL", "1"))
STEPS = 40

SAVE = "move:NXM_NX_CT_STATE[]->NXM_NX_REG0[],move:NXM_NX_CT_MARK[0..15]->NXM_NX_REG1[0..15]"
SHOW = (
    "table=9,actions=move:NXM_NX_REG0[]->NXM_OF_ETH_DST[0..31],"
    "move:NXM_NX_REG1[0..15]->NXM_OF_ETH_DST[32..47],move:NXM_NX_REG2[]->NXM_OF_ETH_SRC[0..31],output:3"
)
POLICIES = {
    "look up only": f"actions=ct(table=1)\ntable=1,actions={SAVE},goto_table:9",
    "commit what is new from one side": f"""actions=ct(table=1,zone=5)
        table=1,priority=9,ct_state=+new+trk,in_port=1,actions={SAVE},ct(commit,zone=5),goto_table:9
        table=1,priority=1,actions={SAVE},goto_table:9""",
    "commit what is new, with a mark": f"""actions=ct(table=1,zone=6)
        table=1,priority=9,ct_state=+new+trk,in_port=1,actions={SAVE},ct(commit,zone=6,exec(set_field:0x7->ct_mark)),goto_table:9
        table=1,priority=8,ct_state=+new+trk,actions={SAVE},ct(commit,zone=6,exec(set_field:0x8->ct_mark)),goto_table:9
        table=1,priority=1,actions={SAVE},goto_table:9""",
    "commit only pure SYN": f"""actions=ct(table=1,zone=7)
        table=1,priority=9,ct_state=+new+trk,tcp,tcp_flags=+syn-ack-rst-fin,actions={SAVE},ct(commit,zone=7),goto_table:9
        table=1,priority=1,actions={SAVE},goto_table:9""",
    "commit in one step": f"actions=ct(commit,table=1,zone=8)\ntable=1,actions={SAVE},goto_table:9",
    "commit with force": f"""priority=9,in_port=2,actions=ct(commit,force,table=1,zone=8)
        priority=1,actions=ct(commit,table=1,zone=8)
        table=1,actions={SAVE},goto_table:9""",
    "a zone for each side, one after the other": f"""
        priority=9,in_port=1,actions=set_field:11->reg6,set_field:12->reg7,goto_table:1
        priority=9,in_port=2,actions=set_field:12->reg6,set_field:11->reg7,goto_table:1
        table=1,actions=ct(table=2,zone=NXM_NX_REG6[0..15])
        table=2,priority=9,ct_state=+new+trk,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],ct(commit,zone=NXM_NX_REG6[0..15]),goto_table:3
        table=2,priority=1,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],goto_table:3
        table=3,actions=ct(table=4,zone=NXM_NX_REG7[0..15])
        table=4,priority=9,ct_state=+new+trk,in_port=1,actions={SAVE},ct(commit,zone=NXM_NX_REG7[0..15]),goto_table:9
        table=4,priority=1,actions={SAVE},goto_table:9""",
    "looked up twice in one zone": f"""actions=ct(table=1,zone=3)
        table=1,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],ct(commit,zone=3),ct(table=2,zone=3)
        table=2,actions={SAVE},goto_table:9""",
    "cleared between two zones": f"""actions=ct(commit,table=1,zone=3)
        table=1,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],ct_clear,ct(commit,table=2,zone=4)
        table=2,actions={SAVE},goto_table:9""",
    "marks and labels in part": f"""actions=ct(commit,table=1,zone=3)
        table=1,priority=9,in_port=2,actions=ct(commit,table=2,zone=3,exec(set_field:0x5/0xf->ct_mark,set_field:0x9->ct_label))
        table=1,priority=1,actions=ct(commit,table=2,zone=3,exec(set_field:0x60/0xf0->ct_mark))
        table=2,actions=move:NXM_NX_CT_LABEL[0..31]->NXM_NX_REG2[],{SAVE},goto_table:9""",
    "what follows a commit": f"""actions=ct(table=1,zone=3)
        table=1,actions=ct(commit,zone=3),{SAVE},goto_table:9""",
    "the packet goes on after ct": f"""actions=ct(commit,zone=3,table=1),{SAVE},goto_table:9
        table=1,actions={SAVE},goto_table:9""",
}


class Talk:
    """Draws the next packet of a conversation between two ends, plausible or not."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.v6 = rng.random() < 0.4
        self.ends = ("fd00::1", "fd00::2") if self.v6 else ("10.0.0.1", "10.0.0.2")
        self.kinds = rng.choice(
            (["tcp"], ["tcp"], ["udp"], ["icmp"], ["tcp", "udp", "icmp", "other", "error"])
        )
        self.next_seq = [rng.choice((0, 1000, 0xFFFFFFF0)), rng.choice((5000, 0x7FFFFFFF))]
        self.quotable: list[tuple[int, bytes]] = []

    def frames(self) -> Iterator[tuple[int, bytes]]:
        for _ in range(STEPS):
            side = self.rng.choice((0, 0, 1))
            kind = self.rng.choice(self.kinds)
            if self.rng.random() < 0.1:
                kind = "error"
            proto, message = getattr(self, kind)(side)
            if kind != "error":
                self.quotable.append((side, self.packet(side, proto, message)))
            yield (
                side + 1,
                self.spoil(
                    pk.ethernet(
                        "02:00:00:00:00:01",
                        "02:00:00:00:00:02",
                        0x86DD if self.v6 else 0x0800,
                        self.packet(side, proto, message),
                    )
                ),
            )

    def packet(self, side: int, proto: int, message: bytes) -> bytes:
        build = pk.ipv6 if self.v6 else pk.ipv4
        return build(self.ends[side], self.ends[1 - side], proto, message)

    def spoil(self, frame: bytes) -> bytes:
        if self.rng.random() < 0.05:
            at = self.rng.randrange(14, len(frame))
            return frame[:at] + bytes((frame[at] ^ 1 << self.rng.randrange(8),)) + frame[at + 1 :]
        return frame + bytes(self.rng.choice((0, 0, 0, 6)))

    def tcp(self, side: int) -> tuple[int, bytes]:
        rng = self.rng
        flags = rng.choice(
            (
                0x02,
                0x02,
                0x12,
                0x12,
                0x10,
                0x10,
                0x18,
                0x11,
                0x04,
                0x14,
                0x01,
                0,
                0xC2,
                0x06,
                0x29,
                rng.randrange(256),
            )
        )
        data = bytes(rng.choice((0, 0, 0, 1, 100)))
        seq = (
            self.next_seq[side]
            if rng.random() < 0.85
            else rng.choice(
                (
                    0,
                    self.next_seq[side] + rng.choice((-1, 1, 70000, -70000, 1 << 20, -(1 << 31)))
                    & 0xFFFFFFFF,
                )
            )
        )
        ack = (
            self.next_seq[1 - side]
            if rng.random() < 0.8
            else rng.choice((0, rng.randrange(1 << 32), self.next_seq[1 - side] + 70000 & 0xFFFFFFFF))
        )
        options = rng.choice(
            (b"", b"", b"\x01\x03\x03\x07", b"\x02\x04\x05\xb4", b"\x03\x03\x0f\0", b"\0\0\0\0")
        )
        ports = (4000, 80) if side == 0 else (80, 4000)
        if rng.random() < 0.1:
            ports = rng.choice(((4000, 80), (0, 80), (80, 4000), (4001, 80)))
        if rng.random() < 0.9:
            self.next_seq[side] = seq + len(data) + bool(flags & 2) + bool(flags & 1) & 0xFFFFFFFF
        return 6, pk.tcp(
            self.ends[side],
            self.ends[1 - side],
            *ports,
            data,
            flags=flags,
            seq=seq,
            ack=ack,
            window=rng.choice((0, 1, 1000, 64240, 65535)),
            options=options,
        )

    def udp(self, side: int) -> tuple[int, bytes]:
        ports = (4000, 53) if side == 0 else (53, 4000)
        if self.rng.random() < 0.1:
            ports = self.rng.choice(((0, 53), (4000, 0), (53, 4000), (4000, 53)))
        checksum = self.rng.random() < 0.8
        return 17, pk.udp(self.ends[side], self.ends[1 - side], *ports, b"data", checksum=checksum)

    def icmp(self, side: int) -> tuple[int, bytes]:
        kinds = (128, 129, 128, 129, 135, 1, 200) if self.v6 else (8, 0, 8, 0, 13, 14, 15, 16, 3, 5, 17, 30)
        kind, code = self.rng.choice(kinds), self.rng.choice((0,) * 9 + (1,))
        body = self.rng.choice((7, 7, 8)).to_bytes(2) + bytes(10)
        if self.v6:
            return 58, pk.icmpv6(self.ends[side], self.ends[1 - side], kind, code, body)
        return 1, pk.icmp(kind, code, body)

    def other(self, side: int) -> tuple[int, bytes]:
        proto = self.rng.choice((132, 47, 132, 50, 1 if self.v6 else 58))
        return proto, pk.sctp(self.rng.choice((1, 2)), 3, b"chunkchunk")

    def error(self, side: int) -> tuple[int, bytes]:
        """An ICMP error that quotes an earlier packet, of the other side or (wrongly) of this one."""
        if not self.quotable:
            return self.udp(side)
        _, quoted = self.rng.choice(self.quotable)
        quoted = quoted[: self.rng.choice((len(quoted), 28, 48, 27, 20, 40, 47))]
        if self.v6:
            kind = self.rng.choice((1, 2, 3, 4))
            return 58, pk.icmpv6(self.ends[side], self.ends[1 - side], kind, 0, bytes(4) + quoted)
        return 1, pk.icmp(self.rng.choice((3, 4, 5, 11, 12)), self.rng.choice((0, 3)), bytes(4) + quoted)


def both_families(line: str) -> str:
    """Return an entry that uses ``ct`` once for each family: Open vSwitch wants the family in its match."""
    if not re.search(r"ct(_clear|\()", line.partition("actions=")[2]):
        return line
    if "tcp," in line:
        return line + "\n" + line.replace("tcp,", "tcp6,")
    head, _, actions = line.partition("actions=")
    return f"{head}ip,actions={actions}\n{head}ipv6,actions={actions}"


def differences(vswitch: Vswitch, flows: str, seed: int) -> list[str]:
    """Return a line for each packet of one conversation of which the two say different things."""
    text = "\n".join(both_families(line.strip()) for line in flows.splitlines()) + "\n" + SHOW
    entries = parse_flows(text)
    pipeline = Pipeline(Tables(entries=entries), tracker=Tracker(), ports=range(1, 7))
    vswitch.load("br0", text)
    vswitch.flush_conntrack()
    vswitch.transmitted()
    wrong = []
    for number, (port, frame) in enumerate(Talk(random.Random(seed)).frames()):
        result = pipeline.process(frame, port)
        if any("fragment" in note for note in result.notes):
            continue
        ours = sorted((f"p{e.of_port}", e.frame) for e in result.emissions)
        vswitch.receive(f"p{port}", frame)
        theirs = sorted((name, data) for name, sent in vswitch.transmitted().items() for data in sent)
        if ours != theirs:
            wrong.append(
                f"seed {seed}, packet {number} at {port}: {pk.describe(frame)} {frame.hex()}\n"
                f"  here  {_states(ours)}\n  there {_states(theirs)}"
            )
    return wrong


def _states(sent: list[tuple[str, bytes]]) -> list[str]:
    return [f"state {data[2:6].hex()} mark {data[:2].hex()} before {data[8:12].hex()}" for _, data in sent]


@pytest.mark.parametrize("policy", POLICIES)
def test_states_are_those_of_open_vswitch(vswitch: Vswitch, policy: str) -> None:
    for seed in range(4 * COUNT):
        wrong = differences(vswitch, POLICIES[policy], seed)
        assert not wrong, "\n".join(wrong[:3])


def test_the_comparison_sees_a_tracker_that_takes_syn_ack_for_new(
    vswitch: Vswitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdn_lab.openflow.conntrack.may_open", lambda flags: True)
    policy = POLICIES["commit what is new from one side"]
    assert any(differences(vswitch, policy, seed) for seed in range(8))
