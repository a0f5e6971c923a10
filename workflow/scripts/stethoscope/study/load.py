"""Read a study and check it before any job starts; errors are one line.

Pure Python without the scientific stack, since each parse of the workflow imports it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators

from stethoscope.study.references import broken_references
from stethoscope.study.spelling import did_you_mean

_IN_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
# JSON Schema counts 1.0 as an integer; a seed or a layer of 1.0 would be spelled so in paths.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


class StrictLoader(yaml.SafeLoader):
    """YAML without silent surprises: a key given twice is an error instead of the last one wins."""


def _mapping_without_duplicates(loader: StrictLoader, node: yaml.MappingNode) -> dict:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, (list, dict)):
            raise ValueError(f"line {line}: a key must be text, found {key!r}")
        if key in seen:
            raise ValueError(f"key '{key}' stands twice, in lines {seen[key]} and {line}")
        seen[key] = line
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates
)


def load_yaml(path: str | Path) -> dict:
    """A YAML mapping; one line that names file and place when it is broken, empty or ambiguous."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{place}: not YAML: {problem}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of sections, found {type(content).__name__}")
    return content


def check(config: Mapping, schema: Mapping, source: str) -> dict:
    """The study with defaults filled in, or a ValueError of one line that says what is wrong.

    A value may be written as {value, assumed: true, reason}: where the paper is silent, the study
    says so and why. Such values are replaced by their `value` and listed under `assumptions`.
    """
    assumptions: list[dict] = []
    try:
        study = _without_wrappers(config, "", assumptions)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    errors = sorted(_Validator(schema).iter_errors(study), key=lambda e: [*map(str, e.path)])
    if errors:
        raise ValueError(f"{source}: {_explain(errors[0])}")
    for place, value in _numbers(study):
        if not math.isfinite(value):
            raise ValueError(f"{source}: {place}: {value} is not a finite number")
    study = _with_defaults(study, schema, schema)
    study["assumptions"] = assumptions
    for problem in broken_references(study):
        raise ValueError(f"{source}: {problem}")
    return study


def _without_wrappers(node: Any, place: str, assumptions: list[dict]) -> Any:
    if isinstance(node, Mapping):
        if "assumed" in node:
            if set(node) != {"value", "assumed", "reason"} or node["assumed"] is not True:
                raise ValueError(
                    f"{place}: an assumed value is {{value: ..., assumed: true, reason: ...}}, "
                    f"found the keys {', '.join(map(str, node))}"
                )
            if not isinstance(node["reason"], str) or not node["reason"].strip():
                raise ValueError(f"{place}.reason: {node['reason']!r} gives no reason")
            assumptions.append({"key": place, "value": node["value"], "reason": node["reason"]})
            return node["value"]
        return {
            key: _without_wrappers(value, f"{place}.{key}" if place else str(key), assumptions)
            for key, value in node.items()
        }
    return node


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "study"
    about = f" ({error.schema['description']})" if "description" in error.schema else ""
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = min(str(key) for key in error.instance if key not in allowed)
        return f"{place}: unknown key '{unknown}'{did_you_mean(unknown, allowed)}"
    if error.validator == "required":
        return f"{place}: {error.message.replace(' is a required property', ' is missing')}"
    if error.validator == "type":
        wanted = error.validator_value
        hint = _did_you_mean_number(error.instance) if wanted in ("number", "integer") else ""
        kinds = [wanted] if isinstance(wanted, str) else wanted
        words = " or ".join(_IN_WORDS[kind] for kind in kinds)
        return f"{place}: {error.instance!r} is not {words}{hint}{about}"
    if error.validator in ("oneOf", "anyOf"):
        keys = [key for option in error.validator_value for key in option["required"]]
        number = "exactly one" if error.validator == "oneOf" else "one"
        return f"{place}: needs {number} of {', '.join(keys)}"
    if error.validator == "dependentRequired":
        key, needs = next(
            (key, missing)
            for key, others in error.validator_value.items()
            for missing in others
            if key in error.instance and missing not in error.instance
        )
        return f"{place}: '{needs}' is missing ({key} needs it)"
    if error.validator == "enum":
        hint = did_you_mean(str(error.instance), [str(v) for v in error.validator_value])
        return f"{place}: {error.instance!r} is not allowed{hint}"
    return f"{place}: {error.message}{about}"


def _did_you_mean_number(value: Any) -> str:
    """A hint for a letter O in place of a zero, and for 4e-3, which YAML reads as text."""
    try:
        number = float(value.replace("O", "0").replace("o", "0"))
    except (AttributeError, ValueError):
        return ""
    return f" (did you mean {number:g}?)" if math.isfinite(number) else ""


def _numbers(node: Any, place: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _numbers(value, f"{place}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _numbers(value, f"{place}.{index}")
    elif isinstance(node, float):
        yield place, node


def _with_defaults(node: Any, schema: Mapping, root: Mapping) -> Any:
    """A copy in which each absent key that has a default in the schema is there."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if isinstance(node, Mapping):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for rule in schema.get("allOf", []):  # settings that depend on another, such as `by`
            if _Validator(rule["if"]).is_valid(node):
                node = _with_defaults(node, rule["then"], root)
        full = {key: sub["default"] for key, sub in known.items() if "default" in sub}
        for key, value in node.items():
            sub = known.get(key, others if isinstance(others, Mapping) else {})
            full[key] = _with_defaults(value, sub, root)
        return full
    if isinstance(node, list):
        return [_with_defaults(value, schema.get("items", {}), root) for value in node]
    return node
