"""A lab that runs in this process: the simulator as `contracts.Backend` and `contracts.RunningLab`.

    lab = SimBackend().start(scenario, assignment, seed=0, progress=...)
    lab.connect("127.0.0.1", 6653, settle)      # a real controller over TCP, or
    lab.program({"hv1": tables})                # tables loaded without one
    lab.exchange(window)                        # what the probes do
    lab.ping("red/vm1", "red/vm3")              # what a person does

Time is virtual and stands still while the controller has anything to do.  An exchange runs until nothing is
left to happen, so a marker that is missing did not and will not arrive, and no grace is needed.  Equal
scenario, tables, windows and *seed* give equal captures; the seed says which frames a link with loss loses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from sdn_lab import __version__, process, process_ahead
from sdn_lab.backends.as_built import as_built
from sdn_lab.backends.fabric import cut_links
from sdn_lab.backends.sim import programs
from sdn_lab.backends.sim.awake import awake
from sdn_lab.backends.sim.change import change
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.connection import Channel
from sdn_lab.backends.sim.instance import Instance
from sdn_lab.backends.sim.listening import Ear
from sdn_lab.backends.sim.network import Network
from sdn_lab.backends.sim.ran import Ran
from sdn_lab.backends.sim.switch import Switch
from sdn_lab.backends.sim.tracked import tracked
from sdn_lab.contracts import Child, Progress, RunningLab
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import IPAddress, Scenario
from sdn_lab.model.mended import Mended
from sdn_lab.model.observation import Captured, WatchPoint, Window
from sdn_lab.model.succession import succession
from sdn_lab.model.tracked import Tracked
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.conntrack_key import Key
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.interpret import PacketIn
from sdn_lab.openflow.interpret_result import OVERLAP
from sdn_lab.openflow.packet_parse import TCP, UDP
from sdn_lab.openflow.snapshot import DatapathState, Snapshot
from sdn_lab.openflow.wire import reply
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.tls import Identity

_WINDOW_NS = 1_000_000  # time that passes with every exchange
_SECOND_NS = 1_000_000_000
_FIRST_OWN_PORT = 0x8000
_PAYLOAD = b"sdn-lab"


class SimLab:
    """A running lab.  One caller at a time, as with every `RunningLab`."""

    name = "sim"
    controller_host = "127.0.0.1"

    def __init__(self, scenario: Scenario, assignment: Assignment, seed: int = 0) -> None:
        self.scenario, self.assignment = scenario, assignment
        self.clock = Clock()
        self.network = Network(scenario, assignment, self.clock, seed)
        self._channel = Channel(self._on_idle)
        self._children: list[process.Spawned] = []
        self._busy = False
        self._failed: LabError | None = None
        self._own_port = _FIRST_OWN_PORT
        for hypervisor, switch in self.network.integration.items():
            switch.on_packet_in = partial(self._packet_in, hypervisor, switch)

    # -- RunningLab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        for child in self._children:
            child.kill()
        self._children.clear()

    def spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start a program beside us.  It dies with the lab, and with this process."""
        child = process_ahead.take(argv, env) or process.spawn(argv, env=env)
        self._children.append(child)
        return child

    def connect(
        self,
        host: str,
        l4_port: int,
        settle: Callable[[], None],
        identities: Mapping[str, Identity] | None = None,
    ) -> None:
        """Connect every integration bridge to a controller; return when both sides rest."""
        self._channel.connect(self.network.integration.values(), host, l4_port, settle, identities)

    def snapshot(self) -> Snapshot:
        """Dump every datapath."""
        with self._channel.lock:
            states = {}
            for name, switch in sorted(self.network.switches.items()):
                switch.expire()
                states[name] = DatapathState(
                    name=name, tables=switch.tables(), fail_mode=switch.fail_mode, ports=dict(switch.behind)
                )
            return Snapshot(datapaths=states, assignment=self.assignment)

    def exchange(self, window: Window) -> Captured:
        """Inject, run until nothing is left to happen, return what was seen."""
        with self.working() as unsure:
            began = self.clock.now_ns
            for injection in window.injections:
                self.clock.plan(partial(self.network.inject, injection))
            self._run()
            self.clock.pass_until(self.clock.now_ns + _WINDOW_NS)
            captures = self.network.captures
            choices = tuple(note for note in unsure() if note.endswith(OVERLAP))
            return Captured(
                captures=captures,
                missing=tuple(
                    (point, nonce)
                    for point, nonce in window.markers
                    if not any(c.point == point and nonce in c.frame for c in captures)
                ),
                lost=len(unsure()) - len(choices) + self.network.wires.lost,
                choices=tuple(dict.fromkeys(choices)),
                waited_ms=(self.clock.now_ns - began) / 1e6,
            )

    def versions(self) -> Mapping[str, str]:
        return {"sdn-lab simulator": __version__}

    def outlive(self) -> None:
        """Do nothing: a datapath that dies is this process, and the lab's children die without it minding."""

    def mended(self) -> Sequence[Mended]:
        """Return nothing."""
        return ()

    def restore(self, datapaths: Sequence[str]) -> None:
        """Make these again what was built."""
        states = as_built(self.scenario, self.assignment)
        with self.working():
            for name in datapaths:
                self.network.switches[name].fail_mode = states[name].fail_mode
                if name not in self.network.integration:
                    self.network.switches[name].load(states[name].tables)

    # -- the underlay

    def cut(self, link: Collection[str]) -> None:
        """Cut an underlay link."""
        with self._channel.lock:
            self.network.wires.cut(link)

    def mend(self, link: Collection[str]) -> None:
        """Let a link carry again."""
        with self._channel.lock:
            self.network.wires.mend(link)

    def stand_still(self, hypervisor: str, *, still: bool) -> bool:
        """Have a hypervisor's switches, and so its instances, do nothing with any frame."""
        with self.working():
            for switch in (self.network.integration[hypervisor], self.network.physical[hypervisor]):
                switch.still = still
        return True

    def remarks(self) -> tuple[str, ...]:
        """Name the links that are cut, and who stands still; everything else is as written."""
        still = sorted(name for name, switch in self.network.integration.items() if switch.still)
        return (
            *cut_links(self.network.wires.down),
            *(f"the hypervisor {name} stands still, with all that is on it" for name in still),
        )

    # -- changing it

    def change(self, scenario: Scenario, assignment: Assignment) -> None:
        """Let instances go, come and move until they are as in *scenario*."""
        todo = succession(self.scenario, self.assignment, scenario, assignment)
        with self.working():
            told = change(self.network, self.assignment, scenario, assignment, todo)
            self.scenario, self.assignment = scenario, assignment
            for switch, reason, state in told:
                connection = self._channel.connections.get(switch.name)
                if connection is not None and connection.open:
                    connection.agent.port_status(reason, state)
            self._run()

    def take_effect(self) -> None:
        """Let what is on its way arrive.  What a switch holds it does at once."""
        with self.working():
            self._run()

    def tracked(self) -> tuple[Tracked, ...]:
        """Return every flow that is tracked."""
        with self._channel.lock:
            return tuple(flow for _, flow, _ in self._tracked())

    def forget(self, flows: Collection[Tracked], zones: Collection[tuple[str, int]] = ()) -> None:
        """Forget flows, and all that is tracked in zones (hypervisor, zone)."""
        wanted = set(flows)
        with self._channel.lock:
            for tracker, flow, key in list(self._tracked()):
                if flow in wanted or (flow.hypervisor, flow.zone) in zones:
                    tracker.forget(key)

    def _tracked(self) -> Iterator[tuple[Tracker, Tracked, Key]]:
        for hypervisor, switch in self.network.integration.items():
            if switch.tracker is not None:
                for flow, key in tracked(hypervisor, switch.tracker, self.clock.now_ns):
                    yield switch.tracker, flow, key

    # -- without a controller

    def program(self, tables: Mapping[str, Tables]) -> None:
        """Give hypervisors their tables, replacing what they hold.  Raises LabError."""
        with self.working():
            for hypervisor, wanted in tables.items():
                try:
                    self.network.integration[hypervisor].load(wanted)
                except KeyError:
                    raise LabError(f"there is no hypervisor {hypervisor} in this lab") from None
                except WireError as refused:
                    raise LabError(f"{hypervisor} refuses its tables: {refused.why}") from None

    def advance(self, seconds: float) -> None:
        """Let virtual time pass: entries end, and the controller hears of it."""
        with self.working():
            target = self.clock.now_ns + int(seconds * _SECOND_NS)
            while True:
                ends = [s.table.next_end_ns() for s in self.network.switches.values()]
                due = min((end for end in ends if end is not None), default=target)
                self.clock.pass_until(min(due, target))
                for switch in self.network.switches.values():
                    switch.expire()
                if due >= target:
                    break
            self._run()

    def set_link(self, port: str, *, up: bool) -> None:
        """Plug or unplug an instance; the controller hears of it."""
        with self.working():
            datapath, attachment = self.assignment.locate(port)
            state = self.network.integration[datapath.hypervisor].set_link(attachment.of_port, up=up)
            connection = self._channel.connections.get(datapath.hypervisor)
            if connection is not None and connection.open:
                connection.agent.port_status(reply.PORT_MODIFIED, state)
                self._run()

    def switch(self, name: str) -> Switch:
        """Return a datapath by its name, to look at counters or to change its fail mode."""
        return self.network.switches[name]

    # -- as a person in an instance would

    def ping(self, src: str, dst: str, family: int = 4) -> bool:
        """Send an echo request from one port to another's address; say whether that port answered."""
        with self._awake(src, dst, family) as (sender, to, own):
            sender.ping(to, own)
            return self._answered("echo", sender, dst, to, own)

    def tcp_connect(self, src: str, dst: str, l4_port: int, family: int = 4) -> bool:
        """Open a connection to a listening port, exchange data; say whether it came back."""
        with self._awake(src, dst, family, (TCP, l4_port)) as (sender, to, own):
            sender.connect(to, l4_port, own, _PAYLOAD)
            return self._answered("data", sender, dst, to, own)

    def udp(self, src: str, dst: str, l4_port: int, family: int = 4) -> bool:
        """Send a datagram to a listening port; say whether its echo came back."""
        with self._awake(src, dst, family, (UDP, l4_port)) as (sender, to, own):
            sender.datagram(to, l4_port, own, _PAYLOAD)
            return self._answered("data", sender, dst, to, own)

    def execute(
        self,
        node: str,
        argv: Sequence[str],
        env: Mapping[str, str],  # noqa: ARG002 (there are no programs that could read it)
        directory: str,  # noqa: ARG002
        descriptors: Sequence[int],
    ) -> Ran:
        """Do what a few programs would do, at a port or on a hypervisor: see `programs`."""
        return programs.run(self, node, argv, descriptors)

    def listen(self, points: Sequence[WatchPoint]) -> Ear:
        """Overhear everything that passes these points.  Raises LabError where nobody can listen."""
        return Ear(self.network, points)

    def rest(self) -> None:
        """Do nothing: between exchanges there is nobody here who could speak."""

    @contextmanager
    def awake(self, *who: Instance, service: tuple[int, int] | None = None) -> Iterator[int]:
        """Wake all instances for the block, each with *service* open; give a source port of its own.

        What they send happens when `run` is called.  *who* are those that are asked anything.
        """
        with self.working():
            self._own_port = _FIRST_OWN_PORT + (self._own_port + 1) % _FIRST_OWN_PORT
            with awake(self.network, who, service):
                yield self._own_port
            self.clock.pass_until(self.clock.now_ns + _WINDOW_NS)

    def run(self) -> None:
        """Let everything happen that follows from what was sent.  Inside `awake`."""
        self._run()

    def _answered(self, what: str, sender: Instance, dst: str, to: IPAddress, own: int) -> bool:
        """Let it happen; say whether the answer came, and from the port that was meant.

        Another tenant's port may have the same address, and be the one that answers.
        """
        self._run()
        heard = (what, to, own, _PAYLOAD) in sender.heard
        return heard and what in self.network.instances[dst].served

    @contextmanager
    def _awake(
        self, src: str, dst: str, family: int, service: tuple[int, int] | None = None
    ) -> Iterator[tuple[Instance, IPAddress, int]]:
        """Wake all instances for the block, with *service* open at *dst*."""
        instances = self.network.instances
        for port in (src, dst):
            if port not in instances:
                raise LabError(f"there is no port {port} in this lab")
        to = instances[dst].address(family)
        if to is None or instances[src].address(family) is None:
            raise LabError(f"{src} and {dst} do not both have an IPv{family} address")
        with self.awake(instances[src], instances[dst]) as own:
            if service is not None:
                instances[dst].listening.add(service)
            yield instances[src], to, own

    # -- what moves it

    @contextmanager
    def working(self) -> Iterator[Callable[[], list[str]]]:
        """Hold the lab still for the block, with nothing captured yet.

        Gives what tells which results were not the only ones possible.
        """
        switches = self.network.switches.values()
        with self._channel.lock:
            if self._failed is not None:
                raise self._failed
            self._busy = True
            self.network.begin()
            for switch in switches:
                switch.unsure.clear()
            try:
                yield lambda: [note for switch in switches for note in switch.unsure]
            finally:
                self._busy = False

    def _run(self) -> None:
        """Do what is planned until nothing is; ask the controller before time passes."""
        try:
            while True:
                self.clock.finish_moment()
                if self._channel.outstanding():
                    self._channel.rest()
                elif self.clock.next_ns() is None:
                    return
                else:
                    self.clock.step()
        except LabError:
            self.clock.clear()
            raise

    def _packet_in(self, hypervisor: str, switch: Switch, found: PacketIn) -> None:
        self.network.see_packet_in(hypervisor, found)
        connection = self._channel.connections.get(switch.name)
        if connection is not None and connection.open:
            connection.agent.packet_in(found)

    def _on_idle(self) -> None:
        """The controller sent something while nobody works: let what it caused happen."""
        if self._busy or self._failed is not None:
            return
        try:
            while self.clock.next_ns() is not None:
                self.clock.step()
            self.network.begin()
        except LabError as fault:
            self.clock.clear()
            self._failed = fault


@dataclass(frozen=True, slots=True)
class SimBackend:
    """Makes labs in this process."""

    name: str = "sim"

    def start(
        self, scenario: Scenario, assignment: Assignment, *, seed: int, progress: Progress
    ) -> RunningLab:
        """Build the lab: every datapath ``secure`` and empty, the physical bridges closed but to peers."""
        progress("start", 0, 1)
        lab = SimLab(scenario, assignment, seed)
        progress("start", 1, 1)
        return lab
