"""A lab may be checked again and again: what earlier probes opened is still tracked, and betrays nothing."""

from sdn_lab.lab import Lab, Options
from sdn_lab.scenario import find, load


def test_a_second_check_of_one_lab_comes_to_the_same_as_the_first():
    with Lab(load(find("overlap")), Options(methods=("probe",))) as lab:
        reports = [lab.check() for _ in range(3)]

    assert [report.exit for report in reports] == [0, 0, 0]
    assert reports[0].summary == reports[1].summary == reports[2].summary


def test_the_methods_of_one_check_may_be_others_than_the_labs():
    with Lab(load(find("overlap"))) as lab:
        report = lab.check(Options(methods=("graph",)))

    assert {verdict.method for verdict in report.verdicts} == {"graph"}
