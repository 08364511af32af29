"""What a notebook needs: a lab in three lines, and values that show themselves, whatever they are called."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

import sdn_lab
from sdn_lab import notebook
from sdn_lab.lab import Lab
from sdn_lab.model.diagnostic import ApparatusError, InputError
from sdn_lab.model.verdict import Difference, Drift, Kind, Report, Status, Verdict
from sdn_lab.report import markup


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = notebook.up("overlap", methods=("drift",))
    yield made
    made.down()


def words(html: str) -> str:
    """The text of a piece of HTML."""
    return re.sub(r"<[^>]*>", " ", html)


def test_importing_the_package_imports_nothing_of_a_lab() -> None:
    asked = "import sys, sdn_lab; print(*[m for m in sys.modules if m.startswith('sdn_lab')])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sdn_lab"]


def test_the_package_has_the_names_of_a_notebook_and_no_others() -> None:
    assert sdn_lab.load is notebook.load
    assert sdn_lab.Lab is Lab
    assert {"load", "up", "at", "trace"} <= {*dir(sdn_lab)}
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        sdn_lab.lod  # noqa: B018


def test_a_scenario_comes_by_name_with_settings_or_from_text() -> None:
    assert len(notebook.load("leaf_spine", tenants=3, instances=9).ports) == 9
    with pytest.raises(InputError, match="scenario:1:"):
        notebook.loads("version: 1\n")


def test_a_command_says_what_it_wrote_and_how_it_ended(lab: Lab) -> None:
    answered, refused = (notebook.at(lab, "red/vm1", f"tcp 10.0.0.13 {port}") for port in (80, 22))

    assert (answered.status, refused.status) == (0, 1)
    assert "answered" in str(answered)
    assert "table=0" in str(notebook.at(lab, "hv1", "ovs-ofctl dump-flows br-int table=0"))
    with pytest.raises(ApparatusError, match="simulator has no"):
        notebook.at(lab, "red/vm1", "curl 10.0.0.13")


def test_entries_are_chosen_by_table_and_by_reason(lab: Lab) -> None:
    first = notebook.entries(lab, "hv1", table=0)
    rule = notebook.entries(lab, "hv1", about="rule red/web/rules/0")

    assert 0 < len(first) < len(notebook.entries(lab, "hv1"))
    assert len(rule) > 0
    assert all("rule red/web/rules/0 (" in why for why, _ in rule.rows)
    assert "tp_dst=80" in words(rule._repr_html_())


def test_a_trace_ends_where_the_packet_does(lab: Lab) -> None:
    assert notebook.trace(lab, "red/vm1", "red/vm3").arrives == ("red/vm3",)
    assert notebook.trace(lab, "red/vm1", "blue/vm3").arrives == ("red/vm3",)  # by the same address
    refused = notebook.trace(lab, "red/vm1", "red/vm3", 22)
    assert refused.arrives == ()
    assert "nobody" in words(refused._repr_html_())
    assert refused.steps[-1].datapath == "hv2"


def test_ipython_learns_how_values_look_from_the_kind_alone() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    notebook.load_ipython_extension(shell)

    formatted, _ = shell.display_formatter.format(notebook.load("overlap"))
    assert formatted["text/html"].startswith('<img alt="topology of overlap"')


def test_a_lab_shows_its_scenario_and_its_controller(lab: Lab) -> None:
    [look] = [look for kind, look in notebook.LOOKS if kind is Lab]
    assert "overlap on sim, controller overlay" in words(look(lab))


def test_without_matplotlib_a_scenario_shows_itself_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> None:
        raise ApparatusError("no matplotlib")

    monkeypatch.setattr(markup.plots, "topology", missing)
    shown = markup.of_scenario(notebook.load("overlap"))
    assert "<img" not in shown
    assert "red/vm1 on hv1" in words(shown)


def test_a_report_shows_what_is_violated_and_each_difference() -> None:
    found = Difference(
        datapath="hv1",
        part="entry",
        drift=Drift.FOREIGN,
        held="table=0, actions=drop",
        table=0,
        betrays="rule 7",
    )
    verdict = Verdict(
        claim="as_built/hv1",
        kind=Kind.AS_BUILT,
        method="drift",
        status=Status.VIOLATED,
        reason="1 difference from what was built: 1 foreign",
        differences=(found,),
    )
    report = Report(
        scenario="s",
        backend="sim",
        status="violated",
        exit=1,
        verdicts=(verdict,),
        summary={"x": Status.VIOLATED},
    )

    shown = words(markup.of_report(report))

    for expected in ("✕ violated", "as_built/hv1", "hv1 table 0: entry foreign", "rule 7"):
        assert expected in shown


def test_nothing_that_comes_from_a_file_becomes_markup() -> None:
    evil = '<script>alert("1")</script>'
    report = Report(scenario=evil, backend=evil, status="unknown", exit=6, error=evil)
    lab_of_evil = replace(notebook.load("overlap"), name=evil)
    for shown in (
        markup.of_report(report),
        markup.of_scenario(lab_of_evil),
        markup.table((evil,), [(evil,)]),
        markup.status(evil),
    ):
        assert "<script" not in shown
