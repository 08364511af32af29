"""JSON Schema, as far as the report's own schema uses it (draft 2020-12)."""

import re

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}
_KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "required", "properties", "items", "enum"),
    *("const", "anyOf", "additionalProperties", "minItems", "maxItems", "minLength", "pattern", "minimum"),
}


def problems(value, schema, root=None, where="$"):
    """Return what is wrong with a value; a keyword that is not known here is wrong with the schema."""
    root = root or schema
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return problems(value, target, root, where)
    found = [f"schema: {word} is not known here" for word in schema.keys() - _KNOWN]
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [*found, f"{where}: {value!r} is no {kind}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "anyOf" in schema and all(problems(value, s, root, where) for s in schema["anyOf"]):
        found.append(f"{where}: fits no alternative")
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            found.append(f"{where}: too short")
        if not re.search(schema.get("pattern", ""), value):
            found.append(f"{where}: {value!r} does not look like {schema['pattern']}")
    if isinstance(value, (int, float)) and value < schema.get("minimum", value):
        found.append(f"{where}: {value} is too small")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where}: {len(value)} items")
        for index, item in enumerate(value):
            found += problems(item, schema.get("items", {}), root, f"{where}[{index}]")
    if isinstance(value, dict):
        named = schema.get("properties", {})
        found += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, held in value.items():
            rule = named.get(name, schema.get("additionalProperties", {}))
            found += problems(held, rule, root, f"{where}.{name}")
    return found
