"""The JSON report: its schema, its names, and that it can be read back."""

import json
import math
from importlib.resources import files

import pytest

from sdn_lab.report import REPORTERS, load
from tests.unit.report.report_samples import EVIL, SAMPLES, evil, scenario
from tests.unit.report.schema import problems

JSON = REPORTERS["json"]
SCHEMA = json.loads(files("sdn_lab.report").joinpath("report-1.schema.json").read_text())


def document(report):
    return json.loads(JSON.render(report, scenario()), parse_constant=_not_json)


def _not_json(word):
    raise AssertionError(f"{word} is not JSON")


@pytest.mark.parametrize("sample", [*SAMPLES.values(), evil])
def test_fits_its_schema(sample):
    assert problems(document(sample()), SCHEMA) == []


def test_the_schema_objects_to_what_is_wrong():
    """The check itself must be able to fail."""
    sound = document(SAMPLES["violated"]())
    for path, value in (
        (("schema",), "sdn-lab/report/2"),
        (("exit",), 7),
        (("exit",), "1"),
        (("verdicts", 0, "status"), "fine"),
        (("verdicts", 0, "ms"), -1),
        (("verdicts", 0, "counterexample", "packet_hex"), "xyz"),
        (("verdicts", 0, "counterexample", "path", 0, "table"), None),
        (("verdicts", 0, "counterexample", "replayed"), {"sim": "yes"}),
        (("summary",), {"a": "green"}),
        (("error",), ""),
    ):
        broken = json.loads(json.dumps(sound))
        held = broken
        for step in path[:-1]:
            held = held[step]
        held[path[-1]] = value
        assert problems(broken, SCHEMA), path
    for field in SCHEMA["required"]:
        assert problems({k: v for k, v in sound.items() if k != field}, SCHEMA), field


def test_the_names_that_machines_lean_on():
    """The design's section 7, word for word."""
    held = document(SAMPLES["holds"]())
    assert held["schema"] == "sdn-lab/report/1"
    assert {
        "scenario",
        "backend",
        "status",
        "exit",
        "verdicts",
        "disagreements",
        "environment",
    } <= held.keys()
    assert {"timings_ms", "seed"} <= held.keys()
    assert "error" not in held
    assert list(held["verdicts"][0]) == [
        *("claim", "kind", "method", "status", "covers", "reason", "counterexample", "ms")
    ]
    shown = document(SAMPLES["violated"]())["verdicts"][0]["counterexample"]
    assert {"src", "dst", "packet_hex", "packet", "path", "replayed"} <= shown.keys()
    assert list(shown["path"][0]) == ["datapath", "table", "entry", "origin"]
    assert shown["replayed"] == {"sim": True}


def test_a_failed_run_is_written_with_its_error():
    held = document(SAMPLES["failed"]())
    assert (held["status"], held["exit"], held["error"]) == ("unknown", 6, "ovs-vswitchd of hv2 died")


def test_numbers_are_finite():
    held = document(evil())
    assert held["verdicts"][0]["ms"] == 0.0
    assert held["environment"]["odd"] == {"1": 0.0, "set": [1, 2], "path": "holds"}
    assert all(math.isfinite(ms) for ms in held["timings_ms"].values())


def test_text_is_ascii_and_still_what_it_was():
    written = JSON.render(evil(), scenario())
    assert written.isascii()
    assert json.loads(written)["scenario"] == EVIL


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_was_written_is_read_back(sample, tmp_path):
    report = SAMPLES[sample]()
    path = tmp_path / "report.json"
    JSON.write(report, scenario(), path)
    held = load(path)
    assert held.verdicts == report.verdicts
    assert dict(held.summary) == dict(report.summary)
    assert (held.disagreements, held.not_judged) == (report.disagreements, report.not_judged)
    assert JSON.render(held, None) == path.read_text()


def test_another_document_is_refused(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"schema": "other/1"}')
    with pytest.raises(ValueError, match="is not a report"):
        load(path)
