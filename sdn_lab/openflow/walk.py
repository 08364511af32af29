"""A frame's way through all bridges of a lab, by the concrete interpreter.

`interpret` knows one datapath; a `Walk` joins the integration bridges of several by their tunnels, as
values: what leaves a tunnel port with ``tun_dst`` of a peer arrives at that peer with the same VNI and with
the sender's VTEP as ``tun_src``.  The underlay itself (its frames, its physical bridges) is the simulator's
business.

Used to explain: a counterexample's path table by table, each entry in the user's words.  One tracker per
hypervisor, kept between frames, so that a conversation can be walked in order.

A foreign controller's packet-ins are where a walk ends: what the controller would do is not in the tables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from sdn_lab.model.assignment import Assignment
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import FlowEntry, Tables
from sdn_lab.openflow.interpret import Pipeline, Tunnel

_MAX_HOPS = 64  # bridges crossed by one frame and its copies; a loop is cut here


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One look-up on the way; *entry* is None for a table miss."""

    datapath: str
    table: int
    entry: FlowEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What became of a frame: ``(port, frame)`` where it arrived, and every look-up in order.

    *punted* says that a controller was asked, that an entry was learned, or that hops ran out: then arrivals
    are not all there is.
    """

    arrivals: tuple[tuple[str, bytes], ...]
    hops: tuple[Hop, ...]
    punted: bool = False


class Walk:
    """The integration bridges of a lab.  Raises LabError for tables that cannot be interpreted."""

    def __init__(self, tables: Mapping[str, Tables], assignment: Assignment) -> None:
        self._assignment = assignment
        self._by_vtep = {int(d.vtep): name for name, d in assignment.datapaths.items()}
        self._pipelines = {
            name: Pipeline(
                tables.get(name, Tables()),
                tracker=Tracker(),
                ports={datapath.tunnel_of_port, *(a.of_port for a in datapath.attachments)},
            )
            for name, datapath in assignment.datapaths.items()
        }

    def send(self, port: str, frame: bytes, *, now_ns: int = 0) -> Journey:
        """Send *frame* as the instance at *port* would.  Raises KeyError for an unknown port."""
        datapath, attachment = self._assignment.locate(port)
        waiting: deque[tuple[str, bytes, int, Tunnel | None]] = deque(
            [(datapath.hypervisor, frame, attachment.of_port, None)]
        )
        arrivals: list[tuple[str, bytes]] = []
        hops: list[Hop] = []
        punted = False
        for _ in range(_MAX_HOPS):
            if not waiting:
                break
            name, data, in_port, tunnel = waiting.popleft()
            result = self._pipelines[name].process(data, in_port, tunnel, now_ns=now_ns)
            hops += (Hop(datapath=name, table=t.table_id, entry=t.entry) for t in result.path)
            punted = punted or bool(result.packet_ins) or bool(result.learned)
            here = self._assignment.datapaths[name]
            for out in result.emissions:
                owner = self._assignment.port_at(name, out.of_port)
                if owner is not None:
                    arrivals.append((owner, out.frame))
                elif out.of_port == here.tunnel_of_port and out.tunnel is not None:
                    peer = self._by_vtep.get(out.tunnel.tun_dst)
                    if peer is not None and peer != name:
                        header = Tunnel(
                            tun_id=out.tunnel.tun_id, tun_src=int(here.vtep), tun_dst=out.tunnel.tun_dst
                        )
                        far = self._assignment.datapaths[peer].tunnel_of_port
                        waiting.append((peer, out.frame, far, header))
        return Journey(arrivals=tuple(arrivals), hops=tuple(hops), punted=punted or bool(waiting))

    def flush_conntrack(self) -> None:
        """Forget every connection, on every hypervisor."""
        for pipeline in self._pipelines.values():
            if pipeline.tracker is not None:
                pipeline.tracker.flush()
