"""Real Open vSwitch as a judge: a whole lab of hypervisors, one vswitchd each, no privilege.

`OvsLab` loads a program's tables and takes frames at tenants' ports; it says what came out where.  VXLAN is
Open vSwitch's own: each hypervisor has a flow-based tunnel port and a second bridge as its physical one, and
the frames between the physical bridges are carried by this module, so that they are real underlay frames.
The vswitchds are kept in a pool and refilled: `close` gives them back, `close_pool` ends them.

`InterpretLab` (in `interpret_lab`) has the same interface over `sdn_lab.openflow.interpret`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sdn_lab.model.assignment import Assignment, Datapath
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.openflow.text import format_groups, format_tables

from .ovs_process import Vswitch

BRIDGE, PHYSICAL, UPLINK, TUNNEL = "br-int", "br-phy", "uplink", "vxlan0"
UNDERLAY = "172.31.0.0/16"
Arrived = list[tuple[str, bytes]]


class Hypervisor:
    """One vswitchd of the pool: integration bridge, tunnel port, physical bridge with an uplink."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.vtep, self.mac = _vtep(index)
        self.switch = Vswitch({BRIDGE: f"0e:01:00:00:{index >> 8:02x}:{index & 255:02x}", PHYSICAL: self.mac})
        self._ports: set[int] = set()
        try:
            self._wire()
        except BaseException:
            self.switch.close()
            raise

    def _wire(self) -> None:
        tunnel = ["--", "add-port", BRIDGE, TUNNEL, "--", "set", "interface", TUNNEL, "type=vxlan"]
        tunnel += [
            "ofport_request=1",
            "options:remote_ip=flow",
            "options:key=flow",
        ]
        self.switch.vsctl(*tunnel)
        self.switch.add_ports(PHYSICAL, {UPLINK: 1})
        flows = "in_port=1,actions=LOCAL\nin_port=LOCAL,actions=output:1\n"
        self.switch.load(PHYSICAL, flows)
        call = self.switch.control.call
        call("netdev-dummy/ip4addr", PHYSICAL, f"{self.vtep}/16")
        call("ovs/route/add", UNDERLAY, PHYSICAL)

    def prepare(self, datapath: Datapath, tables: Tables, peers: Iterable[Datapath]) -> None:
        """Become *datapath*: ports, neighbours, tables, no connections."""
        wanted = {attachment.of_port for attachment in datapath.attachments} - self._ports
        self.switch.add_ports(BRIDGE, {f"p{of_port}": of_port for of_port in sorted(wanted)})
        self._ports |= wanted
        for peer in peers:
            self.switch.control.call("tnl/neigh/set", PHYSICAL, str(peer.vtep), peer.vtep_mac)
        self.switch.load(BRIDGE, format_tables(tables), format_groups(tables.groups))
        self.switch.flush_conntrack()
        self.switch.transmitted()


def _vtep(index: int) -> tuple[str, str]:
    """Address and MAC of the pool's hypervisor *index*, as `model.assignment.assign` numbers them."""
    return f"172.31.{index >> 8}.{index & 255}", f"0e:00:00:00:{index >> 8:02x}:{index & 255:02x}"


_pool: dict[int, Hypervisor] = {}


def close_pool() -> None:
    """End every vswitchd."""
    while _pool:
        _pool.popitem()[1].switch.close()


class OvsLab:
    """A lab on real Open vSwitch.  One at a time: the pool's vswitchds are refilled by the next."""

    def __init__(self, programs: Program | dict[str, Tables], assignment: Assignment) -> None:
        tables = programs.tables if isinstance(programs, Program) else programs
        self._assignment = assignment
        self._at: dict[str, Hypervisor] = {}
        self._by_mac: dict[bytes, str] = {}
        self.carried: list[tuple[str, bytes]] = []  # underlay frames and their senders, since `inject_all`
        datapaths = assignment.datapaths
        for name, datapath in datapaths.items():
            index = int(datapath.vtep) & 0xFFFF
            if index not in _pool:
                _pool[index] = Hypervisor(index)
            self._at[name] = _pool[index]
            assert (self._at[name].vtep, self._at[name].mac) == (str(datapath.vtep), datapath.vtep_mac)
            self._by_mac[bytes.fromhex(datapath.vtep_mac.replace(":", ""))] = name
        for name, datapath in datapaths.items():
            peers = [peer for peer in datapaths.values() if peer is not datapath]
            self._at[name].prepare(datapath, tables.get(name, Tables()), peers)

    def inject(self, port_path: str, frame: bytes) -> Arrived:
        """Send *frame* as the instance behind a port would; return everything that any port received."""
        datapath, attachment = self._assignment.locate(port_path)
        arrived: Arrived = []
        waiting = [(datapath.hypervisor, f"p{attachment.of_port}", frame)]
        while waiting:
            hypervisor, port, data = waiting.pop(0)
            switch = self._at[hypervisor].switch
            switch.receive(port, data)
            for name, frames in switch.transmitted().items():
                for sent in frames:
                    if name == UPLINK:
                        self.carried.append((hypervisor, sent))
                        peer = self._by_mac.get(sent[:6])
                        if peer is not None:
                            waiting.append((peer, UPLINK, sent))
                    else:
                        of_port = int(name[1:])
                        path = self._assignment.port_at(hypervisor, of_port)
                        arrived.append((path or f"{hypervisor}:{of_port}", sent))
        return arrived

    def inject_all(self, frames: Sequence[tuple[str, bytes]]) -> list[Arrived]:
        """Inject one after another; return what each caused."""
        self.carried.clear()
        return [self.inject(port, frame) for port, frame in frames]

    def flush_conntrack(self) -> None:
        """Forget every connection, everywhere."""
        for hypervisor in self._at.values():
            hypervisor.switch.flush_conntrack()

    def close(self) -> None:
        """Give the vswitchds back to the pool, empty."""
        for hypervisor in self._at.values():
            hypervisor.switch.load(BRIDGE, "")
        self._at.clear()
