"""Every extension point, on one page.

A stage implements one of these and is registered in its package's ``__init__``; `sdn_lab.lab`
composes them.  `tests/contracts` has one suite per Protocol, run over every implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.model.mended import Mended
from sdn_lab.model.observation import Captured, Injection, Observation, Overheard, WatchPoint, Window
from sdn_lab.model.tracked import Tracked
from sdn_lab.model.verdict import Claim, Report, Verdict
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.tls import Identity

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)`` during long work."""


class Child(Protocol):
    """A process in the lab's management plane, spoken to by lines of text."""

    stdin: IO[str]
    stdout: IO[str]

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        ...

    def kill(self) -> None:
        """End it now; idempotent."""
        ...


class Execution(Protocol):
    """A program that runs in the lab on its caller's own input and output."""

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the program has ended."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to the program and what it started."""
        ...

    def finish(self) -> int:
        """Return its exit status, as a shell says it.  It ends now if it has not."""
        ...


class Listening(Protocol):
    """What passes some watch points, from now on until it is closed."""

    def filenos(self) -> Sequence[int]:
        """Return descriptors; one of them becomes readable when something was overheard."""
        ...

    def frames(self) -> Sequence[Overheard]:
        """Return what was overheard since the last call, in the order of time."""
        ...

    def lost(self) -> int:
        """Return how many frames passed that could not be kept, since the last call."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class RunningLab(Protocol):
    """Datapaths, instances and wires that exist.  Leaving the context removes every trace.

    Between construction and `connect` the datapaths hold no entries and forward nothing.
    """

    name: str  # "sim" or "mininet"
    controller_host: str  # the address on which a controller must listen

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start a program in the management plane (the controller).  It dies with the lab."""
        ...

    def connect(
        self,
        host: str,
        l4_port: int,
        settle: Callable[[], None],
        identities: Mapping[str, Identity] | None = None,
    ) -> None:
        """Tell every datapath to connect to this controller; if told already, wait until all are.

        With *identities*, by hypervisor, over TLS; without, over plain TCP.

        *settle* blocks until the controller's queues are empty; the simulator's clock stands still
        while control messages are outstanding, and calls it to know.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Dump every datapath, physical bridges included."""
        ...

    def restore(self, datapaths: Sequence[str]) -> None:
        """Make these again what this backend built: ports, fail mode, a physical bridge's entries.

        Not the entries of an integration bridge, which are the controller's.
        """
        ...

    def change(self, scenario: Scenario, assignment: Assignment) -> None:
        """Let instances go, come and move until they are as in *scenario*, under *assignment*'s numbers.

        Hypervisors and underlay stay, and so does every entry: tables and tracked flows are the caller's
        business.  A moved instance keeps its processes.  Raises LabError; called again, it goes on from
        what is there.
        """
        ...

    def cut(self, link: Collection[str]) -> None:
        """Cut the underlay link between two sites, hypervisors or switches, written or implied.

        Returns once traffic goes another way, if one is left.  Raises LabError if there is no such link.
        """
        ...

    def mend(self, link: Collection[str]) -> None:
        """Let a link carry again; returns once it does.  Raises LabError if there is no such link."""
        ...

    def stand_still(self, hypervisor: str, *, still: bool) -> bool:
        """Have a hypervisor with all that is on it do nothing with any frame, or go on where it was.

        Return whether this backend can.  Its management goes on, and it holds what it held.
        """
        ...

    def remarks(self) -> Sequence[str]:
        """Say what of the underlay is not as written: links that are cut, what the machine cannot do."""
        ...

    def take_effect(self) -> None:
        """Return once every datapath does what it holds: no cache answers by an older table, and what an
        older one let go has arrived, as far as a backend can know.
        """
        ...

    def tracked(self) -> Sequence[Tracked]:
        """Return every flow that any hypervisor tracks in any zone."""
        ...

    def forget(self, flows: Collection[Tracked], zones: Collection[tuple[str, int]] = ()) -> None:
        """Forget tracked flows, and all that is tracked in *zones* (hypervisor, zone)."""
        ...

    def exchange(self, window: Window) -> Captured:
        """Inject the window's frames, wait for its markers, return what every watch point saw.

        Raises LabError when the lab died.
        """
        ...

    def outlive(self) -> None:
        """From now on restart what dies of the datapaths, closed until the controller has pushed again, and
        go on when the controller dies.  What cannot be restarted still fails the lab.  Say it again when
        something was restarted.
        """
        ...

    def mended(self) -> Sequence[Mended]:
        """Return what has been restarted so far."""
        ...

    def execute(
        self,
        node: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        directory: str,
        descriptors: Sequence[int],
    ) -> Execution:
        """Run a program at a port (its path) or on a hypervisor; *descriptors* are its input, output, error.

        A hypervisor's programs find its Open vSwitch.  Raises ApparatusError if there is no such program.
        """
        ...

    def listen(self, points: Sequence[WatchPoint]) -> Listening:
        """Overhear everything that passes these points.  Raises LabError where nobody can listen."""
        ...

    def rest(self) -> None:
        """No frames are exchanged for a while: what somebody runs in an instance may talk again."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Name what forwards: e.g. ``{"Open vSwitch": "3.1.0"}``."""
        ...


class Backend(Protocol):
    """Where datapaths run."""

    name: str

    def start(
        self, scenario: Scenario, assignment: Assignment, *, seed: int, progress: Progress
    ) -> RunningLab:
        """Build the lab.  Raises ApparatusError (privilege, programs missing), LabError."""
        ...


class Exchange(Protocol):
    """The part of a running lab that a probe or a replay needs."""

    def exchange(self, window: Window) -> Captured: ...


class Probe(Protocol):
    """One family of attacks, or of legitimate traffic.  See `sdn_lab.observe.probes`."""

    name: str  # catalogue name, e.g. "REACH-01"

    def applies(self, scenario: Scenario) -> bool:
        """Say whether this family means anything for the scenario."""
        ...


class Checker(Protocol):
    """A method that judges claims on a snapshot.  It abstains by giving no verdict."""

    method: str

    def check(
        self, scenario: Scenario, claims: Sequence[Claim], snapshot: Snapshot, *, progress: Progress
    ) -> tuple[Verdict, ...]: ...


class Reporter(Protocol):
    """Writes a report in one format.  *path* is a file, or a folder where the format makes several files."""

    @property
    def name(self) -> str: ...

    def write(self, report: Report, scenario: Scenario | None, path: Path) -> None: ...


__all__ = [
    "Backend",
    "Checker",
    "Child",
    "Exchange",
    "Injection",
    "Observation",
    "Probe",
    "Progress",
    "Reporter",
    "RunningLab",
]
