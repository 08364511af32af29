"""JUnit: what is not shown to hold is never a pass."""

from xml.etree import ElementTree as ET

import pytest

from sdn_lab.model.verdict import Status
from sdn_lab.report import REPORTERS
from tests.unit.report.report_samples import SAMPLES, evil, scenario


def suites(report):
    return ET.fromstring(REPORTERS["junit"].render(report, scenario()))  # noqa: S314  our own text


def cases(report):
    return {case.get("name"): case for case in suites(report).iter("testcase")}


def outcome(case):
    return [child.tag for child in case]


@pytest.mark.parametrize("sample", SAMPLES)
def test_one_case_per_verdict_and_only_what_holds_passes(sample):
    report = SAMPLES[sample]()
    held = cases(report)
    for verdict in report.verdicts:
        case = held[f"{verdict.claim} [{verdict.method}]"]
        wanted = {Status.HOLDS: [], Status.VIOLATED: ["failure"], Status.UNKNOWN: ["error"]}[verdict.status]
        assert outcome(case) == wanted


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_is_red_exactly_when_the_exit_code_is(sample):
    report = SAMPLES[sample]()
    root = suites(report)
    assert bool(int(root.get("failures")) + int(root.get("errors"))) is (report.exit != 0)


@pytest.mark.parametrize("sample", SAMPLES)
def test_counts_are_those_of_the_cases(sample):
    root = suites(SAMPLES[sample]())
    for element in (root, *root.iter("testsuite")):
        children = [child.tag for case in element.iter("testcase") for child in case]
        assert int(element.get("tests")) == len(list(element.iter("testcase")))
        assert int(element.get("failures")) == children.count("failure")
        assert int(element.get("errors")) == children.count("error")
        assert int(element.get("skipped")) == children.count("skipped")


def test_a_claim_from_which_all_abstained_is_an_error():
    report = SAMPLES["unknown"]()
    held = cases(report)
    assert outcome(held["segmented"]) == ["error"]
    assert "abstained" in held["segmented"][0].get("message")


def test_what_no_chosen_method_can_judge_is_skipped():
    report = SAMPLES["chosen"]()
    assert all(outcome(cases(report)[claim]) == ["skipped"] for claim in report.not_judged)


def test_a_failure_carries_packet_and_path():
    case = cases(SAMPLES["violated"]())["isolated/blue/app/red/app [graph]"]
    assert case[0].get("type") == "violated"
    assert "red/vm1 -> blue/vm1" in case[0].text
    assert "hv1 table 0: table=0, in_port=101 actions=goto_table:70" in case[0].text


def test_a_disagreement_and_a_failed_run_have_cases_of_their_own():
    held = cases(SAMPLES["disagreement"]())
    assert any(
        outcome(case) == ["failure"] and case[0].get("type") == "disagreement" for case in held.values()
    )
    assert outcome(cases(SAMPLES["failed"]())["the run itself"]) == ["error"]


def test_evil_names_leave_it_well_formed():
    root = suites(evil())
    assert all("\x1b" not in text for text in root.itertext())
    assert "\\x1b[2J" in root.get("name")
