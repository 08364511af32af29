"""A link that loses frames makes verdicts unknown, never holds by silence and never violated."""

from dataclasses import replace

from sdn_lab.lab import Lab, Options
from sdn_lab.model.intent import Link
from sdn_lab.model.verdict import Kind, Status
from sdn_lab.scenario import find, load

SETTINGS = {"tenants": "2", "hypervisors": "3", "spines": "1", "instances": "6"}


def judged(loss):
    """Return the scenario, and what probes say of each claim when one of two racks hangs on such a link."""
    base = load(find("leaf_spine"), SETTINGS)
    links = (Link(between=("rack1", "spine1")), Link(between=("rack2", "spine1"), loss=loss))
    scenario = replace(base, underlay=replace(base.underlay, links=links))
    with Lab(scenario, Options(methods=("probe",))) as lab:
        report = lab.check()
        return scenario, {c: report.summary[c.id] for c in lab.claims if c.id in report.summary}, report.exit


def test_what_crosses_a_link_with_much_loss_is_unknown():
    scenario, told, code = judged(0.3)
    at = {port.path: port.hypervisor for port in scenario.ports}
    crossing = [c for c in told if c.kind is Kind.EXACT and len({at[o] == "hv3" for o in c.objects}) == 2]
    assert crossing
    assert {told[claim] for claim in crossing} == {Status.UNKNOWN}
    assert told[next(c for c in told if c.kind is Kind.ISOLATED)] is Status.UNKNOWN
    assert Status.VIOLATED not in told.values()
    assert code == 3


def test_a_little_loss_is_made_good_by_sending_again():
    _, told, code = judged(0.002)
    assert set(told.values()) == {Status.HOLDS}
    assert code == 0
