"""A least push sends what changed and looks at nothing else; where that is not as thought, it repairs.

Against real Open vSwitch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sdn_lab.control.controller import Confirmation, Controller
from sdn_lab.openflow.entry import FlowEntry, Group, GroupType, Instructions, Program
from sdn_lab.openflow.match import Match
from tests.unit.control import lab
from tests.unit.control.dummy_ovs import DummyOvs, eventually

pytestmark = pytest.mark.ovs
STRAY = "table=3,priority=5,actions=drop"


def entry(number: int, goto: int = 30, cookie: int | None = None) -> FlowEntry:
    return FlowEntry(
        table_id=10 + number % 3,
        priority=100,
        cookie=number + 1 if cookie is None else cookie,
        match=Match.of(in_port=100, eth_type=0x800, ipv4_src=0x0A000000 + number),
        instructions=Instructions(goto=goto),
    )


BEFORE = [entry(n) for n in range(40)]
AFTER = [entry(0, goto=31), *BEFORE[2:], entry(50), entry(51, cookie=1)]  # 0 changed, 1 gone, two new


@contextmanager
def held(ovs: DummyOvs, name: str) -> Iterator[Controller]:
    """A controller whose one datapath has confirmed `BEFORE`."""
    made, assignment = lab.one(name)
    ovs.add_bridge(name, assignment.datapaths[name].dpid, {"p": 100})
    with lab.started(made, assignment, wanted=lab.program(name, *BEFORE)) as controller:
        ovs.connect(name, controller.l4_port)
        confirmed(controller)
        yield controller


def confirmed(controller: Controller) -> Confirmation:
    (told,) = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET).values()
    return told


def counts(told: Confirmation) -> tuple[int, int, int]:
    return told.added, told.modified, told.deleted


def test_only_what_changed_is_sent(ovs: DummyOvs) -> None:
    with held(ovs, "least") as controller:
        wanted = lab.program("least", *AFTER)
        controller.push(wanted, least=True)
        told = confirmed(controller)

        assert counts(told) == (2, 1, 1)
        assert (told.held, told.differs) == (len(AFTER), "")
        assert controller.dump("least") == wanted.tables["least"]


def test_what_is_unchanged_is_confirmed_at_once(ovs: DummyOvs) -> None:
    with held(ovs, "same") as controller:
        ovs.ofctl("add-flow", "same", STRAY)
        controller.push(lab.program("same", *BEFORE), least=True)

        assert counts(confirmed(controller)) == (0, 0, 0)
        assert len(ovs.dump_flows("same")) == len(BEFORE) + 1


def test_a_stray_is_left_to_whoever_asks_for_a_repair(ovs: DummyOvs) -> None:
    with held(ovs, "stray") as controller:
        ovs.ofctl("add-flow", "stray", STRAY)
        wanted = lab.program("stray", *AFTER)
        controller.push(wanted, least=True)
        confirmed(controller)
        assert controller.dump("stray") != wanted.tables["stray"]

        controller.push(wanted)

        assert counts(confirmed(controller)) == (0, 0, 1)
        assert controller.dump("stray") == wanted.tables["stray"]


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("del-flows", "table=10,ip,in_port=100,nw_src=10.0.0.0"),  # it was to be modified
        ("add-flow", "table=10,cookie=1,priority=100,ip,in_port=100,nw_src=10.0.9.9,actions=drop"),
    ],
    ids=["gone", "beside"],
)
def test_where_what_was_touched_is_not_as_thought_all_is_repaired(
    ovs: DummyOvs, verb: str, text: str
) -> None:
    name = f"least-{verb[:3]}"
    with held(ovs, name) as controller:
        ovs.ofctl(verb, name, text)
        ovs.ofctl("add-flow", name, STRAY)
        one_more = entry(60, cookie=1) if verb == "add-flow" else entry(61)
        wanted = lab.program(name, *AFTER, one_more)
        controller.push(wanted, least=True)
        told = confirmed(controller)

        assert told.differs == ""
        assert controller.dump(name) == wanted.tables[name]


def test_a_datapath_that_came_back_is_trusted_with_nothing(ovs: DummyOvs) -> None:
    with held(ovs, "again") as controller:
        ovs.vsctl("del-controller", "again")  # empties the tables
        eventually(lambda: not controller._joined, "its leaving was noticed")
        ovs.connect("again", controller.l4_port)
        eventually(lambda: bool(controller._joined), "its return was noticed")
        wanted = lab.program("again", *AFTER)
        controller.push(wanted, least=True)
        confirmed(controller)

        assert controller.dump("again") == wanted.tables["again"]


def test_with_groups_everything_is_looked_at(ovs: DummyOvs) -> None:
    with held(ovs, "groups") as controller:
        ovs.ofctl("add-flow", "groups", STRAY)
        group = Group(group_id=7, type=GroupType.ALL)
        wanted: Program = lab.program("groups", *BEFORE, groups=(group,))
        controller.push(wanted, least=True)
        told = confirmed(controller)

        assert told.differs
