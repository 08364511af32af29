"""A scenario written as a file is the same scenario."""

from dataclasses import replace

import pytest

from sdn_lab.model.intent import Link
from sdn_lab.scenario import find, load, loads, shipped, to_yaml

from .test_load import FULL


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_survive(name):
    scenario = load(find(name))
    assert loads(to_yaml(scenario), "again.yaml") == scenario


def test_every_form_survives():
    scenario = loads(FULL, "full.yaml")
    assert loads(to_yaml(scenario), "again.yaml") == scenario


@pytest.mark.parametrize(
    "name", ["true", "null", "1e5", "007", "0x10", "on", "no", "1.5", "a-b.c_d", "NULL", "9"]
)
def test_names_that_yaml_would_take_for_something_else_survive(name):
    text = f"""
        version: 1
        name: "{name}"
        underlay: {{sites: {{"s{name}": ["{name}"]}}}}
        tenants: {{"{name}": {{}}}}
    """
    scenario = loads(text, "x.yaml")
    assert scenario.name == name
    assert loads(to_yaml(scenario), "again.yaml") == scenario


@pytest.mark.parametrize("loss", [0.1, 1 / 3, 1e-7, 1.0, 0.7])
@pytest.mark.parametrize("delay_ms", [0.1, 1e-5, 12345.678])
def test_quantities_survive_exactly(loss, delay_ms):
    scenario = loads(FULL, "full.yaml")
    link = Link(
        between=("east", "west"), delay_ms=delay_ms, rate_bps=1, loss=loss, jitter_ms=delay_ms / 2, queue=7
    )
    changed = replace(scenario, underlay=replace(scenario.underlay, links=(link,)))
    assert loads(to_yaml(changed), "again.yaml") == changed
