"""The harness says what is so; and the embedded switch passes every case that is not declared unsupported."""

import json
import lzma

import pytest

from tests.conformance import ofconf, ofconf_features
from tests.conformance.__main__ import main
from tests.conformance.case_files import folder
from tests.conformance.declared import Ran, declared, judge

FRAME = "02000000000202000000000108004500001c000000004011f96f0a0000010a00000200010002000800ea"
MATCH = {"OFPMatch": {"oxm_fields": [{"OXMTlv": {"field": "in_port", "value": 1}}]}}


def case(actions, *steps, name="made/up#0", match=MATCH, description=""):
    instructions = [{"OFPInstructionActions": {"actions": actions, "type": 4}}]
    flow_mod = {"OFPFlowMod": {"instructions": instructions, "match": match, "table_id": 0}}
    return {"id": name, "description": description, "prerequisite": [flow_mod], "steps": list(steps)}


def output(port):
    return {"OFPActionOutput": {"port": port}}


def test_a_case_passes_where_the_switch_does_as_it_says():
    assert ofconf.failure(case([output(2)], {"ingress": FRAME, "egress": FRAME})) == ""


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (case([output(2)], {"ingress": FRAME, "egress": FRAME[:-2] + "00"}), "sent"),
        (case([output(3)], {"ingress": FRAME, "egress": FRAME}), "sent"),
        (case([output(2)], {"ingress": FRAME, "PACKET_IN": FRAME}), "sent"),
        (case([], {"ingress": FRAME, "PACKET_IN": FRAME}), "handed"),
        (case([], {"ingress": FRAME, "table_miss": [0]}), "missed in tables []"),
        (case([{"OFPActionSetField": {"field": {"OXMTlv": {"field": "vlan_vid", "value": 1}}}}]), "refused"),
    ],
)
def test_a_planted_fault_fails_its_case(made, why):
    assert ofconf.failure(made).startswith(why)


def rate(kbps, pktps=100):
    flow = {"OFPMatch": {"oxm_fields": [{"OXMTlv": {"field": "in_port", "value": 2}}]}}
    return {
        "ingress_spec": {"data": FRAME + "00" * 1238, "duration_time": 30, "pktps": pktps},
        "egress": {"throughput": [{**flow, "kbps": kbps}]},
    }


@pytest.mark.parametrize(("kbps", "passes"), [(1000, True), (1090, True), (1150, False), (850, False)])
def test_a_rate_is_held_to_a_tenth(kbps, passes):
    assert (ofconf.failure(case([output(2)], rate(kbps))) == "") is passes


def test_what_the_description_calls_random_differs_from_frame_to_frame():
    made = case([], description="2Mbps(ethernet(dst=random,src=random)/ipv4(src=random))-->'in_port=1'")
    frames = ofconf._frames(made, bytes.fromhex(FRAME))
    drawn = [next(frames) for _ in range(50)]
    assert (
        len({f[:6] for f in drawn}) == len({f[6:12] for f in drawn}) == len({f[26:30] for f in drawn}) == 50
    )
    assert {f[30:34] for f in drawn} == {bytes.fromhex(FRAME)[30:34]}


def test_the_features_of_a_case_are_those_that_it_uses():
    field = {"OXMTlv": {"field": "sctp_src", "value": 5}}
    made = case([{"OFPActionSetField": {"field": field}}, output(2)], {"ingress": FRAME, "egress": FRAME})
    assert ofconf_features.of(made) == {
        *("message:flow_mod", "match:in_port", "instruction:actions", "set_field:sctp_src", "action:output"),
        "step:egress",
    }


def test_a_failing_case_without_a_declared_feature_fails_the_run():
    judged = judge([Ran("a", frozenset({"action:x"}), "broken")], {"action:y": "reason"})
    assert not judged.ok
    assert [one.name for one in judged.failed] == ["a"]


def test_a_declared_feature_excuses_a_case_and_only_as_long_as_one_fails():
    having = frozenset({"action:x"})
    assert judge([Ran("a", having, "broken"), Ran("b", having, "")], {"action:x": "reason"}).ok
    needless = judge([Ran("b", having, "")], {"action:x": "reason"})
    assert needless.needless == ["action:x"]
    assert not needless.ok


def test_absent_cases_are_said_in_one_sentence(tmp_path, capsys):
    assert main(["ofconf", "--cases", str(tmp_path)]) == 5
    said = capsys.readouterr().err
    assert str(tmp_path / ofconf.FILE) in said
    assert said.count("\n") == 1


def test_other_files_of_the_same_form_are_run(tmp_path, capsys):
    lines = json.dumps(case([output(2)], {"ingress": FRAME, "egress": FRAME}))
    with lzma.open(tmp_path / ofconf.FILE, "wt") as held:
        held.write(lines)
    assert main(["ofconf", "--cases", str(tmp_path)]) == 0
    assert "1 cases, 1 supported, 1 passed" in capsys.readouterr().out


@pytest.mark.skipif(not (folder() / ofconf.FILE).exists(), reason=f"{folder() / ofconf.FILE} is not there")
def test_every_supported_case_passes_and_we_support_what_open_vswitch_does():
    judged = judge(ofconf.run(folder()), declared(ofconf.NAME))
    assert not judged.failed
    assert not judged.needless
    assert len(judged.passed) >= ofconf.accepted_by_ovs(folder())[0]
