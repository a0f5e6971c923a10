"""Families of questions: geometry."""

from random import Random

from stethoscope.problems.synthetic.latex import PI, boxed, root
from stethoscope.problems.synthetic.operands import Question, at, draw, pair
from stethoscope.problems.synthetic.steps import minus, over, plus, times

POLYGONS = {
    "pentagon": 5,
    "hexagon": 6,
    "heptagon": 7,
    "octagon": 8,
    "nonagon": 9,
    "decagon": 10,
}


def hypotenuse(rng: Random, level: int) -> Question:
    bound = at(level, 9, 15, 20, 30, 40)
    # A third have whole hypotenuses: multiples of the first Pythagorean triples.
    triples = [
        (a * k, b * k)
        for a, b in ((3, 4), (5, 12), (8, 15), (7, 24), (20, 21))
        for k in range(1, bound // b + 1)
    ]
    if triples and rng.random() < 1 / 3:
        first, second = rng.choice(triples)
        if rng.random() < 0.5:
            first, second = second, first
    else:
        first, second = pair(rng, 2, bound)
    squares = first * first, second * second
    return (
        f"A right triangle has legs {first} and {second}. How long is its hypotenuse?",
        f"{times(first, first)}, {times(second, second)}, {plus(*squares)}, "
        f"so {boxed(root(sum(squares)))}",
    )


def rectangle(rng: Random, level: int) -> Question:
    width = draw(rng, level, 2, 9, 9, 12, 20, 30)
    length = draw(rng, level, 2, 12, 30, 60, 80, 99)
    shape = f"A rectangle is {width} wide and {length} long."
    if rng.random() < 0.5:
        return f"{shape} What is its area?", times(width, length, boxed)
    return (
        f"{shape} What is its perimeter?",
        f"{plus(width, length)}, {times(2, width + length, boxed)}",
    )


def triangle_area(rng: Random, level: int) -> Question:
    base = draw(rng, level, 2, 9, 12, 20, 30, 60)
    height = draw(rng, level, 2, 9, 9, 12, 15, 20)
    base += base * height % 2
    return (
        f"A triangle has base {base} and height {height}. What is its area?",
        f"{times(base, height)}, {over(base * height, 2, boxed)}",
    )


def third_angle(rng: Random, level: int) -> Question:
    # Level 1 keeps to multiples of ten, level 2 to multiples of five.
    unit = at(level, 10, 5, 2, 1, 1)
    first = unit * rng.randint(1, 150 // unit)
    second = unit * rng.randint(1, (170 - first) // unit)
    return (
        f"Two angles of a triangle are {first} and {second} degrees. "
        "How many degrees is the third?",
        f"{plus(first, second)}, {minus(180, first + second, boxed)}",
    )


def circle(rng: Random, level: int) -> Question:
    radius = draw(rng, level, 2, 9, 12, 12, 15, 20)
    kind = rng.choice(("area", "volume") if level > 1 else ("area", "circumference"))
    if kind == "circumference":
        work, size = times(2, radius), 2 * radius
    else:
        work, size = times(radius, radius), radius**2
    if kind != "volume":
        question = f"A circle has radius {radius}. What is its {kind}?"
    else:
        height = draw(rng, level, 2, 9, 9, 12, 15, 30)
        work, size = f"{work}, {times(size, height)}", size * height
        question = f"A cylinder has radius {radius} and height {height}. What is its volume?"
    return question, f"{work}, so {boxed(f'{size}{PI}')}"


def box(rng: Random, level: int) -> Question:
    bound = at(level, 5, 7, 9, 12, 18)
    a, b, c = (rng.randint(2, bound) for _ in range(3))
    if rng.random() < 0.5:
        return (
            f"A box has sides {a}, {b} and {c}. What is its volume?",
            f"{times(a, b)}, {times(a * b, c, boxed)}",
        )
    faces = a * b, b * c, a * c
    return (
        f"A box has sides {a}, {b} and {c}. What is its surface area?",
        f"{times(a, b)}, {times(b, c)}, {times(a, c)}, {plus(*faces)}, "
        f"{times(2, sum(faces), boxed)}",
    )


def trapezoid(rng: Random, level: int) -> Question:
    first, second = pair(rng, 2, at(level, 9, 12, 20, 30, 50))
    height = draw(rng, level, 2, 6, 9, 9, 12, 15)
    second += (first + second) * height % 2
    total = first + second
    return (
        f"A trapezoid has bases {first} and {second} and height {height}. What is its area?",
        f"{plus(first, second)}, {times(total, height)}, {over(total * height, 2, boxed)}",
    )


def polygon_perimeter(rng: Random, level: int) -> Question:
    name = rng.choice(list(POLYGONS))
    sides, side = POLYGONS[name], draw(rng, level, 2, 12, 30, 60, 99, 250)
    if rng.random() < 0.5:
        return (
            f"A regular {name} has sides of length {side}. What is its perimeter?",
            times(sides, side, boxed),
        )
    return (
        f"A regular {name} has perimeter {sides * side}. How long is a side?",
        over(sides * side, sides, boxed),
    )
