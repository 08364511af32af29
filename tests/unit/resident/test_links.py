"""`link`: cut a link of the underlay, mend it, and what `status` and `check` say of it."""

import json

from sdn_lab.cli.status import changes
from sdn_lab.resident.client import ask

UP = "up", "leaf_spine", "--set", "spines=2", "hypervisors=4", "instances=8", "--name"


def test_a_cut_link_is_seen_by_status_and_check_until_it_is_mended(name, say, tmp_path):
    assert say(*UP, name)[0] == 0
    before = ask(name, "status")["status"]
    link = "link", "--name", name, "spine1", "rack1"
    assert say(*link, "down")[:2] == (0, "rack1 - spine1 is cut\n")

    file = tmp_path / "status.json"
    _, out, _ = say("status", "--name", name, "--report", f"json={file}")
    assert "underlay     rack1 - spine1 is cut" in out
    [told] = json.loads(file.read_text())
    assert [entry for entry in told["underlay"]["links"] if entry["cut"]] == [
        {"between": ["rack1", "spine1"], "cut": True}
    ]
    assert list(changes(before, told)) == ["underlay: rack1 - spine1 is cut"]
    code, out, _ = say("check", "--name", name, "--methods", "graph")
    assert (code, "the underlay link rack1 - spine1 is cut" in out) == (0, True)

    assert say(*link, "up")[:2] == (0, "rack1 - spine1 carries\n")
    assert list(changes(told, ask(name, "status")["status"])) == ["underlay: rack1 - spine1 carries again"]
    assert "is cut" not in say("check", "--name", name, "--methods", "graph")[1]


def test_who_has_no_way_left_is_named_and_nothing_passes_between_them(name, say):
    assert say("up", "overlap", "--name", name)[0] == 0
    ping = "exec", "--name", name, "red/vm1", "--", "ping", "-c", "1", "10.0.0.13"
    assert say(*ping)[0] == 0
    _, out, _ = say("link", "--name", name, "hv2", "east", "down")
    assert out.splitlines() == [
        "east - hv2 is cut",
        "no way is left between hv1 and hv2",
        "no way is left between hv2 and hv3",
    ]
    assert "no way is left between hv1 and hv2" in say("status", "--name", name)[1]
    assert say(*ping)[0] == 1
    assert say("check", "--name", name, "--methods", "probe")[0] != 0, "what is allowed does not pass"
    assert say("link", "--name", name, "east", "hv2", "up")[:2] == (0, "east - hv2 carries\n")
    assert say(*ping)[0] == 0


def test_a_switch_that_fails_is_gone_round_and_a_site_that_fails_takes_its_own_along(name, say):
    assert say(*UP, name)[0] == 0
    node = "node", "--name", name
    code, out, _ = say(*node, "spine1", "down")
    assert (code, out.splitlines()) == (0, [f"rack{n} - spine1 is cut" for n in (1, 2)])
    code, out, _ = say("check", "--name", name, "--methods", "graph")
    assert (code, "the underlay link rack1 - spine1 is cut" in out) == (0, True)
    _, out, _ = say(*node, "rack1", "down")
    assert "no way is left between hv1 and hv2" in out
    back = say(*node, "rack1", "up")[1].splitlines()
    assert back == ["rack1 is back", *(f"rack{n} - spine1 is cut" for n in (1, 2))], "spine1 is not"
    assert say(*node, "spine1", "up")[1] == "spine1 is back\n"


def test_a_hypervisor_that_fails_does_nothing_and_comes_back_with_what_it_held(name, say):
    assert say("up", "overlap", "--name", name)[0] == 0

    def ping(src, to):
        return say("exec", "--name", name, src, "--", "ping", "-c", "1", to)[0]

    assert (ping("red/vm1", "10.0.0.12"), ping("red/vm1", "10.0.0.13")) == (0, 0)
    entries = say("exec", "--name", name, "hv1", "--", "ovs-ofctl", "dump-flows", "br-int")[1].count("\n")
    _, out, _ = say("node", "--name", name, "hv1", "down")
    assert out.splitlines() == [
        "east - hv1 is cut",
        "no way is left between hv1 and hv2",
        "no way is left between hv1 and hv3",
        "the hypervisor hv1 stands still, with all that is on it",
    ]
    assert "hv1 stands still" in say("status", "--name", name)[1]
    assert (ping("red/vm1", "10.0.0.12"), ping("red/vm1", "10.0.0.13")) == (1, 1), "not even within it"
    assert ping("red/vm3", "10.0.0.11") == 1
    assert say("check", "--name", name, "--methods", "probe")[0] != 0, "what is allowed does not pass"
    assert say("node", "--name", name, "hv1", "up")[1] == "hv1 is back\n"
    assert (ping("red/vm1", "10.0.0.12"), ping("red/vm3", "10.0.0.11")) == (0, 0)
    again = say("exec", "--name", name, "hv1", "--", "ovs-ofctl", "dump-flows", "br-int")[1].count("\n")
    assert again == entries > 100
    assert say("check", "--name", name, "--methods", "probe")[0] == 0


def test_a_node_that_is_not_there_is_refused(name, say):
    assert say("up", "overlap", "--name", name)[0] == 0
    code, _, err = say("node", "--name", name, "hv9", "down")
    assert (code, "the underlay has no 'hv9'" in err) == (2, True), err


def test_ends_that_no_link_joins_are_refused_and_nothing_changes(name, say):
    assert say("up", "overlap", "--name", name)[0] == 0
    for one, other in (("hv1", "hv9"), ("hv1", "hv2"), ("east", "east")):
        code, _, err = say("link", "--name", name, one, other, "down")
        assert (code, "error[USE008]" in err) == (2, True), err
    assert "is cut" not in say("status", "--name", name)[1]
