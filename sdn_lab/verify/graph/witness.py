"""From a path to a packet: does the way that the graph found exist, and for which frame?

What
----
`Search.look` goes along the forwarding graph again, now with everything that matches say about the frame.

1.  It collects what the first frame must carry, builds one, and *follows* it: table by table, best
    priority first, one entry each time.  A frame that arrives, every step decided, is a `Witness`.
2.  If none does, it asks whether any path is left once matches of one path must agree with one another,
    whatever the connection tracker says.  If not, the answer is `Answer.NONE`, and that is a proof.
3.  Otherwise `Answer.OPEN`, with what could not be decided.

Invariants
----------
1.  NONE only after the search has ended by itself; a spent budget is OPEN, and says so.
2.  SHOWN only for a frame whose every step was certain: no doubt, no entry that merely may match, no two
    entries of one priority.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sdn_lab.model.intent import Scenario
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fields import FIELDS, OFPVID_PRESENT
from sdn_lab.verify.graph.fabric import End, Fabric, Sink, State
from sdn_lab.verify.graph.facts import Bits, Facts, Fit
from sdn_lab.verify.graph.forwarding import ForwardingGraph, Source
from sdn_lab.verify.graph.frame import build, templates

SEARCH_BUDGET = 60_000  # states looked at, for all claims of one check together
FRAME_BUDGET = 1_000  # frames built and followed, likewise
_STATES_PER_LOOK = 6_000
_FRAMES_PER_LOOK = 60
_STEPS_PER_FRAME = 400
_REPAIRS = 6
# What may be changed about a frame so that it slips past an entry, harmless changes first.
_FREE = (
    *("udp_src", "tcp_src", "sctp_src", "udp_dst", "tcp_dst", "sctp_dst", "icmpv4_code", "icmpv6_code"),
    *("vlan_vid", "ipv4_dst", "ipv6_dst", "arp_tpa", "nd_target", "eth_dst"),
    *("ipv4_src", "ipv6_src", "arp_spa", "arp_sha", "nd_sll", "nd_tll", "eth_src"),
)

Way = tuple[tuple[str, FlowEntry], ...]


class Answer(Enum):
    """What became of a search."""

    NONE = "no packet"
    SHOWN = "a packet"
    OPEN = "undecided"


@dataclass(frozen=True, slots=True)
class Witness:
    """A frame of *src* that certainly ends in *sink*, by these entries, ``(bridge, entry)``."""

    src: str
    sink: Sink
    frame: bytes
    way: Way


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of a search; *why* is for people, where it is open."""

    answer: Answer
    witness: Witness | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Goal:
    """Where a search wants to go, how far each node is from there, and which tables lie on the way."""

    sinks: frozenset[Sink]
    distances: Mapping[int, int]
    places: frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class _Followed:
    """Where one frame goes for certain, and what stopped the certainty."""

    reached: Mapping[Sink, Way]
    taken: Mapping[tuple[str, int], FlowEntry]
    stopped: str


class Search:
    """Looks for packets along one forwarding graph; the budget is shared by all looks."""

    def __init__(self, graph: ForwardingGraph, scenario: Scenario, budget: int = SEARCH_BUDGET) -> None:
        self._graph = graph
        self._fabric: Fabric = graph.fabric
        self._scenario = scenario
        self._budget = budget
        self._frames_left = FRAME_BUDGET

    def look(self, sources: Iterable[str], sinks: frozenset[Sink]) -> Finding:
        """Find a frame from one of *sources* into one of *sinks*, or that there is none."""
        distances = self._graph.distances(sinks)
        starts = [path for path in sources if self._graph.find(Source(path)) in distances]
        goal = _Goal(
            sinks,
            distances,
            frozenset((n.bridge, n.table) for n in map(self._graph.node, distances) if isinstance(n, State)),
        )
        why, left = "", min(_FRAMES_PER_LOOK, self._frames_left)
        if not left:
            why = "the budget of frames to try is used up"
        for path in starts:
            for state, way, sink in self._paths(path, goal, new=True):
                if sink is None or left <= 0:
                    break
                for frame in self._frames(path, sink, state.facts.need, way):
                    left -= 1
                    self._frames_left -= 1
                    followed = self._follow(path, frame)
                    for found in sorted(sinks & followed.reached.keys(), key=str):
                        return Finding(Answer.SHOWN, Witness(path, found, frame, followed.reached[found]))
                    why = why or followed.stopped
                    if left <= 0:
                        break
        for path in starts:
            for _, way, sink in self._paths(path, goal, new=False):
                if sink is None:
                    return Finding(Answer.OPEN, None, "the search budget is used up")
                return Finding(
                    Answer.OPEN, None, f"{_told(way)}: {sink.doubt or why or 'no frame was found'}"
                )
        return Finding(Answer.NONE)

    def _paths(self, path: str, goal: _Goal, *, new: bool) -> Iterator[tuple[State, Way, Sink | None]]:
        """Yield paths to the goal, near ones first: the last state, the entries, the sink.

        A sink of None says that the budget was spent before all paths were seen.
        """
        seen: set[object] = set()
        stack: list[tuple[State, Way]] = [(state, ()) for state in self._fabric.starts(path)]
        spent = 0
        while stack:
            state, way = stack.pop()
            spent += 1
            self._budget -= 1
            if spent > _STATES_PER_LOOK or self._budget < 0:
                yield state, way, None
                return
            onward: list[tuple[int, State, Way]] = []
            for hop in self._fabric.fine(state, new=new):
                longer = way if hop.entry is None else (*way, (hop.bridge, hop.entry))
                if isinstance(hop.target, Sink):
                    if hop.target.certain in goal.sinks:
                        facts = state.facts if hop.entry is None else state.facts.assume(hop.entry.match)
                        yield State(state.bridge, state.table, facts or state.facts), longer, hop.target
                    continue
                key = (hop.target.bridge, hop.target.table, hop.target.facts.key)
                distance = self._distance(hop.target, goal)
                if distance is not None and key not in seen:
                    seen.add(key)
                    onward.append((distance, hop.target, longer))
            onward.sort(key=lambda item: -item[0])
            stack.extend((target, longer) for _, target, longer in onward)

    def _distance(self, state: State, goal: _Goal) -> int | None:
        live = self._fabric.bridges[state.bridge].live(state.table)
        number = self._graph.find(State(state.bridge, state.table, state.facts.projected(live)))
        if number is not None:
            return goal.distances.get(number)
        # Knowing the frame, more constants are known than the graph has: go by the table alone.
        return 1 if (state.bridge, state.table) in goal.places else None

    def _frames(self, src: str, sink: Sink, need: Mapping[str, Bits], way: Way) -> Iterator[bytes]:
        """Yield frames that carry *need*, and variants of them that avoid entries in the way."""
        sender = self._scenario.port(src)
        receiver = self._scenario.port(sink.name) if sink.end is End.PORT else sender
        tried: set[bytes] = set()
        for template in templates(sender, receiver):
            fields = _overlaid(template, need)
            for _ in range(_REPAIRS if fields is not None else 0):
                frame = _built(fields, need)
                if frame is None or frame in tried:
                    break
                tried.add(frame)
                yield frame
                fields = self._repaired(src, frame, need, way)
                if fields is None:
                    break

    def _repaired(self, src: str, frame: bytes, need: Mapping[str, Bits], way: Way) -> dict[str, int] | None:
        """Change the frame so that it misses the entry at which it left the planned way."""
        followed = self._follow(src, frame)
        fields = packet.parse(frame)
        for bridge, planned in way:
            actual = followed.taken.get((bridge, planned.table_id))
            if actual is None or actual == planned:
                continue
            for name in _FREE:
                test = actual.match.get(name)
                free = test[1] & ~need.get(name, (0, 0))[1] if test is not None else 0
                bit = free & OFPVID_PRESENT if name == "vlan_vid" else free & -free
                if bit and name in fields:
                    return {**fields, name: fields[name] ^ bit}
            return None
        return None

    def _follow(self, src: str, frame: bytes) -> _Followed:
        """Send one frame through the tables; only certain steps count."""
        fields = packet.parse(frame)
        known = {name: (value, FIELDS[name].full_mask) for name, value in fields.items()}
        reached: dict[Sink, Way] = {}
        taken: dict[tuple[str, int], FlowEntry] = {}
        stopped = ""
        queue: list[tuple[State, Way]] = [
            (state, ()) for state in self._fabric.starts(src, Facts(known=known, complete=True))
        ]
        for _ in range(_STEPS_PER_FRAME):
            if not queue:
                break
            state, way = queue.pop()
            met = self._fabric.met(state)
            if not met:
                continue
            entry, fit = met[0]
            if fit is not Fit.MUST or len(met) > 1:
                stopped = stopped or f"whether {_named(state.bridge, entry)} applies"
                continue
            taken[state.bridge, state.table] = entry
            longer = (*way, (state.bridge, entry))
            for target in self._fabric.taken(state, entry, new=True):
                doubt = target.doubt if isinstance(target, Sink) else target.facts.doubt
                if doubt:
                    stopped = stopped or f"{doubt}, at {_named(state.bridge, entry)}"
                elif isinstance(target, Sink):
                    reached.setdefault(target, longer)
                else:
                    queue.append((target, longer))
        return _Followed(reached, taken, stopped)


def _overlaid(template: Mapping[str, int], need: Mapping[str, Bits]) -> dict[str, int] | None:
    """Put what is needed over a template, unless it is then another kind of frame."""
    fields = dict(template)
    for name, (value, mask) in need.items():
        held = fields.get(name, 0)
        if name in ("eth_type", "ip_proto") and name in template and (held ^ value) & mask:
            return None
        fields[name] = (held & ~mask) | value
    return fields


def _built(fields: Mapping[str, int] | None, need: Mapping[str, Bits]) -> bytes | None:
    """Build the frame and read it back: None unless it carries what is needed."""
    try:
        frame = build(fields or {})
    except (ValueError, OverflowError, KeyError):
        return None
    carried = packet.parse(frame)
    for name, (value, mask) in need.items():
        if name not in carried or (carried[name] ^ value) & mask:
            return None
    return frame


def _named(bridge: str, entry: FlowEntry) -> str:
    return f"{bridge} table {entry.table_id} priority {entry.priority}"


def _told(way: Sequence[tuple[str, FlowEntry]]) -> str:
    return " > ".join(_named(bridge, entry) for bridge, entry in way) or "a bridge's fail mode"
