"""Write the JSON schema and the tables of config/README.md from the study's model.

Run `make schema` after a change of a key, a default or a description; a test checks both files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stethoscope.study.errors import resolved
from stethoscope.study.model import Study

CONFIG = Path(__file__).parents[4] / "config"
BEGIN, END = "<!-- generated from the study's model -->", "<!-- end -->"
Row = tuple[str, ...]

_SUBJECT = "#/$defs/Subject"
_NEEDS = (("needs", True), ("may have", False))
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}


def schema() -> dict:
    """JSON schema of a study; keys without a default have none, rather than null."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | _without_noise(Study.model_json_schema())


def tables() -> str:
    """Markdown tables of each section: keys, allowed values, defaults and descriptions."""
    root = schema()
    simple, parts = [], []
    for section, node in root["properties"].items():
        node = resolved(node, root)
        rows = list(_rows(section, node, section in root["required"], root, {}))
        if len(rows) == 1:
            simple += rows
            continue
        needed = "" if section in root["required"] else " (may be left out)"
        title = f"### `{section}`: {_cell(node['description'])}{needed}"
        parts.append(f"{title}\n\n{_table(rows[1:])}")
    subjects = _allowed(resolved({"$ref": _SUBJECT}, root), root)
    return "\n\n".join([_table(simple), f"A subject is one of {subjects}.", *parts])


def write(config: Path = CONFIG) -> None:
    """Write both files into the folder of studies; of README.md only the part between its marks."""
    text = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    (config / "schemas/study.schema.json").write_text(text, encoding="utf-8")
    readme = config / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}", encoding="utf-8")


def _without_noise(node: Any) -> Any:
    """Without titles, which repeat the keys, and without null as a default; with names checked."""
    if isinstance(node, list):
        return [_without_noise(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    closed = {"additionalProperties": False} if "patternProperties" in node else {}
    return closed | {
        key: _without_noise(value)
        for key, value in node.items()
        if value is not None and not (key == "title" and isinstance(value, str))
    }


def _table(rows: list[Row]) -> str:
    head = ["| key | allowed | default | what it is |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _rows(key: str, node: Mapping, required: bool, root: Mapping, seen: dict) -> Iterator[Row]:
    """Key, allowed values, default and description of a key and of all keys below it.

    seen: for each section listed already, the key that listed it.
    """
    section, allowed = node.get("$ref"), _allowed(node, root)
    node = resolved(node, root)
    values, description = _values(node, root), node.get("description", "")
    if "properties" in node and section in seen:
        yield f"`{key}`", f"as `{seen[section]}`", "required" if required else "", description
        return
    seen[section] = key
    nested = "properties" in node or "properties" in values or "discriminator" in values
    default = "required" if required else "" if nested else _default(node.get("default"))
    yield f"`{key}`", allowed, default, description
    if "discriminator" in values:
        yield from _rows_of_options(f"{key}.<name>", values, root)
    for above, part in ((key, node), (f"{key}.<name>", values)):
        for name, below in part.get("properties", {}).items():
            needed = name in part.get("required", [])
            yield from _rows(f"{above}.{name}", below, needed, root, seen)


def _rows_of_options(key: str, node: Mapping, root: Mapping) -> Iterator[Row]:
    """The keys of each section that a tag selects, then a row of each key."""
    tag, keys = node["discriminator"]["propertyName"], {}
    for option, reference in node["discriminator"]["mapping"].items():
        section = resolved({"$ref": reference}, root)
        below = {name: part for name, part in section["properties"].items() if name != tag}
        named = {True: [], False: []}
        for name, part in below.items():
            named[name in section["required"]].append(f"`{name}`")
            (row, *_) = _rows(f"{key}.{name}", part, False, root, {})
            keys.setdefault(name, []).append(row)
        lists = [f"{word}: {', '.join(named[need])}" for word, need in _NEEDS if named[need]]
        yield f"`{key}.{tag}: {option}`", "", "", "; ".join(lists)
    for rows in keys.values():
        yield tuple(
            " or ".join(dict.fromkeys(filter(None, cells))) for cells in zip(*rows, strict=True)
        )


def _values(node: Mapping, root: Mapping) -> Mapping:
    """Schema of the values of a mapping with free names; empty for any other."""
    patterns = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    return resolved(patterns[0], root) if isinstance(patterns[0], Mapping) else {}


def _allowed(node: Mapping, root: Mapping) -> str:
    if node.get("$ref") == _SUBJECT:
        return "subject"
    node = resolved(node, root)
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    if "oneOf" in node and "type" not in node:
        return " or ".join(_allowed(option, root) for option in node["oneOf"])
    if node["type"] == "array":
        return f"list of {_allowed(node['items'], root)}"
    if node["type"] == "object":
        values = _values(node, root)
        plain = values and "properties" not in values and "discriminator" not in values
        return f"mapping to {_allowed(values, root)}" if plain else "mapping"
    bounds = [f"{sign} {node[word]}" for word, sign in _BOUNDS.items() if word in node]
    return " ".join([_KINDS[node["type"]], ", ".join(bounds)]).strip()


def _default(value: Any) -> str:
    return "" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    text = text if "`" in text else text.replace("<", "&lt;")
    return re.sub(r"docs/\w+\.md", r"[\g<0>](../\g<0>)", text.replace("|", "\\|"))


if __name__ == "__main__":
    write()
