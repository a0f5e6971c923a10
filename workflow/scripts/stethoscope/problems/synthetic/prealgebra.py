"""Families of questions: prealgebra."""

import math
from itertools import accumulate
from random import Random

from stethoscope.problems.synthetic.latex import boxed, fraction
from stethoscope.problems.synthetic.operands import Question, at, draw, pair
from stethoscope.problems.synthetic.steps import minus, over, plus, reduced, times


def add_or_subtract(rng: Random, level: int) -> Question:
    first, second = pair(rng, at(level, 2, 10, 50, 100, 100), at(level, 60, 99, 400, 999, 5000))
    if rng.random() < 0.5:
        return f"Compute {first} + {second}.", plus(first, second, show=boxed)
    first, second = max(first, second), min(first, second)
    return f"Compute {first} - {second}.", minus(first, second, boxed)


def multiply(rng: Random, level: int) -> Question:
    first = draw(rng, level, at(level, 2, 11, 21, 11, 11), 30, 60, 99, 30, 60)
    second = draw(rng, level, at(level, 2, 2, 2, 11, 11), 9, 9, 9, 30, 50)
    # One factor is split into tens and units: the second one where both have two digits.
    left, right = (first, second) if level < 4 else (second, first)
    tens, units = left // 10 * 10, left % 10
    work = times(first, second, boxed)
    if tens and units:
        parts = tens * right, units * right
        work = f"{times(tens, right)}, {times(units, right)}, {plus(*parts, show=boxed)}"
    return f"Compute {first} * {second}.", work


def add_fractions(rng: Random, level: int) -> Question:
    b, d = pair(rng, 2, at(level, 5, 6, 8, 10, 12))
    a, c = rng.randint(1, b - 1), rng.randint(1, d - 1)
    subtract = level > 2 and rng.random() < 0.5
    if subtract and a * d < c * b:
        a, b, c, d = c, d, a, b
    right = -c * b if subtract else c * b
    return (
        f"Compute {fraction(a, b)} {'-' if subtract else '+'} {fraction(c, d)}.",
        f"{times(a, d)}, {times(c, b)}, {plus(a * d, right)}, {times(b, d)}, "
        f"{reduced(a * d + right, b * d)}",
    )


def percentage(rng: Random, level: int) -> Question:
    grid = ((10, 20, 50), (10, 20, 25, 50), range(10, 100, 10), range(5, 100, 5), range(2, 100))
    percent = rng.choice(grid[level - 1])
    unit = 100 // math.gcd(percent, 100)
    number = unit * rng.randint(1, max(1, at(level, 200, 400, 400, 600, 900) // unit))
    return (
        f"What is {percent} percent of {number}?",
        f"{times(percent, number)}, {over(percent * number, 100, boxed)}",
    )


def average(rng: Random, level: int) -> Question:
    count, bound = at(level, 3, 3, 4, 4, 5), at(level, 9, 20, 20, 40, 40)
    numbers = [rng.randint(1, bound) for _ in range(count)]
    # Raise the last one until the average is a whole number.
    numbers[-1] += -sum(numbers) % count
    steps = [plus(a, b) for a, b in zip(accumulate(numbers[:-1]), numbers[1:], strict=True)]
    return (
        f"What is the average of {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}?",
        f"{', '.join(steps)}, {over(sum(numbers), count, boxed)}",
    )


def precedence(rng: Random, level: int) -> Question:
    a = draw(rng, level, 2, 9, 20, 40, 60, 99)
    b, c = pair(rng, 2, at(level, 5, 9, 9, 12, 15))
    d = draw(rng, level, 1, 9, 9, 20, 40, 60)
    product = b * c
    if level < 3:
        return (
            f"Evaluate {a} + {b} * {c}.",
            f"{times(b, c)}, {plus(a, product, show=boxed)}",
        )
    return (
        f"Evaluate {a} + {b} * {c} - {d}.",
        f"{times(b, c)}, {plus(a, product)}, {minus(a + product, d, boxed)}",
    )


def change(rng: Random, level: int) -> Question:
    name = rng.choice(("Anna", "Ben", "Carla", "Dan"))
    price = draw(rng, level, 2, 9, 15, 25, 40, 70)
    count = draw(rng, level, 2, 5, 6, 7, 9, 12)
    cost = price * count
    paid = next(note for note in (20, 50, 100, 200, 500, 1000) if note >= cost)
    return (
        f"{name} buys {count} pens at {price} cents each and pays {paid} cents. "
        "How many cents are left?",
        f"{times(count, price)}, {minus(paid, cost, boxed)}",
    )


def minutes(rng: Random, level: int) -> Question:
    hours = draw(rng, level, 2, 5, 9, 12, 24, 48)
    extra = rng.randint(1, 59)
    whole = 60 * hours
    if level < 3 or rng.random() < 0.5:
        return (
            f"How many minutes are {hours} hours and {extra} minutes?",
            f"{times(60, hours)}, {plus(whole, extra, show=boxed)}",
        )
    return (
        f"How many full hours are {whole + extra} minutes?",
        f"{times(60, hours)}, {minus(whole + extra, whole)}, so {boxed(hours)}",
    )
