from sdn_lab.model.assignment import Assignment
from sdn_lab.observe.constants import harvest
from sdn_lab.openflow.action import Output, SetField
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.snapshot import DatapathState, Snapshot


def snapshot(*entries: FlowEntry, groups: tuple[Group, ...] = (), name: str = "hv1") -> Snapshot:
    state = DatapathState(name=name, tables=Tables(entries=entries, groups=groups))
    return Snapshot(datapaths={name: state}, assignment=Assignment(datapaths={}))


def entry(**tests: int | tuple[int, int]) -> FlowEntry:
    return FlowEntry(match=Match.of(**tests))


def test_what_an_entry_tests_and_what_it_writes_is_tried() -> None:
    writes = Instructions(apply=(SetField(field="eth_dst", value=7, mask=(1 << 48) - 1),))

    found = harvest(snapshot(entry(vlan_vid=0x1007), FlowEntry(instructions=writes)))

    assert found.of("vlan_vid") == (0x1007,)
    assert found.of("eth_dst", "eth_src") == (7,)
    assert found.of("tcp_dst") == ()


def test_of_a_masked_test_both_ends_are_tried() -> None:
    found = harvest(snapshot(entry(eth_type=0x0800, ip_proto=6, tcp_dst=(8000, 0xFFF0))))

    assert found.of("tcp_dst") == (8000, 8015)


def test_groups_are_read_and_registers_are_not() -> None:
    bucket = Bucket(actions=(SetField(field="eth_src", value=9, mask=(1 << 48) - 1), Output(of_port=1)))
    group = Group(group_id=1, type=GroupType.ALL, buckets=(bucket,))

    found = harvest(snapshot(entry(reg5=77, metadata=5), groups=(group,)))

    assert found.of("eth_src") == (9,)
    assert found.of("reg5", "metadata") == ()


def test_the_physical_bridge_says_nothing_about_tenants() -> None:
    assert harvest(snapshot(entry(vlan_vid=0x1007), name="hv1/underlay")).of("vlan_vid") == ()


def test_an_entry_that_looks_at_a_decoration_is_kept_whole() -> None:
    found = harvest(snapshot(entry(eth_type=0x0800, ip_proto=17, udp_dst=53, ip_dscp=46, reg5=1)))

    assert [dict(tests) for tests in found.decorated] == [
        {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 53, "ip_dscp": 46}
    ]
