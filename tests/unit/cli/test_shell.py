"""`shell`: Mininet's words for a running lab, from a pipe."""

import io
import os
import uuid

import pytest

from sdn_lab.cli import main
from sdn_lab.cli.shell import Shell


@pytest.fixture(scope="module")
def lab():
    name = f"shell-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    assert main(["up", "overlap", "--name", name]) == 0
    yield name
    assert main(["down", "--name", name]) == 0


@pytest.fixture
def typed(lab, capfd):
    """Return what types lines and gives back what was printed."""

    def typed(*lines):
        capfd.readouterr()
        Shell(lab, io.StringIO("\n".join(lines) + "\n")).cmdloop()
        return capfd.readouterr()

    return typed


def test_nodes_net_and_links_name_everything(typed):
    out = typed("nodes").out
    assert "blue/vm1 blue/vm2" in out
    assert "hv1 hv2 hv3" in out
    out = typed("net").out
    assert "red/vm3 network:red/app hv2" in out
    assert "hv2 underlay blue/vm3 red/vm3" in out
    out = typed("links").out.splitlines()
    assert "red/vm1<->hv1" in out
    assert "east<->hv1" in out
    assert len(out) == 8 + 4


def test_a_link_is_cut_and_mended_by_word(typed):
    said = typed("link west hv3 down", "links", "link hv3 west up", "links")
    assert "hv3 - west is cut" in said.out
    assert said.out.count("hv3<->west (cut)\n") == said.out.count("hv3<->west\n") == 1
    said = typed("link hv3 west", "link hv3 west sideways", "link hv3 hv9 down")
    assert said.err.count("say which link, and up or down") == 2
    assert "the underlay has no 'hv9'" in said.err


def test_dump_says_addresses_and_tables(typed):
    out = typed("dump").out
    assert "<instance red/vm1: 10.0.0.11,fd00:a::11 02:00:00:00:00:11 in red/app on hv1>" in out
    assert "<hypervisor hv1: datapath" in out


def test_a_ports_name_in_a_command_stands_for_its_address(typed):
    assert "reply from 10.0.0.13" in typed("red/vm1 ping red/vm3").out
    assert "reply from fd00:a::13" in typed("red/vm1 ping -6 red/vm3").out
    assert "10.0.0.13 tcp 80: answered" in typed("red/vm1 tcp red/vm3 80").out


def test_who_means_another_tenants_port_is_told_whom_the_address_means(typed):
    said = typed("red/vm1 arp blue/vm3")
    assert "note: to red/vm1, 10.0.0.13 is not blue/vm3 but red/vm3" in said.err


def test_pingall_stays_within_each_tenant_and_counts(typed):
    out = typed("pingall").out.splitlines()
    assert "red/vm1 -> red/vm2 red/vm3 X" in out  # vm4 admits no ping
    assert out[-1].startswith("*** results: ")
    assert "/24 received)" in out[-1]


def test_a_hypervisors_flows_can_be_read_and_changed(typed):
    flow = "table=0,priority=999,in_port=100,actions=drop"
    said = typed(
        f"hv1 ovs-ofctl add-flow br-int {flow}",
        "hv1 ovs-ofctl dump-flows br-int table=0,in_port=100",
        "hv1 ovs-ofctl --strict del-flows br-int table=0,priority=999,in_port=100",
    )
    assert "priority=999,in_port=100 actions=drop" in said.out
    assert "drift        none" in typed("status").out


def test_errors_are_told_and_the_shell_goes_on(typed):
    said = typed("fly", "red/vm1", "red/vm1 bash", "red/vm1 ping 'x", "", "# a remark", "links")
    assert "'fly' is neither a word nor a node" in said.err
    assert "what shall red/vm1 do?" in said.err
    assert "the simulator has no bash" in said.err
    assert "this line cannot be read" in said.err
    assert "red/vm1<->hv1" in said.out


def test_exit_leaves_the_rest_unread_and_the_lab_up(typed, lab):
    assert typed("exit", "links").out == ""
    assert main(["status", "--name", lab]) == 0


def test_the_command_reads_a_script_from_its_standard_input(lab, monkeypatch, capfd):
    monkeypatch.setattr("sys.stdin", io.StringIO("nodes\n"))
    assert main(["shell", "--name", lab]) == 0
    assert "hv1 hv2 hv3" in capfd.readouterr().out
