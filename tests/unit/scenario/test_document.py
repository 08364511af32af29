"""Reading YAML 1.2, with the place of every part."""

import pytest

from sdn_lab.scenario.complaint import Complaints
from sdn_lab.scenario.yaml_reader import read


def plain(text):
    complaints = Complaints()
    document = read(text, "d.yaml", complaints)
    assert not complaints
    return document.plain()


def codes(text):
    complaints = Complaints()
    read(text, "d.yaml", complaints)
    return [d.code for d in complaints.finish(text.splitlines())]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),  # a boolean in YAML 1.1
        ("no", "no"),
        ("12:34:56", "12:34:56"),  # a number in YAML 1.1
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("1_000", "1_000"),  # a number in YAML 1.1
        ("2001-12-14", "2001-12-14"),
        ("1.5", 1.5),
        ("true", True),
        ("~", None),
        ("null", None),
        ("", None),
        ('"true"', "true"),
        ("'5'", "5"),
        ("02:00:00:00:00:11", "02:00:00:00:00:11"),
        ("fd00:a::11", "fd00:a::11"),
        ("9" * 5000, "9" * 5000),  # Python itself refuses to make a number of it
    ],
)
def test_scalars_are_those_of_yaml_1_2(written, value):
    found = plain(f"k: {written}")["k"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text():
    assert plain("{1: a, on: b, null: c}") == {"1": "a", "on": "b", "null": "c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", ["SCN002"]),
        ("a: 1\n'a': 2", ["SCN002"]),
        ("a: {b: 1, b: 2}\na: 3", ["SCN002", "SCN002"]),
        ("a: *x", ["SCN003"]),
        ("a: &x [*x]", ["SCN003"]),
        ("a: !!int 5", ["SCN003"]),
        ("? [1]\n: 2", ["SCN003"]),
        ("? *a\n: 2", ["SCN003"]),
        ("a: 1\n---\nb: 2", ["SCN003"]),
        ("[" * 60 + "]" * 60, ["SCN003"]),
        ("", ["SCN001"]),
        ("a: [", ["SCN001"]),
        ("a: \x07", ["SCN001"]),
        ("%YAML 1.1\n---\na: on", []),
    ],
)
def test_what_is_refused_has_a_code(text, expected):
    assert codes(text) == expected


def test_a_place_is_where_the_value_is_written():
    document = read("a:\n  b: [x, 'yz']\n", "d.yaml", Complaints())

    assert str(document.place(("a", "b", 1)).span) == "d.yaml:2:10"
    assert document.place(("a", "b", 1)).span.length == 4
    assert str(document.place(("a", "b")).span) == "d.yaml:2:3"  # a list: its key
    assert str(document.key_place(("a", "b", 0)).span) == "d.yaml:2:7"


def test_a_place_inside_an_alias_names_both():
    document = read("a: &x {b: [c]}\nd: *x\ne: {f: *x}\n", "d.yaml", Complaints())

    direct = document.place(("a", "b", 0))
    through = document.place(("e", "f", "b", 0))

    assert direct.aliases == ()
    assert through.span == direct.span
    assert [str(s) for s in through.aliases] == ["d.yaml:3:8"]


def test_a_place_that_is_not_there_is_the_nearest_above():
    document = read("a:\n  b: 1\n", "d.yaml", Complaints())
    assert str(document.place(("a", "missing", 3)).span) == "d.yaml:1:1"


def test_a_short_form_has_the_place_of_its_long_form():
    document = read("ip: 10.0.0.1\ngroup: [{ports: 80}]\n", "d.yaml", Complaints())
    assert str(document.place(("ip", 0)).span) == "d.yaml:1:5"
    assert str(document.place(("group", "rules", 0, "ports")).span) == "d.yaml:2:17"


def test_aliases_of_aliases_do_not_grow_without_bound():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert codes("\n".join(lines)) == ["SCN003"]
