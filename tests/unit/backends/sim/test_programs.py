"""What `exec` offers on the simulator: a few programs, and a clear sentence for everything else."""

import os
import re

import pytest

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import ApparatusError
from sdn_lab.scenario import find, load


@pytest.fixture
def lab():
    scenario = load(find("overlap"))
    assignment = assign(scenario)
    with SimLab(scenario, assignment) as lab:
        lab.program(compile_scenario(scenario, assignment).tables)
        yield lab


@pytest.fixture
def run(lab, tmp_path):
    """Return what runs words at a node: exit status, output, errors."""

    def run(node, *words):
        paths = [tmp_path / "out", tmp_path / "err"]
        ends = [os.open(p, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for p in paths]
        try:
            status = lab.execute(node, words, {}, "", [0, *ends]).finish()
        finally:
            for end in ends:
                os.close(end)
        return status, *(p.read_text() for p in paths)

    return run


@pytest.mark.parametrize("address", ["10.0.0.13", "fd00:a::13"])
def test_ping_says_whether_an_address_answers(run, address):
    status, out, _ = run("red/vm1", "ping", "-c", "3", address)
    assert status == 0
    assert "3 packets transmitted, 3 received" in out


def test_ping_of_an_address_that_nobody_has_is_not_answered(run):
    status, out, _ = run("red/vm1", "ping", "10.0.0.99")
    assert status == 1
    assert "100% packet loss" in out


def test_arp_finds_the_mac_behind_an_address_of_ones_own_network(run):
    assert run("red/vm1", "arp", "10.0.0.13")[:2] == (0, "10.0.0.13 is at 02:00:00:00:00:13\n")
    assert run("red/vm1", "arp", "10.0.0.99")[:2] == (1, "10.0.0.99: no answer\n")


def test_tcp_and_udp_are_answered_where_the_groups_allow_it(run):
    assert run("red/vm1", "tcp", "10.0.0.13", "80")[:2] == (0, "10.0.0.13 tcp 80: answered\n")
    assert run("red/vm1", "tcp", "10.0.0.13", "81")[:2] == (1, "10.0.0.13 tcp 81: no answer\n")
    assert run("red/vm1", "udp", "10.0.0.13", "80")[:2] == (1, "10.0.0.13 udp 80: no answer\n")


def test_ovs_ofctl_adds_dumps_and_deletes_entries_as_a_switch_would(run):
    before = run("hv1", "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br-int")[1].splitlines()
    flow = "cookie=0x5,table=7,priority=5,tcp,tp_dst=80,actions=drop"
    assert run("hv1", "ovs-ofctl", "add-flow", "br-int", flow) == (0, "", "")
    added = run("hv1", "ovs-ofctl", "dump-flows", "br-int", "table=7")[1]
    assert added == "cookie=0x5, table=7, priority=5,tcp,tp_dst=80 actions=drop\n"
    assert run("hv1", "ovs-ofctl", "dump-flows", "br-int", "cookie=0x5/-1")[1] == added
    assert (
        run("hv1", "ovs-ofctl", "--strict", "del-flows", "br-int", "table=7,priority=6,tcp,tp_dst=80")[0] == 0
    )
    assert run("hv1", "ovs-ofctl", "dump-flows", "br-int", "table=7")[1] == added
    assert run("hv1", "ovs-ofctl", "del-flows", "br-int", "table=7,tcp")[0] == 0
    assert run("hv1", "ovs-ofctl", "dump-flows", "br-int")[1].splitlines() == before
    assert run("hv2", "ovs-ofctl", "del-flows", "br-int")[0] == 0
    assert run("hv2", "ovs-ofctl", "dump-flows", "br-int")[1] == ""


def test_an_entry_that_ovs_ofctl_added_forwards(run):
    run("hv1", "ovs-ofctl", "add-flow", "br-int", "table=0,priority=999,actions=drop")
    assert run("red/vm1", "ping", "10.0.0.13")[0] == 1


def test_the_physical_bridge_can_be_dumped_too(run):
    out = run("hv1", "ovs-ofctl", "dump-flows", "br-phy")[1]
    assert "tp_dst=4789" in out


@pytest.mark.parametrize(
    ("node", "words", "status", "said"),
    [
        ("red/vm1", ["ping"], 2, "wants an address"),
        ("red/vm1", ["ping", "red/vm2"], 2, "'red/vm2' is no IP address"),
        ("red/vm1", ["ping", "-c", "0", "10.0.0.13"], 2, "not a count from 1"),
        ("red/vm1", ["ping", "-f", "10.0.0.13"], 2, "wants an address"),
        ("red/vm1", ["tcp", "10.0.0.13", "0"], 2, "not a port"),
        ("red/vm1", ["tcp", "10.0.0.13"], 2, "wants an address and a port"),
        ("hv1", ["ovs-ofctl", "show", "br-int"], 2, "dump-flows, add-flow, del-flows"),
        ("hv1", ["ovs-ofctl", "dump-flows", "br0"], 2, "there is no bridge br0"),
        ("hv1", ["ovs-ofctl", "add-flow", "br-int"], 2, "wants a bridge and one flow"),
        ("hv1", ["ovs-ofctl", "add-flow", "br-int", "in_prot=5,actions=drop"], 1, "FLW001"),
        ("hv1", ["ovs-ofctl", "add-flow", "br-int", "table=254,actions=drop"], 1, "254"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_a_sentence_and_changes_nothing(lab, run, node, words, status, said):
    before = lab.snapshot().hash
    found, out, err = run(node, *words)
    assert (found, out) == (status, "")
    assert said in err
    assert lab.snapshot().hash == before


@pytest.mark.parametrize(
    ("node", "program"), [("red/vm1", "bash"), ("red/vm1", "ovs-ofctl"), ("hv1", "ping"), ("hv1", "ls")]
)
def test_a_program_that_there_is_not_is_refused_with_those_that_there_are(run, node, program):
    with pytest.raises(ApparatusError, match=re.escape(f"no {program} here: it offers ping, arp")):
        run(node, program)
