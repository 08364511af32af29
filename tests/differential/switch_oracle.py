"""Real Open vSwitch, set up for one case after the other.

It is told to install no flows (``flow-limit=0``): each packet is judged by its tables, not by a cached answer
to another packet (docs/ovs-facts.md, "Crashes and mistakes", 3).  Its clock stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.text import parse_flows

from .ovs_process import Call, RefusedError, Vswitch
from .switch_case import PORTS, Case, Sent, format_meter
from .switch_here import VLANS, vlan_columns
from .switch_packet_ins import Heard, Listener

SETTLE = 8  # turns of the main loop until a port's state is known everywhere
Frames = dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one frame caused, or several."""

    frames: Frames
    packet_ins: list[Heard]

    def __str__(self) -> str:
        words = [f"{port} {frame.hex()}" for port, sent in sorted(self.frames.items()) for frame in sent]
        words += [
            f"packet-in table {p.table_id} reason {p.reason} cookie {p.cookie:#x} {dict(p.pipeline)}"
            f" {p.frame.hex()}"
            for p in self.packet_ins
        ]
        return "\n      ".join(words) or "nothing"


class Oracle:
    """Real Open vSwitch, restarted when a case ends it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.vswitch = Vswitch({"br0": "0e:00:00:00:ff:00"})
        self.vswitch.add_ports("br0", {f"p{n}": n for n in PORTS})
        for of_port, vlan in VLANS.items():
            self.vswitch.vsctl("set", "port", f"p{of_port}", *vlan_columns(vlan))
        self.vswitch.vsctl("set", "Open_vSwitch", ".", "other_config:flow-limit=0")
        self.vswitch.control.call("time/stop")
        self._listener = Listener(self.vswitch.folder / "br0.mgmt")
        self._metered, self._limited, self._down = False, "", frozenset[int]()

    def load(self, case: Case) -> None:
        """Replace all tables; forget connections, addresses, and what was sent before."""
        self._meters(case)
        self.vswitch.load("br0", case.flows, case.groups)
        control = self.vswitch.control
        control.call("dpctl/flush-conntrack")
        control.call("fdb/flush", "br0")
        self._limits(case)
        if case.down != self._down:
            for of_port in case.down ^ self._down:
                state = "down" if of_port in case.down else "up"
                control.call_and_settle("netdev-dummy/set-admin-state", f"p{of_port}", state)
            for _ in range(SETTLE):
                control.call_and_settle("version")
            self._down = case.down
        self.vswitch.transmitted()
        self._listener.new()

    def _meters(self, case: Case) -> None:
        management = self.vswitch.management("br0")
        if self._metered:
            self.vswitch.ofctl("del-meters", management)
            self._metered = False
        for meter in case.meters:
            self._metered = True
            try:
                self.vswitch.ofctl("add-meter", management, format_meter(meter))
            except AssertionError as refused:
                raise RefusedError(str(refused)) from None

    def _limits(self, case: Case) -> None:
        control = self.vswitch.control
        if self._limited:
            control.call("dpctl/ct-del-limits", f"zone={self._limited}")
        self._limited = ",".join(str(zone) for zone, _ in case.limits)
        if case.limits:
            control.call("dpctl/ct-set-limits", *(f"zone={zone},limit={most}" for zone, most in case.limits))

    def send(self, sent: Sequence[Sent]) -> Seen:
        """Put frames in, one after the other, and return what came of them."""
        calls: list[Call] = []
        heard: list[Heard] = []
        for each in sent:
            if each.pause_ms:
                self._put(calls)
                heard += self._listener.new()
                self._wait(each.pause_ms)
            if each.flushed is not None:
                calls.append(("dpctl/flush-conntrack", (f"zone={each.flushed}",)))
            calls.append(("netdev-dummy/receive", (f"p{each.of_port}", each.frame.hex())))
        self._put(calls)
        sent_out = self.vswitch.transmitted()
        for of_port in self._down:  # a dummy sends what a device without a link would lose
            sent_out.pop(f"p{of_port}", None)
        return Seen(sent_out, heard + self._listener.new())

    def _put(self, calls: list[Call]) -> None:
        if calls:
            self.vswitch.control.call_each_and_settle(calls)
            calls.clear()

    def _wait(self, pause_ms: int) -> None:
        """Let the switch's clock go on."""
        self.vswitch.control.call("time/warp", str(pause_ms))
        self._listener.close()  # or the switch would ask, after a minute, whether we are there
        self._listener = Listener(self.vswitch.folder / "br0.mgmt")

    def entries(self) -> tuple[FlowEntry, ...]:
        """Return what the tables hold."""
        return parse_flows(self.vswitch.dump_flows("br0"), "dump")

    def close(self) -> None:
        """End the processes."""
        self._listener.close()
        self.vswitch.close()

    def restart(self) -> None:
        """Make a new one in place of one that ended."""
        self.close()
        self._start()
