"""Every diagnostic, word for word.

To accept changed messages, run with SDN_LAB_UPDATE_GOLDEN=1 and read the diff.
"""

import os
import re
from pathlib import Path

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.scenario import find, load
from sdn_lab.scenario.codes import CODES

GOLDEN = Path(__file__).parents[2] / "golden" / "diagnostics"
INPUTS = sorted(path for path in GOLDEN.iterdir() if path.suffix in {".yaml", ".name"})
UPDATE = os.environ.get("SDN_LAB_UPDATE_GOLDEN") == "1"
PYTHONISMS = re.compile(
    r"Traceback|pydantic|ruamel|validation error|PosixPath|IPv[46](Address|Network)\("
    r"|\bNone\b|\bTrue\b|\bFalse\b|<class"
)


def rendered(path: Path) -> str:
    read, argument = (load, Path(path.name)) if path.suffix == ".yaml" else (find, path.read_text().strip())
    with pytest.raises(InputError) as caught:
        read(argument)
    return str(caught.value) + "\n"


@pytest.fixture(autouse=True)
def in_the_golden_folder(monkeypatch):
    monkeypatch.chdir(GOLDEN)  # so that messages hold a bare file name


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: p.stem)
def test_message_is_exactly_this(path):
    expected = path.with_suffix(".txt")
    message = rendered(path)

    if UPDATE:
        expected.write_text(message)
    assert message == expected.read_text()


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: p.stem)
def test_message_holds_the_code_that_its_file_is_named_after(path):
    code = path.stem.partition("-")[0]
    if code.startswith("SCN"):
        assert f"error[{code}]: " in path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: p.stem)
def test_message_speaks_no_python(path):
    assert not PYTHONISMS.search(path.with_suffix(".txt").read_text())


def test_every_code_has_a_golden_pair():
    assert {path.stem.partition("-")[0] for path in INPUTS} - {"all"} == set(CODES)


def test_every_message_has_its_input():
    assert {p.stem for p in GOLDEN.glob("*.txt")} == {p.stem for p in INPUTS}


def test_codes_in_the_source_are_in_the_table_and_used():
    package = Path(load.__code__.co_filename).parent
    used = {
        code
        for source in package.glob("*.py")
        if source.name != "codes.py"
        for code in re.findall(r'"(SCN[0-9]{3})"', source.read_text())
    }
    assert used == set(CODES)
