"""Steps of a worked solution: one equation each; `show` is `boxed` where it is the last."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate
from operator import mul

from stethoscope.problems.synthetic.latex import Number, boxed, exact, fraction, signed

Show = Callable[[Number], str]


def plus(*terms: int, show: Show = exact) -> str:
    """3 - 4 = -1."""
    return f"{signed(*terms)} = {show(sum(terms))}"


def minus(first: int, second: int, show: Show = exact) -> str:
    """5 - 0 = 5; the second number is not negative."""
    return f"{first} - {second} = {show(first - second)}"


def times(first: int, second: int, show: Show = exact) -> str:
    """3 * -4 = -12."""
    return f"{first} * {second} = {show(first * second)}"


def over(first: int, second: int, show: Show = exact) -> str:
    """6 / 4 = 3/2, in LaTeX."""
    return f"{first} / {second} = {show(Fraction(first, second))}"


def modulo(number: int, modulus: int, show: Show = exact) -> str:
    """17 mod 5 = 2."""
    return f"{number} mod {modulus} = {show(number % modulus)}"


def reduced(numerator: int, denominator: int) -> str:
    r"""The last step: \frac{4}{6} = \boxed{\frac{2}{3}}."""
    return f"{fraction(numerator, denominator)} = {boxed(Fraction(numerator, denominator))}"


def products(factors: Sequence[int]) -> str:
    """Steps that multiply numbers one after the other: 3 * 4 = 12, 12 * 5 = 60."""
    so_far = accumulate(factors[:-1], mul)
    return ", ".join(times(a, b) for a, b in zip(so_far, factors[1:], strict=True))
