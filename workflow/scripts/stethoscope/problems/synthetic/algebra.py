"""Families of questions: algebra."""

from random import Random

from stethoscope.problems.synthetic.latex import boxed, polynomial
from stethoscope.problems.synthetic.operands import Question, at, draw, nonzero, pair
from stethoscope.problems.synthetic.steps import minus, over, plus, times


def linear_equation(rng: Random, level: int) -> Question:
    slope = draw(rng, level, 2, 5, 7, 9, 12, 15)
    root = nonzero(rng, at(level, 9, 12, 12, 15, 20), level > 2)
    constant = nonzero(rng, at(level, 9, 15, 20, 40, 60), level > 1)
    right = slope * root + constant
    return (
        f"Solve {polynomial(slope, constant)} = {right} for x.",
        f"{slope}x = {plus(right, -constant)}, x = {boxed(root)}",
    )


def evaluate_quadratic(rng: Random, level: int) -> Question:
    bound = at(level, 3, 5, 6, 8, 9)
    a = rng.randint(1, bound)
    b, c = (nonzero(rng, bound, level > 1) for _ in range(2))
    x = nonzero(rng, at(level, 4, 5, 6, 8, 10), level > 3)
    return (
        f"If f(x) = {polynomial(a, b, c)}, what is f({x})?",
        f"{times(a, x * x)}, {times(b, x)}, {plus(a * x * x, b * x, c, show=boxed)}",
    )


def arithmetic_sequence(rng: Random, level: int) -> Question:
    first = draw(rng, level, 1, 9, 15, 30, 50, 80)
    step = nonzero(rng, at(level, 6, 9, 9, 12, 15), level > 3)
    index = draw(rng, level, 4, 7, 9, 11, 15, 21)
    gap = step * (index - 1)
    return (
        f"An arithmetic sequence starts {first}, {first + step}. What is term {index}?",
        f"{plus(first + step, -first)}, {times(step, index - 1)}, {plus(first, gap, show=boxed)}",
    )


def sum_and_difference(rng: Random, level: int) -> Question:
    bound = at(level, 12, 20, 40, 70, 99)
    x, y = rng.randint(1, bound), nonzero(rng, bound, level > 3)
    wanted = rng.choice("xy")
    total, difference = x + y, x - y
    work = plus(total, difference) if wanted == "x" else plus(total, -difference)
    return (
        f"If x + y = {total} and x - y = {difference}, what is {wanted}?",
        f"2{wanted} = {work}, {wanted} = {boxed(x if wanted == 'x' else y)}",
    )


def two_sided_equation(rng: Random, level: int) -> Question:
    right_slope, gap = pair(rng, 2, at(level, 5, 7, 9, 12, 15))
    root = nonzero(rng, at(level, 7, 9, 9, 12, 15), level > 2)
    left = nonzero(rng, at(level, 9, 15, 20, 30, 50), level > 1)
    right = left + gap * root
    slope = right_slope + gap
    return (
        f"Solve {polynomial(slope, left)} = {polynomial(right_slope, right)} for x.",
        f"{minus(slope, right_slope)}, {plus(right, -left)}, "
        f"{gap}x = {gap * root}, x = {boxed(root)}",
    )


def slope(rng: Random, level: int) -> Question:
    bound = at(level, 6, 9, 9, 12, 15)
    x, y = pair(rng, 0, bound)
    run = rng.randint(1, bound)
    if level < 3:
        rise = run * draw(rng, level, 1, 5, 9, 9, 9, 9)
    else:
        rise = nonzero(rng, 2 * bound, level > 3)
    return (
        f"What is the slope of the line through ({x}, {y}) and ({x + run}, {y + rise})?",
        f"{minus(y + rise, y)}, {minus(x + run, x)}, {over(rise, run, boxed)}",
    )


def proportion(rng: Random, level: int) -> Question:
    ratio = draw(rng, level, 2, 5, 9, 12, 15, 20)
    x, other = rng.sample(range(2, at(level, 9, 12, 15, 20, 30) + 1), 2)
    return (
        f"If y is proportional to x and y = {ratio * x} when x = {x}, what is y when x = {other}?",
        f"{over(ratio * x, x)}, {times(ratio, other, boxed)}",
    )
