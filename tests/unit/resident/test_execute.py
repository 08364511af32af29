"""`exec`, `apply` and `check --revert` on a lab that stays."""

import subprocess
import sys

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.resident.execute import find_node
from sdn_lab.scenario import find, load

UP = "up", "overlap", "--name"


def test_a_program_writes_to_the_callers_own_output_and_its_status_is_the_commands(name, say):
    say(*UP, name)
    code, out, err = say("exec", "--name", name, "red/vm1", "--", "ping", "-c", "2", "10.0.0.13")
    assert (code, "2 received" in out, err) == (0, True, "")
    assert say("exec", "--name", name, "red/vm1", "--", "tcp", "10.0.0.13", "81")[0] == 1
    assert say("exec", "--name", name, "red/vm1", "--", "ping")[0] == 2
    code, _, err = say("exec", "--name", name, "red/vm1", "--", "bash")
    assert (code, "the simulator has no bash" in err) == (5, True)
    code, _, err = say("exec", "--name", name, "red/vm9", "--", "ping", "10.0.0.13")
    assert (code, "there is no 'red/vm9'" in err) == (2, True)


def test_a_pipe_ends_when_the_program_has_ended(name, say):
    say(*UP, name)
    words = [sys.executable, "-m", "sdn_lab", "exec", "--name", name, "red/vm1", "--", "ping", "10.0.0.13"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "1 received" in ran.stdout


def test_drift_is_seen_by_status_found_by_check_and_reverted(name, say):
    say(*UP, name)
    flow = "table=0,priority=999,in_port=100,actions=output:102"
    assert say("exec", "--name", name, "hv1", "--", "ovs-ofctl", "add-flow", "br-int", flow)[0] == 0

    code, out, _ = say("status", "--name", name)
    assert code == 0
    assert "drift        1 difference" in out
    assert "priority=999,in_port=100 actions=output:102" in out
    assert say("check", "--name", name, "--methods", "drift")[0] == 1

    code, out, _ = say("check", "--name", name, "--methods", "drift", "--revert")
    assert code == 0
    assert "reverted: hv1 table 0: entry foreign" in out
    assert "drift        none" in say("status", "--name", name)[1]
    assert "nothing to revert" in say("check", "--name", name, "--methods", "drift", "--revert")[1]


def test_apply_changes_the_lab_and_check_judges_the_new_scenario(name, say, tmp_path):
    changed = tmp_path / "changed.yaml"
    text = find("overlap").read_text()
    assert "ports: 80" in text
    changed.write_text(text.replace("ports: 80", "ports: 8080"))
    say(*UP, name)

    code, out, err = say("apply", "--name", name, changed)
    assert code == 0, err
    assert "applied in" in out
    assert say("exec", "--name", name, "red/vm1", "--", "tcp", "10.0.0.13", "8080")[0] == 0
    assert say("exec", "--name", name, "red/vm1", "--", "tcp", "10.0.0.13", "80")[0] == 1


def test_a_scenario_that_cannot_be_applied_is_refused_and_the_lab_is_as_it_was(name, say, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(find("overlap").read_text().replace("encap: vxlan", "encap: geneve"))
    say(*UP, name)
    before = say("status", "--name", name)[1]

    code, _, err = say("apply", "--name", name, other)
    assert code == 2
    assert "encapsulation of a running lab cannot change" in err
    assert say("status", "--name", name)[1] == before


def test_nodes_are_hypervisors_ports_and_instances():
    scenario = load(find("overlap"))
    assert find_node(scenario, "hv1") == "hv1"
    assert find_node(scenario, "red/vm1") == "red/vm1"
    with pytest.raises(InputError, match=r"there are: blue/vm1, .*"):
        find_node(scenario, "vm1")


def test_the_words_after_the_dashes_are_the_programs(name, say):
    code, _, err = say("exec", "--name", name, "red/vm1")
    assert (code, "exec names no program" in err) == (2, True)
    assert say("exec", "--name", name, "red/vm1", "--", "ping", "--ryu", "--", "x")[0] == 2  # no such lab
