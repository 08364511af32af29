"""The contract of `contracts.Reporter`, over every format that is registered."""

import io
from dataclasses import replace

import pytest

from sdn_lab.report import NOT_YET, REPORTERS
from tests.unit.report.report_samples import SAMPLES, evil, scenario

every_format = pytest.mark.parametrize("name", REPORTERS)


@every_format
def test_goes_by_the_name_it_is_registered_under(name):
    assert REPORTERS[name].name == name


def test_what_is_not_yet_there_is_not_registered():
    assert not set(NOT_YET) & REPORTERS.keys()


@every_format
@pytest.mark.parametrize("sample", [*SAMPLES.values(), evil])
def test_writes_every_report_the_same_twice_and_ends_the_line(name, sample, tmp_path):
    path = tmp_path / "report"
    REPORTERS[name].write(sample(), scenario(), path)
    first = path.read_bytes()
    REPORTERS[name].write(sample(), scenario(), path)
    assert path.read_bytes() == first
    assert first.decode("utf-8").endswith("\n")


@every_format
def test_prints_what_it_writes(name, tmp_path):
    path = tmp_path / "report"
    REPORTERS[name].write(SAMPLES["violated"](), scenario(), path)
    stream = io.StringIO()
    REPORTERS[name].print(SAMPLES["violated"](), scenario(), stream)
    assert stream.getvalue() == path.read_text(encoding="utf-8")


@every_format
@pytest.mark.parametrize("sample", SAMPLES.values())
def test_needs_no_scenario(name, sample):
    assert REPORTERS[name].render(sample(), None)


@every_format
def test_names_every_claim_that_is_violated(name):
    report = SAMPLES["violated"]()
    written = REPORTERS[name].render(report, scenario())
    violated = [claim for claim, status in report.summary.items() if status.value == "violated"]
    assert len(violated) == 3
    assert all(claim in written for claim in violated)


@every_format
def test_a_failed_run_says_why(name):
    assert "ovs-vswitchd of hv2 died" in REPORTERS[name].render(SAMPLES["failed"](), scenario())


@every_format
def test_a_missing_folder_is_an_os_error_and_leaves_nothing(name, tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        REPORTERS[name].write(SAMPLES["holds"](), scenario(), tmp_path / "nowhere" / "report")


@every_format
def test_an_empty_report_is_not_taken_for_a_good_one(name):
    empty = replace(SAMPLES["unknown"](), verdicts=(), summary={}, claims=())
    written = REPORTERS[name].render(empty, scenario())
    assert "unknown" in written
