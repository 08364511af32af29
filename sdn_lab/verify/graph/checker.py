"""The graph method: claims judged on the forwarding graph of a snapshot.

What it judges
--------------
========== =====================================================================================
isolated   holds where no path leads from either network's ports to the other's, nor onto the wire under
           the other's VNI, or every path contradicts itself; violated with a frame and its path
reachable  violated where no path leads there at all; otherwise it abstains, and leaves it to those who
           look at packets
management holds where no path leads into a hypervisor's stack or, unencapsulated, onto the physical network
segmented  holds where no two networks meet but those that the scenario joins on purpose
dedicated  holds where no other tenant has a port on the hypervisor, and no path leads to its VTEP under
           the VNI of another tenant's network
redundant  of the underlay, see `underlay`
========== =====================================================================================

Abstentions: what reaches the controller is out of its sight, so a claim that would hold but for that gets
no verdict.  Unknown, never holds: a port that no datapath of the snapshot has, a path that could not be
decided, an interface of which nobody says what it is, a bound that was met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from sdn_lab.contracts import Progress
from sdn_lab.model.intent import Scenario
from sdn_lab.model.joined import joined
from sdn_lab.model.verdict import Claim, Kind, Status, Verdict
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.verify.graph import segments, underlay
from sdn_lab.verify.graph.fabric import End, Fabric, Sink
from sdn_lab.verify.graph.forwarding import ForwardingGraph, port_sinks
from sdn_lab.verify.graph.witness import Answer, Search, Witness
from sdn_lab.verify.graph.words import Words

METHOD = "graph"
KINDS = frozenset(
    {Kind.ISOLATED, Kind.REACHABLE, Kind.MANAGEMENT, Kind.SEGMENTED, Kind.DEDICATED, Kind.REDUNDANT}
)
_OUT_OF_SIGHT = End.CONTROLLER


class GraphChecker:
    """Judges by graph; see the module.  *clock* gives seconds and fills `Verdict.ms`; none, no times."""

    method = METHOD

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: 0.0)

    def check(
        self, scenario: Scenario, claims: Sequence[Claim], snapshot: Snapshot, *, progress: Progress
    ) -> tuple[Verdict, ...]:
        """Return a verdict for each claim that the graph can judge; none for the others."""
        mine = [claim for claim in claims if claim.kind in KINDS]
        if not mine:
            return ()
        judge = _Judge(scenario, snapshot)
        verdicts: list[Verdict] = []
        for done, claim in enumerate(mine):
            progress("graph", done, len(mine))
            begun = self._clock()
            found = judge.judge(claim)
            if found is not None:
                verdicts.append(_verdict(claim, found, judge.words, (self._clock() - begun) * 1000))
        progress("graph", len(mine), len(mine))
        return tuple(verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What becomes a verdict: status, what it covers, why, and the packet."""

    status: Status
    covers: str = ""
    reason: str = ""
    witness: Witness | None = None


def _verdict(claim: Claim, found: _Found, words: Words, ms: float) -> Verdict:
    return Verdict(
        claim=claim.id,
        kind=claim.kind,
        method=METHOD,
        status=found.status,
        covers=found.covers,
        reason=found.reason,
        counterexample=words.counterexample(found.witness) if found.witness is not None else None,
        ms=ms,
    )


class _Judge:
    """One snapshot's graph, and the answers that several claims share."""

    def __init__(self, scenario: Scenario, snapshot: Snapshot) -> None:
        self._scenario = scenario
        self._fabric = Fabric(snapshot, scenario.underlay.encap)
        self._graph = ForwardingGraph(self._fabric)
        self._search = Search(self._graph, scenario)
        self.words = Words(scenario)
        self._members = {
            n.path: tuple(p.path for p in scenario.ports if p.network == n.path) for n in scenario.networks
        }
        self._everybody = tuple(port.path for port in scenario.ports)
        self._ends = {name: self._graph.reached_from(paths) for name, paths in self._members.items()}
        self._wires = [s for s in frozenset().union(*self._ends.values()) if s.end is End.WIRE]
        self._pairs: dict[tuple[str, str], _Found | None] = {}
        self._everything = (
            f"every header, by over-approximation of {self._fabric.size} entries "
            f"({len(self._graph)} states); conntrack and packet fields unconstrained"
        )

    def judge(self, claim: Claim) -> _Found | None:
        """Judge one claim; None is an abstention."""
        match claim.kind:
            case Kind.ISOLATED:
                return self._apart(claim.objects[0], claim.objects[1])
            case Kind.REACHABLE:
                return self._reachable(claim.objects[0], claim.objects[1])
            case Kind.MANAGEMENT:
                return self._management(claim.objects[0])
            case Kind.SEGMENTED:
                return self._segmented()
            case Kind.DEDICATED:
                return self._dedicated(claim.objects[0], claim.objects[1])
            case _:
                return self._redundant(claim.objects[0], claim.objects[1])

    def _apart(self, first: str, second: str) -> _Found | None:
        pair = (min(first, second), max(first, second))
        if pair not in self._pairs:
            self._pairs[pair] = self._isolated(*pair)
        return self._pairs[pair]

    def _isolated(self, first: str, second: str) -> _Found | None:
        members = (*self._members[first], *self._members[second])
        refuted = False
        undecided: _Found | None = None
        for sources, targets in ((first, second), (second, first)):
            sinks = self._places(targets) & self._ends[sources]
            if not sinks:
                continue
            finding = self._search.look(self._members[sources], sinks)
            if finding.answer is Answer.SHOWN and finding.witness is not None:
                witness = finding.witness
                reason = f"a frame of {witness.src} {_arriving(witness.sink, targets)}"
                return _Found(status=Status.VIOLATED, reason=reason, witness=finding.witness)
            refuted = True
            if finding.answer is Answer.OPEN:
                reason = f"a path from {sources} to {targets} could not be decided: {finding.why}"
                undecided = undecided or _Found(status=Status.UNKNOWN, reason=reason)
        if undecided is not None:
            return undecided
        return self._unless_blind(members, self._ends[first] | self._ends[second], refuted=refuted)

    def _places(self, network: str) -> frozenset[Sink]:
        """Return where nobody else's frame may end: the network's ports, and the wire under its VNI.

        What travels under a VNI that is not known may travel under this one.
        """
        vni = self._scenario.network(network).vni
        under = frozenset(sink for sink in self._wires if sink.vni in (vni, None))
        return port_sinks(self._members[network]) | under

    def _unless_blind(self, members: Sequence[str], ends: frozenset[Sink], *, refuted: bool) -> _Found | None:
        """Return holds, if everything was seen that the members' frames can do."""
        unseen = [path for path in members if path not in self._fabric.ports]
        if unseen:
            return _Found(status=Status.UNKNOWN, reason=f"no datapath in the snapshot has port {unseen[0]}")
        if self._graph.truncated:
            return _Found(status=Status.UNKNOWN, reason=f"the bound of {len(self._graph)} states was met")
        strange = sorted(sink.name for sink in ends if sink.end is End.UNKNOWN)
        if strange:
            return _Found(status=Status.UNKNOWN, reason=f"nobody says what is behind interface {strange[0]}")
        if any(sink.end is _OUT_OF_SIGHT for sink in ends):
            return None
        covers = self._everything + ("; paths refuted match by match" if refuted else "")
        return _Found(status=Status.HOLDS, covers=covers if members else "no port is attached to either")

    def _reachable(self, src: str, dst: str) -> _Found | None:
        ends = self._graph.reached_from((src,))
        if port_sinks((dst,)) & ends or self._graph.truncated:
            return None
        if any(sink.end is _OUT_OF_SIGHT for sink in ends):
            return None
        unseen = [path for path in (src, dst) if path not in self._fabric.ports]
        if unseen:
            return _Found(status=Status.UNKNOWN, reason=f"no datapath in the snapshot has port {unseen[0]}")
        others = sorted(sink.name for sink in ends if sink.end is End.PORT and sink.name != src)
        reached = (
            f"it reaches {', '.join(others)} and no other port" if others else "it reaches no other port"
        )
        reason = f"no entries lead from {src} to {dst}, whatever the packet; {reached}"
        return _Found(status=Status.VIOLATED, covers=self._everything, reason=reason)

    def _management(self, path: str) -> _Found | None:
        ends = self._graph.reached_from((path,))
        sinks = frozenset(sink for sink in ends if sink.end in (End.LOCAL, End.UPLINK))
        if sinks:
            finding = self._search.look((path,), sinks)
            if finding.answer is Answer.SHOWN and finding.witness is not None:
                where = {End.LOCAL: "the hypervisor's own stack at", End.UPLINK: "the physical network at"}
                sink = finding.witness.sink
                reason = f"a frame of {path} reaches {where[sink.end]} {sink.name}"
                return _Found(status=Status.VIOLATED, reason=reason, witness=finding.witness)
            if finding.answer is Answer.OPEN:
                return _Found(status=Status.UNKNOWN, reason=f"a path could not be decided: {finding.why}")
        return self._unless_blind((path,), ends, refuted=bool(sinks))

    def _segmented(self) -> _Found | None:
        doubtful: _Found | None = None
        abstained = False
        leaks: list[tuple[tuple[str, str], _Found]] = []
        on_purpose = joined(self._scenario)
        for first, second in combinations(sorted(self._members), 2):
            if (first, second) in on_purpose:
                continue
            found = self._apart(first, second)
            if found is None:
                abstained = True
            elif found.status is Status.VIOLATED:
                leaks.append(((first, second), found))
            elif found.status is Status.UNKNOWN:
                doubtful = doubtful or found
        if leaks:
            components = segments.joined(self._members, [pair for pair, _ in leaks])
            told = "; ".join(" + ".join(component) for component in components)
            shown = leaks[0][1]
            way = self.words.told(shown.witness.way) if shown.witness is not None else ""
            reason = f"joined: {told}; e.g. {shown.reason}: {way}"
            return _Found(status=Status.VIOLATED, reason=reason, witness=shown.witness)
        if doubtful is not None:
            return _Found(status=Status.UNKNOWN, reason=doubtful.reason)
        if abstained:
            return None
        counted = f"{len(self._members)} networks"
        counted += f", {len(on_purpose)} pairs joined on purpose" if on_purpose else ", as many components"
        return _Found(status=Status.HOLDS, covers=f"{counted}; {self._everything}")

    def _dedicated(self, tenant: str, hypervisor: str) -> _Found | None:
        attached = self._fabric.attached(hypervisor)
        if attached is None:
            return _Found(status=Status.UNKNOWN, reason=f"the snapshot has no datapath {hypervisor}")
        tenants = {port.path: port.tenant for port in self._scenario.ports}
        for path in attached:
            if tenants.get(path) != tenant:
                whose = f"{tenants[path]}'s port {path}" if path in tenants else f"port {path}, nobody's,"
                return _Found(status=Status.VIOLATED, reason=f"{whose} is attached to {hypervisor}")
        others = {
            network.vni: network.path for network in self._scenario.networks if network.tenant != tenant
        }
        sinks = frozenset(
            s for s in self._wires if s.to in (hypervisor, None) and (s.vni is None or s.vni in others)
        )
        if sinks:
            finding = self._search.look(self._fabric.ports, sinks)
            if finding.answer is Answer.SHOWN and finding.witness is not None:
                sink = finding.witness.sink
                network = others.get(sink.vni or 0, "a network that is not known")
                reason = f"a frame of {finding.witness.src} is sent to {hypervisor} as {network}'s"
                return _Found(status=Status.VIOLATED, reason=reason, witness=finding.witness)
            if finding.answer is Answer.OPEN:
                return _Found(status=Status.UNKNOWN, reason=f"a path could not be decided: {finding.why}")
        every = frozenset().union(*self._ends.values())
        return self._unless_blind(self._everybody, every, refuted=bool(sinks))

    def _redundant(self, first: str, second: str) -> _Found:
        found = underlay.redundancy(self._scenario.underlay, first, second)
        covers = f"the underlay as the scenario draws it; {underlay.counted(found.disjoint_paths)}"
        if found.redundant:
            return _Found(status=Status.HOLDS, covers=covers)
        points = ", ".join(found.single_points) or "there is only one path"
        return _Found(
            status=Status.VIOLATED,
            covers=covers,
            reason=f"{first} and {second} are separated by one failure: {points}",
        )


def _arriving(sink: Sink, network: str) -> str:
    if sink.end is End.WIRE:
        return f"leaves {sink.name} under VNI {sink.vni}, which is {network}'s"
    return f"reaches {sink.name}"


def information(scenario: Scenario) -> Iterator[str]:
    """Yield the remarks of this method that are no claims."""
    yield from underlay.information(scenario)
