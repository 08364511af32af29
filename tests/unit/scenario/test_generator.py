"""Scenarios that a program writes: settings are checked, what comes out is read like any file."""

from pathlib import Path

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.scenario import find, load


def written(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(body)
    return path


def refused(path: Path, **settings: str) -> list[str]:
    with pytest.raises(InputError) as told:
        load(path, settings)
    return [f"{d.code} {d.what}" for d in told.value.diagnostics]


TINY = """
def build(tenants: int = 1, name: str = "tiny", wide: bool = False, share: float = 0.5):
    assert isinstance(wide, bool) and isinstance(share, float)
    return {"version": 1, "name": name, "underlay": {"sites": {"one": ["hv1"]}},
            "tenants": {f"t{n}": {} for n in range(tenants)}}
"""


def test_leaf_spine_has_the_totals_that_it_was_asked_for() -> None:
    built = load(find("leaf_spine"), {"tenants": "3", "hypervisors": "5", "instances": "31"})

    assert len(built.tenants) == 3
    assert len(built.underlay.hypervisors) == 5
    assert len(built.ports) == 31
    assert {p.hypervisor for p in built.ports} == set(built.underlay.hypervisors)


def test_leaf_spine_overlaps_in_every_address() -> None:
    built = load(find("leaf_spine"), {"tenants": "2", "instances": "8"})

    by_tenant = [{(p.mac, p.ips) for p in built.ports if p.tenant == t} for t in built.tenants]
    assert by_tenant[0] == by_tenant[1]
    assert len(by_tenant[0]) == 4


def test_settings_are_read_by_their_annotations(tmp_path: Path) -> None:
    path = written(tmp_path, TINY)

    built = load(path, {"tenants": "2", "name": "other", "wide": "yes", "share": "0.25"})

    assert (built.name, built.tenants) == ("other", ("t0", "t1"))


def test_all_bad_settings_are_told_at_once(tmp_path: Path) -> None:
    assert refused(written(tmp_path, TINY), tenant="2", tenants="two", wide="perhaps") == [
        "GEN002 mine has no setting 'tenant'",
        "GEN003 tenants=two: this setting is of type int",
        "GEN003 wide=perhaps: this setting is of type bool",
    ]


def test_numbers_that_make_no_scenario_are_refused() -> None:
    assert refused(find("leaf_spine"), instances="0") == [
        "GEN003 leaf_spine cannot be built: instances=0: at least 2"
    ]


def test_what_comes_out_is_read_like_any_file(tmp_path: Path) -> None:
    codes = refused(written(tmp_path, "def build():\n    return {'version': 1, 'name': 'x', 'tennants': {}}"))

    assert any(told.startswith("SCN005") for told in codes)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("x = 1", "GEN001 {path} is no generator: it has no function build()"),
        ("def build(:", "GEN004 {path}, line 1: invalid syntax"),
        ("1 / 0", "GEN004 {path}, line 1: ZeroDivisionError: division by zero"),
        ("def build():\n    return [][0]", "GEN004 {path}, line 2: IndexError: list index out of range"),
        (
            "def build():\n    return {1j}",
            (
                "GEN004 what build() in {path} returns is not a scenario: "
                "Object of type set is not JSON serializable"
            ),
        ),
    ],
)
def test_a_generator_that_fails_says_where(tmp_path: Path, body: str, told: str) -> None:
    path = written(tmp_path, body)

    assert refused(path) == [told.format(path=path)]


def test_a_generator_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.py"

    assert refused(path) == [f"GEN001 the generator {path} cannot be read: No such file or directory"]


def test_a_file_has_no_settings() -> None:
    path = find("overlap")

    assert refused(path, tenants="2") == [
        f"GEN002 '{path}' is no generator: it has no settings; leave --set out"
    ]
