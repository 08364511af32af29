"""The lab daemon: first process of a lab's namespaces, owner of everything in them.

The chain of death
------------------
::

    command  --spawns-->  keeper  --forks-->  daemon = process 1  --spawns-->  shells, Open vSwitch, ...

- The *keeper* makes the new namespaces; a new pid namespace begins with its child, so a process between
  is needed.  It waits, and says how the daemon ended.
- Keeper and daemon get SIGKILL when their parent dies (`process.die_with_parent`).  Killing the one that
  spawned ``unshare --kill-child`` would *not* kill its child; hence a signal on every level.
- The daemon cannot see its parent's pid (it lives outside: getppid() is 0 whether it lives or not), so
  for the race between fork and prctl it looks at a pipe that the keeper alone holds open.
- When the daemon dies, of whatever, the kernel kills every process in its pid namespace; with the last
  process go the network namespaces with their interfaces, and the mount namespace with its /run.
- The death of any process that the lab needs is noticed by `watch`, and named to the command.
- The daemon also ends when the command's end of the socket closes.

Requests
--------
One at a time, over the `channel`: a JSON object with ``op``, answered by one without ``error``, or with;
``progress`` messages may come before the answer.  See `_Daemon` for the verbs.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, NoReturn

from sdn_lab.backends.mininet import kernel_datapath
from sdn_lab.backends.mininet.build import THREADS, Built, build, know_peers
from sdn_lab.backends.mininet.change import change
from sdn_lab.backends.mininet.connecting import connect
from sdn_lab.backends.mininet.exchange import Exchange
from sdn_lab.backends.mininet.hearing import deafen, hear
from sdn_lab.backends.mininet.keeper import keep, say
from sdn_lab.backends.mininet.listening import open_point
from sdn_lab.backends.mininet.namespaces import settle_in
from sdn_lab.backends.mininet.nodes import Instance
from sdn_lab.backends.mininet.ovs import INTEGRATION, PHYSICAL
from sdn_lab.backends.mininet.plan import Plan
from sdn_lab.backends.mininet.programs import Programs, anybody_in
from sdn_lab.backends.mininet.restore import restore
from sdn_lab.backends.mininet.revive import menders
from sdn_lab.backends.mininet.watch import Watch
from sdn_lab.backends.mininet.windows import telling, window_of
from sdn_lab.channel import Channel, Closed
from sdn_lab.model.diagnostic import ApparatusError, LabError
from sdn_lab.model.observation import PointKind, WatchPoint
from sdn_lab.process import die_with_parent
from sdn_lab.tls import Identity

_TICK_MS = 200
_NEIGHBOURS_AGE_S = 300  # Open vSwitch forgets them after 900
_OBITUARY_MS = 200
_GUARD_S = 0.1
_PATIENCE_S = 0.8

Reply = tuple[dict[str, Any], list[int]]


class _Daemon:
    """The state behind the requests."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._watch = Watch()
        self._built: Built | None = None
        self._exchange: Exchange | None = None
        self._programs = Programs()
        self._hearing = False
        self._fresh = False  # what waits in the sockets is of no interest
        self._neighbours_at = 0.0
        self._busy = False  # with a request
        self._answering = threading.Lock()

    def serve(self) -> None:
        """Answer requests until the command closes or dies."""
        verbs: Mapping[str, Callable[[Mapping[str, Any]], Reply]] = {
            "build": self.build,
            "spawn": self.spawn,
            "poll": self.poll,
            "kill": self.kill,
            "signal": self.signal,
            "rest": self.rest,
            "listen": self.listen,
            "connect": self.connect,
            "snapshot": self.snapshot,
            "restore": self.restore,
            "underlay": self.underlay,
            "change": self.change,
            "control": self.control,
            "exchange": self.exchange,
            "load": self.load,
            "versions": self.versions,
            "processes": self.processes,
            "outlive": self.outlive,
            "mended": self.mended,
            "close": self.close,
        }
        threading.Thread(target=self._guard, name="guard", daemon=True).start()
        while True:
            request = self._next_request()
            self._busy = True
            descriptors: list[int] = []
            try:
                answer, descriptors = verbs[request["op"]](request)
            except ApparatusError as error:
                answer = {"error": str(error), "kind": "apparatus"}
            except LabError as error:
                self._watch.note(_OBITUARY_MS)  # a death is the better reason
                answer = {"error": self._watch.failure or str(error), "kind": "lab"}
            except Closed:
                raise
            except Exception as error:  # noqa: BLE001 (Mininet raises bare ones; the command shall know)
                said = " ".join(str(error).split())
                traceback.print_exc()
                self._watch.note(_OBITUARY_MS)
                answer = {
                    "error": self._watch.failure or f"{request['op']} failed: {type(error).__name__}: {said}",
                    "kind": "lab",
                }
            with self._answering:
                self._channel.send(answer, descriptors)
                self._busy = False
            for descriptor in (*descriptors, *request["descriptors"]):
                os.close(descriptor)

    def _guard(self) -> None:
        """Answer in the main thread's place if a needed process has died and the request hangs on it.

        Mininet waits for its shells without a limit.  The lab ends then.
        """
        failed_at: float | None = None
        while True:
            time.sleep(_GUARD_S)
            self._watch.note()
            if self._watch.failure is None or not self._busy:
                failed_at = None
                continue
            failed_at = failed_at or time.monotonic()
            if time.monotonic() - failed_at < _PATIENCE_S:
                continue
            with self._answering:
                if self._busy:
                    self._channel.send({"error": self._watch.failure, "kind": "lab"})
                    os._exit(0)

    def build(self, request: Mapping[str, Any]) -> Reply:
        """Build the lab of ``plan``."""

        def progress(what: str, done: int, total: int) -> None:
            with self._answering:
                self._channel.send({"progress": [what, done, total]})

        self._built = build(Plan.from_json(request["plan"]), self._watch, progress)
        self._exchange = Exchange(self._built)
        self._neighbours_at = time.monotonic()
        return {}, []

    def spawn(self, request: Mapping[str, Any]) -> Reply:
        """Start ``argv`` with ``env`` at the instance of ``port``, at ``hypervisor``, or in management.

        The answer carries its pipes: standard input, output, error; if these came with the request, a pidfd.
        """
        node, env = self._place(request)
        given, directory = request["descriptors"], request.get("directory", "")
        child, descriptors = self._programs.start([*node.into, *request["argv"]], env, given, directory)
        management = "port" not in request and "hypervisor" not in request
        if management and self._exchange is not None:
            self._exchange.reckon_with(child.pid)
        name = "the controller" if management else "a program"
        self._watch.own(name, child, may_finish=True, may_fail=not management)
        return {"child": child.pid}, descriptors

    def poll(self, request: Mapping[str, Any]) -> Reply:
        """Return the exit status of a ``child``, or null."""
        return {"status": self._programs[request["child"]].poll()}, []

    def kill(self, request: Mapping[str, Any]) -> Reply:
        """End a ``child``; its end is not a failure of the lab."""
        child = self._programs[request["child"]]
        self._watch.disown(child)
        child.kill()
        return {"status": child.poll()}, []

    def signal(self, request: Mapping[str, Any]) -> Reply:
        """Send signal ``number`` to a ``child`` and what it started."""
        self._programs.signal(request["child"], request["number"])
        return {}, []

    def listen(self, request: Mapping[str, Any]) -> Reply:
        """Hand over sockets on which everything is heard that passes ``point``."""
        kind, name = request["point"]
        return {}, open_point(self._lab(), WatchPoint(kind=PointKind(kind), name=name))

    def rest(self, _request: Mapping[str, Any]) -> Reply:
        """Frames will not be exchanged for a while: let instances hear in which somebody runs something."""
        nodes = self._lab().instances.values()
        if not self._hearing and anybody_in([n.pid for n in nodes], [n.pid for n in nodes]):
            self._make_deaf(False)
        return {}, []

    def connect(self, request: Mapping[str, Any]) -> Reply:
        """Connect every integration bridge to ``target``, under its own of ``identities`` if there are."""
        identities = {name: Identity(**told) for name, told in request["identities"].items()}
        connect(self._lab().switches, request["target"], identities, request["timeout_s"], self._watch.check)
        self._fresh = True
        return {}, []

    def snapshot(self, _request: Mapping[str, Any]) -> Reply:
        """Dump all bridges."""
        self._watch.check()
        switches = self._lab().switches
        with ThreadPoolExecutor(THREADS) as pool:
            told = pool.map(
                lambda s: {bridge: s.dump(bridge) for bridge in (INTEGRATION, PHYSICAL)}, switches.values()
            )
            return dict(zip(switches, told, strict=True)), []

    def restore(self, request: Mapping[str, Any]) -> Reply:
        """Make ``bridges``, by hypervisor, again what was built."""
        built = self._lab()
        for hypervisor in built.plan.hypervisors:
            wanted = request["bridges"].get(hypervisor.name, ())
            restore(built.switches[hypervisor.name], hypervisor, built.plan, wanted)
        return {}, []

    def change(self, request: Mapping[str, Any]) -> Reply:
        """Let instances go, come and move until they are as in ``plan``."""
        built = self._lab()
        assert self._exchange is not None
        self._watch.check()
        wanted = Plan.from_json(request["plan"])
        change(built, wanted, self._watch, self._exchange, hearing=self._hearing)
        return {}, []

    def control(self, request: Mapping[str, Any]) -> Reply:
        """Give ``commands`` to ovs-vswitchd and ``bundle`` to br-int, by hypervisor; return the answers."""
        switches = self._lab().switches
        self._watch.check()
        said = {name: switches[name].control(commands) for name, commands in request["commands"].items()}
        for name, lines in request["bundle"].items():
            switches[name].bundle(lines)
        return {"said": said}, []

    def exchange(self, request: Mapping[str, Any]) -> Reply:
        """Do one window of frames."""
        self._lab()
        assert self._exchange is not None
        self._watch.check()
        if self._hearing:
            self._make_deaf(True)
        self._keep_peers()
        if self._fresh:
            self._exchange.forget()
            self._fresh = False
        return telling(self._exchange.run(window_of(request), self._watch.check)), []

    def underlay(self, request: Mapping[str, Any]) -> Reply:
        """Let each link of ``cut`` carry nothing, each of ``mend`` again; say what is not as written."""
        wires = self._lab().wires
        for link in request["cut"]:
            wires.cut(link)
        for link in request["mend"]:
            wires.mend(link)
        return {"remarks": wires.remarks()}, []

    def load(self, request: Mapping[str, Any]) -> Reply:
        """Add ``flows`` (ovs-ofctl text) to the integration bridge of ``hypervisor``."""
        self._lab().switches[request["hypervisor"]].load(INTEGRATION, request["flows"])
        return {}, []

    def versions(self, _request: Mapping[str, Any]) -> Reply:
        """Say what forwards."""
        told = next(iter(self._lab().switches.values())).ofctl("--version").splitlines()[0].split()[-1]
        kernels = self._lab().plan.datapath == kernel_datapath.TYPE
        forwards = kernel_datapath.NAME if kernels else "userspace (netdev)"
        return {"Open vSwitch": told, "datapath": forwards, "Linux": platform.release()}, []

    def processes(self, _request: Mapping[str, Any]) -> Reply:
        """Name every process that the lab needs, with its pid here."""
        return {"owned": self._watch.census()}, []

    def outlive(self, _request: Mapping[str, Any]) -> Reply:
        """From now on restart what dies of the datapaths; the controller's death is the caller's business."""
        assert self._exchange is not None
        self._watch.mending(menders(self._lab(), self._watch, self._exchange), ("the controller",))
        self._exchange.tolerant = True
        for switch in self._lab().switches.values():
            switch.retry_often()
        return {}, []

    def mended(self, _request: Mapping[str, Any]) -> Reply:
        """Say what has been restarted."""
        return {"mended": [asdict(m) for m in self._watch.mended]}, []

    def close(self, _request: Mapping[str, Any]) -> Reply:
        """Say a last time that nothing has died.  The command then closes the socket."""
        self._watch.check()
        return {}, []

    def _lab(self) -> Built:
        if self._built is None:
            raise LabError("the lab has not been built")
        return self._built

    def _place(self, request: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        built = self._lab()
        env: Mapping[str, str] = request["env"]
        if "hypervisor" in request:
            name = request["hypervisor"]
            return built.hypervisors[name], {**env, **built.switches[name].environment}
        if "port" not in request:
            self._fresh = True
            return built.management, env
        if not self._hearing:
            self._make_deaf(False)
        return self._instance_of(request["port"]), env

    def _instance_of(self, port: str) -> Instance:
        built = self._lab()
        for planned in built.plan.instances:
            if any(p.path == port for p in planned.ports):
                return built.instances[planned.node]
        raise LabError(f"there is no port {port}")

    def _keep_peers(self) -> None:
        """Let no tunnel endpoint forget its peers: the underlay carries no broadcast to ask for them by."""
        if self._built is None or time.monotonic() - self._neighbours_at < _NEIGHBOURS_AGE_S:
            return
        self._neighbours_at = time.monotonic()
        with contextlib.suppress(LabError):  # a switch that does not answer is dead, and `watch` says so
            for hypervisor in self._built.plan.hypervisors:
                know_peers(hypervisor, self._built)

    def _make_deaf(self, deaf: bool) -> None:
        built = self._lab()
        for planned in built.plan.instances:
            node = built.instances[planned.node]
            if deaf:
                deafen(node.pid, [p.interface for p in planned.ports])
            else:
                hear(node.pid)
        self._hearing = not deaf
        self._fresh = True

    def _next_request(self) -> Mapping[str, Any]:
        waiter = select.poll()
        waiter.register(self._channel.fileno(), select.POLLIN)
        asked = False
        while not asked:  # once at least: whoever asks again and again must not keep us from it
            asked = bool(waiter.poll(_TICK_MS))
            self._watch.reap()
            self._watch.note()
            self._watch.put_right()
            self._keep_peers()
        request, descriptors = self._channel.receive()
        return {**request, "descriptors": descriptors}


def _first_process(channel: Channel, keeper_lives: int) -> NoReturn:
    """Be process 1: never return."""
    die_with_parent(0)
    if select.select([keeper_lives], [], [], 0)[0]:  # the keeper died before we asked
        os._exit(1)
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN: what we start would inherit that
    status = 0
    try:
        settle_in()
        _Daemon(channel).serve()
    except Closed:
        pass
    except BaseException as error:  # noqa: BLE001 (the last place where it can be told)
        traceback.print_exc()
        say(f"the lab daemon failed: {type(error).__name__}: {error}")
        status = 1
    os._exit(status)


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), _first_process))
