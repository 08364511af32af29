"""Whatever is in the file: a scenario or diagnostics, never anything else."""

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdn_lab.model.diagnostic import InputError
from sdn_lab.model.intent import Scenario
from sdn_lab.scenario import loads, to_yaml
from sdn_lab.scenario.claims import claims

GOLDEN = Path(__file__).parents[2] / "golden" / "diagnostics"
TOPOLOGIES = Path(__file__).parents[3] / "topologies"
SEEDS = [p.read_text() for p in sorted(TOPOLOGIES.glob("*.yaml"))] + [
    p.read_text(errors="replace") for p in sorted(GOLDEN.glob("*.yaml"))
]
WORDS = sorted({w for text in SEEDS for w in re.findall(r"[\w.:/-]+|[{}\[\],*&!#|>'\"-]", text)})
JUNK = [
    *(
        "",
        "~",
        "null",
        "true",
        "-1",
        "1e999",
        "0x10",
        "99999999999999999999",
        "[]",
        "{}",
        "[[]]",
        "{a: b}",
        "- x",
    ),
    *(
        "*tenant",
        "&a [*a]",
        "!!python/object:os.system x",
        "? [a]",
        "<<: *tenant",
        "\t",
        "\n",
        "\x00",
        "\ud800",
        "é",
        "\u2028",
    ),
    *(
        "%YAML 1.1\n---\n",
        "---",
        "...",
        '"\\UFFFFFFFF"',
        "'",
        '"',
        "any",
        "10.0.0.0/24",
        "::/0",
        "0.0.0.0/0",
        "1-65535",
    ),
]
PYTHONISMS = re.compile(
    r"pydantic|ruamel|Traceback|object at 0x|\bNone\b|IPv[46]Address|IPv[46]Network|<class"
)


def read(text: str) -> None:
    try:
        scenario = loads(text, "fuzz.yaml")
    except InputError as error:
        check(error, text)
        return
    assert isinstance(scenario, Scenario)
    assert claims(scenario)
    assert loads(to_yaml(scenario), "again.yaml") == scenario


def check(error: InputError, text: str) -> None:
    assert error.diagnostics
    found = PYTHONISMS.findall("\n".join(d.what + d.why + d.fix for d in error.diagnostics))
    assert not [word for word in found if word not in text]
    places = [(d.span.line, d.span.column) for d in error.diagnostics if d.span]
    assert places == sorted(places)


@st.composite
def mutated(draw):
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        tokens = list(re.finditer(r"[\w.:/-]+|[^\w\s]|\n *", text))
        if not tokens:
            break
        at = draw(st.sampled_from(tokens))
        word = draw(st.one_of(st.sampled_from(WORDS), st.sampled_from(JUNK), st.text(max_size=6)))
        kind = draw(st.sampled_from(["replace", "insert", "delete", "double"]))
        if kind == "replace":
            text = text[: at.start()] + word + text[at.end() :]
        elif kind == "insert":
            text = text[: at.start()] + word + text[at.start() :]
        elif kind == "delete":
            text = text[: at.start()] + text[at.end() :]
        else:
            text = text[: at.end()] + at.group() + text[at.end() :]
    return text


@settings(max_examples=150, deadline=None)
@given(mutated())
@example("version: 1\n? [a]\n: b\n")
@example('version: 1\nname: "\\UFFFFFFFF"\n')
@example("%YAML 3.0\n---\nversion: 1\n")
@example("version: 1\nname: " + "[" * 300)
@example("a: &a {<<: *a}")
def test_a_mutated_file_gives_a_scenario_or_diagnostics(text):
    read(text)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_diagnostics(text):
    read(text)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_value_anywhere_gives_a_scenario_or_diagnostics(data):
    """Structural: some node of a good file is replaced by any value at all."""
    leaf = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.sampled_from(JUNK)
    )
    value = data.draw(
        st.recursive(
            leaf,
            lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(WORDS), x, max_size=3),
            max_leaves=6,
        )
    )
    lines = data.draw(st.sampled_from(SEEDS[:2])).splitlines()
    keyed = [i for i, line in enumerate(lines) if re.match(r" *(- )?[\w]+:", line)]
    at = data.draw(st.sampled_from(keyed))
    lines[at] = lines[at].partition(":")[0] + ": " + flow(value)
    read("\n".join(lines))


def flow(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    return "null" if value is None else str(value)
