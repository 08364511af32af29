"""``sdn-lab shell``: Mininet's words for a running lab.

    nodes net links dump pingall status help exit
    link rack1 spine1 down        cut an underlay link; up mends it
    node spine1 down              have a switch, a site or a hypervisor fail; up brings it back
    red/vm1 ping red/vm3          a program in an instance; the name of a port stands for its address
    hv1 ovs-ofctl -O OpenFlow13 dump-flows br-int

It reads from a pipe as from a terminal.  A program then has no input: the lines that follow are the shell's.

Invariant: a name is replaced by an address of a family that the sender has, IPv4 first, IPv6 after ``-6``.
Tenants' addresses overlap, so where the address means somebody else to the sender, the shell says whom.
"""

from __future__ import annotations

import cmd
import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from sdn_lab.cli import programs
from sdn_lab.cli.labs import tell_link, tell_node
from sdn_lab.cli.status import render
from sdn_lab.model.diagnostic import InputError, SdnLabError
from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.resident.client import Conversation, ask
from sdn_lab.resident.execute import find_node
from sdn_lab.resident.values import loads

_AT_ONCE = 8


class Shell(cmd.Cmd):
    """One session with the lab *name*."""

    prompt = "sdn-lab> "

    def __init__(self, name: str, stdin: IO[str]) -> None:
        super().__init__(stdin=stdin)
        self._name = name
        self._typed = stdin.isatty()
        self.use_rawinput = self._typed
        if not self._typed:
            self.prompt = ""

    # -- Mininet's words

    def do_nodes(self, _: str) -> None:
        """List all nodes."""
        scenario = self._scenario()
        print("instances:  ", *(port.path for port in scenario.ports))
        print("hypervisors:", *scenario.underlay.hypervisors)

    def do_net(self, _: str) -> None:
        """List every node with what it is connected to."""
        scenario = self._scenario()
        for port in scenario.ports:
            print(f"{port.path} network:{port.network} {port.hypervisor}")
        for hypervisor in scenario.underlay.hypervisors:
            print(hypervisor, "underlay", *(p.path for p in scenario.ports if p.hypervisor == hypervisor))

    def do_links(self, _: str) -> None:
        """List all links."""
        scenario = self._scenario()
        for port in scenario.ports:
            print(f"{port.path}<->{port.hypervisor}")
        for known in ask(self._name, "links")["links"]:
            print("<->".join(known["between"]) + (" (cut)" if known["cut"] else ""))

    def do_link(self, line: str) -> None:
        """Cut a link of the underlay, or mend it: link NAME NAME up|down."""
        match shlex.split(line):
            case [one, other, "up" | "down" as state]:
                tell_link(self._name, (one, other), up=state == "up")
            case _:
                self._complain("say which link, and up or down: link rack1 spine1 down")

    def do_node(self, line: str) -> None:
        """Have a node of the underlay fail, or come back: node NAME up|down."""
        match shlex.split(line):
            case [name, "up" | "down" as state]:
                tell_node(self._name, name, up=state == "up")
            case _:
                self._complain("say which node, and up or down: node spine1 down")

    def do_dump(self, _: str) -> None:
        """Say of every node what there is to say."""
        for port in self._scenario().ports:
            addresses = ",".join(map(str, port.ips))
            print(f"<instance {port.path}: {addresses} {port.mac} in {port.network} on {port.hypervisor}>")
        for hypervisor in ask(self._name, "status")["status"]["hypervisors"]:
            held = hypervisor["datapath"] or {"dpid": "?", "entries": "?", "fail_mode": "?"}
            print(
                f"<hypervisor {hypervisor['name']}: datapath {held['dpid']}, "
                f"{held['entries']} entries, {held['fail_mode']}>"
            )

    def do_pingall(self, _: str) -> None:
        """Ping from every instance to every other of its tenant."""
        ports = self._scenario().ports
        tried = answered = 0
        print("*** ping: from every instance to every other of its tenant")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for port in ports:
                others = [other for other in ports if other.tenant == port.tenant and other != port]
                found = list(pool.map(lambda to, at=port: self._answers(at, to), others))
                tried, answered = tried + len(found), answered + sum(found)
                told = (to.path if ok else "X" for to, ok in zip(others, found, strict=True))
                print(f"{port.path} ->", *told, flush=True)
        lost = 100 * (tried - answered) // tried if tried else 0
        print(f"*** results: {lost}% dropped ({answered}/{tried} received)")

    def do_status(self, _: str) -> None:
        """Say how the lab is."""
        print(render(ask(self._name, "status")["status"]), end="")

    def do_exit(self, _: str) -> bool:
        """Leave the shell; the lab stays."""
        return True

    do_quit = do_exit

    def do_EOF(self, _: str) -> bool:  # noqa: N802 (cmd's name for the end of input)
        """Leave the shell."""
        if self._typed:
            print()
        return True

    # -- NODE PROGRAM ...

    def default(self, line: str) -> None:
        """Run a program at a node."""
        node, *words = shlex.split(line)
        scenario = self._scenario()
        try:
            find_node(scenario, node)
        except InputError:
            self._complain(f"'{node}' is neither a word nor a node; try help, or nodes")
            return
        if not words:
            self._complain(f"what shall {node} do? For example `{node} ping ADDRESS`")
            return
        argv = [self._address(scenario, node, word, six="-6" in words) for word in words]
        sys.stdout.flush()
        stdin = os.dup(0) if self._typed else os.open(os.devnull, os.O_RDONLY)
        try:
            programs.run(self._name, node, argv, (stdin, 1, 2))
        finally:
            os.close(stdin)

    def onecmd(self, line: str) -> bool:
        """Do one line; an error is told, and the shell goes on."""
        try:
            return bool(super().onecmd(line.partition("#")[0].strip()))
        except SdnLabError as error:
            self._complain(str(error))
        except ValueError as error:  # a quotation mark without its other
            self._complain(f"this line cannot be read: {error}")
        return False

    def emptyline(self) -> bool:
        """Do nothing, where cmd would do the last line again."""
        return False

    def _complain(self, text: str) -> None:
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)

    def _scenario(self) -> Scenario:
        scenario: Scenario = loads(ask(self._name, "scenario")["frames"][0])
        return scenario

    def _answers(self, at: Port, to: Port) -> bool:
        address = _meeting(at, to, six=False)
        if address is None:
            return False
        nowhere = os.open(os.devnull, os.O_RDWR)
        try:
            with Conversation(self._name) as asked:
                words = ["ping", "-c", "1", "-W", "1", str(address)]
                request = {"node": at.path, "argv": words, "env": dict(os.environ), "directory": "/"}
                asked.say([nowhere] * 3, op="execute", **request)
                return bool(asked.answer()["status"] == 0)
        finally:
            os.close(nowhere)

    def _address(self, scenario: Scenario, node: str, word: str, *, six: bool) -> str:
        """Return the address that a port's name stands for; any other word as it is."""
        ports = {port.path: port for port in scenario.ports}
        at, to = ports.get(node), ports.get(word)
        address = _meeting(at, to, six=six) if at is not None and to is not None else None
        if at is None or to is None or address is None:
            return word
        for port in scenario.ports:
            if port.network == at.network != to.network and address in port.ips:
                self._complain(f"note: to {node}, {address} is not {word} but {port.path}")
        return str(address)


def _meeting(at: Port, to: Port, *, six: bool) -> IPAddress | None:
    """Return the address of *to* that *at* has the family for."""
    families = {ip.version for ip in at.ips}
    for family in (6,) if six else (4, 6):
        for ip in to.ips:
            if ip.version == family and family in families:
                return ip
    return None
