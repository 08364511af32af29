"""Claims, what the methods say of them, and the report of a run.

A `Claim` is a sentence about the scenario, made from intent alone.  A *method* (graph, proof,
probe, drift) gives a `Verdict` on a claim that it can judge and abstains, by giving none, on
the rest.  `verify.agree` adds them up.  Unknown is never green.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sdn_lab.model.traffic import PairSemantics, Traffic


class Kind(Enum):
    """The closed list of claim kinds (design: decision 5)."""

    ISOLATED = "isolated"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    EXACT = "exact"
    NO_SNIFFING = "no_sniffing"
    NO_SPOOFING = "no_spoofing"
    CLEAN = "clean"
    MANAGEMENT = "management"
    SEGMENTED = "segmented"
    REDUNDANT = "redundant"
    DEDICATED = "dedicated"
    INSPECTED = "inspected"
    AS_BUILT = "as_built"


class Status(Enum):
    """What a method says of a claim."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence to judge.  *id* is ``kind/objects[/protocol/port]``.

    *objects* are paths: two networks (isolated, sorted), two ports in order (exact, reachable,
    unreachable), one port (no_sniffing, no_spoofing, clean, management), two sites (redundant),
    a tenant and a hypervisor (dedicated), one datapath (as_built), none (segmented).  *semantics* is set
    for ``exact``; *traffic* for reachable and unreachable.
    """

    id: str
    kind: Kind
    objects: tuple[str, ...] = ()
    semantics: PairSemantics | None = None
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One flow entry on a packet's path: *entry* in ovs-ofctl text, *origin* in the user's words."""

    datapath: str
    table: int
    entry: str
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A packet that shows the violation.

    *src* and *dst* are the ports it goes in and comes out at (*dst* may be a watch point such as
    ``underlay:hv1``).  *before* are frames ``(port, hex)`` that must be sent first, e.g. to set up
    connection state.  *replayed* says per backend whether it really arrived when sent again; *arrives* is
    what shows the violation: that it arrives, or (a legitimate packet) that it does not.
    """

    src: str
    dst: str
    packet_hex: str
    packet: str
    path: tuple[Step, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    replayed: Mapping[str, bool] = field(default_factory=dict)
    arrives: bool = True


class Drift(Enum):
    """How something in a datapath is other than it was built."""

    MISSING = "missing"
    FOREIGN = "foreign"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing of one datapath that is not as it was built.

    *part* is ``entry``, ``group``, ``port``, ``copies`` (a mirror), ``setting`` (of a tunnel, a port or the
    bridge), ``fail mode`` or ``datapath``; *table* is an entry's.  *expected* and *held* are texts
    (ovs-ofctl's for entries and groups), empty where there is no such thing.
    *betrays* says in the user's words, with the line of the scenario, what is no longer as written.
    """

    datapath: str
    part: str
    drift: Drift
    expected: str = ""
    held: str = ""
    table: int | None = None
    betrays: str = ""

    def __str__(self) -> str:
        place = self.datapath + ("" if self.table is None else f" table {self.table}")
        if self.drift is Drift.CHANGED:
            return f"{place}: {self.part} changed: {self.held}; should be: {self.expected}"
        return f"{place}: {self.part} {self.drift.value}: {self.expected or self.held}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one method says of one claim.  *covers*: which headers or probes; *reason*: why.

    *differences* are what `drift` found.
    """

    claim: str
    kind: Kind
    method: str
    status: Status
    covers: str = ""
    reason: str = ""
    counterexample: Counterexample | None = None
    ms: float = 0.0
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Two methods, or a witness and its replay, contradict each other: our bug, loudly."""

    claim: str
    between: tuple[str, str]
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a run found.  *status* is ``holds|violated|unknown|disagreement``.

    *claims* are the sentences that were to be judged (reports show from them what may talk to whom).
    *not_judged* lists claims that no chosen method can judge.  *information* are remarks that are
    not claims (single points of failure, co-residency).  *timings_ms* is by phase.
    """

    scenario: str
    backend: str
    status: str
    exit: int
    verdicts: tuple[Verdict, ...] = ()
    claims: tuple[Claim, ...] = ()
    summary: Mapping[str, Status] = field(default_factory=dict)
    disagreements: tuple[Disagreement, ...] = ()
    not_judged: tuple[str, ...] = ()
    information: tuple[str, ...] = ()
    environment: Mapping[str, object] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    error: str = ""
