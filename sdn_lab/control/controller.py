"""The lab's side of the controller: starts its process, tells it what is wanted, hears what came of it.

What
----
    controller = Controller(lab.spawn, app="overlay", host=lab.controller_host, l4_port=0,
                            scenario=scenario, assignment=assignment, program=program)
    controller.start()
    lab.connect(host, controller.l4_port, controller.settle)
    controller.wait_confirmed(timeout_ms=30_000, progress=progress)

Where it sits
-------------
Used by:    `sdn_lab.lab`.  Speaks `sdn_lab.control.lines` to `sdn_lab.control.child`.
Not here:   the framework: this module runs in the lab's process, where none is loaded.

Invariants
----------
1.  Whatever goes wrong in the child becomes one LabError, raised from the next call that waits: it died,
    it could not start, an app crashed, a datapath refused an entry.  A datapath that holds something
    else than what was pushed is no failure of the lab: its confirmation says so, and `drift` finds it.
2.  Nothing waits without a limit.
3.  An exception that the app did not catch fails the lab: a controller that is half alive builds a
    network that nobody meant, and what is measured on it would be believed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sdn_lab.contracts import Child, Progress
from sdn_lab.control import apps
from sdn_lab.control.complaint import differs, rejected
from sdn_lab.control.frameworks import command
from sdn_lab.control.lines import line, pack_tables, parse, unpack_tables
from sdn_lab.control.obituary import obituary
from sdn_lab.control.site import facts_of
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.tls import Identity

Spawn = Callable[[Sequence[str], Mapping[str, str]], Child]

_START_S = 20.0
_SETTLE_S = 30.0
_ENTRY_S = 0.001  # more patience for each entry: a large program is read, sent and dumped for minutes
_WORDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a push to one datapath came to: operations sent, and entries held after it.

    *differs* says what is held after it and was not pushed, or the other way round; empty if nothing.
    """

    added: int
    modified: int
    deleted: int
    held: int
    differs: str = ""


class Controller:
    """One controller process and what it said so far."""

    def __init__(
        self,
        spawn: Spawn,
        *,
        app: str,
        host: str,
        l4_port: int,
        scenario: Scenario,
        assignment: Assignment,
        program: Program | None = None,
        framework: str = "os_ken",
        identity: Identity | None = None,
        notice: Callable[[], None] | None = None,
    ) -> None:
        """*app* is a name or a path (InputError if there is no such app); *l4_port* 0 takes a free one.

        With an *identity* it speaks TLS only; without, plain TCP.  With *notice*, the death of the process is
        no failure: *notice* is called then, and when a datapath leaves, and should see to it.
        """
        self._spawn = spawn
        self._path = apps.find(app)
        self.app = app
        self.host = host
        self.l4_port = l4_port
        self._chosen = framework
        self.framework = framework
        """By its name; once started, with its version."""
        self.pushes = False
        """Whether the app confirms what it pushes; known once started."""
        self._scenario = scenario
        self._assignment = assignment
        self._program = program
        self._identity = identity
        self._notice = notice
        self.dead: str | None = None
        """How the process died; None while it lives, and where its death is a failure."""
        self._generation = 0
        self._dpids = {dp.dpid: name for name, dp in assignment.datapaths.items()}
        self._child: Child | None = None
        self._changed = threading.Condition()
        self._telling = threading.RLock()  # a process that is new is told to begin before anything else
        self._born = False
        self._ended = False
        self._ready = False
        self._failure: str | None = None
        self._joined: set[str] = set()
        self._confirmed: dict[str, Confirmation] = {}
        self._dumped: dict[str, tuple[Any, str]] = {}
        self._asked = 0
        self._settled = 0
        self._said: deque[str] = deque(maxlen=_WORDS)

    def start(self) -> None:
        """Start the process and wait until its app listens; `l4_port` then says where.

        Raises LabError if it cannot: a busy port, an app that does not load.
        """
        argv, env = command(self._path, self._chosen, self.host, self.l4_port)
        with self._telling:
            self._child = self._spawn(argv, env)
            reader = threading.Thread(
                target=self._listen, args=(self._child,), name="controller", daemon=True
            )
            reader.start()
            self._send(
                command="begin",
                facts=facts_of(self._scenario, self._assignment),
                tables=self._pack(self._program),
                generation=self._generation,
                identity=None if self._identity is None else asdict(self._identity),
            )
        self._wait(lambda: self._ready or self.dead is not None, _START_S, "to start")

    def restart(self) -> None:
        """Start another process in the place of one that died, at the same address.

        It is told what is wanted now; who waited for the old one to come to rest waits no more.  Raises
        LabError.
        """
        if self._child is not None:
            self._child.kill()
        with self._changed:
            self.dead, self._ready, self._settled = None, False, self._asked
        self.start()

    def whole(self) -> bool:
        """Say whether the process lives and every datapath holds what it should."""
        with self._changed:
            return self._whole()

    def await_whole(self, *, timeout_ms: int) -> None:
        """Wait until it is `whole`, or dead again.  Raises LabError."""
        done = lambda: self._whole() or self.dead is not None  # noqa: E731
        self._wait(done, timeout_ms / 1000, "for its datapaths", self._missing)

    def died_within(self, seconds: float) -> bool:
        """Say whether the process is dead, or dies within some time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.dead is not None, seconds)

    def fail(self, text: str) -> None:
        """Let the next call that waits raise this."""
        with self._changed:
            self._fail(text)
            self._changed.notify_all()

    def push(self, program: Program, *, least: bool = False) -> None:
        """Want *program* from now on; `wait_confirmed` waits for it.  For apps that push.

        *least* trusts that datapaths hold what they confirmed last, and touches nothing else (`Pusher`).
        """
        told = program
        if least and self._program is not None:
            before = self._program.tables
            told = Program(tables={n: t for n, t in program.tables.items() if before.get(n) != t})
        with self._changed:
            self._program = program
            self._generation += 1
            self._confirmed.clear()
            generation = self._generation
        facts = facts_of(self._scenario, self._assignment)
        tables = self._pack(told)
        self._send(command="program", facts=facts, tables=tables, generation=generation, least=least)

    def move_to(self, scenario: Scenario, assignment: Assignment) -> None:
        """Be the controller of this lab from the next `push` on: the same datapaths, perhaps other ports."""
        with self._changed:
            self._scenario, self._assignment = scenario, assignment

    def wait_confirmed(self, *, timeout_ms: int, progress: Progress) -> Mapping[str, Confirmation]:
        """Wait until every datapath has confirmed its program; by hypervisor, what it came to.

        With an app that confirms nothing (a learning switch), wait until every datapath has joined and
        the app has come to rest; the answer is then empty.
        """
        total = len(self._dpids)

        def done() -> bool:
            reached = self._confirmed.keys() if self.pushes else self._joined
            progress("datapaths confirmed" if self.pushes else "datapaths joined", len(reached), total)
            return len(reached) == total

        self._wait(done, timeout_ms / 1000, "for its datapaths", self._missing)
        if not self.pushes:
            self.settle()
        return {self._dpids[dpid]: c for dpid, c in self._confirmed.items()}

    def settle(self) -> None:
        """Wait until the controller has nothing left to do.  See `sdn_lab.control.settle`."""
        with self._changed:
            self._asked += 1
            number = self._asked
        self._send(command="settle", n=number)
        self._wait(lambda: self._settled >= number, _SETTLE_S, "to come to rest")

    def dump(self, hypervisor: str, *, timeout_ms: int = 10_000) -> Tables:
        """Return what a datapath tells the controller that it holds."""
        dpid = self._assignment.datapaths[hypervisor].dpid
        with self._changed:
            self._dumped.pop(dpid, None)
        self._send(command="dump", dpid=dpid)
        self._wait(lambda: dpid in self._dumped, timeout_ms / 1000, f"for a dump of {hypervisor}")
        packed, text = self._dumped[dpid]
        if packed is None:
            raise LabError(f"the controller cannot dump {hypervisor}: {text}")
        return unpack_tables(packed)

    def check(self) -> None:
        """Raise LabError if the controller has failed since it was last waited for."""
        with self._changed:
            self._raise_if_failed()

    @property
    def said(self) -> tuple[str, ...]:
        """The last warnings of apps, framework and switches."""
        with self._changed:
            return tuple(self._said)

    def stop(self) -> None:
        """End the process; idempotent."""
        if self._child is not None:
            with self._changed:
                self._ended = True
            self._child.kill()

    # -- what the child says

    def _listen(self, child: Child) -> None:
        """Take in events until the child ends: the body of a thread."""
        try:
            for text in child.stdout:
                if text.endswith("\n"):  # or it was cut short by a kill
                    self._hear(text)
        except (ValueError, OSError):
            pass  # closed under us by `stop`
        with self._changed:
            if not self._ended and child is self._child:
                self._lose(obituary(child))
            self._changed.notify_all()

    def _lose(self, text: str) -> None:
        """The process died.  What it would have said of its datapaths is not known any more."""
        if self._notice is None or not self._born:
            self._fail(text)
            return
        self.dead = text
        self._joined.clear()
        self._confirmed.clear()
        self._notice()

    def _hear(self, text: str) -> None:
        with self._changed:
            try:
                event = parse(text)
                getattr(self, f"_on_{event.pop('event')}")(**event)
            except (ValueError, TypeError, LookupError, AttributeError):
                self._fail(f"the controller said something that cannot be read: {text[:80].strip()}")
            self._changed.notify_all()

    def _on_ready(self, *, host: str, l4_port: int, framework: str, pushes: bool) -> None:
        self.host, self.l4_port, self.framework, self.pushes = host, l4_port, framework, pushes
        self._ready = self._born = True

    def _on_joined(self, *, dpid: str) -> None:
        self._joined.add(dpid)

    def _on_left(self, *, dpid: str) -> None:
        self._joined.discard(dpid)
        self._confirmed.pop(dpid, None)
        if self._notice is not None:
            self._notice()

    def _on_confirmed(
        self, *, dpid: str, generation: int, lacking: Any, surplus: Any, differing: int, **counts: int
    ) -> None:
        if generation != self._generation:
            return  # of a program that is no longer wanted
        told = ""
        if differing:
            told = differs(self._name(dpid), unpack_tables(lacking), unpack_tables(surplus), differing)
        self._confirmed[dpid] = Confirmation(**counts, differs=told)

    def _on_rejected(self, *, dpid: str, **what: Any) -> None:
        self._fail(rejected(dpid, self._name(dpid), self._tables(dpid), self._scenario.sources, **what))

    def _on_unreadable(self, *, dpid: str, text: str) -> None:
        self._fail(f"{self._name(dpid)} dumped something that cannot be read: {text}")

    def _on_dumped(self, *, dpid: str, tables: Any, text: str) -> None:
        self._dumped[dpid] = (tables, text)

    def _on_settled(self, *, n: int) -> None:
        self._settled = n

    def _on_complained(self, *, dpid: str, text: str) -> None:
        self._said.append(f"{self._name(dpid)}: {text}")

    def _on_said(self, *, text: str) -> None:
        if text not in self._said:  # a switch that is refused tries again every second
            self._said.append(text)

    def _on_crashed(self, *, where: str, text: str, trace: str) -> None:
        self._said.append(trace)
        self._fail(f"the controller app {self.app} crashed in {where}: {text}")

    def _on_failed(self, *, text: str) -> None:
        self._fail(text)

    # -- waiting, failing

    def _wait(
        self,
        done: Callable[[], bool],
        timeout_s: float,
        what: str,
        missing: Callable[[], str] = lambda: "",
    ) -> None:
        if self._program is not None:
            timeout_s += _ENTRY_S * sum(len(tables.entries) for tables in self._program.tables.values())
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                self._raise_if_failed()
                if done():
                    return
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    self._raise_if_failed()
                    raise LabError(
                        f"the controller was given {timeout_s:g} s {what}, and was not done{missing()}"
                    )

    def _whole(self) -> bool:
        reached = self._confirmed.keys() if self.pushes else self._joined
        return self._ready and self.dead is None and len(reached) == len(self._dpids)

    def _missing(self) -> str:
        reached = self._confirmed.keys() if self.pushes else self._joined
        out = sorted(name for dpid, name in self._dpids.items() if dpid not in reached)
        absent = sorted(name for dpid, name in self._dpids.items() if dpid not in self._joined)
        never = f" ({', '.join(absent)} never connected)" if absent else ""
        return f": {', '.join(out)} missing{never}"

    def _fail(self, text: str) -> None:
        self._failure = self._failure or text

    def _raise_if_failed(self) -> None:
        if self._failure is not None:
            raise LabError(self._failure)

    def _send(self, **command: Any) -> None:
        if self._child is None:
            raise LabError("the controller was not started")
        try:
            with self._telling:
                self._child.stdin.write(line(**command))
                self._child.stdin.flush()
        except (OSError, ValueError) as error:
            if self._notice is not None and self._born:
                return  # the next one is told when it begins
            self._wait_for_obituary()
            raise LabError("the controller no longer takes commands") from error

    def _wait_for_obituary(self) -> None:
        """Prefer the reader's account of the end to a broken pipe."""
        deadline = time.monotonic() + 2.0
        with self._changed:
            while self._failure is None and self._changed.wait(max(0.0, deadline - time.monotonic())):
                pass
            self._raise_if_failed()

    def _pack(self, program: Program | None) -> dict[str, Any]:
        if program is None:
            return {}
        return {
            self._assignment.datapaths[name].dpid: pack_tables(tables)
            for name, tables in program.tables.items()
        }

    def _name(self, dpid: str) -> str:
        return self._dpids.get(dpid, f"datapath {dpid}")

    def _tables(self, dpid: str) -> Tables:
        name = self._dpids.get(dpid, "")
        return self._program.tables.get(name, Tables()) if self._program is not None else Tables()
