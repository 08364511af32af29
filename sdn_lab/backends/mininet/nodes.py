"""Mininet nodes of the lab: instances, hypervisors, and the wires between them.

Mininet gives each node a shell in a network namespace of its own (by ``mnexec``), and keeps the books on
interfaces and links.  Addresses are set by one ``ip -batch`` for each node instead of Mininet's
``ifconfig`` for each interface: ten times faster, and net-tools need not be installed.

This is the only module that imports Mininet.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mininet.link import Intf, Link
from mininet.node import Host, Switch

from sdn_lab.backends.mininet.namespaces import inside, sysctl
from sdn_lab.backends.mininet.watch import Watch
from sdn_lab.process import run

_IP_S = 30


class _Configured:
    """What our nodes have beyond Mininet's."""

    name: str
    pid: int
    shell: Any

    def __init__(self, name: str, what: str, watch: Watch, **parameters: Any) -> None:
        """*what* is the node for people; its shell is watched from its first moment."""
        self._what = what
        self._watch = watch
        super().__init__(name, **parameters)  # type: ignore[call-arg]

    @classmethod
    def setup(cls) -> None:
        """Check nothing: `sdn_lab.doctor` has, and Mininet would insist on ``ifconfig``."""

    def _popen(self, argv: Sequence[str], **parameters: Any) -> Any:
        """Start the node's shell: Mininet asks for nothing else in our nodes."""
        process = super()._popen(argv, **parameters)  # type: ignore[misc]
        self._watch.own(f"the shell of {self._what}", process)
        return process

    @property
    def into(self) -> tuple[str, ...]:
        """What to put before a program so that it runs in this node."""
        return ("mnexec", "-a", str(self.pid))

    def harden(self, *, ipv6: bool) -> None:
        """Set the namespace's defaults before it has interfaces: it forwards nothing and says nothing
        of its own accord.
        """
        with inside(self.pid):
            sysctl("net/ipv4/ip_forward", 0)
            for which in ("all", "default"):
                sysctl(f"net/ipv4/conf/{which}/arp_ignore", 1)
                sysctl(f"net/ipv4/conf/{which}/rp_filter", 0)
                for name, value in _SILENCE_V6.items():
                    sysctl(f"net/ipv6/conf/{which}/{name}", value)
                sysctl(f"net/ipv6/conf/{which}/disable_ipv6", 0 if ipv6 else 1)

    def end(self) -> None:
        """End all processes in the node, its shell among them; its namespace goes with the last."""
        self._watch.disown(self.shell)
        if self.shell.poll() is not None:
            return
        here = os.stat(f"/proc/{self.pid}/ns/net").st_ino  # noqa: PTH116 (a namespace, not a file)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if os.stat(f"{entry}/ns/net").st_ino == here:  # noqa: PTH116
                        os.kill(int(entry.name), signal.SIGKILL)
        self.shell.wait()
        super().terminate()  # type: ignore[misc]

    def configure(self, commands: Sequence[str]) -> None:
        """Run ``ip`` commands in the node, all in one process.  Raises LabError at the first that fails."""
        with inside(self.pid):  # which the program inherits: one start less than by ``mnexec``
            run(["ip", "-batch", "-"], _IP_S, stdin="".join(f"{c}\n" for c in commands))


_SILENCE_V6 = {
    "accept_dad": 0,
    "dad_transmits": 0,
    "router_solicitations": 0,
    "accept_ra": 0,
    "accept_redirects": 0,
    "forwarding": 0,
}


class Instance(_Configured, Host):  # type: ignore[misc]
    """A tenant's instance; the underlay and the management network are nodes of this kind, too."""


class Hypervisor(_Configured, Switch):  # type: ignore[misc]
    """A compute node: a switch in a namespace of its own.  Its Open vSwitch is `ovs.OpenVSwitch`."""

    controlIntf = None  # noqa: N815 (Mininet asks for it; the management wire is ours)


class _Interface(Intf):  # type: ignore[misc]
    """An interface that is configured by `configure`, with its whole node."""

    def config(self, **_parameters: Any) -> dict[str, Any]:
        return {}


class _Wire(Link):  # type: ignore[misc]
    """A veth pair that `Wiring` makes; Mininet keeps the books."""

    @classmethod
    def makeIntfPair(cls, *_names: Any, **_parameters: Any) -> None:  # noqa: N802 (Mininet's name)
        """Make nothing: Mininet would start a program for each pair."""


class Wiring:
    """Wires between nodes: noted one by one, made all by one program, each end in its node from the start."""

    def __init__(self) -> None:
        self._commands: list[str] = []

    def join(
        self, one: _Configured, at_one: str, other: _Configured, at_other: str, mac: str | None = None
    ) -> None:
        """Note a wire.  *mac* is that of the first end; the second then differs in its first octet."""
        far = None if mac is None else f"fe{mac[2:]}"
        _Wire(one, other, intfName1=at_one, intfName2=at_other, addr1=mac, addr2=far, intf=_Interface)
        near_address, far_address = ("", "") if mac is None else (f"address {mac}", f"address {far}")
        self._commands.append(
            f"link add name {at_one} {near_address} netns {one.pid} "
            f"type veth peer name {at_other} {far_address} netns {other.pid}"
        )

    def make(self) -> None:
        """Make what was noted.  Raises LabError."""
        run(["ip", "-batch", "-"], _IP_S, stdin="".join(f"{c}\n" for c in self._commands))
        self._commands.clear()
