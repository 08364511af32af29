"""The OpenFlow side of one switch: what it does with a controller's messages, and what it tells it.

Bytes come in through `receive`; what is to be sent leaves through the function that it was given.  No sockets
here, so that a test can be the controller.

Invariants
----------
1.  Every message is either done entirely or answered with an error and not done at all.
2.  Messages are handled in the order in which they arrive, each before the next: so a barrier reply is true.
3.  Nothing is buffered: packet-ins carry the whole frame, however much of it an action asks for (7.4.1).

Reference: OpenFlow Switch Specification 1.3.5, sections 6 and 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from sdn_lab.backends.sim import meters
from sdn_lab.backends.sim.bundles import Bundles, Change, Done, Refused
from sdn_lab.backends.sim.switch import Switch
from sdn_lab.backends.sim.table import Removed
from sdn_lab.openflow.action import ANY
from sdn_lab.openflow.entry import Group
from sdn_lab.openflow.field import ETH_IP, ETH_IPV6
from sdn_lab.openflow.interpret import PacketIn
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import bundle, decode, error, frame, meter, reply, request, stats, table_features
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.parts import Assembler

_NO_CHANGE, _EQUAL, _MASTER, _SLAVE = range(4)
_CHANGES = (
    request.FlowMod,
    request.GroupMod,
    request.MeterMod,
    request.PortMod,
    request.TableMod,
    request.PacketOut,
    request.SetConfig,
    request.SetAsync,
    request.BundleControl,
    request.BundleAdd,
)
_MISS_SEND_LEN = 128
_CT_STATE_BITS = 0xFF


class Agent:
    """Answers one controller for one switch.  *send* takes whole messages."""

    def __init__(self, switch: Switch, send: Callable[[bytes], None]) -> None:
        self.switch = switch
        self._send = send
        self._framer, self._parts = frame.Framer(), Assembler()
        self._bundles = Bundles(switch, self._change)
        self._xid = 0
        self._role, self._generation = _EQUAL, 0
        self._has_generation = False  # the first that is told counts, whatever it is
        self._miss_send_len = _MISS_SEND_LEN
        self._masks = {
            frame.PACKET_IN: (0b011, 0),  # not for a TTL at its end, as in Open vSwitch
            frame.PORT_STATUS: (0b111, 0b111),
            frame.FLOW_REMOVED: (0b1111, 0),
        }
        self.ready = False  # features were asked for: the controller knows who we are
        self.echoes: set[int] = set()  # transaction ids of our echo requests that are not answered yet
        self.refused: list[tuple[int, str]] = []  # what was answered with an error, for people

    # -- what we say unasked

    def greet(self) -> None:
        """Send the first message of a connection."""
        self._send(reply.hello(self._next_xid()))

    def ask_echo(self) -> None:
        """Send an echo request; its answer shows that all before it has been read, and ours sent."""
        xid = self._next_xid()
        self.echoes.add(xid)
        self._send(frame.message(frame.ECHO_REQUEST, xid))

    def packet_in(self, found: PacketIn) -> None:
        """Hand a packet to the controller, if it wants such."""
        if self.ready and self._wants(frame.PACKET_IN, found.reason):
            self._send(
                reply.packet_in(
                    xid=0,
                    reason=found.reason,
                    table_id=found.table_id,
                    cookie=found.cookie,
                    match=_told(found),
                    data=found.frame,
                    total=len(found.frame),
                )
            )

    def flows_removed(self, removed: Iterable[Removed]) -> None:
        """Say which entries are gone, where the entry asked for it."""
        for gone in removed:
            row = gone.row
            wanted = row.entry.flags & request.SEND_FLOW_REM
            if self.ready and wanted and self._wants(frame.FLOW_REMOVED, gone.reason):
                self._send(
                    reply.flow_removed(
                        xid=0,
                        entry=row.entry,
                        reason=gone.reason,
                        age_ns=self.switch.clock.now_ns - row.since_ns,
                        packets=row.counted.packets,
                        octets=row.counted.octets,
                    )
                )

    def port_status(self, reason: int, port: reply.PortState) -> None:
        """Say that a port came, went or changed."""
        if self.ready and self._wants(frame.PORT_STATUS, reason):
            self._send(reply.port_status(0, reason, port))

    def _wants(self, kind: int, reason: int) -> bool:
        return bool(self._masks[kind][self._role == _SLAVE] >> reason & 1)

    def _next_xid(self) -> int:
        self._xid = self._xid % 0xFFFFFFFF + 1
        return self._xid

    # -- what we are told

    def receive(self, data: bytes) -> None:
        """Take bytes from the controller.  Raises WireError if the stream cannot be cut into messages."""
        for message in self._framer.feed(data):
            xid = int.from_bytes(message[4:8], "big")
            try:
                whole = self._parts.take(message)
                if whole is not None:
                    self._handle(decode.read(whole), xid)
            except Refused as failed:
                self._refuse(int.from_bytes(failed.message[4:8], "big"), failed.fault, failed.message)
                why = WireError(error.BUNDLE_MSG_FAILED, f"the bundle is not done: {failed.fault.why}")
                self._refuse(xid, why, message)
            except WireError as refused:
                self._refuse(xid, refused, message)
                if refused.pair == error.HELLO_INCOMPATIBLE:
                    raise

    def _refuse(self, xid: int, fault: WireError, message: bytes) -> None:
        self.refused.append((xid, str(fault)))
        self._send(reply.refusal(xid, fault.pair, message))

    def _handle(self, asked: request.Request, xid: int) -> None:
        if self._role == _SLAVE and isinstance(asked, _CHANGES):
            raise WireError(error.REQUEST_IS_SLAVE, "a slave may only look")
        match asked:
            case request.Hello():
                if frame.VERSION not in asked.versions:
                    raise WireError(error.HELLO_INCOMPATIBLE, "we have no version in common")
            case request.Echo():
                if asked.reply:
                    self.echoes.discard(xid)
                else:
                    self._send(frame.message(frame.ECHO_REPLY, xid, asked.data))
            case request.Refusal():
                self.refused.append((xid, f"the controller answered with error {asked.pair}"))
            case request.Plain():
                self._plain(asked.kind, xid)
            case request.SetConfig():
                if asked.flags:
                    raise WireError(error.CONFIG_BAD_FLAGS, "fragments are neither dropped nor reassembled")
                self._miss_send_len = asked.miss_send_len
            case request.FlowMod() | request.GroupMod() | request.MeterMod() | request.PortMod():
                self._change(asked)()
            case request.BundleControl():
                told = self._bundles.control(asked)
                self._send(bundle.reply(xid, asked))
                for tell in told:
                    tell()
            case request.BundleAdd():
                self._bundles.add(asked)
            case request.QueueConfig():
                if asked.of_port != ANY and asked.of_port not in self.switch.ports:
                    raise WireError(error.QUEUE_BAD_PORT, f"there is no port {asked.of_port}")
                self._send(reply.queues(xid, asked.of_port))
            case request.PacketOut():
                self.switch.packet_out(asked)
            case request.RoleRequest():
                self._take_role(asked, xid)
            case request.SetAsync():
                self._masks[frame.PACKET_IN] = asked.packet_in
                self._masks[frame.PORT_STATUS] = asked.port_status
                self._masks[frame.FLOW_REMOVED] = asked.flow_removed
            case request.Multipart():
                for message in reply.multipart(xid, asked.kind, self._statistics(asked)):
                    self._send(message)

    def _change(self, asked: Change) -> Done:
        """Make a change.  Return what says so to the controller.  Raises WireError."""
        match asked:
            case request.FlowMod():
                return partial(self.flows_removed, self.switch.flow_mod(asked))
            case request.GroupMod():
                return partial(self.flows_removed, self.switch.group_mod(asked))
            case request.MeterMod():
                return partial(self.flows_removed, self.switch.meter_mod(asked))
            case request.PortMod():
                changed = self.switch.port_mod(asked)
                return partial(self._port_modified, changed)

    def _port_modified(self, changed: reply.PortState | None) -> None:
        if changed is not None:
            self.port_status(reply.PORT_MODIFIED, changed)

    def _plain(self, kind: int, xid: int) -> None:
        if kind == frame.FEATURES_REQUEST:
            self._send(reply.features(xid, self.switch.dpid))
            self.ready = True
        elif kind == frame.GET_CONFIG_REQUEST:
            self._send(reply.config(xid, 0, self._miss_send_len))
        elif kind == frame.BARRIER_REQUEST:
            self._send(frame.message(frame.BARRIER_REPLY, xid))
        else:
            kinds = (frame.PACKET_IN, frame.PORT_STATUS, frame.FLOW_REMOVED)
            self._send(reply.async_config(xid, [self._masks[k] for k in kinds]))

    def _take_role(self, asked: request.RoleRequest, xid: int) -> None:
        if asked.role in (_MASTER, _SLAVE):
            behind = (asked.generation - self._generation) % (1 << 64) >> 63
            if behind and self._has_generation:
                raise WireError(error.ROLE_STALE, f"generation {asked.generation} is older than the last")
            self._generation, self._has_generation = asked.generation, True
        if asked.role != _NO_CHANGE:
            self._role = asked.role
        self._send(reply.role(xid, self._role, self._generation))

    def _statistics(self, asked: request.Multipart) -> list[bytes]:
        switch, now = self.switch, self.switch.clock.now_ns
        if asked.flows is not None:
            rows = switch.query(asked.flows)
            if asked.kind == request.FLOW:
                return [stats.flow(r.entry, age_ns=now - r.since_ns, counted=r.counted) for r in rows]
            summed = stats.Counted(sum(r.counted.packets for r in rows), sum(r.counted.octets for r in rows))
            return [stats.aggregate(counted=summed, flows=len(rows))]
        match asked.kind:
            case request.DESC:
                return [stats.desc(serial=f"{switch.dpid:016x}", datapath=switch.name, version="1")]
            case request.TABLE:
                active = switch.active()
                return [
                    stats.table(n, active=active.get(n, 0), lookups=c.octets, matched=c.packets)
                    for n, c in enumerate(switch.looked_up)
                ]
            case request.PORT_DESC:
                return [port.encode() for port in switch.ports.values()]
            case request.PORT_STATS:
                if asked.number != ANY and asked.number not in switch.ports:
                    raise WireError(error.REQUEST_BAD_PORT, f"there is no port {asked.number}")
                return [
                    stats.port(
                        n, received=switch.received[n], sent=switch.sent[n], age_ns=now - switch.since_ns[n]
                    )
                    for n in switch.ports
                    if asked.number in (ANY, n)
                ]
            case request.GROUP_DESC:
                return [stats.group_desc(g) for g in switch.groups.values()]
            case request.GROUP_STATS:
                wanted = [g for n, g in switch.groups.items() if asked.number in (n, request.ALL_GROUPS)]
                return [self._group_stats(group, now) for group in wanted]
            case request.GROUP_FEATURES:
                return [stats.group_features()]
            case request.METER_FEATURES:
                return [meter.features()]
            case request.METER:
                return [
                    meter.counted(p, references=switch.metered(p.meter.meter_id), now_ns=now)
                    for p in meters.named(switch.meters, asked.number)
                ]
            case request.METER_CONFIG:
                return [meter.config(p.meter) for p in meters.named(switch.meters, asked.number)]
            case request.TABLE_FEATURES:
                return [table_features.write(n) for n in range(len(switch.looked_up))]
            case _:  # queues: there are none
                if asked.number != ANY and asked.number not in switch.ports:
                    raise WireError(error.QUEUE_BAD_PORT, f"there is no port {asked.number}")
                if asked.queue != ANY:
                    raise WireError(error.QUEUE_BAD_QUEUE, f"there is no queue {asked.queue}")
                return []

    def _group_stats(self, group: Group, now_ns: int) -> bytes:
        counted = self.switch.counted(group.group_id)
        return stats.group_stats(
            group,
            references=self.switch.references(group.group_id),
            counted=counted.whole,
            buckets=counted.buckets,
            age_ns=now_ns - counted.since_ns,
        )


def _told(found: PacketIn) -> Match:
    """Return what a controller is told beside the frame, as Open vSwitch tells it.

    Of the tracker's state the bits that there are; with the addresses of a connection, their EtherType.
    """
    tests: dict[str, int | tuple[int, int]] = dict(found.pipeline)
    if "ct_state" in found.pipeline:
        tests["ct_state"] = found.pipeline["ct_state"], _CT_STATE_BITS
    if "ct_nw_src" in tests or "ct_ipv6_src" in tests:
        tests["eth_type"] = ETH_IP if "ct_nw_src" in tests else ETH_IPV6
    return Match.of(**tests)
