"""The interface of `ovs_oracle.OvsLab` over `sdn_lab.openflow.interpret`: no processes, no clock."""

from __future__ import annotations

from collections.abc import Sequence

from sdn_lab.model.assignment import Assignment
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.openflow.interpret import Pipeline, Tunnel

Arrived = list[tuple[str, bytes]]


class InterpretLab:
    """A lab of interpreters; tunnels are carried as values.  *now_ns* is advanced by who needs it."""

    def __init__(self, programs: Program | dict[str, Tables], assignment: Assignment) -> None:
        tables = programs.tables if isinstance(programs, Program) else programs
        self._assignment = assignment
        self.now_ns = 0
        self.notes: list[str] = []
        self.pipelines = {
            name: Pipeline(
                tables.get(name, Tables()),
                tracker=Tracker(),
                ports=[datapath.tunnel_of_port, *(a.of_port for a in datapath.attachments)],
            )
            for name, datapath in assignment.datapaths.items()
        }
        self._by_vtep = {int(datapath.vtep): name for name, datapath in assignment.datapaths.items()}

    def inject(self, port_path: str, frame: bytes) -> Arrived:
        """Send *frame* as the instance behind a port would; return everything that any port received."""
        datapath, attachment = self._assignment.locate(port_path)
        arrived: Arrived = []
        waiting: list[tuple[str, int, bytes, Tunnel | None]] = [
            (datapath.hypervisor, attachment.of_port, frame, None)
        ]
        while waiting:
            hypervisor, in_port, data, tunnel = waiting.pop(0)
            here = self._assignment.datapaths[hypervisor]
            result = self.pipelines[hypervisor].process(data, in_port, tunnel, now_ns=self.now_ns)
            self.notes.extend(result.notes)
            for emission in result.emissions:
                if emission.of_port == here.tunnel_of_port:
                    peer = self._by_vtep.get(emission.tunnel.tun_dst if emission.tunnel else 0)
                    if emission.tunnel is None or peer is None or peer == hypervisor:
                        continue
                    outer = Tunnel(
                        tun_id=emission.tunnel.tun_id & 0xFFFFFF,
                        tun_src=int(here.vtep),
                        tun_dst=emission.tunnel.tun_dst,
                    )
                    peer_port = self._assignment.datapaths[peer].tunnel_of_port
                    waiting.append((peer, peer_port, emission.frame, outer))
                else:
                    path = self._assignment.port_at(hypervisor, emission.of_port)
                    arrived.append((path or f"{hypervisor}:{emission.of_port}", emission.frame))
        return arrived

    def inject_all(self, frames: Sequence[tuple[str, bytes]]) -> list[Arrived]:
        """Inject one after another; return what each caused."""
        return [self.inject(port, frame) for port, frame in frames]

    def flush_conntrack(self) -> None:
        """Forget every connection, everywhere."""
        for pipeline in self.pipelines.values():
            if pipeline.tracker is not None:
                pipeline.tracker.flush()

    def close(self) -> None:
        """Nothing to give back."""
