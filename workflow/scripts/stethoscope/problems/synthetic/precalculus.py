"""Families of questions: precalculus."""

import math
from fractions import Fraction
from random import Random

from stethoscope.problems.synthetic.latex import PI, boxed, complex_number, fraction, root, vector
from stethoscope.problems.synthetic.operands import Question, at, draw, nonzero
from stethoscope.problems.synthetic.steps import over, plus, times

_HALF, _ROOT2, _ROOT3 = fraction(1, 2), "\\frac{\\sqrt{2}}{2}", "\\frac{\\sqrt{3}}{2}"
_THIRD = "\\frac{\\sqrt{3}}{3}"
# Degrees 0 to 90 of the standard angles; the other quadrants follow by symmetry.
SINES = {0: "0", 30: _HALF, 45: _ROOT2, 60: _ROOT3, 90: "1"}
TANGENTS = {0: "0", 30: _THIRD, 45: "1", 60: "\\sqrt{3}"}
STANDARD_ANGLES = tuple(sorted({*range(0, 360, 30), *range(45, 360, 90)}))


def _sine(angle: int) -> str:
    angle %= 360
    sign = "-" if angle > 180 else ""
    angle %= 180
    value = SINES[min(angle, 180 - angle)]
    return value if value == "0" else sign + value


def _tangent(angle: int) -> str:
    angle %= 180
    return TANGENTS[angle] if angle < 90 else "-" + TANGENTS[180 - angle]


def trigonometric_value(rng: Random, level: int) -> Question:
    function = rng.choice(("sin", "cos", "tan"))
    angle = rng.choice(STANDARD_ANGLES)
    while function == "tan" and angle % 180 == 90:
        angle = rng.choice(STANDARD_ANGLES)
    turns = draw(rng, level, at(level, 0, 0, 1, -5, -12), 1, 3, 6, 9, 20)
    if function == "tan":
        value = _tangent(angle)
    else:
        value = _sine(angle + 90 * (function == "cos"))
    shown = angle + 360 * turns
    work = plus(shown, -360 * turns) if turns else f"angle {angle}"
    return f"What is \\{function} of {shown} degrees?", f"{work}, so {boxed(value)}"


def dot_product(rng: Random, level: int) -> Question:
    bound, size = at(level, 4, 6, 6, 9, 12), at(level, 2, 2, 3, 3, 3)
    first, second = ([nonzero(rng, bound, level > 1) for _ in range(size)] for _ in range(2))
    pairs = list(zip(first, second, strict=True))
    steps = [times(a, b) for a, b in pairs]
    return (
        f"What is the dot product of {vector(first)} and {vector(second)}?",
        f"{', '.join(steps)}, {plus(*(a * b for a, b in pairs), show=boxed)}",
    )


def determinant(rng: Random, level: int) -> Question:
    bound = at(level, 5, 7, 9, 12, 15)
    a, b, c, d = (nonzero(rng, bound, level > 2) for _ in range(4))
    return (
        f"What is the determinant of the matrix with rows ({a}, {b}) and ({c}, {d})?",
        f"{times(a, d)}, {times(b, c)}, {plus(a * d, -b * c, show=boxed)}",
    )


def modulus(rng: Random, level: int) -> Question:
    a, b = (nonzero(rng, at(level, 8, 10, 15, 20, 30), level > 1) for _ in range(2))
    return (
        f"What is the modulus of {complex_number(a, b)}?",
        f"{times(abs(a), abs(a))}, {times(abs(b), abs(b))}, {plus(a * a, b * b)}, "
        f"so {boxed(root(a * a + b * b))}",
    )


def radians(rng: Random, level: int) -> Question:
    unit = at(level, 30, 15, 10, 5, 3)
    degrees = unit * rng.randint(1, at(level, 360, 540, 720, 900, 900) // unit)
    top, bottom = Fraction(degrees, 180).as_integer_ratio()
    numerator = PI if top == 1 else f"{top}{PI}"
    angle = numerator if bottom == 1 else f"\\frac{{{numerator}}}{{{bottom}}}"
    if rng.random() < 0.5:
        common = math.gcd(degrees, 180)
        return (
            f"Convert {degrees} degrees to radians.",
            f"{over(degrees, common)}, {over(180, common)}, so {boxed(angle)}",
        )
    return (
        f"Convert {angle} radians to degrees.",
        f"{over(180, bottom)}, {times(180 // bottom, top, boxed)}",
    )


def matrix_times_vector(rng: Random, level: int) -> Question:
    bound = at(level, 4, 5, 7, 9, 12)
    a, b, c, d, x, y = (nonzero(rng, bound, level > 2) for _ in range(6))
    name, p, q = rng.choice((("first", a, b), ("second", c, d)))
    return (
        f"The matrix with rows ({a}, {b}) and ({c}, {d}) multiplies the vector ({x}, {y}). "
        f"What is the {name} entry?",
        f"{times(p, x)}, {times(q, y)}, {plus(p * x, q * y, show=boxed)}",
    )


def squared_distance(rng: Random, level: int) -> Question:
    bound, size = at(level, 6, 9, 9, 9, 12), at(level, 2, 2, 3, 3, 3)
    low = -bound if level > 3 else 0
    first, second = ([rng.randint(low, bound) for _ in range(size)] for _ in range(2))
    gaps = [abs(a - b) for a, b in zip(first, second, strict=True)]
    steps = [times(gap, gap) for gap in gaps]
    return (
        f"What is the squared distance from {vector(first)} to {vector(second)}?",
        f"{', '.join(steps)}, {plus(*(gap * gap for gap in gaps), show=boxed)}",
    )
