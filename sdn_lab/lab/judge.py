"""One verdict on a lab as it is now: snapshot, probes, graph, replays, and the sum of them.

Judges the dump, never the program that was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from sdn_lab import __version__
from sdn_lab.lab import drift
from sdn_lab.lab.options import METHODS, Options
from sdn_lab.lab.timing import Phases
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.verdict import Report, Status, Verdict
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.verify import agree
from sdn_lab.verify.explain import explain

if TYPE_CHECKING:
    from sdn_lab.lab.living import Lab


class Judgement:
    """What is known so far; becomes the report, also when the lab fails half-way."""

    def __init__(self, lab: Lab, phases: Phases, options: Options | None = None) -> None:
        """*options* are the lab's own, unless others are given: which methods, where to write packets."""
        self._lab = lab
        self._options = options or lab.options
        self._phases = phases
        self.verdicts: list[Verdict] = []
        self.judged: dict[str, str] = {}
        """The hash of the snapshot that each method judged."""
        self._digests: dict[str, dict[str, str]] = {}
        self._information: tuple[str, ...] = ()

    def remark(self, text: str) -> None:
        """Have the report say something that changes no verdict."""
        self._information += (text,)

    def report(self, error: str = "") -> Report:
        """Add up what is known."""
        lab, options = self._lab, self._options
        return agree.sum_up(
            lab.scenario.name,
            options.backend,
            lab.claims,
            self.verdicts,
            options.methods,
            restricted=set(options.methods) != set(METHODS),
            judged=self.judged,
            steady=lab.steady,
            information=self._information,
            environment={"versions": lab.versions, "snapshots": self.judged, "tables": self._digests},
            timings_ms=self._phases.timings_ms,
            seed=options.seed,
            error=error,
        )

    def judge(self) -> None:
        """Judge by every chosen method.  Raises LabError if the lab fails meanwhile.

        With a controller that reacts, the tables change under the probes: the graph then judges the
        snapshot taken after them, which holds what was learned; the probes' values come from the one before.
        With one that does not, drift says what changed, were it only while the probes were under way.
        """
        lab, phase = self._lab, self._phases.phase
        self._information += tuple(lab.backend.remarks())
        with phase("snapshot"):
            snapshot = lab.backend.snapshot()
        if "probe" in self._options.methods:
            with phase("probe"):
                self.judged["probe"] = snapshot.hash
                self.verdicts += self._probe(snapshot)
        with phase("snapshot"):
            after = lab.backend.snapshot()
        if "drift" in self._options.methods:
            with phase("drift"):
                self._digests = drift.digests(lab, after)
                self.judged["drift"] = after.hash
                self.verdicts += drift.judge(lab, after, snapshot)
        if after.hash != snapshot.hash and lab.steady and not any(v.differences for v in self.verdicts):
            raise LabError("the flow tables changed while they were verified, and no controller should have")
        if "graph" in self._options.methods:
            with phase("graph"):
                self.judged["graph"] = after.hash
                self.verdicts += self._graph(after)
        with phase("replay"):
            self.verdicts = [self._replayed(after, verdict) for verdict in self.verdicts]
        if self._options.pcap_dir is not None:
            _write_pcaps(self.verdicts, self._options.pcap_dir)
        lab.controller.check()

    def _probe(self, snapshot: Snapshot) -> Sequence[Verdict]:
        from sdn_lab.observe import run_probes
        from sdn_lab.verify.probe import judge

        lab = self._lab
        earlier, lab.probed = lab.probed, lab.probed + 1
        observations = run_probes(
            lab.backend,
            lab.scenario,
            lab.claims,
            snapshot,
            lab.assignment,
            seed=self._options.seed,
            earlier=earlier,
            progress=self._phases.progress,
            where=_where(lab.versions),
            management=(ip_address(lab.backend.controller_host),),
        )
        return judge(lab.claims, observations)

    def _graph(self, snapshot: Snapshot) -> Sequence[Verdict]:
        from sdn_lab.verify.graph import GraphChecker, information

        lab = self._lab
        self._information += tuple(information(lab.scenario))
        return GraphChecker().check(lab.scenario, lab.claims, snapshot, progress=self._phases.progress)

    def _replayed(self, snapshot: Snapshot, verdict: Verdict) -> Verdict:
        """Send a violation's packet again, on the lab that is still up, and say by which way it went."""
        from sdn_lab.observe.replay import replay

        lab, witness = self._lab, verdict.counterexample
        if verdict.status is not Status.VIOLATED or witness is None:
            return verdict
        arrived = replay(lab.backend, witness, seed=self._options.seed)
        if arrived is not None:
            which = "ovs" if lab.backend.name == "mininet" else lab.backend.name
            witness = replace(witness, replayed={**witness.replayed, which: arrived})
        return replace(verdict, counterexample=explain(lab.scenario, snapshot, witness))


def _write_pcaps(verdicts: Sequence[Verdict], folder: Path) -> None:
    from sdn_lab.observe import write_pcap

    folder.mkdir(parents=True, exist_ok=True)
    for verdict in verdicts:
        witness = verdict.counterexample
        if verdict.status is Status.VIOLATED and witness is not None:
            name = f"{verdict.claim}.{verdict.method}".replace("/", "-").replace(":", "-")
            sent = [*(frame for _, frame in witness.before), witness.packet_hex]
            write_pcap(folder / f"{name}.pcap", [bytes.fromhex(frame) for frame in sent])


def _where(versions: dict[str, str]) -> str:
    if "Open vSwitch" in versions:
        kind = versions["datapath"].partition(" ")[0]
        return f"Open vSwitch {versions['Open vSwitch']}, {kind} datapath"
    return f"the sdn_lab {__version__} simulator"
