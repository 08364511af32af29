"""The stages in order, and nothing else: what the command, a test and a notebook all call.

    scenario -> compile -> start -> connect -> push -> snapshot -> graph, probes -> replay -> sum up

`run` returns a `Report` and leaves nothing behind.  Bad input and missing apparatus are raised
(`InputError`, `ApparatusError`); a lab that fails while it runs is a report with ``exit`` 6, because
what was found until then is still worth reading.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path

from sdn_lab import __version__
from sdn_lab.backends import load_backend
from sdn_lab.compiler import compile_scenario
from sdn_lab.contracts import Progress, RunningLab
from sdn_lab.control.apps import DEFAULT, REPLAY
from sdn_lab.control.apps import find as find_app
from sdn_lab.control.controller import Controller
from sdn_lab.flows import read_program
from sdn_lab.model.assignment import Assignment, assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Claim, Report, Status, Verdict
from sdn_lab.openflow.entry import Program
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.scenario.claims import claims as derive_claims
from sdn_lab.verify import agree
from sdn_lab.verify.explain import explain

METHODS = ("graph", "probe")
CONFIRM_MS = 60_000


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run.  *flows* is a folder of ``<hypervisor>.flows`` to load instead of compiling."""

    backend: str = "sim"
    methods: tuple[str, ...] = METHODS
    seed: int = 0
    controller: str = DEFAULT
    flows: Path | None = None
    pcap_dir: Path | None = None


@dataclass(slots=True)
class _Run:
    """What is known so far; becomes the report, also when the lab fails half-way."""

    scenario: Scenario
    options: Options
    progress: Progress
    assignment: Assignment
    program: Program
    claims: Sequence[Claim] = ()
    verdicts: list[Verdict] = field(default_factory=list)
    information: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    steady: bool = True  # the controller leaves the tables alone: a witness sent again meets the same lab
    judged: dict[str, str] = field(default_factory=dict)  # method: hash of the snapshot that it judged
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall time of the block to the timings, and show that it began."""
        self.progress(name, 0, 1)
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - began) * 1000
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + spent, 1)

    def report(self, error: str = "") -> Report:
        """Add up what is known."""
        return agree.sum_up(
            self.scenario.name,
            self.options.backend,
            self.claims,
            self.verdicts,
            self.options.methods,
            restricted=set(self.options.methods) != set(METHODS),
            judged=self.judged,
            steady=self.steady,
            information=self.information,
            environment={"versions": self.versions, "snapshots": self.judged},
            timings_ms=self.timings_ms,
            seed=self.options.seed,
            error=error,
        )


def run(scenario: Scenario, options: Options, progress: Progress = silent) -> Report:
    """Build, push, verify by every chosen method, tear down.

    Raises InputError (flow text, an unknown controller), ApparatusError.
    """
    assignment = assign(scenario)
    if options.flows is None:
        program = compile_scenario(scenario, assignment)
    else:
        program = read_program(options.flows, assignment)
    app = options.controller if options.flows is None else REPLAY
    find_app(app)  # an app that does not exist is bad usage: said before anything is built
    this = _Run(scenario=scenario, options=options, progress=progress, assignment=assignment, program=program)
    threading.Thread(target=_import_ahead, args=(options.methods,), daemon=True).start()
    this.versions = _versions()
    this.information = tuple(_not_applied(scenario))
    with this.phase("claims"):
        this.claims = derive_claims(scenario)
    try:
        with this.phase("start"):
            lab = load_backend(options.backend).start(
                scenario, assignment, seed=options.seed, progress=progress
            )
        with lab:
            _in_lab(this, lab, app)
            began_to_stop = time.perf_counter()
        this.timings_ms["stop"] = round((time.perf_counter() - began_to_stop) * 1000, 1)
    except LabError as error:
        return this.report(str(error))
    return this.report()


def _in_lab(this: _Run, lab: RunningLab, app: str) -> None:
    this.versions.update(lab.versions())
    controller = Controller(
        lab.spawn,
        app=app,
        host=lab.controller_host,
        l4_port=0,
        scenario=this.scenario,
        assignment=this.assignment,
        program=this.program,
    )
    try:
        with this.phase("controller"):
            controller.start()
        with this.phase("push"):
            lab.connect(controller.host, controller.l4_port, controller.settle)
            controller.wait_confirmed(timeout_ms=CONFIRM_MS, progress=this.progress)
        this.steady = controller.pushes
        _verify(this, lab)
        controller.check()
    finally:
        controller.stop()


def _verify(this: _Run, lab: RunningLab) -> None:
    """Judge the lab by every chosen method.

    With a controller that reacts, the tables change under the probes: the graph then judges the
    snapshot taken after them, which holds what was learned, and the probes' values come from the one before.
    """
    with this.phase("snapshot"):
        snapshot = lab.snapshot()
    if "probe" in this.options.methods:
        with this.phase("probe"):
            this.judged["probe"] = snapshot.hash
            this.verdicts += _probe(this, lab, snapshot)
    with this.phase("snapshot"):
        after = lab.snapshot()
    if after.hash != snapshot.hash and this.steady:
        raise LabError("the flow tables changed while they were verified, and no controller should have")
    if "graph" in this.options.methods:
        with this.phase("graph"):
            this.judged["graph"] = after.hash
            this.verdicts += _graph(this, after)
    with this.phase("replay"):
        this.verdicts = [_replayed(this, lab, after, verdict) for verdict in this.verdicts]
    if this.options.pcap_dir is not None:
        _write_pcaps(this, this.options.pcap_dir)


def _import_ahead(methods: Sequence[str]) -> None:
    """Import what verifying needs while the lab starts, which is waiting for other processes."""
    if "probe" in methods:
        from sdn_lab.observe.frames import prepare

        prepare()
    if "graph" in methods:
        import sdn_lab.verify.graph  # noqa: F401


def _probe(this: _Run, lab: RunningLab, snapshot: Snapshot) -> tuple[Verdict, ...]:
    from sdn_lab.observe import run_probes
    from sdn_lab.verify.probe import judge

    observations = run_probes(
        lab,
        this.scenario,
        this.claims,
        snapshot,
        this.assignment,
        seed=this.options.seed,
        progress=this.progress,
        where=_where(this),
        management=(ip_address(lab.controller_host),),
    )
    return judge(this.claims, observations)


def _graph(this: _Run, snapshot: Snapshot) -> tuple[Verdict, ...]:
    from sdn_lab.verify.graph import GraphChecker, information

    this.information += tuple(information(this.scenario))
    return GraphChecker().check(this.scenario, this.claims, snapshot, progress=this.progress)


def _replayed(this: _Run, lab: RunningLab, snapshot: Snapshot, verdict: Verdict) -> Verdict:
    """Send a violation's packet again, on the lab that is still up, and say by which way it went."""
    from sdn_lab.observe.replay import replay

    witness = verdict.counterexample
    if verdict.status is not Status.VIOLATED or witness is None:
        return verdict
    arrived = replay(lab, witness, seed=this.options.seed)
    if arrived is not None:
        which = "ovs" if lab.name == "mininet" else lab.name
        witness = replace(witness, replayed={**witness.replayed, which: arrived})
    return replace(verdict, counterexample=explain(this.scenario, snapshot, witness))


def _write_pcaps(this: _Run, folder: Path) -> None:
    from sdn_lab.observe import write_pcap

    folder.mkdir(parents=True, exist_ok=True)
    for verdict in this.verdicts:
        witness = verdict.counterexample
        if verdict.status is Status.VIOLATED and witness is not None:
            name = f"{verdict.claim}.{verdict.method}".replace("/", "-").replace(":", "-")
            sent = [*(frame for _, frame in witness.before), witness.packet_hex]
            write_pcap(folder / f"{name}.pcap", [bytes.fromhex(frame) for frame in sent])


def _where(this: _Run) -> str:
    if "Open vSwitch" in this.versions:
        return f"Open vSwitch {this.versions['Open vSwitch']}, userspace datapath"
    return f"the sdn_lab {__version__} simulator"


def _not_applied(scenario: Scenario) -> Iterator[str]:
    """Say what the scenario asks of the underlay and this version does not build."""
    links = scenario.underlay.links
    if links:
        yield "underlay links are read by graph only: all hypervisors share one switch in this version"
    if any(link.delay_ms or link.rate_bps or link.loss for link in links):
        yield "delay, rate and loss of underlay links are not applied; no verdict depends on them"


def _versions() -> dict[str, str]:
    found = {"sdn_lab": __version__, "Python": platform.python_version()}
    for name in ("os-ken", "networkx", "scapy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
