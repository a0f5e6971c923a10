"""Read a study and check it before any job starts; errors are one line.

Pure Python without the scientific stack, since each parse of the workflow imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stethoscope.study.errors import explain
from stethoscope.study.model import Study
from stethoscope.study.references import broken_references


class StrictLoader(yaml.SafeLoader):
    """YAML in which a repeated key is an error; plain YAML silently takes the last one."""


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
    """A YAML mapping; one line that names file and line when it is broken, empty or ambiguous."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{where}: not YAML: {problem}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of sections, found {type(content).__name__}")
    return content


def check(config: Mapping, source: str) -> dict:
    """The study with defaults filled in, or a ValueError of one line that says what is wrong.

    A value may be written as {value, assumed: true, reason}: where the paper is silent, the study
    says so and why. Such values are replaced by their `value` and listed under `assumptions`.
    source: the file that an error names.
    """
    assumptions: list[dict] = []
    try:
        model = Study.model_validate(_without_wrappers(config, "", assumptions))
    except ValidationError as error:
        line = explain(error.errors(include_url=False), _schema())
        raise ValueError(f"{source}: {line}") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    study = model.model_dump(by_alias=True, exclude_none=True)
    study["assumptions"] = assumptions
    for problem in broken_references(study):
        raise ValueError(f"{source}: {problem}")
    return study


@cache
def _schema() -> dict:
    return Study.model_json_schema()


def _without_wrappers(node: Any, path: str, assumptions: list[dict]) -> Any:
    if isinstance(node, Mapping):
        if "assumed" in node:
            if set(node) != {"value", "assumed", "reason"} or node["assumed"] is not True:
                raise ValueError(
                    f"{path}: an assumed value is {{value: ..., assumed: true, reason: ...}}, "
                    f"found the keys {', '.join(map(str, node))}"
                )
            if not isinstance(node["reason"], str) or not node["reason"].strip():
                raise ValueError(f"{path}.reason: {node['reason']!r} gives no reason")
            assumptions.append({"key": path, "value": node["value"], "reason": node["reason"]})
            return node["value"]
        return {
            key: _without_wrappers(value, f"{path}.{key}" if path else str(key), assumptions)
            for key, value in node.items()
        }
    return node
