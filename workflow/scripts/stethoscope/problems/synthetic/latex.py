"""LaTeX of numbers and expressions."""

import math
from collections.abc import Sequence
from fractions import Fraction

Number = int | Fraction | str

PI = "\\pi"


def fraction(numerator: int, denominator: int) -> str:
    r"""LaTeX of a fraction as it stands, not reduced: \frac{4}{6}."""
    return f"\\frac{{{numerator}}}{{{denominator}}}"


def exact(value: Number) -> str:
    """LaTeX of a number, in lowest terms if it is a Fraction."""
    if not isinstance(value, Fraction) or value.denominator == 1:
        return str(value)
    sign = "-" if value < 0 else ""
    return sign + fraction(abs(value.numerator), value.denominator)


def boxed(value: Number) -> str:
    r"""The answer: \boxed{...}."""
    return f"\\boxed{{{exact(value)}}}"


def signed(*terms: int) -> str:
    """A sum with the signs of its terms: 3 - 4 + 5."""
    text = str(terms[0])
    for term in terms[1:]:
        text += f" - {-term}" if term < 0 else f" + {term}"
    return text


def polynomial(*coefficients: int) -> str:
    """Polynomial in x, highest power first: 2x^2 - x + 4. At least one coefficient is not 0."""
    text = ""
    for power, coefficient in zip(range(len(coefficients))[::-1], coefficients, strict=True):
        if coefficient == 0:
            continue
        variable = "" if power == 0 else "x" if power == 1 else f"x^{power}"
        size = abs(coefficient)
        if text:
            text += " - " if coefficient < 0 else " + "
        elif coefficient < 0:
            text += "-"
        text += variable if size == 1 and power else f"{size}{variable}"
    return text


def complex_number(real: int, imaginary: int) -> str:
    """3 - 4i."""
    return f"{real} {'-' if imaginary < 0 else '+'} {abs(imaginary)}i"


def vector(entries: Sequence[int]) -> str:
    """(1, -2)."""
    return f"({', '.join(map(str, entries))})"


def root(square: int) -> int | str:
    """The root of a positive integer: a number if it is one, else under the root sign."""
    number = math.isqrt(square)
    return number if number * number == square else f"\\sqrt{{{square}}}"
