"""The JSON Schema accepts what the loader accepts, and refuses wrong shapes."""

import json
import re
from pathlib import Path

import pytest

from sdn_lab.scenario import find, json_schema, random_scenario, shipped, to_yaml
from sdn_lab.scenario.complaint import Complaints
from sdn_lab.scenario.generator import GENERATOR, written_by
from sdn_lab.scenario.yaml_reader import read

from .test_joined import WORLD
from .test_load import FULL

SCHEMA = json_schema()
GOLDEN = Path(__file__).parents[2] / "golden" / "diagnostics"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def valid(schema, value):
    """A small JSON Schema validator: the keywords that our schema uses, and no others."""
    unknown = set(schema) - KEYWORDS
    assert not unknown, f"the schema uses {unknown}; teach this validator"
    if "$ref" in schema and not valid(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value):
        return False
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        return False
    if "anyOf" in schema and not any(valid(s, value) for s in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if isinstance(value, list) and not all(valid(schema.get("items", {}), item) for item in value):
        return False
    return not isinstance(value, dict) or valid_object(schema, value)


KEYWORDS = {
    *("$ref", "$defs", "$schema", "type", "anyOf", "enum", "const", "pattern", "minimum", "maximum", "items"),
    *("properties", "required", "additionalProperties", "propertyNames"),
    *("title", "description", "default", "examples"),
}


def valid_object(schema, value):
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", {})
    if set(schema.get("required", ())) - set(value):
        return False
    if not all(valid(schema.get("propertyNames", {}), key) for key in value):
        return False
    if more is False and set(value) - set(properties):
        return False
    return all(
        valid(properties.get(key, more if isinstance(more, dict) else {}), item)
        for key, item in value.items()
    )


def plain(text):
    return read(text, "x", Complaints()).plain()


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_are_valid(name):
    path = find(name)
    text = written_by(path, {})[0] if path.suffix == GENERATOR else path.read_text()

    assert valid(SCHEMA, plain(text))


@pytest.mark.parametrize("text", [FULL, WORLD], ids=["full", "joined"])
def test_every_form_is_valid(text):
    assert valid(SCHEMA, plain(text))


@pytest.mark.parametrize("seed", range(20))
def test_random_scenarios_are_valid(seed):
    for joined in (False, True):
        assert valid(SCHEMA, plain(to_yaml(random_scenario(seed, joined=joined, broadcast=joined))))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "SCN004-version-of-the-future",
            "SCN005-misspelt",
            "SCN006-missing",
            "SCN007-wrong-type",
            "SCN009-never",
        ),
        *("SCN007-null-is-not-everything", "SCN010-names", "SCN011-words", "SCN011-remote", "SCN014-mac"),
        *("SCN021-vni", "SCN036-icmp-type", "SCN052-another-tenants-network"),
    ],
)
def test_wrong_shapes_are_not(name):
    assert not valid(SCHEMA, plain((GOLDEN / f"{name}.yaml").read_text()))


def test_it_is_json_and_knows_no_null():
    text = json.dumps(SCHEMA)
    assert "null" not in text
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_tells_what_may_be_left_out():
    text = json.dumps(SCHEMA)
    assert "stable hash of the port's path" in text
    assert "stable hash of tenant/network" in text
