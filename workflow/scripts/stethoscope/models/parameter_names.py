"""Names of a parameter on disk, in memory and in an adapter.

A Gemma 3 with vision has two forms: `language_model.model.layers.0...` in its files (some tools
write `model.language_model.layers.0...`) and `model.language_model.layers.0...` in transformers 5,
which adapters follow; its text-only class and Llama use `model.layers.0...` everywhere. Most tools
silently ignore a name that matches nothing.

Task vectors and edits name modules as the base's files do. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Container

_PREFIXES = ("language_model.model", "model.language_model", "model")
_MODULE = re.compile(
    r"(?:" + "|".join(map(re.escape, _PREFIXES)) + r")\.(?P<layer>layers\.\d+\..+)"
)


def in_memory(module: str) -> str:
    """transformers' name of a decoder layer's module, from any of its forms."""
    match = _MODULE.fullmatch(module)
    if match is None or module.startswith("model.layers."):
        return module
    return f"model.language_model.{match['layer']}"


def on_disk(module: str, keys: Container[str]) -> str:
    """A decoder layer's module as the base's files name it; unchanged if they lack it.

    keys: the base's weight keys.
    """
    if match := _MODULE.fullmatch(module):
        for prefix in _PREFIXES:
            if f"{prefix}.{match['layer']}.weight" in keys:
                return f"{prefix}.{match['layer']}"
    return module
