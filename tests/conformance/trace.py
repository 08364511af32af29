"""``ofproto/trace`` records: every table is read; what we support of it, we do as Open vSwitch did.

A record agrees when the final flow of every pass (a pass ends where a packet is recirculated) is ours, when
the ports of its datapath actions are those that our frames leave through, as often, and when the VLAN tags
that the actions put on are those of our frames.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from sdn_lab.model.diagnostic import InputError, LabError
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.text import parse_flows, parse_groups
from tests.conformance.case_files import folder, read
from tests.conformance.declared import Ran, declared, judge
from tests.conformance.trace_bridge import Bridges, start_of
from tests.conformance.trace_features import of
from tests.conformance.trace_flow import Flow, differences

NAME = "ovs-trace"
FILE = "ovs-trace.jsonl.xz"
_CALL = re.compile(r"([a-z_]+)\(")
_VID_PCP = re.compile(r"vid=(\d+),pcp=(\d+)")
Left = tuple[str, tuple[tuple[int, int], ...]]  # datapath port, VLAN tags as (VLAN, priority)


@dataclass(slots=True)
class Summary:
    """What came of all records."""

    ran: list[Ran] = field(default_factory=list)
    unparsed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many records there are."""
        return len(self.ran)

    @property
    def parsed(self) -> int:
        """Of how many all flows and groups were read."""
        return len(self.ran) - len(self.unparsed)

    @property
    def covered(self) -> list[Ran]:
        """The records without a feature that is declared as not supported."""
        reasons = declared(NAME)
        return [one for one in self.ran if not one.features & reasons.keys()]

    @property
    def agreeing(self) -> list[Ran]:
        """Those of them that agree."""
        return [one for one in self.covered if not one.failure]


def run(cases: Path) -> Summary:
    """Run every record.  Raises NoCasesError."""
    summary = Summary()
    for record in read(cases / FILE):
        name = f"{record['id']} {record['test']}"
        wrong = unread(record)
        if wrong:
            summary.unparsed.append(name)
        features = frozenset({f"text:{wrong.partition(':')[0]}"}) if wrong else of(record)
        summary.ran.append(Ran(name, features, wrong or failure(record)))
    return summary


def unread(record: dict) -> str:
    """Return the first complaint about the record's tables, with its code, or nothing."""
    for name, held in record["bridges"].items():
        try:
            parse_flows("\n".join(held["flows"]), name)
            parse_groups("\n".join(held["groups"]), name)
        except InputError as fault:
            return f"{fault.diagnostics[0].code}: {fault.diagnostics[0].what}"
    return ""


def failure(record: dict) -> str:
    """Return in what we do not as Open vSwitch did, or nothing."""
    if not record["flow"]:
        return ""  # the trace's arguments were refused: it says nothing of any packet
    ports = {name: row["ofport"] for name, row in record["ports"].items()}
    flow = Flow(record["flow"][0], ports)
    bridge = start_of(record)
    try:
        bridges = Bridges(record, bridge, flow.fields.get("in_port", 0))
    except LabError as fault:
        return str(fault)
    left, notes = bridges.run(bridge, flow.packet())
    told = [Flow(text, ports) for text in _finals(record)]
    for packet, final in _pairs(bridges.began, told, record):
        wrong = differences(packet, final)
        if wrong:
            return f"final flow: {'; '.join(wrong)}"
    ours = Counter((i.dp_port, _tags(sent.frame)) for i, sent in left)
    names = {name: row["dpport"] for name, row in record["ports"].items()}
    theirs = Counter(
        (names.get(p, p), tags) for p, tags in outputs(record["dpactions"], tuple(flow.tags), names)
    )
    if Counter(port for port, _ in ours.elements()) != Counter(port for port, _ in theirs.elements()):
        return f"ports: {_told(ours)}, not {_told(theirs)}; {'; '.join(notes)}"
    if ours != theirs:
        return f"tags: {sorted(ours.elements())}, not {sorted(theirs.elements())}"
    return ""


def _finals(record: dict) -> list[str]:
    return [
        flow if final == "unchanged" else final
        for flow, final in zip(record["flow"], record["final"], strict=True)
    ]


def _pairs(began: list[Packet], told: list[Flow], record: dict) -> list[tuple[Packet, Flow]]:
    """Pair our passes with theirs: the last ones where they recirculated and we did not have to."""
    if len(began) == len(told):
        return list(zip(began, told, strict=True))
    return list(zip(began[-1:], told[-1:], strict=True))


def _told(counted: Counter[Left]) -> str:
    return ",".join(sorted(port for port, _ in counted.elements())) or "none"


def _tags(frame: bytes) -> tuple[tuple[int, int], ...]:
    tags = []
    at = 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        tci = int.from_bytes(frame[at + 2 : at + 4])
        tags.append((tci & 0xFFF, tci >> 13))
        at += 4
    return tuple(tags)


def outputs(passes: list[str], tags: tuple[tuple[int, int], ...], names: Container[str] = ()) -> list[Left]:
    """Return where the datapath's actions send to, by number or name, and with which tags."""
    found: list[Left] = []
    held = list(tags)
    for text in passes:
        _outputs(text, held, found, names)
    return found


def _outputs(text: str, tags: list[tuple[int, int]], found: list[Left], names: Container[str]) -> None:
    for word in _split(text):
        name, _, inner = word.partition("(")
        if name.isdigit() or (name in names and not inner):
            found.append((name, tuple(tags)))
        elif name == "push_vlan":
            tag = _VID_PCP.search(inner)
            assert tag is not None, word
            tags.insert(0, (int(tag[1]), int(tag[2])))
        elif name == "pop_vlan":
            del tags[0]
        elif name == "set" and inner.startswith("vlan("):
            tag = _VID_PCP.search(inner)
            assert tag is not None, word
            tags[0] = int(tag[1]), int(tag[2])
        elif name == "clone":
            _outputs(inner.removesuffix(")"), list(tags), found, names)


def _split(text: str) -> list[str]:
    words, depth, start = [], 0, 0
    for at, character in enumerate(text + ","):
        depth += (character in "({") - (character in ")}")
        if character == "," and not depth:
            words.append(text[start:at])
            start = at + 1
    return words


def judged(cases: Path) -> tuple[str, bool]:
    """Return the result for a person, and whether it is as it should be."""
    summary = run(cases)
    reasons = declared(NAME)
    found = judge(summary.ran, reasons)
    covered, agreeing = len(summary.covered), len(summary.agreeing)
    lines = [f"{NAME}: {summary.total} records, {summary.parsed} read, {covered} covered, {agreeing} agree"]
    counted = Counter(feature for _, features in found.unsupported for feature in features)
    lines += [
        f"  not covered  {n} with {feature}: {reasons[feature]}" for feature, n in sorted(counted.items())
    ]
    lines += [f"  FAILED  {one.name}  {one.failure}" for one in found.failed]
    lines += [f"  NEEDLESS  {feature} is declared, and all its records agree" for feature in found.needless]
    settled = found.ok or (cases != folder() and not found.failed)
    return "\n".join(lines), settled
