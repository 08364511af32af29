"""Run one case on the interpreter and on real Open vSwitch, and compare frame by frame.

Compared are the frames that each port sends, in order and to the byte, and the packet-ins.  Open vSwitch is
told to install no flows (``flow-limit=0``): each packet is judged by its tables, not by a cached answer
to another packet (docs/ovs-facts.md, "Crashes and mistakes", 3).

If ovs-vswitchd ends in the middle of a case and the interpreter did not say that it would, that is a
disagreement too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.interpret import PacketIn, Pipeline, Result
from sdn_lab.openflow.text import format_entry

from .ovs_process import Vswitch
from .switch_case import PORTS, Case
from .switch_exclusions import excluded
from .switch_packet_ins import Heard, Listener

Frames = dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one frame caused."""

    frames: Frames
    packet_ins: list[Heard]

    def __str__(self) -> str:
        words = [f"{port} {frame.hex()}" for port, sent in sorted(self.frames.items()) for frame in sent]
        words += [
            f"packet-in table {p.table_id} reason {p.reason} cookie {p.cookie:#x} {dict(p.pipeline)}"
            f" {p.frame.hex()}"
            for p in self.packet_ins
        ]
        return "\n      ".join(words) or "nothing"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Frame *number* of *case* fared differently."""

    case: Case
    number: int
    here: str
    there: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        path = "\n      ".join(self.path)
        return (
            f"{self.case}\n  frame {self.number} went by\n      {path}\n"
            f"  here\n      {self.here}\n  there\n      {self.there}"
        )


@dataclass(slots=True)
class Tally:
    """How much was compared, and how much was not, by rule."""

    cases: int = 0
    compared: int = 0
    tracked: int = 0
    refused: int = 0
    excluded: Counter[str] = field(default_factory=Counter)


class Oracle:
    """Real Open vSwitch, restarted when a case ends it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.vswitch = Vswitch({"br0": "0e:00:00:00:ff:00"})
        self.vswitch.add_ports("br0", {f"p{n}": n for n in PORTS})
        self.vswitch.vsctl("set", "Open_vSwitch", ".", "other_config:flow-limit=0")
        self.vswitch.control.call("time/stop")
        self._listener = Listener(self.vswitch.folder / "br0.mgmt")

    def load(self, case: Case) -> None:
        """Replace all tables; forget connections, and what was sent before."""
        self.vswitch.load("br0", case.flows, case.groups)
        self.vswitch.flush_conntrack()
        self.vswitch.transmitted()
        self._listener.new()

    def send(self, of_port: int, frame: bytes) -> Seen:
        """Put one frame in and return what came of it."""
        self.vswitch.receive(f"p{of_port}", frame)
        return Seen(self.vswitch.transmitted(), self._listener.new())

    def wait(self, pause_ms: int) -> None:
        """Let the switch's clock go on."""
        self.vswitch.control.call("time/warp", str(pause_ms))
        self._listener.close()  # or the switch would ask, after a minute, whether we are there
        self._listener = Listener(self.vswitch.folder / "br0.mgmt")

    def close(self) -> None:
        """End the processes."""
        self._listener.close()
        self.vswitch.close()

    def restart(self) -> None:
        """Make a new one in place of one that ended."""
        self.close()
        self._start()


def interpreted(case: Case) -> list[Result]:
    """Return what the interpreter says of each frame of a case."""
    pipeline = Pipeline(case.tables, tracker=Tracker(), ports=PORTS)
    results, now_ns = [], 0
    for sent in case.frames:
        now_ns += sent.pause_ms * 1_000_000
        results.append(pipeline.process(sent.frame, sent.of_port, now_ns=now_ns))
    return results


def compare(oracle: Oracle, case: Case, tally: Tally) -> Disagreement | None:
    """Return the first disagreement on a case.  Raises RefusedError where Open vSwitch does not take it."""
    results = interpreted(case)
    oracle.load(case)
    tally.cases += 1
    for number, (sent, result) in enumerate(zip(case.frames, results, strict=True)):
        rule = excluded(result)
        if rule is not None:
            tally.excluded[rule.rule] += 1
            if rule.kills or case.tracks:
                return None
        if sent.pause_ms:
            oracle.wait(sent.pause_ms)
        ours = _ours(result)
        try:
            theirs = oracle.send(sent.of_port, sent.frame)
        except (ConnectionResetError, BrokenPipeError):
            oracle.restart()
            return Disagreement(case, number, str(ours), "ovs-vswitchd ended", _path(result))
        if rule is not None:
            continue
        tally.compared += 1
        tally.tracked += case.tracks
        if ours != theirs:
            return Disagreement(case, number, str(ours), str(theirs), _path(result))
    return None


def _ours(result: Result) -> Seen:
    frames: Frames = {}
    for emission in result.emissions:
        frames.setdefault(f"p{emission.of_port}", []).append(emission.frame)
    return Seen(frames, [_heard(packet_in) for packet_in in result.packet_ins])


def _heard(packet_in: PacketIn) -> Heard:
    return Heard(
        frame=packet_in.frame,
        table_id=packet_in.table_id,
        reason=int(packet_in.reason),
        cookie=packet_in.cookie,
        pipeline=tuple(sorted(packet_in.pipeline.items())),
    )


def _path(result: Result) -> tuple[str, ...]:
    return tuple(
        format_entry(taken.entry) if taken.entry else f"table={taken.table_id} miss" for taken in result.path
    )
