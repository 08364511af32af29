"""One lab that is up: built, programmed, held, ended.

Invariants
----------
1.  A `Lab` that could be entered has datapaths that confirmed what they were sent.
2.  Leaving it leaves nothing behind, however it is left.
3.  Bad input and missing apparatus are raised before anything is built (`InputError`, `ApparatusError`);
    what goes wrong later is a `LabError`.
"""

from __future__ import annotations

import importlib
import platform
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self

from sdn_lab import __version__
from sdn_lab.backends import check_datapath, load_backend
from sdn_lab.compiler import compile_scenario
from sdn_lab.contracts import Progress, RunningLab
from sdn_lab.control.apps import REPLAY
from sdn_lab.control.apps import find as find_app
from sdn_lab.control.controller import Controller
from sdn_lab.control.frameworks import FRAMEWORKS, interpreter
from sdn_lab.flows import read_program
from sdn_lab.lab import drift
from sdn_lab.lab.apply import Applied, apply
from sdn_lab.lab.drift import Reverted
from sdn_lab.lab.judge import Judgement
from sdn_lab.lab.mend import Controlled, Mender
from sdn_lab.lab.options import Options, silent
from sdn_lab.lab.timing import Phases
from sdn_lab.model.assignment import Assignment, assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.mended import Mended
from sdn_lab.model.verdict import Claim, Report, Verdict
from sdn_lab.openflow.entry import Program
from sdn_lab.scenario.claims import claims as derive_claims
from sdn_lab.tls import Identity

CONFIRM_MS = 60_000


class Lab:
    """A lab, from its scenario.  Enter it to build it; leave it to end it.

    Raises InputError (flow text, an unknown controller) when made; ApparatusError, LabError when entered.
    """

    backend: RunningLab
    controller: Controller

    def __init__(
        self, scenario: Scenario, options: Options | None = None, progress: Progress = silent
    ) -> None:
        self.options = options or Options()
        self.scenario = scenario
        self.assignment = assign(scenario)
        flows = self.options.flows
        self.program = (
            compile_scenario(scenario, self.assignment)
            if flows is None
            else read_program(flows, self.assignment)
        )
        self.app = self.options.controller if flows is None else REPLAY
        check_datapath(self.options.backend, self.options.datapath)
        find_app(self.app)  # an app that does not exist is bad usage: said before anything is built
        self.phases = Phases(progress)
        self.versions: dict[str, str] = {}
        self.closed = ""
        """Why nothing may be believed to pass: a change failed half-way.  Empty: all is well."""
        self._claims: Sequence[Claim] | None = ()
        self.steady = True
        """Whether the controller leaves the tables alone: then a witness sent again meets the same lab."""
        self.probed = 0
        """How often probes were sent into it: its trackers remember them for a while."""
        self.identities: Mapping[str, Identity] = {}
        """Who each hypervisor is on the management network."""
        self._mender = Mender(self) if self.options.mend else None

    def __enter__(self) -> Self:
        # These two hook into fork(): imported by the thread while this one forks, their hooks run by half.
        importlib.import_module("logging")
        importlib.import_module("concurrent.futures.thread")
        threading.Thread(target=_import_ahead, args=(self.options.methods,), daemon=True).start()
        interpreter(FRAMEWORKS[self.options.ryu])  # one that is missing is said before anything is built
        self.versions = _versions()
        self._claims = None
        with self.phases.phase("start"):
            self.backend = load_backend(self.options.backend, self.options.datapath).start(
                self.scenario, self.assignment, seed=self.options.seed, progress=self.phases.progress
            )
        self.backend.__enter__()
        try:
            self._control()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        began = time.perf_counter()
        try:
            if self._mender is not None:
                self._mender.stop()
            if hasattr(self, "controller"):
                self.controller.stop()
        finally:
            self.backend.__exit__(kind, error, trace)
        self.phases.timings_ms["stop"] = round((time.perf_counter() - began) * 1000, 1)

    def down(self) -> None:
        """End the lab, where no ``with`` block does."""
        self.__exit__(None, None, None)

    def check(self, options: Options | None = None) -> Report:
        """Judge the lab as it is now, by every chosen method.  Raises LabError if it fails meanwhile.

        *options* are the lab's own, unless others are given: which methods, where to write packets.
        """
        if self.closed:
            raise LabError(f"{self.closed}; the lab is closed until a scenario is applied")
        phases = Phases(self.phases.progress)
        judgement = Judgement(self, phases, options)
        if self._mender is None:
            judgement.judge()
            return judgement.report()
        restarted, controlled = len(self.backend.mended()), Controlled(self, self._mender)
        judgement.judge()
        died = [
            f"{m.what} while it was checked, and was restarted" for m in self.backend.mended()[restarted:]
        ]
        lost = controlled.lost()
        if lost and self.steady:
            judgement.remark(f"{lost}: no packet leans on it, the datapaths' entries stay")
        elif lost:
            died.append(f"{lost}: what was not delivered then proves nothing")
        return judgement.report("".join(died[:1]))

    @property
    def mended(self) -> Sequence[Mended]:
        """What died since the lab is up, and was put right: what, when, in how long.  Raises LabError."""
        return () if self._mender is None else self._mender.mended()

    @property
    def claims(self) -> Sequence[Claim]:
        """What is to be judged; none before the lab is entered."""
        if self._claims is None:
            with self.phases.phase("claims"):  # half a million of a large lab: coming up does not wait
                self._claims = self._derive()
        return self._claims

    def apply(self, scenario: Scenario) -> Applied:
        """Change the running lab to *scenario*.  Raises InputError, LabError; see `sdn_lab.lab.apply`."""
        return apply(self, scenario)

    def become(self, scenario: Scenario, assignment: Assignment, program: Program) -> None:
        """Be a lab of *scenario* from now on, of which the datapaths are to hold *program*."""
        self.scenario, self.assignment, self.program = scenario, assignment, program
        self._claims = None

    def drift(self) -> tuple[Verdict, ...]:
        """Judge every ``as_built`` claim, and nothing else: one snapshot.  Raises LabError."""
        return drift.judge(self, self.backend.snapshot())

    def revert(self) -> Reverted:
        """Make every datapath hold what it should; say what was undone and what is left.  Raises LabError."""
        return drift.revert(self)

    def _derive(self) -> Sequence[Claim]:
        return (*derive_claims(self.scenario), *drift.claims(self))

    def _control(self) -> None:
        """Start the controller, connect every datapath, wait until all hold what they should."""
        from sdn_lab.pki import Authority

        self.versions.update(self.backend.versions())
        authority = Authority()
        self.identities = {name: authority.switch(dp.dpid) for name, dp in self.assignment.datapaths.items()}
        self.controller = Controller(
            self.backend.spawn,
            app=self.app,
            host=self.backend.controller_host,
            l4_port=0,
            scenario=self.scenario,
            assignment=self.assignment,
            program=self.program,
            identity=authority.controller(),
            framework=FRAMEWORKS[self.options.ryu],
            notice=None if self._mender is None else self._mender.notice,
        )
        with self.phases.phase("controller"):
            self.controller.start()
        with self.phases.phase("push"):
            controller = self.controller
            self.backend.connect(controller.host, controller.l4_port, controller.settle, self.identities)
            self.controller.wait_confirmed(timeout_ms=CONFIRM_MS, progress=self.phases.progress)
        self.steady = self.controller.pushes
        if self._mender is not None:
            self.backend.outlive()
            self._mender.start()


def _import_ahead(methods: Sequence[str]) -> None:
    """Import what the controller and verifying need while the lab starts, waiting for other processes."""
    import sdn_lab.pki

    if "probe" in methods:
        from sdn_lab.observe.frames import prepare

        prepare()
    if "graph" in methods:
        import sdn_lab.verify.graph  # noqa: F401


def _versions() -> dict[str, str]:
    found = {"sdn_lab": __version__, "Python": platform.python_version()}
    for name in ("os-ken", "networkx", "scapy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
