"""The agent answers a controller as a switch must.  Here the test is the controller, byte by byte."""

from ipaddress import IPv6Address

import pytest

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow import action as act
from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Group, GroupType
from sdn_lab.openflow.wire import action_write, error, frame, instruction, oxm, request
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.reply import PortState
from tests.unit.backends.sim.conftest import entry, out

FRAME = bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + b"payload" * 10


class Told:
    """A switch with ports 1 to 3, its agent, and what the agent sent."""

    def __init__(self):
        self.sent = []
        self.clock = Clock()
        attached = [
            Attached(state=PortState(of_port=n, mac=bytes(6), name=f"p{n}"), behind=f"port:{n}")
            for n in (1, 2, 3)
        ]
        self.switch = Switch("hv1", 0xABC, self.clock, attached, tracker=Tracker())
        self.agent = Agent(self.switch, self.sent.append)
        self.emitted = []
        self.switch.on_emit = lambda of_port, frame, *_: self.emitted.append((of_port, frame))
        self.switch.on_packet_in = self.agent.packet_in
        self.switch.on_removed = self.agent.flows_removed
        self.tell(frame.FEATURES_REQUEST)
        self.sent.clear()

    def tell(self, kind, body=b"", xid=7):
        self.agent.receive(frame.message(kind, xid, body))

    def add(self, e, command=request.ADD, cookie_mask=0):
        head = e.cookie.to_bytes(8, "big") + cookie_mask.to_bytes(8, "big") + bytes((e.table_id, command))
        head += b"".join(n.to_bytes(2, "big") for n in (e.idle_timeout, e.hard_timeout, e.priority))
        head += b"\xff" * 12 + e.flags.to_bytes(2, "big") + b"\0\0"
        body = oxm.write_match(e.match) + instruction.write_instructions(e.instructions)
        self.tell(frame.FLOW_MOD, head + body)

    def kinds(self):
        return [m[1] for m in self.sent]

    def refusals(self):
        return [
            (int.from_bytes(m[8:10], "big"), int.from_bytes(m[10:12], "big"))
            for m in self.sent
            if m[1] == frame.ERROR
        ]


@pytest.fixture
def told():
    return Told()


def packet_out(*actions, in_port=act.CONTROLLER, data=FRAME, buffer=act.NO_BUFFER):
    packed = action_write.write_actions(actions)
    head = buffer.to_bytes(4, "big") + in_port.to_bytes(4, "big") + len(packed).to_bytes(2, "big") + bytes(6)
    return head + packed + data


def test_a_barrier_is_answered_after_everything_before_it(told):
    told.add(entry(out(2), in_port=1))
    told.tell(frame.BARRIER_REQUEST, xid=42)
    assert told.kinds() == [frame.BARRIER_REPLY]
    assert int.from_bytes(told.sent[0][4:8], "big") == 42
    assert len(told.switch.table) == 1


def test_an_echo_comes_back_with_its_data(told):
    told.tell(frame.ECHO_REQUEST, b"abc")
    assert told.sent == [frame.message(frame.ECHO_REPLY, 7, b"abc")]


def test_what_cannot_be_read_is_answered_with_its_error_and_its_own_beginning(told):
    told.tell(99, b"12345678")
    assert told.refusals() == [error.REQUEST_BAD_TYPE]
    assert told.sent[0][4:8] == (7).to_bytes(4, "big")
    assert told.sent[0][12:] == frame.message(99, 7, b"12345678")


def test_a_hello_without_our_version_ends_the_connection(told):
    with pytest.raises(WireError):
        told.agent.receive(b"\x01\x00\x00\x08" + bytes(4))
    assert told.refusals() == [error.HELLO_INCOMPATIBLE]


TO_IPV6 = Nat(kind=NatKind.DST, addresses=(IPv6Address("fd00::9"), IPv6Address("fd00::9")))
REFUSED = {
    "goto backwards": (entry(table=5, goto=5), error.INSTRUCTION_BAD_TABLE_ID),
    "goto table 254": (entry(goto=254), error.INSTRUCTION_BAD_TABLE_ID),
    "table 254": (entry(table=254), error.FLOW_BAD_TABLE_ID),
    "no such group": (entry(act.GroupAction(group_id=9)), error.ACTION_BAD_OUT_GROUP),
    "writing tcp_dst without TCP": (
        entry(act.SetField(field="tcp_dst", value=1, mask=0xFFFF), eth_type=0x0800),
        error.ACTION_MATCH_INCONSISTENT,
    ),
    "ct on what may be ARP": (entry(act.Ct(table=1)), error.ACTION_MATCH_INCONSISTENT),
    "nat to the other family": (
        entry(act.Ct(commit=True, nat=TO_IPV6), eth_type=0x0800),
        error.ACTION_MATCH_INCONSISTENT,
    ),
    "dec_ttl without IP": (entry(act.DecTtl()), error.ACTION_MATCH_INCONSISTENT),
    "popping what is not there": (entry(act.PopVlan(), vlan_vid=0), error.ACTION_MATCH_INCONSISTENT),
    "vid without tag": (
        entry(act.SetField(field="vlan_vid", value=0x1005, mask=0x1FFF)),
        error.ACTION_MATCH_INCONSISTENT,
    ),
}


@pytest.mark.parametrize(("bad", "pair"), REFUSED.values(), ids=REFUSED)
def test_an_entry_that_cannot_be_is_refused_and_not_there(told, bad, pair):
    told.add(bad)
    assert told.refusals() == [pair]
    assert len(told.switch.table) == 0


def test_pushing_a_tag_makes_writing_its_vid_possible(told):
    told.add(entry(act.PushVlan(), act.SetField(field="vlan_vid", value=0x1005, mask=0x1FFF), out(2)))
    assert not told.refusals()
    told.switch.receive(FRAME, 1)
    assert told.emitted == [(2, FRAME[:12] + b"\x81\x00\x00\x05" + FRAME[12:])]


def test_groups_are_added_changed_deleted_and_take_their_entries_along(told):
    def group_mod(command, group_id, *buckets, kind=0):
        body = b""
        for actions in buckets:
            packed = action_write.write_actions(actions)
            body += (16 + len(packed)).to_bytes(2, "big") + b"\0\0" + b"\xff" * 8 + bytes(4) + packed
        told.tell(
            frame.GROUP_MOD,
            command.to_bytes(2, "big") + bytes((kind, 0)) + group_id.to_bytes(4, "big") + body,
        )

    group_mod(0, 1, [out(2)], [out(3)])
    told.add(entry(act.GroupAction(group_id=1), in_port=1))
    told.switch.receive(FRAME, 1)
    assert told.emitted == [(2, FRAME), (3, FRAME)]
    group_mod(0, 1)
    group_mod(1, 9)
    group_mod(1, 1, [act.GroupAction(group_id=1)])
    group_mod(1, 1, [act.GroupAction(group_id=77)])
    group_mod(0, 0xFFFFFFFD)
    assert told.refusals() == [
        error.GROUP_EXISTS,
        error.GROUP_UNKNOWN,
        error.GROUP_LOOP,
        error.ACTION_BAD_OUT_GROUP,
        error.GROUP_INVALID,
    ]
    group_mod(1, 1, [out(3)])
    assert told.switch.groups[1] == Group(
        group_id=1, type=GroupType.ALL, buckets=told.switch.groups[1].buckets
    )
    group_mod(2, request.ALL_GROUPS)
    assert (len(told.switch.groups), len(told.switch.table)) == (0, 0)


def test_a_packet_in_carries_all_of_the_frame_for_nothing_is_buffered(told):
    told.add(entry(out(act.CONTROLLER, 20), in_port=1))
    told.switch.receive(FRAME, 1)
    (message,) = told.sent
    assert message[1] == frame.PACKET_IN
    assert int.from_bytes(message[12:14], "big") == len(FRAME)
    assert message.endswith(b"\0\0" + FRAME)
    assert message[8:12] == b"\xff" * 4  # no buffer


def test_a_packet_out_goes_through_its_actions(told):
    told.tell(frame.PACKET_OUT, packet_out(out(act.FLOOD), in_port=2))
    assert told.emitted == [(1, FRAME), (3, FRAME)]
    told.emitted.clear()
    told.add(entry(out(3), in_port=1))
    told.tell(frame.PACKET_OUT, packet_out(out(act.TABLE), in_port=1))
    assert told.emitted == [(3, FRAME)]
    told.tell(frame.PACKET_OUT, packet_out(out(1), in_port=77))
    told.tell(frame.PACKET_OUT, packet_out(out(1), data=b"short"))
    told.tell(frame.PACKET_OUT, packet_out(out(1), buffer=5))
    told.tell(frame.PACKET_OUT, packet_out(out(act.MAX_PORT + 5)))
    assert told.refusals() == [
        error.REQUEST_BAD_PORT,
        error.REQUEST_BAD_PACKET,
        error.REQUEST_BUFFER_UNKNOWN,
        error.ACTION_BAD_OUT_PORT,
    ]


def test_a_removed_entry_is_announced_only_where_it_asks_for_it(told):
    for flags, port in ((request.SEND_FLOW_REM, 1), (0, 2)):
        e = entry(out(3), in_port=port)
        told.add(type(e)(match=e.match, flags=flags, hard_timeout=1, instructions=e.instructions))
    told.switch.receive(FRAME, 1)
    told.clock.pass_until(1_000_000_000)
    told.switch.expire()
    (message,) = told.sent
    assert (message[1], message[18]) == (frame.FLOW_REMOVED, 1)  # reason: hard timeout
    assert int.from_bytes(message[32:40], "big") == 1  # packets


def test_a_slave_looks_and_does_not_touch(told):
    told.tell(frame.ROLE_REQUEST, (3).to_bytes(4, "big") + bytes(4) + (5).to_bytes(8, "big"))
    told.add(entry(out(2), in_port=1))
    told.tell(frame.BARRIER_REQUEST)
    assert told.kinds() == [frame.ROLE_REPLY, frame.ERROR, frame.BARRIER_REPLY]
    assert told.refusals() == [error.REQUEST_IS_SLAVE]
    told.tell(frame.ROLE_REQUEST, (2).to_bytes(4, "big") + bytes(4) + (4).to_bytes(8, "big"))
    assert told.refusals()[-1] == error.ROLE_STALE


def test_what_a_controller_masks_it_is_not_told(told):
    told.tell(frame.SET_ASYNC, bytes(24))
    told.add(entry(out(act.CONTROLLER)))
    told.switch.receive(FRAME, 1)
    assert told.sent == []


def test_statistics_count_packets_bytes_and_look_ups(told):
    told.add(entry(out(2), in_port=1))
    for port in (1, 1, 3):
        told.switch.receive(FRAME, port)
    (row,) = told.switch.table.rows()
    assert (row.counted.packets, row.counted.octets) == (2, 2 * len(FRAME))
    assert (told.switch.looked_up[0].octets, told.switch.looked_up[0].packets) == (3, 2)
    assert (told.switch.received[1].packets, told.switch.sent[2].octets) == (2, 2 * len(FRAME))


def test_a_port_that_is_down_neither_takes_nor_gives(told):
    told.add(entry(out(act.FLOOD)))
    told.agent.port_status(2, told.switch.set_link(2, up=False))
    assert told.kinds() == [frame.PORT_STATUS]
    told.switch.receive(FRAME, 1)
    told.switch.receive(FRAME, 2)
    assert [port for port, _ in told.emitted] == [3]


def test_fail_mode_decides_what_a_switch_does_without_its_controller(told):
    told.add(entry(out(2), in_port=1))
    told.switch.controller_lost()
    told.clock.pass_until(3_600_000_000_000)
    told.switch.receive(FRAME, 1)
    assert [port for port, _ in told.emitted] == [2]
    told.switch.fail_mode = "standalone"
    told.switch.receive(FRAME, 1)
    assert [port for port, _ in told.emitted] == [2, 2, 3]
    told.switch.controller_found()
    told.switch.receive(FRAME, 1)
    assert [port for port, _ in told.emitted] == [2, 2, 3, 2]
