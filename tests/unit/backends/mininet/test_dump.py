"""A snapshot is all of what Open vSwitch said, or an error; never less."""

import pytest

from sdn_lab.backends.mininet.dump import snapshot_of
from sdn_lab.backends.mininet.ovs import hidden_outputs
from sdn_lab.model.assignment import Assignment, Attachment, Datapath
from sdn_lab.model.diagnostic import LabError

LOCAL = 0xFFFFFFFE
FLOWS = """OFPST_FLOW reply (OF1.3) (xid=0x2):
 cookie=0x5, duration=1s, table=0, n_packets=1, priority=7,ip,in_port=100,nw_frag=no actions=output:1
"""


def assignment():
    return Assignment(
        datapaths={
            "hv1": Datapath(
                hypervisor="hv1",
                dpid="0" * 15 + "1",
                vtep="172.31.0.1",
                vtep_mac="0e:00:00:00:00:01",
                attachments=(Attachment(port="red/vm1", of_port=100, zone=1),),
            )
        }
    )


def bridge(flows=FLOWS, ports=None, hidden=(), fail_mode="secure", copies=(), altered=()):
    return {
        "flows": flows,
        "groups": "OFPST_GROUP_DESC reply (OF1.3) (xid=0x2):\n",
        "fail_mode": fail_mode,
        "ports": {"tun": 1, "p100": 100, "br-int": LOCAL} if ports is None else ports,
        "hidden": list(hidden),
        "copies": list(copies),
        "altered": list(altered),
    }


def told(**integration):
    return {
        "hv1": {
            "br-int": bridge(**integration),
            "br-phy": bridge(flows="", ports={"nic": 1, "br-phy": LOCAL}),
        }
    }


def test_entries_ports_and_fail_mode_are_as_told():
    snapshot = snapshot_of(told(fail_mode="standalone"), assignment())
    state = snapshot.datapaths["hv1"]
    assert [(e.priority, e.cookie) for e in state.tables.entries] == [(7, 5)]
    assert state.fail_mode == "standalone"
    assert state.ports == {1: "tunnel", 100: "port:red/vm1", LOCAL: "local"}
    assert snapshot.datapaths["hv1/underlay"].ports == {1: "uplink", LOCAL: "local"}
    assert snapshot.assignment == assignment()


def test_an_interface_that_nobody_planned_is_unknown():
    ports = {"tun": 1, "p100": 100, "br-int": LOCAL, "spy": 7}
    assert snapshot_of(told(ports=ports), assignment()).datapaths["hv1"].ports[7] == "unknown:spy"


def test_the_assignment_is_read_back_not_asked_for():
    ports = {"tun": 4, "p100": 105, "br-int": LOCAL}
    datapath = snapshot_of(told(ports=ports), assignment()).assignment.datapaths["hv1"]
    assert (datapath.tunnel_of_port, datapath.attachments[0].of_port) == (4, 105)


def test_a_tenants_port_that_is_gone_is_not_attached():
    snapshot = snapshot_of(told(ports={"tun": 1, "br-int": LOCAL}), assignment())
    assert snapshot.datapaths["hv1"].ports == {1: "tunnel", LOCAL: "local"}
    assert snapshot.assignment.datapaths["hv1"].attachments == ()


def test_no_fail_mode_and_a_mirror_are_told():
    state = snapshot_of(told(fail_mode=None, copies=["mirrors"]), assignment()).datapaths["hv1"]
    assert (state.fail_mode, state.copies) == ("none", ("mirrors",))


def test_altered_settings_are_told_and_are_another_snapshot():
    altered = [["interface tun: type=gre", "vxlan"], ["port p100: tag=7", "[]"]]
    snapshot = snapshot_of(told(altered=altered), assignment())
    assert snapshot.datapaths["hv1"].altered == (
        ("interface tun: type=gre", "vxlan"),
        ("port p100 (red/vm1): tag=7", "[]"),
    )
    assert snapshot.hash != snapshot_of(told(), assignment()).hash


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"flows": "table=0,priority=1,dl_srk=1 actions=drop\n"}, "the dump of hv1 cannot be read"),
        ({"hidden": ["priority=180001,arp,actions=NORMAL"]}, "hv1 holds a hidden entry that outputs"),
    ],
)
def test_what_cannot_be_told_in_full_is_an_error(fault, said):
    with pytest.raises(LabError, match=said):
        snapshot_of(told(**fault), assignment())


def test_only_entries_that_openflow_hides_and_that_output_are_reported():
    dump = """duration=1s, n_packets=0, priority=180001,arp,in_port=LOCAL,actions=NORMAL
duration=1s, n_packets=0, priority=180009,arp,actions=drop
duration=1s, n_packets=0, priority=65535,actions=output:1
table_id=254, duration=1s, n_packets=0, priority=2,recirc_id=0,actions=drop
table_id=254, duration=1s, n_packets=0, priority=100000,reg0=0x1,actions=controller(reason=)
"""
    assert hidden_outputs(dump) == ["priority=180001,arp,in_port=LOCAL,actions=NORMAL"]
