"""What travels between command and resident: values, and nothing that could do something."""

import pickle

import pytest

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.resident.values import dumps, loads
from sdn_lab.scenario import find, load


class Harmful:
    def __reduce__(self):
        return print, ("harm",)


class Stranger:
    pass


def test_scenario_options_and_report_come_out_as_they_went_in(tmp_path):
    scenario = load(find("overlap"))
    options = Options(methods=("graph",), flows=tmp_path)
    with Lab(scenario, Options(methods=("graph", "drift"))) as lab:
        report = lab.check()

    assert loads(dumps(scenario)) == scenario
    assert loads(dumps(scenario)).sources == scenario.sources
    assert loads(dumps(options)) == options
    assert loads(dumps(report)) == report


@pytest.mark.parametrize("value", [Harmful(), Stranger(), print, pickle.Unpickler])
def test_what_is_no_value_of_ours_is_refused_before_it_is_made(value, capsys):
    with pytest.raises(LabError, match="cannot be read"):
        loads(pickle.dumps(value))
    assert capsys.readouterr().out == ""


def test_bytes_that_are_cut_short_are_an_error_in_one_sentence():
    with pytest.raises(LabError, match="cannot be read"):
        loads(dumps(Options())[:-9])
