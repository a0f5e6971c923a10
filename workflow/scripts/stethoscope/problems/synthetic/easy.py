"""One short question or two a subject, for a model of some 0.2 M parameters."""

from random import Random

from stethoscope.problems.synthetic.latex import boxed
from stethoscope.problems.synthetic.operands import Question, at, draw, pair


def remainder(rng: Random, level: int) -> Question:
    divisor = rng.choice((2, 5, 10) if level < 4 else (2, 3, 4, 5, 10))
    number = draw(rng, level, 11, 99, 300, 500, 99, 150)
    return f"Remainder of {number} by {divisor}?", boxed(number % divisor)


def last_digit(rng: Random, level: int) -> Question:
    first, second = pair(rng, 2, at(level, 19, 39, 59, 79, 99))
    return f"Last digit of {first} * {second}?", boxed(first * second % 10)


def alternatives(rng: Random, level: int) -> Question:
    first, second = pair(rng, 2, at(level, 19, 29, 39, 49, 59))
    return f"Ways to pick one of {first} tea or {second} milk?", boxed(first + second)


def equation(rng: Random, level: int) -> Question:
    root, constant = pair(rng, 2, at(level, 19, 29, 39, 49, 59))
    return f"Solve x - {constant} = {root} for x.", boxed(root + constant)


def segments(rng: Random, level: int) -> Question:
    first, second = pair(rng, 2, at(level, 19, 29, 39, 49, 59))
    return f"Length of segments {first} and {second} joined?", boxed(first + second)


def roots(rng: Random, level: int) -> Question:
    b, c = draw(rng, level, 2, 9, 20, 40, 60, 99), rng.randint(2, 99)
    kind, value = rng.choice((("Sum", b), ("Product", c)))
    return f"{kind} of roots of x^2 - {b}x + {c}?", boxed(value)


def sum_of_two(rng: Random, level: int) -> Question:
    first, second = pair(rng, 2, at(level, 19, 29, 39, 49, 59))
    return f"Compute {first} + {second}.", boxed(first + second)


def component(rng: Random, level: int) -> Question:
    bound = at(level, 5, 6, 7, 8, 9)
    a, b, c, d = (rng.randint(0, bound) for _ in range(4))
    name, value = rng.choice((("First", a + c), ("Second", b + d)))
    return f"{name} entry of ({a}, {b}) + ({c}, {d})?", boxed(value)


FAMILIES = {
    "number_theory": (remainder, last_digit),
    "counting_and_probability": (alternatives,),
    "algebra": (equation,),
    "geometry": (segments,),
    "intermediate_algebra": (roots,),
    "prealgebra": (sum_of_two,),
    "precalculus": (component,),
}
