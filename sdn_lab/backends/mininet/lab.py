"""The command's side of a lab on Mininet: a `RunningLab` that asks the lab daemon.

Invariants
----------
1.  Whatever happens to the daemon, the caller gets one `LabError` with one sentence; a wait has a limit.
2.  After `close`, however the lab ended, no process of it exists: the daemon is process 1 of its pid
    namespace, and the kernel lets it go only when all others are gone.  `close` waits for that.
3.  A lab in which something died is not left in silence: closing it without another error raises.
4.  The lab dies with the *thread* that made it (`process`, invariant 3): make it in one that lives as long.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import sdn_lab
from sdn_lab.backends.mininet import kernel_datapath
from sdn_lab.backends.mininet.dump import snapshot_of
from sdn_lab.backends.mininet.executed import Executed, find
from sdn_lab.backends.mininet.listening import Ears
from sdn_lab.backends.mininet.ovs import INTEGRATION, PHYSICAL
from sdn_lab.backends.mininet.plan import Plan, fresh_nodes, plan
from sdn_lab.backends.mininet.tracked import DUMP, GONE, PURGE, forgetting, tracked_of
from sdn_lab.backends.mininet.windows import asking, captured_of
from sdn_lab.channel import Channel, Closed
from sdn_lab.contracts import Progress
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.diagnostic import ApparatusError, LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.mended import Mended
from sdn_lab.model.observation import Captured, WatchPoint, Window
from sdn_lab.model.succession import succession
from sdn_lab.model.tracked import Tracked
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.process import LastWords, ending, spawn
from sdn_lab.tls import Identity

_DAEMON = "sdn_lab.backends.mininet.daemon"
_BUILD_S = 120.0
_REQUEST_S = 60.0
_CONNECT_S = 20.0
_END_S = 10.0


class MininetLab:
    """Datapaths that are real.  Made by `MininetBackend.start`."""

    name = "mininet"

    def __init__(self, scenario: Scenario, assignment: Assignment, planned: Plan) -> None:
        self.controller_host = planned.controller
        self._scenario, self._assignment = scenario, assignment
        self._planned, self._datapath = planned.instances, planned.datapath
        self._nodes = fresh_nodes(scenario)
        self._nodes_ever = len(self._nodes)
        self._children: list[LabChild] = []
        self._lock = threading.Lock()
        self._closed = False
        self._failed: str | None = None  # the channel is of no more use, and why
        ours, theirs = socket.socketpair()
        with theirs:
            package = str(Path(sdn_lab.__file__).parent.parent)
            self._keeper = spawn(
                [sys.executable, "-P", "-W", "ignore", "-m", _DAEMON, str(theirs.fileno())],
                {**os.environ, "PYTHONPATH": package},
                pass_fds=[theirs.fileno()],
            )
        self._channel = Channel(ours)
        self._daemon: int | None = None  # a pidfd
        try:
            greeting = self._receive(_REQUEST_S)[0]
            with contextlib.suppress(ProcessLookupError):
                self._daemon = os.pidfd_open(greeting["daemon"])
        except BaseException:
            self.close()
            raise

    def build(self, planned: Plan, progress: Progress) -> None:
        """Build what is *planned*.  Raises LabError; the lab is closed then."""
        try:
            self._ask("build", {"plan": planned.as_json()}, limit_s=_BUILD_S, progress=progress)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._closed and self._failed is None:
                self._ask("close")
        finally:
            self.close()

    def spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> LabChild:
        """Start a program in the management plane."""
        return self._spawn(argv, env)

    def spawn_at(self, port: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> LabChild:
        """Start a program in the instance of a tenant's port: a real service.

        From then on all instances' kernels hear and answer, until the next `exchange`.
        """
        return self._spawn(argv, os.environ if env is None else env, port=port)

    def spawn_on(self, hypervisor: str, argv: Sequence[str]) -> LabChild:
        """Start a program on a hypervisor, where it finds the hypervisor's Open vSwitch."""
        return self._spawn(argv, os.environ, hypervisor=hypervisor)

    def execute(
        self,
        node: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        directory: str,
        descriptors: Sequence[int],
    ) -> Executed:
        """Run a program at a port or on a hypervisor; *descriptors* are its input, output, error."""
        where = {"hypervisor" if node in self._assignment.datapaths else "port": node}
        request = {"argv": [find(argv[0], env), *argv[1:]], "env": dict(env), "directory": directory, **where}
        answer, (ended,) = self._ask("spawn", request, descriptors=descriptors)
        return Executed(answer["child"], ended, self._ask)

    def listen(self, points: Sequence[WatchPoint]) -> Ears:
        """Overhear everything that passes these points.  Raises LabError where nobody can listen."""
        ears = Ears()
        try:
            for point in points:
                ears.add(point, self._ask("listen", {"point": [point.kind.value, point.name]})[1])
        except LabError:
            ears.close()
            raise
        return ears

    def rest(self) -> None:
        """Let instances hear again in which somebody runs something: no frames are exchanged for a while."""
        self._ask("rest")

    def connect(
        self,
        host: str,
        l4_port: int,
        settle: Callable[[], None],
        identities: Mapping[str, Identity] | None = None,
    ) -> None:
        """Point every datapath at the controller, wait until all are connected, then for *settle*."""
        arguments = {
            "target": f"{'tcp' if identities is None else 'ssl'}:{host}:{l4_port}",
            "identities": {name: dataclasses.asdict(i) for name, i in (identities or {}).items()},
            "timeout_s": _CONNECT_S,
        }
        self._ask("connect", arguments, limit_s=_CONNECT_S + _REQUEST_S)
        settle()

    def load(self, hypervisor: str, flows: str) -> None:
        """Add flow entries to an integration bridge, all or none, without a controller."""
        self._ask("load", {"hypervisor": hypervisor, "flows": flows})

    def snapshot(self) -> Snapshot:
        """Dump every datapath, physical bridges included."""
        return snapshot_of(self._ask("snapshot")[0], self._assignment)

    def restore(self, datapaths: Sequence[str]) -> None:
        """Make these again what was built."""
        bridges: dict[str, list[str]] = {}
        for name in datapaths:
            hypervisor, _, below = name.partition("/")
            bridges.setdefault(hypervisor, []).append(PHYSICAL if below else INTEGRATION)
        self._ask("restore", {"bridges": bridges})

    def cut(self, link: Collection[str]) -> None:
        """Cut an underlay link."""
        self._ask("underlay", {"cut": [list(link)], "mend": []})

    def mend(self, link: Collection[str]) -> None:
        """Let a link carry again."""
        self._ask("underlay", {"cut": [], "mend": [list(link)]})

    def stand_still(self, hypervisor: str, *, still: bool) -> bool:  # noqa: ARG002
        """Do nothing: a real switch that is stopped would be restarted, and empty."""
        return False

    def remarks(self) -> tuple[str, ...]:
        """Say what of the underlay is not as written."""
        remarks = tuple(self._ask("underlay", {"cut": [], "mend": []})[0]["remarks"])
        return (*remarks, kernel_datapath.REMARK) if self._datapath == kernel_datapath.TYPE else remarks

    def change(self, scenario: Scenario, assignment: Assignment) -> None:
        """Let instances go, come and move until they are as in *scenario*."""
        todo = succession(self._scenario, self._assignment, scenario, assignment)
        nodes = {name: self._nodes[name] for name in (*todo.stayed, *todo.moved)}
        for number, name in enumerate(todo.came, start=self._nodes_ever + 1):
            nodes[name] = f"i{number}"
        self._nodes_ever += len(todo.came)
        stayed = tuple(port for ports in todo.stayed.values() for port in ports)
        self._scenario = dataclasses.replace(scenario, ports=stayed)  # no more than these, if it fails
        self._nodes = nodes
        wanted = plan(scenario, assignment, nodes, datapath=self._datapath)
        if wanted.instances != self._planned:
            self._planned = ()
            self._ask("change", {"plan": wanted.as_json()}, limit_s=_BUILD_S)
            self._planned = wanted.instances
        self._scenario, self._assignment = scenario, assignment

    def take_effect(self) -> None:
        """Empty the datapaths' caches, and wait for what the underlay's links still carry.

        A flow-mod that was confirmed is in the tables; what the cache says is corrected a little later.
        """
        self._control(dict.fromkeys(self._assignment.datapaths, (PURGE,)))
        time.sleep(sum(link.delay_ms for link in self._scenario.underlay.links) / 1000)

    def tracked(self) -> tuple[Tracked, ...]:
        """Return every flow that is tracked."""
        said = self._control(dict.fromkeys(self._assignment.datapaths, (DUMP,)))
        return tuple(flow for name, (dump,) in said.items() for flow in tracked_of(name, dump))

    def forget(self, flows: Collection[Tracked], zones: Collection[tuple[str, int]] = ()) -> None:
        """Forget flows, and all that is tracked in zones (hypervisor, zone)."""
        told = {name: forgetting(name, flows, zones) for name in self._assignment.datapaths}
        self._control(
            {name: own.commands for name, own in told.items() if own.commands},
            {name: own.bundle for name, own in told.items() if own.bundle},
        )

    def _control(
        self,
        commands: Mapping[str, Sequence[Sequence[str]]],
        bundle: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, list[str]]:
        """Return what ovs-vswitchd answered, by hypervisor.  Raises LabError for a refusal."""
        answer, _ = self._ask("control", {"commands": commands, "bundle": bundle or {}})
        for name, said in answer["said"].items():
            for (text, done), command in zip(said, commands[name], strict=True):
                if not done and GONE not in text:
                    raise LabError(f"Open vSwitch on {name} refused {' '.join(command)}: {text}")
        return {name: [text for text, _ in said] for name, said in answer["said"].items()}

    def exchange(self, window: Window) -> Captured:
        """Inject, wait for the markers, return what was seen."""
        limit_s = window.timeout_ms / 1000 + _REQUEST_S
        return captured_of(self._ask("exchange", asking(window), limit_s=limit_s)[0])

    def versions(self) -> Mapping[str, str]:
        """Name what forwards."""
        return {**self._ask("versions")[0], "Mininet": importlib.metadata.version("mininet")}

    def processes(self) -> Mapping[str, int]:
        """Return the pids (outside) of the keeper and the daemon, and (inside) of all that they own."""
        return dict(self._ask("processes")[0]["owned"])

    def outlive(self) -> None:
        """Restart what dies of the datapaths from now on."""
        self._ask("outlive")

    def mended(self) -> Sequence[Mended]:
        """Return what has been restarted."""
        return tuple(Mended(**told) for told in self._ask("mended")[0]["mended"])

    def close(self) -> None:
        """End the lab now and wait until nothing of it is left; idempotent."""
        self._closed = True
        if self._daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._daemon, signal.SIGKILL)
            gone = select.poll()
            gone.register(self._daemon, select.POLLIN)
            left = not gone.poll(_END_S * 1000)
            os.close(self._daemon)
            self._daemon = None
            if left:
                raise LabError(f"the lab's processes did not end within {_END_S:g} s")
        self._keeper.kill()
        self._channel.close()
        for child in self._children:
            child.kill()
        self._children.clear()

    def _spawn(self, argv: Sequence[str], env: Mapping[str, str], **where: str) -> LabChild:
        program = find(argv[0], env)
        answer, pipes = self._ask("spawn", {"argv": [program, *argv[1:]], "env": dict(env), **where})
        child = LabChild(argv, answer["child"], pipes, self._ask)
        self._children.append(child)
        return child

    def _ask(
        self,
        op: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        limit_s: float = _REQUEST_S,
        progress: Progress | None = None,
        descriptors: Sequence[int] = (),
    ) -> tuple[dict[str, Any], list[int]]:
        with self._lock:
            if self._failed is not None or self._closed:
                raise LabError(self._failed or "the lab has been closed")
            with self._unbroken(limit_s):
                self._channel.send({"op": op, **(arguments or {})}, descriptors)
            while True:
                answer, given = self._receive(limit_s)
                if "progress" not in answer:
                    return answer, given
                if progress is not None:
                    progress(*answer["progress"])

    def _receive(self, timeout_s: float) -> tuple[dict[str, Any], list[int]]:
        with self._unbroken(timeout_s):
            answer, descriptors = self._channel.receive()
        if "error" in answer:
            raise (ApparatusError if answer["kind"] == "apparatus" else LabError)(answer["error"])
        return answer, descriptors

    @contextlib.contextmanager
    def _unbroken(self, timeout_s: float) -> Iterator[None]:
        """Remember why the channel is of no more use, if it breaks or is left half-way."""
        self._channel.limit(timeout_s)
        self._failed = "the lab was interrupted"
        try:
            yield
        except Closed as error:
            self._failed = self._obituary()
            raise LabError(self._failed) from error
        except TimeoutError as error:
            self._failed = f"the lab daemon did not answer within {timeout_s:g} s"
            raise LabError(self._failed) from error
        self._failed = None

    def _obituary(self) -> str:
        """Say how the lab died, as far as the keeper could tell."""
        status = self._keeper.wait(_END_S)
        said = self._keeper.last_words().splitlines()
        if said:
            return f"the lab died: {said[-1]}"
        return "the lab died" if status in {None, 0} else f"the lab died: its keeper {ending(status)}"


class LabChild:
    """A program inside the lab: `contracts.Child`, and the last words of its stderr."""

    stdin: IO[str]
    stdout: IO[str]

    def __init__(
        self,
        argv: Sequence[str],
        number: int,
        pipes: Sequence[int],
        ask: Callable[..., tuple[dict[str, Any], list[int]]],
    ) -> None:
        self.argv = tuple(argv)
        self.stdin = os.fdopen(pipes[0], "w", buffering=1, errors="replace")
        self.stdout = os.fdopen(pipes[1], "r", errors="replace")
        self._stderr = LastWords(os.fdopen(pipes[2], "r", errors="replace"))
        self._number = number
        self._ask = ask
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs; it died with its lab if that is gone."""
        if self._status is None:
            try:
                self._status = self._ask("poll", {"child": self._number})[0]["status"]
            except LabError:
                self._status = -signal.SIGKILL
        return self._status

    def kill(self) -> None:
        """End it now; idempotent."""
        if self._status is None:
            try:
                self._status = self._ask("kill", {"child": self._number})[0]["status"]
            except LabError:
                self._status = -signal.SIGKILL
        self._stderr.close()
        for pipe in (self.stdin, self.stdout):
            with contextlib.suppress(BrokenPipeError, ValueError):
                pipe.close()

    def last_words(self) -> str:
        """Return the last lines that it wrote to stderr, for a message."""
        return self._stderr.text(0.0 if self.poll() is None else 1.0)
