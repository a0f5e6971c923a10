"""Errors of a study, in one line: key, value, allowed values and a suggestion."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

# Predicates for pydantic's types of errors.
_PREDICATES = {
    "string_type": "is not text",
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "bool_type": "is not true or false",
    "list_type": "is not a list",
    "dict_type": "is not a mapping",
    "model_type": "is not a mapping",
    "model_attributes_type": "is not a mapping",
    "finite_number": "is not a finite number",
    "greater_than": "is less than or equal to the minimum of {gt}",
    "greater_than_equal": "is less than the minimum of {ge}",
    "less_than": "is greater than or equal to the maximum of {lt}",
    "less_than_equal": "is greater than the maximum of {le}",
    "too_short": "has {actual_length} entries, expected {min_length} or more",
    "too_long": "has {actual_length} entries, expected {max_length} or fewer",
    "string_too_short": "is too short, expected {min_length} letters or more",
    "string_too_long": "is too long, expected {max_length} letters or fewer",
    "string_pattern_mismatch": "does not match '{pattern}'",
}


def did_you_mean(word: str, allowed: list[str]) -> str:
    """The allowed words, after the one nearest to a misspelled word."""
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f" ({hint}allowed: {', '.join(allowed)})"


def explain(errors: list[dict], schema: Mapping) -> str:
    """One line on the first of pydantic's errors; a misspelled key before its consequences.

    errors: as `ValidationError.errors` returns them. schema: the model's JSON schema.
    """
    unknown = ("extra_forbidden", "invalid_key")
    error = min(errors, key=lambda error: (error["type"] not in unknown, len(error["loc"])))
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    path, node = _located(error["loc"], schema)
    if kind in (*unknown, "missing"):
        *path, name = path
    key = ".".join(path) or "study"
    if kind == "missing":
        return f"{key}: '{name}' is missing"
    if kind in unknown:
        _, section = _located(error["loc"][:-1], schema)
        return f"{key}: unknown key '{name}'{did_you_mean(name, sorted(section['properties']))}"
    if kind == "section":
        return f"{key}: {error['msg']}"
    if kind == "union_tag_not_found":
        return f"{key}: {context['discriminator']} is missing"
    if kind == "union_tag_invalid":
        tag = node["discriminator"]["propertyName"]
        key, value, allowed = f"{key}.{tag}", value[tag], [*node["discriminator"]["mapping"]]
        return f"{key}: {value!r} is not allowed{did_you_mean(str(value), allowed)}"
    if kind == "literal_error":
        allowed = node.get("enum", [node.get("const")])
        return f"{key}: {value!r} is not allowed{did_you_mean(str(value), allowed)}"
    known = _PREDICATES.get(kind)
    predicate = known.format_map(context) if known else error["msg"]
    hint = _number_meant(value) if kind in ("int_type", "float_type") else ""
    described = f" ({node['description']})" if "description" in node else ""
    return f"{key}: {value!r} {predicate}{hint}{described}"


def _located(loc: tuple, schema: Mapping) -> tuple[list[str], Mapping]:
    """The keys that lead to an error and the schema there; pydantic's own parts of loc left out."""
    path: list[str] = []
    above = node = schema
    for part in loc:
        if part == "[key]":  # the key itself is wrong, not its value
            return path[:-1], resolved(above.get("propertyNames", {}), schema)
        if "discriminator" in node:  # this part names the option
            node = resolved({"$ref": node["discriminator"]["mapping"][part]}, schema)
            continue
        if "oneOf" in node and "properties" not in node:
            options = [resolved(option, schema) for option in node["oneOf"]]
            node = next(option for option in options if option["type"] == part)
            continue
        path.append(str(part))
        above, node = node, resolved(_below(node, part), schema)
    return path, node


def _below(node: Mapping, part: str | int) -> Mapping:
    if part in node.get("properties", {}):
        return node["properties"][part]
    values = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    below = node.get("items") if isinstance(part, int) else values[0]
    return below if isinstance(below, Mapping) else {}


def resolved(node: Mapping, schema: Mapping) -> Mapping:
    """A part of a JSON schema with its $ref resolved; its own keys take precedence."""
    if "$ref" not in node:
        return node
    own = {key: value for key, value in node.items() if key != "$ref"}
    return {**schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], **own}


def _number_meant(value: Any) -> str:
    """A hint for a letter O instead of a zero, and for 4e-3, which YAML reads as text."""
    try:
        number = float(value.replace("O", "0").replace("o", "0"))
    except (AttributeError, ValueError):
        return ""
    return f" (did you mean {number:g}?)" if math.isfinite(number) else ""
