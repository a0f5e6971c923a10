"""Families of questions: intermediate algebra."""

from random import Random

from stethoscope.problems.synthetic.latex import boxed, complex_number, polynomial
from stethoscope.problems.synthetic.operands import Question, at, draw, nonzero
from stethoscope.problems.synthetic.steps import over, plus, times


def vieta(rng: Random, level: int) -> Question:
    a = draw(rng, level, at(level, 1, 2, 2, 2, 2), 1, 5, 7, 9, 12)
    b, c = (nonzero(rng, at(level, 20, 20, 30, 40, 60)) for _ in range(2))
    kind, numerator = rng.choice((("sum", -b), ("product", c)))
    return (
        f"What is the {kind} of the roots of {polynomial(a, b, c)} = 0?",
        over(numerator, a, boxed),
    )


def larger_root(rng: Random, level: int) -> Question:
    low, high = -at(level, 0, 0, 9, 15, 20), at(level, 12, 20, 15, 20, 25)
    first, second = sorted(rng.sample([n for n in range(low, high + 1) if n], 2))
    return (
        f"What is the larger root of {polynomial(1, -first - second, first * second)} = 0?",
        f"{_factor(first)} * {_factor(second)} = 0, so {boxed(second)}",
    )


def _factor(root: int) -> str:
    return f"({polynomial(1, -root)})"


def discriminant(rng: Random, level: int) -> Question:
    bound = at(level, 4, 6, 8, 9, 12)
    a = rng.randint(1, bound)
    b, c = nonzero(rng, bound + 3, level > 2), nonzero(rng, bound, level > 1)
    return (
        f"What is the discriminant of {polynomial(a, b, c)}?",
        f"{times(abs(b), abs(b))}, {times(4, a)}, {times(4 * a, c)}, "
        f"{plus(b * b, -4 * a * c, show=boxed)}",
    )


def polynomial_remainder(rng: Random, level: int) -> Question:
    root = nonzero(rng, at(level, 2, 3, 4, 5, 6), level > 2)
    bound = at(level, 5, 6, 8, 9, 12)
    b, c, d = (nonzero(rng, bound, level > 1) for _ in range(3))
    # Horner: each step is one product and one sum.
    first = root + b
    second = first * root + c
    return (
        f"What is the remainder when {polynomial(1, b, c, d)} is divided by {_factor(root)}?",
        f"{plus(root, b)}, {times(first, root)}, {plus(first * root, c)}, "
        f"{times(second, root)}, {plus(second * root, d, show=boxed)}",
    )


def coefficient(rng: Random, level: int) -> Question:
    lead, bound = at(level, 3, 4, 6, 8, 9), at(level, 6, 8, 9, 12, 15)
    a, c = rng.randint(1, lead), rng.randint(1, lead)
    b, d = (nonzero(rng, bound, level > 1) for _ in range(2))
    return (
        f"What is the coefficient of x in ({polynomial(a, b)})({polynomial(c, d)})?",
        f"{times(a, d)}, {times(b, c)}, {plus(a * d, b * c, show=boxed)}",
    )


def complex_product(rng: Random, level: int) -> Question:
    bound = at(level, 4, 6, 9, 12, 15)
    a, c = rng.randint(1, bound), rng.randint(1, bound)
    b, d = (nonzero(rng, bound, level > 1) for _ in range(2))
    product = f"({complex_number(a, b)})({complex_number(c, d)})"
    if rng.random() < 0.5:
        return (
            f"What is the real part of {product}?",
            f"{times(a, c)}, {times(b, d)}, {plus(a * c, -b * d, show=boxed)}",
        )
    return (
        f"What is the imaginary part of {product}?",
        f"{times(a, d)}, {times(b, c)}, {plus(a * d, b * c, show=boxed)}",
    )


def composition(rng: Random, level: int) -> Question:
    bound = at(level, 4, 6, 8, 9, 12)
    a, c = rng.randint(2, bound), rng.randint(2, bound)
    b, d = (nonzero(rng, bound, level > 1) for _ in range(2))
    x = nonzero(rng, at(level, 5, 6, 8, 9, 12), level > 3)
    inner = c * x + d
    return (
        f"If f(x) = {polynomial(a, b)} and g(x) = {polynomial(c, d)}, what is f(g({x}))?",
        f"{times(c, x)}, {plus(c * x, d)}, {times(a, inner)}, {plus(a * inner, b, show=boxed)}",
    )


def minimum_value(rng: Random, level: int) -> Question:
    half = nonzero(rng, at(level, 5, 8, 10, 15, 20), level > 1)
    minimum = nonzero(rng, at(level, 9, 20, 40, 80, 150), level > 2)
    size, square = abs(half), half * half
    return (
        f"What is the minimum value of {polynomial(1, 2 * half, square + minimum)}?",
        f"{over(2 * size, 2)}, {times(size, size)}, {plus(square + minimum, -square, show=boxed)}",
    )
