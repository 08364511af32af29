"""Every field and action, pushed to a real Open vSwitch and read back from its own dump."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdn_lab.openflow import action as act
from sdn_lab.openflow import text
from sdn_lab.openflow.codec_field import NUMBERS
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions
from sdn_lab.openflow.fields import FIELDS, Field
from sdn_lab.openflow.match import Match
from tests.unit.control import lab
from tests.unit.control.dummy_ovs import DummyOvs
from tests.unit.openflow import test_wire_dialect as dialect

pytestmark = pytest.mark.ovs

NOT_SET_BY_OVS = {"ct_mark", "ct_label"}  # but inside ct(exec())
NEED_MORE = ("resubmit(,7", "tun_metadata", "TUN_METADATA")  # a valid connection; a tlv-map
# OpenFlow 1.3.5 has them, Open vSwitch 3.1.0 refuses them (docs/openflow-conformance.md).
NOT_KNOWN_TO_OVS = {"in_phy_port", "ipv6_exthdr", "pbb_isid"}
ROWS = sorted((name, FIELDS[name]) for name in set(NUMBERS) - NOT_KNOWN_TO_OVS)
ZONE = act.Subfield(field="reg6", start=0, bits=16)


def prerequisites(row: Field) -> dict[str, tuple[int, int]]:
    tests = {name: (values[0], FIELDS[name].full_mask) for name, values in row.needs}
    if row.name == "vlan_pcp":
        tests["vlan_vid"] = (0x1005, 0x1FFF)
    return tests


def entries_for_fields() -> list[FlowEntry]:
    entries = []
    for number, (name, row) in enumerate(ROWS):
        value = {"vlan_vid": 0x1005, "eth_type": 0x800}.get(name, 1)
        bits = row.full_mask & (0x7F if name == "ct_state" else ~0)  # OVS has 8 of its 32 bits
        tests = [(value, bits)]
        if row.maskable:
            tests += [(value & 0x1001, 0x1001 & bits)]
        for priority, test in enumerate(tests):
            match = Match.from_tests(prerequisites(row) | {name: test})
            entries.append(FlowEntry(table_id=number, priority=priority, match=match, cookie=number))
    return entries


def entries_for_set_fields() -> list[FlowEntry]:
    entries = []
    for number, (name, row) in enumerate(ROWS):
        if not row.writable or name in NOT_SET_BY_OVS:
            continue
        value = 0x1005 if name == "vlan_vid" else 1
        actions = [act.SetField(field=name, value=value, mask=row.full_mask)]
        if row.maskable and row.name != "vlan_vid":
            actions.append(act.SetField(field=name, value=1, mask=1 | 1 << (row.bits - 1)))
        tagged = {"vlan_vid": (0x1005, 0x1FFF)} if name == "vlan_vid" else {}
        match = Match.from_tests(prerequisites(row) | tagged)
        entries.append(
            FlowEntry(
                table_id=number, priority=7, match=match, instructions=Instructions(apply=tuple(actions))
            )
        )
    return entries


def entries_for_actions() -> list[FlowEntry]:
    ip = Match.of(eth_type=0x800)
    lists: list[tuple[Match, Instructions]] = [
        (ip, Instructions(apply=(act.DecTtl(), act.Output(of_port=100), act.Output(of_port=act.IN_PORT)))),
        (ip, Instructions(apply=(act.Ct(table=41, zone=17),))),
        (ip, Instructions(apply=(act.Ct(commit=True, zone=ZONE, force=True),), goto=60)),
        (
            ip,
            Instructions(
                apply=(
                    act.Ct(
                        commit=True,
                        zone=ZONE,
                        exec_=(
                            act.SetField(field="ct_mark", value=5, mask=0xFFFFFFFF),
                            act.SetField(field="ct_label", value=1, mask=1),
                        ),
                    ),
                    act.CtClear(),
                )
            ),
        ),
        (Match(), Instructions(apply=(act.PushVlan(), act.Output(of_port=act.FLOOD), act.PopVlan()))),
        (Match(), Instructions(apply=(act.Output(of_port=act.CONTROLLER, max_len=128),))),
        (Match(), Instructions(apply=(act.Output(of_port=act.CONTROLLER),))),
        (
            Match(),
            Instructions(apply=(act.OutputField(source=act.Subfield(field="reg5", start=0, bits=32)),)),
        ),
        (
            Match(),
            Instructions(
                apply=(
                    act.Move(
                        source=act.Subfield(field="eth_src", start=0, bits=48),
                        target=act.Subfield(field="eth_dst", start=0, bits=48),
                    ),
                    act.Resubmit(table=200),
                    act.Resubmit(in_port=3, table=201),
                    act.Resubmit(in_port=3),
                    act.GroupAction(group_id=9),
                )
            ),
        ),
        (
            Match(),
            Instructions(clear=True, write=(act.Output(of_port=3),), metadata=(5, 0xFF), goto=130),
        ),
        (Match(), Instructions(apply=(act.Conjunction(id=7, clause=2, n_clauses=3),))),
    ]
    return [
        FlowEntry(table_id=n, priority=9, match=m, instructions=i, idle_timeout=60, hard_timeout=90, flags=1)
        for n, (m, i) in enumerate(lists)
    ]


def entries_for_the_dialect() -> list[FlowEntry]:
    """What Open vSwitch holds of its own actions, one in each table."""
    rows = [row for row in dialect.ROWS if not any(word in row for word in dialect.NOT_BY_THE_FRAMEWORK)]
    made = [
        (dialect.entry(row), dialect.said(dialect.entry(row)))
        for row in rows
        if not any(word in row for word in NEED_MORE)
    ]
    return [replace(entry, table_id=n, instructions=does) for n, (entry, does) in enumerate(made)]


GROUPS = (
    Group(group_id=9, type=GroupType.ALL, buckets=(Bucket(actions=(act.Output(of_port=100),)),)),
    Group(group_id=10, type=GroupType.INDIRECT, buckets=(Bucket(actions=(act.GroupAction(group_id=9),)),)),
    Group(
        group_id=11,
        type=GroupType.SELECT,
        buckets=(
            Bucket(actions=(act.Output(of_port=100),), weight=3),
            Bucket(actions=(act.PushVlan(), act.Output(of_port=100)), weight=1),
        ),
    ),
    Group(
        group_id=12,
        type=GroupType.FAST_FAILOVER,
        buckets=(Bucket(actions=(act.Output(of_port=100),), watch_port=100),),
    ),
)


@pytest.mark.parametrize(
    ("name", "entries", "groups"),
    [
        ("fields", entries_for_fields(), ()),
        ("sets", entries_for_set_fields(), ()),
        ("actions", entries_for_actions(), GROUPS),
        ("dialect", entries_for_the_dialect(), ()),
    ],
    ids=["fields", "set_field", "actions and groups", "Open vSwitch's own"],
)
def test_open_vswitch_holds_what_was_pushed(ovs: DummyOvs, name: str, entries, groups) -> None:
    made, assignment = lab.one(name)
    wanted = lab.program(name, *entries, groups=groups)
    ovs.add_bridge(name, assignment.datapaths[name].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=wanted) as controller:
        ovs.connect(name, controller.l4_port)
        confirmed = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)

        assert confirmed[name].held == len(entries)
        assert controller.dump(name) == wanted.tables[name]
        shown = ovs.ofctl("dump-flows", name)
        assert text.parse_flows(shown) == text.sort_entries(entries)
        assert text.parse_groups(ovs.ofctl("dump-groups", name)) == groups
