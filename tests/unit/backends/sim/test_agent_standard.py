"""Meters, ports, queues, tables and roles, message by message of OpenFlow 1.3.5."""

import pytest

from sdn_lab.backends.sim.switch import Attached
from sdn_lab.openflow import action as act
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.wire import action_write, error, frame, meter, port, reply, request
from tests.unit.backends.sim.conftest import entry, out
from tests.unit.backends.sim.test_agent import FRAME, Told


@pytest.fixture
def told():
    return Told()


def band(rate, kind=1, last=b"\0\0\0\0"):
    return kind.to_bytes(2) + b"\0\x10" + rate.to_bytes(4) + bytes(4) + last


def meter_mod(number, *bands, command=meter.ADD, flags=meter.PKTPS):
    return command.to_bytes(2) + flags.to_bytes(2) + number.to_bytes(4) + b"".join(bands)


def metered(number):
    return FlowEntry(instructions=Instructions(meter=number, apply=(out(2),)), flags=request.SEND_FLOW_REM)


def ask(told, kind, body=b""):
    told.sent.clear()
    told.tell(frame.MULTIPART_REQUEST, kind.to_bytes(2) + bytes(6) + body)
    return b"".join(m[16:] for m in told.sent)


def test_an_entry_may_only_name_a_meter_that_is_there(told):
    told.add(metered(5))
    assert told.refusals() == [error.METER_INVALID]
    told.tell(frame.METER_MOD, meter_mod(5, band(10)))
    told.add(metered(5))
    assert len(told.switch.table) == 1


def test_a_meter_is_added_once_and_only_one_that_is_there_is_modified(told):
    told.tell(frame.METER_MOD, meter_mod(5, band(10), command=meter.MODIFY))
    told.tell(frame.METER_MOD, meter_mod(5, band(10)))
    told.tell(frame.METER_MOD, meter_mod(5, band(10)))
    told.tell(frame.METER_MOD, meter_mod(5, band(20), command=meter.MODIFY))
    assert told.refusals() == [error.METER_UNKNOWN, error.METER_EXISTS]
    assert told.switch.meters[5].meter.bands[0].rate == 20


def test_a_deleted_meter_takes_its_entries_and_they_are_announced(told):
    for number in (5, 6):
        told.tell(frame.METER_MOD, meter_mod(number, band(10)))
    told.add(metered(5))
    told.add(entry(out(3), in_port=1))
    told.tell(frame.METER_MOD, meter_mod(5, command=meter.DELETE))
    assert told.kinds() == [frame.FLOW_REMOVED]
    assert (len(told.switch.table), list(told.switch.meters)) == (1, [6])
    told.tell(frame.METER_MOD, meter_mod(meter.ALL, command=meter.DELETE))
    assert told.switch.meters == {}


def test_a_meter_modified_polices_from_then_on_without_its_entries_being_touched(told):
    told.tell(frame.METER_MOD, meter_mod(5, band(1)))
    told.add(metered(5))
    for _ in range(3):
        told.switch.receive(FRAME, 1)
    assert len(told.emitted) == 1
    told.tell(frame.METER_MOD, meter_mod(5, band(2), command=meter.MODIFY))
    for _ in range(3):
        told.switch.receive(FRAME, 1)
    assert len(told.emitted) == 3


def test_a_meter_tells_what_it_is_and_what_it_counted(told):
    told.tell(frame.METER_MOD, meter_mod(5, band(1), band(7, kind=2, last=b"\2\0\0\0")))
    told.add(metered(5))
    for _ in range(3):
        told.switch.receive(FRAME, 1)
    everything = meter.ALL.to_bytes(4) + bytes(4)
    assert ask(told, request.METER_CONFIG, everything) == bytes.fromhex("0028000200000005") + band(1) + band(
        7, kind=2, last=b"\2\0\0\0"
    )
    counted = ask(told, request.METER, everything)
    assert counted[:4] == (5).to_bytes(4)
    assert [int.from_bytes(counted[at : at + 8]) for at in (16, 24)] == [3, 3 * len(FRAME)]
    assert int.from_bytes(counted[12:16]) == 1  # entries that name it
    ask(told, request.METER, (9).to_bytes(4) + bytes(4))
    assert told.refusals() == [error.METER_UNKNOWN]


def port_mod(number, config, mask, mac=bytes(6)):
    return number.to_bytes(4) + bytes(4) + mac + bytes(2) + config.to_bytes(4) + mask.to_bytes(4) + bytes(8)


@pytest.mark.parametrize(
    ("config", "takes", "gives"),
    [(port.PORT_DOWN, False, False), (port.NO_RECV, False, True), (port.NO_FWD, True, False)],
)
def test_a_port_mod_decides_what_a_port_takes_and_gives(told, config, takes, gives):
    told.add(entry(out(2), in_port=1))
    told.add(entry(out(1), in_port=2))
    told.tell(frame.PORT_MOD, port_mod(2, config, config))
    assert told.kinds() == [frame.PORT_STATUS]
    told.switch.receive(FRAME, 2)
    told.switch.receive(FRAME, 1)
    assert told.emitted == [(1, FRAME)] * takes + [(2, FRAME)] * gives
    told.tell(frame.PORT_MOD, port_mod(2, 0, config))
    told.switch.receive(FRAME, 1)
    assert told.emitted[-1] == (2, FRAME)


def test_a_port_without_packet_ins_still_forwards(told):
    told.add(entry(out(act.CONTROLLER), out(2), in_port=1))
    told.tell(frame.PORT_MOD, port_mod(1, port.NO_PACKET_IN, port.NO_PACKET_IN))
    told.sent.clear()
    told.switch.receive(FRAME, 1)
    assert (told.kinds(), told.emitted) == ([], [(2, FRAME)])


@pytest.mark.parametrize(
    ("body", "pair"),
    [
        (port_mod(9, 0, 0), error.PORT_BAD_PORT),
        (port_mod(2, 0, 0, mac=b"\2" * 6), error.PORT_BAD_MAC),
        (port_mod(2, 2, 2), error.PORT_BAD_CONFIG),
        (port_mod(2, 0, 0)[:-8] + b"\0\0\0\1" + bytes(4), error.PORT_BAD_ADVERTISE),
        (port_mod(2, 0, 0)[:-1], error.REQUEST_BAD_LEN),
    ],
)
def test_a_port_mod_that_cannot_be_has_its_error(told, body, pair):
    told.tell(frame.PORT_MOD, body)
    assert told.refusals() == [pair]


def test_no_port_has_queues_and_no_table_a_configuration(told):
    told.tell(frame.QUEUE_GET_CONFIG_REQUEST, (2).to_bytes(4) + bytes(4), xid=9)
    assert told.sent.pop() == frame.message(frame.QUEUE_GET_CONFIG_REPLY, 9, (2).to_bytes(4) + bytes(4))
    told.tell(frame.TABLE_MOD, b"\xff\0\0\0" + bytes(4))
    assert told.sent == []
    told.tell(frame.QUEUE_GET_CONFIG_REQUEST, (9).to_bytes(4) + bytes(4))
    told.tell(frame.TABLE_MOD, b"\xfe\0\0\0" + bytes(4))
    told.tell(frame.TABLE_MOD, bytes(4) + (4).to_bytes(4))
    assert told.refusals() == [error.QUEUE_BAD_PORT, error.TABLE_BAD_TABLE, error.TABLE_BAD_CONFIG]


def multipart(kind, body):
    return kind.to_bytes(2) + bytes(6) + body


def test_queues_are_none_and_one_that_is_asked_for_is_not_there(told):
    everything, port, queue = b"\xff" * 4, b"\0\0\0\1", b"\0\0\0\7"
    for of_port in (everything, port):
        told.tell(frame.MULTIPART_REQUEST, multipart(request.QUEUE, of_port + everything))
    assert told.kinds() == [frame.MULTIPART_REPLY] * 2
    for of_port, number in ((everything, queue), (port, queue), (b"\0\0\0\x63", everything)):
        told.tell(frame.MULTIPART_REQUEST, multipart(request.QUEUE, of_port + number))
    assert told.refusals() == [error.QUEUE_BAD_QUEUE, error.QUEUE_BAD_QUEUE, error.QUEUE_BAD_PORT]


def test_a_ports_age_is_its_own(told):
    told.clock.pass_until(5_000_000_000)
    state = reply.PortState(of_port=9, mac=bytes(6), name="p9")
    told.switch.attach(Attached(state=state, behind="port:9"))
    told.clock.pass_until(7_000_000_000)
    told.tell(frame.MULTIPART_REQUEST, multipart(request.PORT_STATS, b"\xff" * 4 + bytes(4)))
    (message,) = told.sent
    rows = [message[16 + 112 * n : 16 + 112 * (n + 1)] for n in range(4)]
    assert [(row[3], int.from_bytes(row[104:108])) for row in rows] == [(1, 7), (2, 7), (3, 7), (9, 2)]


def test_messages_of_experimenters_are_refused_as_such(told):
    told.tell(frame.EXPERIMENTER, bytes.fromhex("00002320000008fc") + bytes(8))
    assert told.refusals() == [error.REQUEST_BAD_EXPERIMENTER]


def role(number, generation):
    return number.to_bytes(4) + bytes(4) + generation.to_bytes(8)


def test_the_first_generation_counts_whatever_it_is_and_then_only_later_ones(told):
    told.tell(frame.ROLE_REQUEST, role(2, (1 << 64) - 1))
    told.tell(frame.ROLE_REQUEST, role(3, 0))  # wraps around: later
    told.tell(frame.ROLE_REQUEST, role(2, (1 << 64) - 5))
    assert told.kinds() == [frame.ROLE_REPLY, frame.ROLE_REPLY, frame.ERROR]
    assert told.refusals() == [error.ROLE_STALE]


def test_a_slave_may_not_change_ports_meters_and_tables(told):
    told.tell(frame.ROLE_REQUEST, role(3, 1))
    told.sent.clear()
    for kind, body in (
        (frame.PORT_MOD, port_mod(2, 1, 1)),
        (frame.METER_MOD, meter_mod(5, band(1))),
        (frame.TABLE_MOD, bytes(8)),
    ):
        told.tell(kind, body)
    assert told.refusals() == [error.REQUEST_IS_SLAVE] * 3
    assert not told.switch.meters


@pytest.mark.parametrize("count", [0, 2])
def test_an_indirect_group_has_one_bucket(told, count):
    bucket = action_write.write_actions((out(2),))
    bucket = (16 + len(bucket)).to_bytes(2) + bytes(2) + b"\xff" * 8 + bytes(4) + bucket
    told.tell(frame.GROUP_MOD, b"\0\0\2\0" + (7).to_bytes(4) + bucket * count)
    assert told.refusals() == [error.GROUP_INVALID]
    assert told.switch.groups == {}
