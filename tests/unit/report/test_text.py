"""What the text report must show, whatever its layout."""

import io
from dataclasses import replace

import pytest

from sdn_lab.model.intent import Port
from sdn_lab.model.traffic import TCP, UDP, Allowance, Traffic
from sdn_lab.model.verdict import Status
from sdn_lab.report import REPORTERS
from sdn_lab.report.format import clean
from sdn_lab.report.matrix import draw, services
from sdn_lab.report.text import EXITS
from tests.unit.report.report_samples import EVIL, SAMPLES, evil, scenario

TEXT = REPORTERS["text"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def cells(report):
    matrix = draw(report, scenario(), 110)
    names = [name.split(" @")[0] for name in matrix.names]
    return {(s, d): matrix.cells[i][j] for i, s in enumerate(names) for j, d in enumerate(names)}


def test_the_matrix_shows_services_isolation_and_itself():
    held = cells(SAMPLES["holds"]())
    assert held["red/vm2", "red/vm1"] == "tcp/22,8000-8080"
    assert held["red/vm1", "red/vm2"] == "0"
    assert held["red/vm1", "blue/vm1"] == "."
    assert held["red/vm1", "red/vm1"] == "-"


def test_the_matrix_shows_who_leaked_and_what_is_broken():
    held = cells(SAMPLES["violated"]())
    assert held["red/vm1", "blue/vm1"] == "LEAK"
    assert held["blue/vm1", "red/vm1"] == "leak"  # the networks are not isolated, whoever it was
    assert held["blue/vm2", "blue/vm1"] == "BROKEN"


def test_more_than_allowed_is_open():
    report = SAMPLES["violated"]()
    passing = tuple(
        replace(v, counterexample=replace(v.counterexample, arrives=True)) if v.counterexample else v
        for v in report.verdicts
    )
    assert cells(replace(report, verdicts=passing))["blue/vm2", "blue/vm1"] == "OPEN"


def test_unknown_is_never_shown_as_isolated():
    held = cells(SAMPLES["unknown"]())
    assert held["red/vm1", "blue/vm1"] == "?"
    assert held["red/vm2", "red/vm1"] == "?"  # a claim that nobody judged


def test_what_was_not_judged_is_shown_as_that():
    assert cells(SAMPLES["chosen"]())["red/vm2", "red/vm1"] == "~"


def test_many_ports_make_a_matrix_of_networks_in_which_the_worst_counts():
    few = scenario()
    more = tuple(replace(few.ports[0], path=f"blue/x{n:02}") for n in range(20))
    many = replace(few, ports=tuple(sorted((*few.ports, *more), key=_path)))
    matrix = draw(SAMPLES["violated"](), many, 110)
    assert matrix.names == ("blue/app", "red/app")
    assert matrix.cells[1][0] == "LEAK"
    assert matrix.cells[0][0] == "BROKEN"


def _path(port: Port) -> str:
    return port.path


def test_a_narrow_terminal_gets_letters_with_a_legend():
    matrix = draw(SAMPLES["holds"](), scenario(), 60)
    assert matrix.cells[1][0] == "a"
    assert "a tcp/22,8000-8080" in matrix.legend


@pytest.mark.parametrize(
    ("boxes", "told"),
    [
        ((), "0"),
        (((TCP, ((80, 80),), ()),), "tcp/80"),
        (((UDP, ((1, 66), (68, 65535)), ()),), "udp"),
        (((UDP, ((1, 66), (69, 65535)), ()),), "udp/1-66,69-65535"),
        (((TCP, ((80, 90), (85, 99)), ()), (1, (), (8,)), (58, (), (128,))), "tcp/80-99 icmp"),
        (
            (
                (TCP, ((1, 65535),), ()),
                (UDP, ((1, 65535),), ()),
                (132, ((1, 65535),), ()),
                (1, (), (8,)),
                (None, (), ()),
            ),
            "any",
        ),
    ],
)
def test_services_are_told_in_short(boxes, told):
    one, other = scenario().ports[0].ips[0], scenario().ports[1].ips[0]
    made = [
        Allowance(src=one, dst=other, protocol=protocol, l4_ports=ports, icmp_types=types)
        for protocol, ports, types in boxes
    ]
    assert services(Traffic(allowances=tuple(made))) == told


def test_a_leak_names_both_ports_their_networks_their_lines_and_the_path():
    written = TEXT.render(SAMPLES["violated"](), scenario())
    assert (
        "red/vm1 (network red/app, hv1, twins.yaml:10) -> blue/vm1 (network blue/app, hv1, twins.yaml:10)"
        in written
    )
    assert "hv1 table 0: classify: port red/vm1 (twins.yaml:10)" in written
    assert "hv1 table 70: no origin" in written
    assert "sent again on sim: it arrived" in written


def test_the_same_witness_is_told_once():
    written = TEXT.render(SAMPLES["violated"](), scenario())
    assert written.count("packet: IPv4 10.0.0.1:40001") == 1
    assert "as under isolated/blue/app/red/app" in written


def test_a_disagreement_is_loud_and_comes_before_the_claims():
    written = TEXT.render(SAMPLES["disagreement"](), scenario())
    assert "METHODS DISAGREE (1)" in written
    assert written.index("METHODS DISAGREE") < written.index("Violated")


@pytest.mark.parametrize("sample", SAMPLES)
def test_first_and_last_line_say_how_it_went(sample):
    report = SAMPLES[sample]()
    lines = TEXT.render(report, scenario()).splitlines()
    assert lines[0].startswith("twins on sim: ")
    assert lines[-1] == f"twins: {report.status}, exit {report.exit}: {EXITS[report.exit]}"


def test_a_failed_run_says_why_at_once():
    assert TEXT.render(SAMPLES["failed"](), scenario()).splitlines()[1] == "  ovs-vswitchd of hv2 died"


def test_every_exit_code_has_a_meaning():
    assert sorted(EXITS) == [0, 1, 2, 3, 4, 5, 6]


def test_without_a_scenario_there_is_a_report_all_the_same():
    assert "isolated/blue/app/red/app" in TEXT.render(SAMPLES["violated"](), None)


def test_colour_says_nothing_that_words_do_not(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    TEXT.print(SAMPLES["violated"](), scenario(), stream)
    coloured = stream.getvalue()
    assert "\x1b[" in coloured
    plain = io.StringIO()
    TEXT.print(SAMPLES["violated"](), scenario(), plain)
    assert "\x1b" not in plain.getvalue()
    stripped = [line.rstrip() for line in _without_ansi(coloured).splitlines()]
    assert stripped == plain.getvalue().splitlines()


def _without_ansi(text):
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_no_name_reaches_the_terminal_raw():
    written = TEXT.render(evil(), scenario())
    assert all(line.isprintable() for line in written.splitlines())
    assert EVIL not in written
    assert "\\x1b[2J" in written


def test_clean_keeps_what_people_write():
    assert clean("Zürich/vm-1 ärger 東京") == "Zürich/vm-1 ärger 東京"
    assert clean("a\ud800b") == "a\\ud800b"
    assert Status.HOLDS.value == clean("holds")
