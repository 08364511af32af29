"""Flow text with damage: a value or diagnostics with a place, soon, and nothing else.

The seeds are whole dumps of the dialect, and the flow tables of the ``ofproto/trace`` records where those are
there (`tests.conformance.case_files`).  Lines that were once read wrongly are kept in ``found/flows.txt``.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdn_lab.model.diagnostic import InputError
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.text import format_entry, parse_flows
from tests.conformance.case_files import folder, read
from tests.differential.corpus import boundary_frames, labelled
from tests.differential.switch_draw import SwitchDrawing
from tests.unit.openflow.dialect import DUMPED, MEANS
from tests.unit.openflow.memory import taken

FOUND = [
    line
    for line in (Path(__file__).parent / "found" / "flows.txt").read_text().splitlines()
    if not line.startswith("#")
]
TRACES = "ovs-trace.jsonl.xz"
PIECES = (
    *(
        "",
        ",",
        ",,",
        "(",
        ")",
        "[",
        "]",
        "=",
        "==",
        "->",
        ":",
        " ",
        "\t",
        "\0",
        "\x85",
        "\u2028",
        "é",
        "/0",
        "/",
    ),
    *(
        "0x",
        "-1",
        "0",
        "1",
        "65536",
        "4294967296",
        "9" * 40,
        "0x" + "f" * 40,
        "..",
        "[0..128]",
        "[]",
        "0x1/0x1",
    ),
    *("actions=", "learn(", "clone(", "ct(", "nat(", "exec(", "resubmit(", "table=", "goto_table:", "drop"),
    *(
        "NXM_NX_REG0[]",
        "ip",
        "tcp6",
        "reg0",
        "set_field:",
        "load:",
        "move:",
        "group:",
        "meter:",
        "::",
        "1.2.3",
    ),
)


def _drawn() -> list[str]:
    """Tables of everything, as they are written."""
    lines = []
    for seed in range(12):
        rng = random.Random(seed)
        bases = rng.sample([*boundary_frames(), *labelled()], 6)
        themes = frozenset({"labels", "normal", "learn", "conjunction", "meter"})
        drawing = SwitchDrawing(rng, bases, ct=bool(seed % 2), themes=themes)
        lines += [format_entry(entry) for entry in drawing.tables().entries]
    return lines


SEEDS = [f"priority=9,ip,actions={words}" for words in DUMPED] + [written for written, _ in MEANS] + _drawn()


@lru_cache
def traced() -> list[str]:
    """Every flow line of the trace records."""
    path = folder() / TRACES
    if not path.exists():
        pytest.skip(f"the trace records are not there: {path}")
    lines: dict[str, None] = {}
    for record in read(path):
        for bridge in record["bridges"].values():
            lines.update(dict.fromkeys(bridge["flows"]))
    return list(lines)


def mutated(rng: random.Random, line: str) -> str:
    """Damage a line: leave out, put in, double, turn round."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(line) + 1)
        stop = min(len(line), start + rng.choice((0, 1, 1, 3, 12)))
        kind = rng.randrange(4)
        if kind == 0:
            line = line[:start] + line[stop:]
        elif kind == 1:
            line = line[:start] + rng.choice(PIECES) + line[stop:]
        elif kind == 2:
            line = line[:stop] + line[start:stop] * rng.choice((1, 2, 30)) + line[stop:]
        else:
            line = line[:start] + rng.choice("0123456789abcdefx.,:=()[]/->") + line[stop:]
    return line


def check(text: str) -> bool:
    """What can be read is the same when it is written; all else is diagnostics that lie in their lines."""
    refused: InputError | None = None
    found: tuple[FlowEntry, ...] = ()
    try:
        found = parse_flows(text, "flows")
    except InputError as error:
        refused = error
    if refused is not None:
        lines = text.splitlines()
        assert refused.diagnostics
        for diagnostic in refused.diagnostics:
            assert diagnostic.span is not None
            assert diagnostic.span.column <= len(lines[diagnostic.span.line - 1]) + 1
            assert diagnostic.render()
        return False
    written = "\n".join(map(format_entry, found))
    again = parse_flows(written)
    assert again == found
    assert "\n".join(map(format_entry, again)) == written
    return True


def test_what_stands_in_the_seeds_is_read() -> None:
    assert all(map(check, SEEDS))


@pytest.mark.parametrize("line", FOUND)
def test_what_was_found_once_is_read_or_refused(line: str) -> None:
    check(line)


@settings(max_examples=600)
@given(rng=st.randoms(use_true_random=False), seed=st.sampled_from(SEEDS))
def test_a_damaged_line_is_read_or_refused_with_a_place(rng: random.Random, seed: str) -> None:
    check(mutated(rng, seed))


def test_every_traced_flow_is_read_and_damaged_ones_are_read_or_refused() -> None:
    lines, rng, read_again = traced(), random.Random(4), 0
    for number in range(2000):
        read_again += check(mutated(rng, lines[number % len(lines)]))
    assert read_again > 100


def test_memory_stays_flat_over_damaged_lines() -> None:
    def some() -> None:
        rng = random.Random(5)
        for _ in range(300):
            check(mutated(rng, rng.choice(SEEDS)))

    kept, peak = taken(some)
    assert kept < 50_000
    assert peak < 5_000_000
