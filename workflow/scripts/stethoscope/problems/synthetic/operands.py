"""Operands of questions, larger at higher levels."""

from collections.abc import Callable
from random import Random

Question = tuple[str, str]  # a problem and its worked solution
Family = Callable[[Random, int], Question]


def at(level: int, *bounds: int) -> int:
    """The bound of a level, out of five."""
    return bounds[level - 1]


def draw(rng: Random, level: int, low: int, *bounds: int) -> int:
    """A number from `low` to the bound of a level."""
    return rng.randint(low, at(level, *bounds))


def pair(rng: Random, low: int, high: int) -> tuple[int, int]:
    """Two numbers from `low` to `high`."""
    return rng.randint(low, high), rng.randint(low, high)


def nonzero(rng: Random, bound: int, signed: bool = True) -> int:
    """A number of size 1 to `bound`, of either sign if `signed`."""
    size = rng.randint(1, bound)
    return -size if signed and rng.random() < 0.5 else size
