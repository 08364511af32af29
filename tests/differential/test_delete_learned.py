"""``learn(delete_learned)``: what goes with the entry that learned it, here and in Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.openflow.text import format_entry, parse_flows
from sdn_lab.openflow.wire import reply
from tests.unit.openflow.passive import Passive

from .ovs_process import Vswitch
from .test_fin_timeout import SYN, switch, tcp

pytestmark = pytest.mark.ovs

LEARN = "learn(table={},cookie={},delete_learned,eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[])"
FLOWS = (
    f"table=0,priority=9,tcp,in_port=1,actions={LEARN.format(5, 7)},{LEARN.format(6, 7)}\n"
    f"table=0,priority=9,tcp,in_port=2,actions=clone({LEARN.format(5, 7)})\n"
    f"table=0,priority=9,tcp,in_port=3,actions={LEARN.format(5, 8)}\n"
    "table=0,priority=9,tcp,in_port=4,actions=learn(table=5,cookie=0x7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])\n"
    "table=5,cookie=0x7,udp,actions=drop\n"
    "table=7,cookie=0x7,udp,actions=drop\n"
)
STEPS = {
    "the last one who learns it goes": [
        ("del-flows", "table=0,in_port=1"),
        ("del-flows", "table=0,in_port=2"),
        ("del-flows", "table=0,in_port=3"),
    ],
    "the last one is changed": [
        ("mod-flows", "table=0,tcp,in_port=2,actions=drop"),
        ("mod-flows", "table=0,tcp,in_port=1,actions=output:3"),
    ],
    "another is put in its place": [
        ("add-flow", f"table=0,priority=9,tcp,in_port=3,actions={LEARN.format(5, 7)}"),
        ("add-flow", "table=0,priority=9,tcp,in_port=1,actions=drop"),
        ("del-flows", "table=0,in_port=2"),
        ("add-flow", f"table=0,priority=9,tcp,in_port=3,actions={LEARN.format(6, 7)}"),
    ],
    "all at once": [("del-flows", "table=0")],
}


@pytest.fixture
def ours() -> Iterator[Passive]:
    made = switch("")

    def make(send):
        agent = Agent(made, send)
        agent.greet()
        return agent.receive

    passive = Passive(make)
    passive.switch = made
    yield passive
    passive.close()


@pytest.mark.parametrize("name", STEPS)
def test_what_was_learned_goes_with_the_last_entry_that_learned_it(
    vswitch: Vswitch, ours: Passive, name: str
) -> None:
    vswitch.load("br0", FLOWS)
    ours.ofctl("add-flows", ours.where, "-", stdin=FLOWS)
    for port in range(1, 5):
        for source in (1000, 1001):
            vswitch.receive(f"p{port}", tcp(SYN, source))
            ours.switch.receive(tcp(SYN, source), port)

    vswitch.control.call("revalidator/purge")  # or what is cached is learned once more

    def held() -> tuple[set[str], set[str]]:
        dumps = ours.ofctl("dump-flows", ours.where), vswitch.dump_flows("br0")
        return tuple({format_entry(entry) for entry in parse_flows(dump, "dump")} for dump in dumps)

    one, other = held()
    assert one == other
    assert len(one) > 8
    for verb, what in STEPS[name]:
        vswitch.ofctl(verb, vswitch.management("br0"), what)
        ours.ofctl(verb, ours.where, what)
        one, other = held()
        assert one == other, (verb, what)


def test_it_goes_when_that_entry_ends_by_itself_and_the_controller_hears_why() -> None:
    made = switch(f"table=0,hard_timeout=5,tcp,actions={LEARN.format(5, 7)}\ntable=5,cookie=0x8,actions=drop")
    made.receive(tcp(SYN), 1)
    assert len(made.table) == 3
    told: list[tuple[int, int]] = []
    made.on_removed = lambda gone: told.extend((one.row.entry.table_id, one.reason) for one in gone)
    made.clock.pass_until(5_000_000_000)
    made.expire()
    assert told == [(0, reply.REMOVED_HARD), (5, reply.REMOVED_DELETE)]
    assert [entry.cookie for entry in made.table.entries()] == [8]
