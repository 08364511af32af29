"""The JSON Schema of scenario files, for editors that complete and check while one writes.

It is the models' own, less what only Python has (an absent key is absent, never ``null``), and with every
name held to its pattern (``patternProperties`` alone would let any other key pass).
"""

from __future__ import annotations

from typing import Any

from sdn_lab.scenario.format import File


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of version 1."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **File.model_json_schema(mode="validation"),
        "title": "sdn-lab scenario, version 1",
    }
    found: dict[str, Any] = _for_editors(schema)
    return found


def _for_editors(node: Any) -> Any:
    if isinstance(node, list):
        return [_for_editors(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _for_editors(value)
        for key, value in node.items()
        if not (key == "default" and "properties" not in node and _is_filler(value))
    }
    for pattern, value in kept.pop("patternProperties", {}).items():
        kept |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
    only = kept.get("anyOf")
    if isinstance(only, list) and len(only) == 1:
        del kept["anyOf"]
        kept = {**only[0], **kept}
    return kept


def _is_filler(default: Any) -> bool:
    """Say whether a default is the models' stand-in for "absent", which nobody could write."""
    return default is None or isinstance(default, list | dict) or default == 0.0
