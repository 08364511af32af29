"""Bundles: all of it or none, whatever fails and wherever; and ovs-ofctl as the judge of the bytes."""

import shutil

import pytest

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.openflow import action as act
from sdn_lab.openflow.text import parse_flows
from sdn_lab.openflow.wire import bundle, error, frame, instruction, oxm, request
from tests.unit.backends.sim.conftest import entry, out
from tests.unit.backends.sim.test_agent import FRAME, Told, packet_out
from tests.unit.openflow.passive import Passive

BOTH = 0b11  # atomic, ordered


class Bundling(Told):
    """A controller that puts what it says into bundle 9."""

    def __init__(self):
        super().__init__()
        self.into = None

    def tell(self, kind, body=b"", xid=7):
        if getattr(self, "into", None) is None:
            super().tell(kind, body, xid)
        else:
            head = bundle.ONF.to_bytes(4) + bundle.ADD.to_bytes(4) + self.into.to_bytes(4) + b"\0\0\0\3"
            super().tell(frame.EXPERIMENTER, head + frame.message(kind, xid, body), xid)

    def control(self, kind, number=9, flags=BOTH, xid=50):
        into, self.into = self.into, None
        head = bundle.ONF.to_bytes(4) + bundle.CONTROL.to_bytes(4) + number.to_bytes(4)
        self.tell(frame.EXPERIMENTER, head + kind.to_bytes(2) + flags.to_bytes(2), xid)
        self.into = into

    def answers(self):
        """Return (xid, bundle control) of replies, and (xid, error) of refusals, in order; forget them."""
        said = []
        for m in self.sent:
            xid = int.from_bytes(m[4:8])
            if m[1] == frame.ERROR:
                said.append((xid, (int.from_bytes(m[8:10]), int.from_bytes(m[10:12]))))
            elif m[1] == frame.EXPERIMENTER:
                said.append((xid, int.from_bytes(m[20:22])))
        self.sent.clear()
        return said


@pytest.fixture
def told():
    made = Bundling()
    made.add(entry(out(2), priority=7, in_port=3))
    return made


def held(told):
    return [row.entry for row in told.switch.table.rows()], dict(told.switch.groups), dict(told.switch.ports)


def group(number, *members):
    """Return a group-mod that adds a group which refers to others."""
    actions = b"".join(b"\0\x16\0\x08" + n.to_bytes(4) for n in members)
    head = (16 + len(actions)).to_bytes(2) + b"\0\1" + b"\xff" * 8 + bytes(4)
    return b"\0\0\0\0" + number.to_bytes(4) + head + actions


def test_nothing_happens_before_the_commit_and_then_everything_does(told):
    told.control(bundle.OPEN)
    told.into = 9
    told.add(entry(out(1), in_port=1))
    told.add(entry(out(1), in_port=2))
    told.tell(frame.GROUP_MOD, group(5))
    assert len(told.switch.table) == 1
    told.control(bundle.CLOSE)
    told.control(bundle.COMMIT, xid=51)
    assert told.answers() == [(50, bundle.OPEN + 1), (50, bundle.CLOSE + 1), (51, bundle.COMMIT + 1)]
    assert (len(told.switch.table), list(told.switch.groups)) == (3, [5])


def test_a_bundle_need_not_be_closed_nor_opened_before_a_message_goes_into_it(told):
    told.into = 9
    told.add(entry(out(1), in_port=1))
    told.control(bundle.COMMIT)
    assert told.answers() == [(50, bundle.COMMIT + 1)]
    assert len(told.switch.table) == 2


FAULTS = {
    "an entry with a group that is not there": (
        lambda told: told.add(entry(act.GroupAction(group_id=99), in_port=1)),
        error.ACTION_BAD_OUT_GROUP,
    ),
    "a group that is there": (lambda told: told.tell(frame.GROUP_MOD, group(5)), error.GROUP_EXISTS),
    "a port that is not there": (
        lambda told: told.tell(frame.PORT_MOD, b"\0\0\0\x63" + bytes(28)),
        error.PORT_BAD_PORT,
    ),
}


@pytest.mark.parametrize(("fail", "pair"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("at", range(5))
def test_what_fails_anywhere_undoes_all_of_it(told, fail, pair, at):
    told.switch.receive(FRAME, 3)
    before, counted = held(told), told.switch.table.row(entry(out(2), priority=7, in_port=3).key).counted
    removed = []
    told.switch.on_removed = removed.append
    told.control(bundle.OPEN)
    told.into = 9
    steps = [
        lambda: told.tell(frame.GROUP_MOD, group(5), xid=31),
        lambda: told.add(entry(act.GroupAction(group_id=5), in_port=1)),
        lambda: told.add(entry(out(1), priority=7, in_port=3), command=request.MODIFY_STRICT),
        lambda: told.add(entry(priority=7, in_port=3), command=request.DELETE),
        lambda: told.tell(frame.PORT_MOD, b"\0\0\0\2" + bytes(4) + bytes(8) + b"\0\0\0\x20" * 2 + bytes(8)),
    ]
    if pair == error.GROUP_EXISTS and not at:
        steps.insert(1, lambda: fail(told))  # the first of two alike is good
    steps.insert(at, lambda: fail(told))
    for step in steps:
        step()
    told.control(bundle.COMMIT, xid=51)
    answers = told.answers()
    assert answers[1:] == [(7 if answers[1][0] == 7 else 31, pair), (51, error.BUNDLE_MSG_FAILED)]
    assert held(told) == before
    row = told.switch.table.row(entry(out(2), priority=7, in_port=3).key)
    assert row.counted == counted
    assert row.counted.packets == 1
    assert not removed
    told.emitted.clear()
    told.switch.receive(FRAME, 3)
    assert told.emitted == [(2, FRAME)], "it forwards as before"
    told.control(bundle.COMMIT)
    assert told.answers() == [(50, error.BUNDLE_BAD_ID)], "the bundle is gone"


def test_a_message_that_cannot_be_read_or_taken_is_refused_at_once(told):
    told.control(bundle.OPEN)
    told.into = 9
    told.tell(frame.FLOW_MOD, bytes(40))
    told.tell(frame.PACKET_OUT, packet_out(out(1)))
    told.tell(frame.BARRIER_REQUEST)
    told.control(bundle.COMMIT)
    refused = [pair for _, pair in told.answers()[1:-1]]
    assert refused == [error.REQUEST_BAD_LEN, error.BUNDLE_MSG_UNSUPPORTED, error.BUNDLE_MSG_UNSUPPORTED]


MISUSE = {
    "open twice": ([(bundle.OPEN, 9, 3), (bundle.OPEN, 9, 3)], error.BUNDLE_EXISTS),
    "commit what is not open": ([(bundle.COMMIT, 8, 3)], error.BUNDLE_BAD_ID),
    "close twice": ([(bundle.OPEN, 9, 3), (bundle.CLOSE, 9, 3), (bundle.CLOSE, 9, 3)], error.BUNDLE_CLOSED),
    "other flags": ([(bundle.OPEN, 9, 3), (bundle.COMMIT, 9, 1)], error.BUNDLE_BAD_FLAGS),
    "flags beyond all": ([(bundle.OPEN, 9, 4)], error.BUNDLE_BAD_FLAGS),
    "a type beyond all": ([(77, 9, 3)], error.BUNDLE_BAD_TYPE),
    "too many": ([(bundle.OPEN, n, 3) for n in range(65)], error.BUNDLE_TOO_MANY),
    "after a discard": (
        [(bundle.OPEN, 9, 3), (bundle.DISCARD, 9, 3), (bundle.COMMIT, 9, 3)],
        error.BUNDLE_BAD_ID,
    ),
}


@pytest.mark.parametrize(("asked", "pair"), MISUSE.values(), ids=MISUSE)
def test_a_bundle_that_is_misused_has_its_error(told, asked, pair):
    for kind, number, flags in asked:
        told.control(kind, number, flags)
    assert told.answers()[-1] == (50, pair)


def test_a_closed_bundle_takes_nothing_more(told):
    told.control(bundle.OPEN)
    told.control(bundle.CLOSE)
    told.into = 9
    told.add(entry(out(1), in_port=1))
    assert told.answers()[-1] == (7, error.BUNDLE_CLOSED)


def test_lengths_and_numbers_of_what_is_inside_are_checked(told):
    whole = oxm.write_match(entry(in_port=1).match) + instruction.write_instructions(
        entry(out(1)).instructions
    )
    head = bundle.ONF.to_bytes(4) + bundle.ADD.to_bytes(4) + b"\0\0\0\x09\0\0\0\3"
    inner = frame.message(frame.FLOW_MOD, 8, whole)
    for bad, pair in (
        (inner, error.BUNDLE_MSG_BAD_XID),
        (inner[:2] + b"\0\0" + inner[4:], error.BUNDLE_MSG_BAD_LEN),
        (inner[:2] + b"\xff\xff" + inner[4:], error.BUNDLE_MSG_BAD_LEN),
        (inner[:5], error.BUNDLE_MSG_BAD_LEN),
        (b"", error.BUNDLE_MSG_BAD_LEN),
    ):
        told.tell(frame.EXPERIMENTER, head + bad)
        assert told.answers() == [(7, pair)]
    told.tell(frame.EXPERIMENTER, head[:11])
    assert told.answers() == [(7, error.REQUEST_BAD_LEN)]


# -- requests in parts


def part(kind, body, more, xid=5):
    return frame.message(frame.MULTIPART_REQUEST, xid, kind.to_bytes(2) + more.to_bytes(2) + bytes(4) + body)


FLOWS = b"\xff" + bytes(3) + b"\xff" * 8 + bytes(20) + oxm.write_match(entry(in_port=3).match)


def test_a_request_in_parts_is_answered_when_its_last_part_came(told):
    told.agent.receive(part(request.FLOW, FLOWS[:20], 1))
    told.agent.receive(part(request.DESC, b"", 0, xid=6))
    assert [int.from_bytes(m[4:8]) for m in told.sent] == [6]
    told.agent.receive(part(request.FLOW, FLOWS[20:], 0))
    assert [int.from_bytes(m[4:8]) for m in told.sent] == [6, 5]
    assert len(told.sent[1]) > 16, "with the entry"


def test_too_much_in_parts_is_refused_once_and_its_end_is_no_request(told):
    for _ in range(20):
        told.agent.receive(part(request.FLOW, bytes(65_000), 1))
    told.agent.receive(part(request.FLOW, FLOWS, 0))
    assert told.refusals() == [error.REQUEST_MULTIPART_OVERFLOW]
    assert [m[1] for m in told.sent] == [frame.ERROR]
    told.agent.receive(part(request.FLOW, FLOWS, 0))
    assert [m[1] for m in told.sent] == [frame.ERROR, frame.MULTIPART_REPLY]


def test_tables_cannot_be_configured(told):
    told.agent.receive(part(request.TABLE_FEATURES, bytes(64), 0))
    assert told.refusals() == [error.TABLE_FEATURES_EPERM]


# -- ovs-ofctl


@pytest.fixture
def passive():
    if shutil.which("ovs-ofctl") is None:
        pytest.skip("ovs-ofctl is missing: install openvswitch-common")
    told = Told()

    def make(send):
        agent = Agent(told.switch, send)
        told.switch.on_removed = agent.flows_removed
        agent.greet()
        return agent.receive

    made = Passive(make)
    made.switch = told.switch
    yield made
    made.close()


DIALECT = """\
in_port=1,actions=learn(table=1,priority=7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)
in_port=2,actions=clone(push:NXM_NX_REG0[],pop:NXM_NX_REG1[],output:3),exit
priority=7,ip,actions=note:01.02.03.04.05.06,multipath(eth_src,50,modulo_n,4,0,NXM_NX_REG0[0..3]),\
bundle(eth_src,0,active_backup,ofport,members:3,2)
priority=8,actions=output(port=3,max_len=100),check_pkt_larger(99)->NXM_NX_REG0[3],output:NXM_NX_REG0[]
table=3,priority=9,tcp,actions=ct(commit,zone=7,nat(src=10.0.0.1-10.0.0.9:1000-2000),exec(set_field:5->ct_mark))
table=3,actions=controller(reason=invalid_ttl,max_len=99,id=4)
"""


@pytest.mark.ovs
@pytest.mark.parametrize("how", [(), ("--bundle",)])
def test_open_vswitchs_dialect_is_loaded_and_dumped_by_ovs_ofctl(passive, how):
    passive.ofctl(*how, "add-flows", passive.where, "-", stdin=DIALECT)
    assert parse_flows(passive.ofctl("--no-stats", "dump-flows", passive.where), "dump") == parse_flows(
        DIALECT
    )
    assert passive.switch.table.entries() == parse_flows(DIALECT)


@pytest.mark.ovs
def test_ovs_ofctl_sees_a_bundle_fail_and_nothing_done(passive):
    bad = "in_port=1,actions=output:2\nin_port=2,actions=group:77\n"
    said = passive.ofctl("--bundle", "add-flows", passive.where, "-", stdin=bad, fails=True)
    assert "OFPBAC_BAD_OUT_GROUP" in said
    assert "OFPBFC_MSG_FAILED" in said
    assert len(passive.switch.table) == 0
    passive.ofctl(
        "bundle", passive.where, "-", stdin="group add group_id=77,type=all\nflow add actions=group:77"
    )
    assert (len(passive.switch.table), list(passive.switch.groups)) == (1, [77])


@pytest.mark.ovs
def test_ovs_ofctl_reads_every_statistic(passive):
    passive.ofctl("add-group", passive.where, "group_id=5,type=all,bucket=output:2,bucket=output:3")
    passive.ofctl("add-flow", passive.where, "in_port=1,actions=group:5,learn(table=2)")
    passive.switch.receive(FRAME, 1)
    said = {
        verb: passive.ofctl(verb, passive.where)
        for verb in (
            *("dump-flows", "dump-aggregate", "dump-ports", "dump-ports-desc", "dump-tables", "queue-stats"),
            *("dump-groups", "dump-group-stats", "dump-group-features", "dump-table-features", "show"),
            *("meter-features", "dump-meters", "meter-stats", "get-frags"),
        )
    }
    assert "packet_count=1 byte_count=84 flow_count=2" in said["dump-aggregate"]
    assert "tx pkts=1, bytes=84" in said["dump-ports"]
    assert said["dump-table-features"].count("table ") >= 254
