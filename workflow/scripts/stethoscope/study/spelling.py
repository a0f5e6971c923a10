"""Hints for misspelled names."""

from __future__ import annotations

import difflib


def did_you_mean(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f" ({hint}allowed: {', '.join(allowed)})"
