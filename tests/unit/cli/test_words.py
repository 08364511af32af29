"""Words on the command line: what is refused, how, and with which exit code."""

from pathlib import Path

import pytest

from sdn_lab.cli import main

LATER = ["prove", "trace"]


@pytest.mark.parametrize("verb", LATER)
def test_a_verb_of_a_later_issue_is_refused_as_not_yet(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "overlap"]) == 2
    assert f"the verb '{verb}': not yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--gate"],
        ["--methods", "graph,proof"],
        ["--report", "sarif=x"],
    ],
    ids=" ".join,
)
def test_a_flag_of_a_later_issue_is_refused_as_not_yet(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "overlap", *words]) == 2
    assert "not yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no verb given"),
        (["fly"], "fly"),
        (["run"], "scenario"),
        (["run", "overlap", "--backend", "cloud"], "cloud"),
        (["run", "overlap", "--methods", "magic"], "'magic' is not a method"),
        (["run", "overlap", "--methods", ","], "names no method"),
        (["run", "overlap", "--report", "json"], "FORMAT=FILE"),
        (["run", "overlap", "--report", "json=no/such/folder/x.json"], "folder that exists"),
        (["run", "overlap", "--report", "png=no/such/folder"], "a new one in a folder"),
        (["run", "overlap", "--report", "png=pyproject.toml"], "cannot write pictures"),
        (["graph", "overlap", "-o", "x.jpg"], "end it in .png or .svg"),
        (["graph", "overlap", "-o", "no/such/folder/x.png"], "folder that exists"),
        (["graph", "overlap"], "-o"),
        (["run", "overlap", "--flows", "x", "--controller", "vlan"], "exclude each other"),
        (["run", "overlap", "--flows", "no/such/folder"], "there is no folder"),
        (["run", "overlap", "--controller", "no_such_app"], "there is no controller 'no_such_app'"),
        (["run", "no_such_scenario"], "no_such_scenario"),
        (["validate", "no_such_scenario", "overlap"], "no_such_scenario"),
        (["up", "no_such_scenario"], "no_such_scenario"),
        (["up", "overlap", "--name", "a/b"], "'a/b' cannot be the name of a lab"),
        (["up", "overlap", "--flows", "x", "--controller", "vlan"], "exclude each other"),
        (["check", "--name", "no_such_lab"], "there is no lab with the name 'no_such_lab'"),
        (["status", "--report", "junit=x"], "json=FILE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_says_what_was_allowed_and_exits_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_broken_flow_file_is_named_with_its_line_and_nothing_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", "overlap", "-o", str(tmp_path)]) == 0
    flows = tmp_path / "hv2.flows"
    flows.write_text(flows.read_text() + "table=0,priority=1,in_prot=5,actions=drop\n")

    assert main(["run", "overlap", "--flows", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"{flows}:{flows.read_text().count(chr(10))}:" in error
    assert "in_prot" in error


def test_a_folder_for_another_scenario_is_refused_with_all_its_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hv9.flows").write_text("")
    (tmp_path / "hv1.flows").write_text("")

    assert main(["run", "overlap", "--flows", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    for name in ("hv9.flows", "hv2.flows", "hv3.flows"):
        assert name in error


def test_compile_writes_a_file_for_each_hypervisor_that_explains_itself(tmp_path: Path) -> None:
    assert main(["compile", "overlap", "-o", str(tmp_path / "d")]) == 0

    written = {p.name: p.read_text() for p in (tmp_path / "d").iterdir()}
    assert set(written) == {"hv1.flows", "hv2.flows", "hv3.flows"}
    assert "port red/vm1" in written["hv1.flows"]


def test_list_names_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for name in ("overlap", "micro_segments", "learning_switch", "vlan"):
        assert name in said
