"""For a notebook or a script: a lab in three lines, and values that show themselves.

    from sdn_lab import load, up

    lab = up(load("overlap"))                   # on the simulator, or backend="mininet"
    print(at(lab, "red/vm1", "ping 10.0.0.13")) # as `sdn-lab exec`
    lab.check()                                 # a report
    lab.down()

`sdn_lab` has these names lazily, so that ``import sdn_lab`` costs nothing.  In IPython, importing one of them
tells the notebook how scenarios, reports and labs look; the values themselves know nothing of notebooks.
"""

from __future__ import annotations

import os
import select
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdn_lab.lab import Lab, Options, silent
from sdn_lab.lab import run as run_once
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.verdict import Report, Step
from sdn_lab.openflow import frames
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.packet import describe
from sdn_lab.openflow.text import format_entry
from sdn_lab.openflow.walk import Walk
from sdn_lab.report import markup, plots
from sdn_lab.scenario import find
from sdn_lab.scenario import load as load_file
from sdn_lab.scenario import loads as load_text
from sdn_lab.verify.origins import Origins

_PROGRAM_S = 60.0
_CLIENT_L4 = 40000
_SYN = 0x02


def load(name: str | Path, **settings: object) -> Scenario:
    """Load a scenario that ships, by its name, or a file; *settings* are a generator's."""
    path = find(str(name))
    here = Path(os.path.relpath(path))  # as a person would write it
    chosen = min(path, here, key=lambda p: len(p.parts))
    return load_file(chosen, {key: str(value) for key, value in settings.items()})


def loads(text: str) -> Scenario:
    """Read a scenario from text.  Raises InputError, which names the lines."""
    return load_text(text, "scenario")


def up(scenario: Scenario | str, **options: Any) -> Lab:
    """Build a lab and leave it running; ``down()`` ends it, and so does the end of this process.

    *options* are those of `Options`: backend, methods, controller, seed, ...
    """
    chosen = load(scenario) if isinstance(scenario, str) else scenario
    return Lab(chosen, Options(**options)).__enter__()


def run(scenario: Scenario | str, **options: Any) -> Report:
    """Build a lab, judge it, end it."""
    return run_once(load(scenario) if isinstance(scenario, str) else scenario, Options(**options), silent)


@dataclass(frozen=True, slots=True)
class Said:
    """What a program wrote, and its exit status."""

    text: str
    status: int

    def __str__(self) -> str:
        return self.text.rstrip("\n")

    def __repr__(self) -> str:
        return str(self)


def at(lab: Lab, node: str, command: str) -> Said:
    """Run a command at a port (``red/vm1``) or on a hypervisor, as `sdn-lab exec` does."""
    said = tempfile.TemporaryFile()  # noqa: SIM115 (closed below; a pipe would have to be drained meanwhile)
    out = said.fileno()
    silence = os.open(os.devnull, os.O_RDONLY)
    try:
        running = lab.backend.execute(
            node, shlex.split(command), os.environ, str(Path.cwd()), (silence, out, out)
        )
        poll = select.poll()
        poll.register(running.fileno(), select.POLLIN | select.POLLHUP)
        ended = bool(poll.poll(_PROGRAM_S * 1000))
        status = running.finish()
        if not ended:
            raise LabError(f"{command} at {node} did not end within {_PROGRAM_S:g} s")
        lab.backend.rest()
        return Said(os.pread(out, os.fstat(out).st_size, 0).decode(errors="replace"), status)
    finally:
        os.close(silence)
        said.close()


@dataclass(frozen=True, slots=True)
class Listing:
    """Flow entries, with the reason of each in the scenario's words."""

    rows: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return "\n".join(f"# {why}\n{entry}" for why, entry in self.rows)

    def _repr_html_(self) -> str:
        return markup.table(("why the entry is there", "entry"), self.rows)


def entries(lab: Lab, datapath: str, *, table: int | None = None, about: str = "") -> Listing:
    """Return what a datapath holds now, of one table, or where the reason contains *about*."""
    origins = Origins(lab.scenario)
    held: Sequence[FlowEntry] = lab.backend.snapshot().datapaths[datapath].tables.entries
    told = [(origins.told(entry), format_entry(entry), entry.table_id) for entry in held]
    return Listing(
        tuple((why, text) for why, text, number in told if table in (None, number) and about in why)
    )


@dataclass(frozen=True, slots=True)
class Trace:
    """A packet's way through the tables: *arrives* names every port where it comes out."""

    packet: str
    steps: tuple[Step, ...]
    arrives: tuple[str, ...]

    def __str__(self) -> str:
        lines = [self.packet, *(f"  {s.datapath} table {s.table}: {s.origin or s.entry}" for s in self.steps)]
        return "\n".join([*lines, f"arrives at {', '.join(self.arrives) or 'nobody'}"])

    def _repr_html_(self) -> str:
        end = f"<p>arrives at <b>{', '.join(self.arrives) or 'nobody'}</b></p>"
        return f"<p><code>{self.packet}</code></p>{markup.of_path(self.steps)}{end}"


def trace(lab: Lab, src: str, dst: str, l4_port: int = 80) -> Trace:
    """Walk the first packet of a TCP connection through the tables as they are, without sending it.

    It is addressed to the MAC and to the first IPv4 address (else IPv6) of *dst*, wherever that leads.
    """
    sender, receiver = lab.scenario.port(src), lab.scenario.port(dst)
    frame = _syn(sender, receiver, l4_port)
    snapshot = lab.backend.snapshot()
    tables = {name: state.tables for name, state in snapshot.datapaths.items()}
    journey = Walk(tables, snapshot.assignment).send(src, frame)
    origins = Origins(lab.scenario)
    return Trace(
        packet=describe(frame),
        steps=tuple(
            Step(
                datapath=hop.datapath,
                table=hop.table,
                entry=format_entry(hop.entry) if hop.entry is not None else "no entry matches: dropped",
                origin=origins.told(hop.entry) if hop.entry is not None else "",
            )
            for hop in journey.hops
        ),
        arrives=tuple(port for port, _ in journey.arrivals),
    )


def matrix(lab: Lab, report: Report) -> Picture:
    """Return the picture of who may talk to whom."""
    return Picture(
        markup.picture(plots.matrix(report, lab.scenario), f"isolation matrix of {report.scenario}")
    )


def topology(scenario: Scenario) -> Picture:
    """Return the picture of who runs where."""
    return Picture(markup.picture(plots.topology(scenario), f"topology of {scenario.name}"))


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that a notebook shows."""

    markup: str

    def _repr_html_(self) -> str:
        return self.markup


def _syn(sender: Port, receiver: Port, l4_port: int) -> bytes:
    for ip in sorted(receiver.ips, key=lambda ip: ip.version):
        own = next((address for address in sender.ips if address.version == ip.version), None)
        if own is None:
            continue
        segment = frames.tcp(own, ip, _CLIENT_L4, l4_port, flags=_SYN)
        packet = frames.ipv4(own, ip, 6, segment) if ip.version == 4 else frames.ipv6(own, ip, 6, segment)
        return frames.ethernet(sender.mac, receiver.mac, 0x0800 if ip.version == 4 else 0x86DD, packet)
    raise LabError(f"{sender.path} and {receiver.path} have no address family in common")


def _of_lab(lab: Lab) -> str:
    words = f"{lab.scenario.name} on {lab.options.backend}, controller {lab.app}"
    return f"<p><b>{words}</b></p>{markup.of_scenario(lab.scenario)}"


LOOKS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (Scenario, markup.of_scenario),
    (Report, markup.of_report),
    (Lab, _of_lab),
)


def teach(shell: Any) -> None:
    """Tell an IPython shell how our values look."""
    formatter = shell.display_formatter.formatters["text/html"]
    for kind, look in LOOKS:
        formatter.for_type(kind, look)


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext sdn_lab.notebook``."""
    teach(shell)


_IPYTHON = sys.modules.get("IPython")
if _IPYTHON is not None and (_SHELL := _IPYTHON.get_ipython()) is not None:
    teach(_SHELL)
