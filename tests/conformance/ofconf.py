"""OpenFlow conformance cases against the embedded switch, over its own wire.

A case is done as a controller and a tester do it: its messages go through the controller's library into
bytes, the bytes into the switch's agent; frames go in at port 1 and what comes out is compared byte for byte.
A rate is measured on the virtual clock.

What the file says less than it means
-------------------------------------
*  Where the description says ``random``, the file holds one frame of many: those fields are drawn anew for
   every frame, from a seed that is the case's name.
*  30 seconds of 20,000 frames are more than a rate needs: after `WARM_NS` (a meter without a burst size lets
   one second's worth through at first, as Open vSwitch's does) at most `MEASURED` frames are counted.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from os_ken.ofproto import ofproto_parser, ofproto_v1_3, ofproto_v1_3_parser  # noqa: F401 - registers 1.3
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.packet import parse, rewrite
from sdn_lab.openflow.reading import Reading
from sdn_lab.openflow.wire import frame, oxm
from sdn_lab.openflow.wire.reply import PortState
from tests.conformance import ofconf_features
from tests.conformance.case_files import read
from tests.conformance.declared import Ran

NAME = "ofconf"
FILE, OVS_FILE = "ofconf.jsonl.xz", "ofconf-ovs310.jsonl.xz"
IN_PORT, PORTS = 1, (1, 2, 3)
WARM_NS, MEASURED, MARGIN = 1_200_000_000, 3_000, 0.10
SHORTEST = 60  # bytes of an Ethernet frame without its checksum
KILOBIT = 1024  # bits, to the tester whose cases these are
_RYU = ProtocolDesc(version=4)
_RANDOM = re.compile(r"(\w+)\(([^()]*=random[^()]*)\)")


def run(folder: Path) -> list[Ran]:
    """Run every case of the folder's file."""
    return [run_case(case) for case in read(folder / FILE)]


def run_case(case: dict) -> Ran:
    """Run one case."""
    return Ran(case["id"], ofconf_features.of(case), failure(case))


def accepted_by_ovs(folder: Path) -> tuple[int, dict[str, int]]:
    """Return how many cases real Open vSwitch passed, and how many of each verdict there are."""
    verdicts: dict[str, int] = {}
    for record in read(folder / OVS_FILE):
        verdicts[record["verdict"]] = verdicts.get(record["verdict"], 0) + 1
    return verdicts.get("pass", 0), verdicts


class Bench:
    """A switch with ports 1 to 3, its controller, and what came out of either side."""

    def __init__(self) -> None:
        self.clock = Clock()
        attached = [
            Attached(state=PortState(of_port=n, mac=bytes(6), name=f"p{n}"), behind=f"port:{n}")
            for n in PORTS
        ]
        self.switch = Switch("tested", 1, self.clock, attached, reading=Reading.LETTER)
        self.said: list[bytes] = []
        self.out: list[tuple[int, bytes]] = []
        self.agent = Agent(self.switch, self.said.append)
        self.switch.on_emit = lambda of_port, frame, *_: self.out.append((of_port, frame))
        self.switch.on_packet_in = self.agent.packet_in
        self.switch.on_removed = self.agent.flows_removed
        self.tell(frame.message(frame.FEATURES_REQUEST, 1))
        self.said.clear()

    def tell(self, message: bytes) -> None:
        """Have the controller say something."""
        self.agent.receive(message)

    def refused(self) -> str:
        """Return the errors that the switch answered with, in words."""
        return "; ".join(why for _, why in self.agent.refused)

    def missed(self) -> dict[int, int]:
        """Ask how many packets missed, by table."""
        self.said.clear()
        parser = _RYU.ofproto_parser
        self.tell(_bytes(parser.OFPTableStatsRequest(_RYU, 0)))
        answers = [ofproto_parser.msg(_RYU, 4, m[1], len(m), 0, m) for m in self.said]
        self.said.clear()
        return {row.table_id: row.lookup_count - row.matched_count for a in answers for row in a.body}


def _bytes(message: object) -> bytes:
    message.serialize()
    return bytes(message.buf)


def failure(case: dict) -> str:
    """Run a case.  Return why it failed, empty where it passed."""
    bench = Bench()
    for message in case["prerequisite"]:
        bench.tell(_bytes(ofproto_parser.ofp_msg_from_jsondict(_RYU, message)))
    if bench.agent.refused:
        return f"refused: {bench.refused()}"
    for step in case["steps"]:
        why = _rate(bench, case, step) if "ingress_spec" in step else _frame(bench, step)
        if why:
            return why
    return ""


def _frame(bench: Bench, step: dict) -> str:
    missed = bench.missed()
    bench.out.clear()
    bench.switch.receive(bytes.fromhex(step["ingress"]), IN_PORT)
    out = [(port, _padded(sent.hex())) for port, sent in bench.out]
    handed = [ofproto_parser.msg(_RYU, 4, m[1], len(m), 0, m) for m in bench.said]
    packet_ins = [(m.match["in_port"], m.data.hex()) for m in handed]
    expected_out = [(2, _padded(step["egress"]))] if "egress" in step else []
    expected_in = [(IN_PORT, step["PACKET_IN"])] if "PACKET_IN" in step else []
    if out != expected_out:
        return f"sent {out}, not {expected_out}"
    if packet_ins != expected_in:
        return f"handed to the controller {packet_ins}, not {expected_in}"
    if "table_miss" in step:
        after = bench.missed()
        tables = [table for table in sorted(after) if after[table] != missed[table]]
        if tables != step["table_miss"]:
            return f"missed in tables {tables}, not {step['table_miss']}"
    return ""


def _padded(frame_hex: str) -> str:
    """Return a frame as it is on Ethernet, which has none below 60 bytes."""
    return frame_hex.ljust(2 * SHORTEST, "0")


def _rate(bench: Bench, case: dict, step: dict) -> str:
    sent = step["ingress_spec"]
    draw = _frames(case, bytes.fromhex(sent["data"]))
    gap_ns = 1_000_000_000 // sent["pktps"]
    measured = min(MEASURED, sent["pktps"] * sent["duration_time"])
    for n in range(WARM_NS // gap_ns + measured):
        if n == WARM_NS // gap_ns:
            bench.out.clear()
        bench.clock.pass_until(n * gap_ns)
        bench.switch.receive(next(draw), IN_PORT)
    seconds = measured * gap_ns / 1e9
    seen = [({**parse(held), "in_port": port}, len(held)) for port, held in bench.out]
    for wanted in step["egress"]["throughput"]:
        match = _match(wanted["OFPMatch"])
        sizes = [size for fields, size in seen if match.accepts(fields)]
        if "pktps" in wanted:
            unit, rate = "pktps", len(sizes) / seconds
        else:
            unit, rate = "kbps", sum(sizes) * 8 / KILOBIT / seconds
        if abs(rate - wanted[unit]) > wanted[unit] * MARGIN:
            return f"{rate:.0f} {unit} of {match.tests}, not {wanted[unit]}"
    return ""


def _match(held: dict):
    made = _RYU.ofproto_parser.OFPMatch.from_jsondict(held)
    packed = bytearray()
    made.serialize(packed, 0)
    return oxm.read_match(bytes(packed), 0, len(packed))[0]


def _frames(case: dict, data: bytes):
    """Give frames without end: the one of the file, with what the description calls random drawn anew."""
    chosen = [name for name in _random_fields(case["description"]) if name in parse(data)]
    rng = random.Random(case["id"])
    while True:
        drawn = {
            name: rng.getrandbits(FIELDS[name].bits) & ~(1 << 40 if name[:4] == "eth_" else 0)
            for name in chosen
        }
        yield rewrite(data, drawn)


def _random_fields(description: str) -> list[str]:
    names = {
        "ethernet": {"dst": ["eth_dst"], "src": ["eth_src"]},
        "ipv4": {"dst": ["ipv4_dst"], "src": ["ipv4_src"]},
        "ipv6": {"dst": ["ipv6_dst"], "src": ["ipv6_src"]},
        "tcp": {"dst_port": ["tcp_dst"], "src_port": ["tcp_src"]},
    }
    found = []
    for header, inside in _RANDOM.findall(description):
        for part in inside.split(","):
            key, _, value = part.partition("=")
            if value == "random":
                found += names.get(header, {}).get(key.strip(), [])
    return found
