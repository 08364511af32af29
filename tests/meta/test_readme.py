"""The session in README.md happens as it is written there.

``SDN_LAB_UPDATE_GOLDEN=1`` writes what the commands print into the README; read the diff.
"""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sdn_lab.cli import main
from sdn_lab.resident.address import names

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(block):
    """Return (command, what it prints) of every command of a transcript."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [tuple(part.split("\n", 1)) for part in parts]


def normal(text, name):
    """Leave out what may be different every time: how long, since when, how many, whose lab."""
    text = text.replace(name, "overlap").replace(f"{ROOT}/", "")
    text = re.sub(r"\b\d+ (entries|of \d+|added|deleted)\b", r"<number> \1", text)
    text = re.sub(r"of \d+ ended", "of <number> ended", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00", "<since>", text)
    return re.sub(r"\b\d+(\.\d+)? m?s\b", "<time>", text)


@pytest.fixture
def bash(tmp_path):
    """Return what runs a command line beside the shipped scenarios, and the name of its lab."""
    name = f"readme-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    (tmp_path / "topologies").symlink_to(ROOT / "topologies")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SDN_LAB_NAME": name}

    def bash(command):
        ran = subprocess.run(
            ["bash", "-c", f"{command} 2>/dev/null"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=env,
            timeout=120,
            check=False,
        )
        return ran.stdout, name

    yield bash
    if name in names():
        main(["down", "--name", name])


def test_the_session_of_the_readme_happens_as_written(bash):
    text = README.read_text()
    [block] = BLOCK.findall(text)
    told = [(command, *bash(command)) for command, _ in commands(block)]
    if os.environ.get("SDN_LAB_UPDATE_GOLDEN"):
        here = f"{ROOT}/"
        new = "".join(
            f"$ {command}\n{printed.replace(name, 'overlap').replace(here, '')}"
            for command, printed, name in told
        )
        README.write_text(text.replace(block, new))
        [block] = BLOCK.findall(README.read_text())

    expected = [(command, normal(printed, "overlap")) for command, printed in commands(block)]
    assert [(command, normal(printed, name)) for command, printed, name in told] == expected


def test_what_is_left_out_of_the_comparison_is_only_what_changes():
    text = "x is up on sim, in 1.2 s: 3 hypervisors\nx: up since 2026-11-22T04:42:14+00:00\n12 ms\n"
    assert normal(text, "x") == (
        "overlap is up on sim, in <time>: 3 hypervisors\noverlap: up since <since>\n<time>\n"
    )
    assert normal("3 hypervisors, 8 ports, exit 0", "lab") == "3 hypervisors, 8 ports, exit 0"
    assert normal("flows: 12 of 34 ended", "lab") == "flows: <number> of <number> ended"
