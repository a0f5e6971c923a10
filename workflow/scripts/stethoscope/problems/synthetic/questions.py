r"""Families of synthetic maths questions, one function a family.

A family maps a random generator and a level (1 to 5) to a problem and its worked solution. The
level sets the size of the operands, so that a family has easy and hard members. The solution
carries every intermediate result, because a small model answers token by token: each step is a
computation on one or two small numbers. It ends with the answer in \boxed{...}, in lowest terms.

Every equation in a solution that holds only numbers is a true equation (a test checks each).
"""

import math
from collections.abc import Callable
from fractions import Fraction
from random import Random

Family = Callable[[Random, int], tuple[str, str]]

PI = "\\pi"


def _at(level: int, *bounds: int) -> int:
    """The bound that belongs to this level, out of five."""
    return bounds[level - 1]


def _fraction(numerator: int, denominator: int) -> str:
    r"""LaTeX of a fraction as it stands, not reduced: \frac{4}{6}."""
    return f"\\frac{{{numerator}}}{{{denominator}}}"


def _exact(value: Fraction) -> str:
    """LaTeX of a number in lowest terms."""
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return sign + _fraction(abs(value.numerator), value.denominator)


def _box(value: int | Fraction | str) -> str:
    return f"\\boxed{{{_exact(value) if isinstance(value, Fraction) else value}}}"


def _sum(*terms: int) -> str:
    """Terms with their signs: 3 - 4 + 5."""
    text = str(terms[0])
    for term in terms[1:]:
        text += f" - {-term}" if term < 0 else f" + {term}"
    return text


def _polynomial(*coefficients: int) -> str:
    """Polynomial in x, highest power first: 2x^2 - x + 4. At least one coefficient is not 0."""
    text = ""
    for index, coefficient in enumerate(coefficients):
        power = len(coefficients) - 1 - index
        if coefficient == 0:
            continue
        variable = "" if power == 0 else "x" if power == 1 else f"x^{power}"
        size = abs(coefficient)
        term = variable if size == 1 and power else f"{size}{variable}"
        if text:
            text += " - " if coefficient < 0 else " + "
        elif coefficient < 0:
            text += "-"
        text += term
    return text


def _nonzero(rng: Random, bound: int, signed: bool = True) -> int:
    """A number of size 1 to `bound`, of either sign if `signed`."""
    size = rng.randint(1, bound)
    return -size if signed and rng.random() < 0.5 else size


def _square_root(square: int) -> int | str:
    """The root of a positive integer: a number if it is one, else under the root sign."""
    root = math.isqrt(square)
    return root if root * root == square else f"\\sqrt{{{square}}}"


# Number theory ------------------------------------------------------------------------------


def remainder(rng: Random, level: int) -> tuple[str, str]:
    divisor = rng.randint(3, _at(level, 5, 7, 9, 11, 12))
    quotient = rng.randint(1, _at(level, 9, 12, 20, 40, 60))
    rest = rng.randrange(divisor)
    multiple = divisor * quotient
    number = multiple + rest
    return (
        f"What is the remainder when {number} is divided by {divisor}?",
        f"{divisor} * {quotient} = {multiple}, {number} - {multiple} = {_box(rest)}",
    )


def greatest_common_divisor(rng: Random, level: int) -> tuple[str, str]:
    factor = rng.randint(2, _at(level, 4, 6, 8, 10, 12))
    first, second = rng.sample(range(1, _at(level, 5, 7, 9, 11, 13) + 1), 2)
    first, second = factor * first, factor * second
    steps = []
    large, small = max(first, second), min(first, second)
    while small:
        steps.append(f"{large} mod {small} = {large % small}")
        large, small = small, large % small
    return (
        f"What is the greatest common divisor of {first} and {second}?",
        f"{', '.join(steps)}, so {_box(large)}",
    )


def least_common_multiple(rng: Random, level: int) -> tuple[str, str]:
    factor = rng.randint(1, _at(level, 3, 5, 7, 9, 10))
    first, second = rng.sample(range(2, _at(level, 5, 6, 8, 10, 12) + 1), 2)
    first, second = factor * first, factor * second
    common = math.gcd(first, second)
    return (
        f"What is the least common multiple of {first} and {second}?",
        (
            f"gcd {common}, {first} / {common} = {first // common}, "
            f"{first // common} * {second} = {_box(math.lcm(first, second))}"
        ),
    )


def units_digit(rng: Random, level: int) -> tuple[str, str]:
    base = rng.randint(2, _at(level, 9, 19, 49, 99, 99))
    exponent = rng.randint(2, _at(level, 9, 15, 30, 60, 99))
    cycle = [base % 10]
    while (following := cycle[-1] * base % 10) != cycle[0]:
        cycle.append(following)
    if len(cycle) == 1:
        work = f"each power ends in {cycle[0]}, so "
    else:
        digits = ", ".join(map(str, cycle))
        work = f"{digits} repeat, {exponent} mod {len(cycle)} = {exponent % len(cycle)}, so "
    return (
        f"What is the units digit of {base}^{{{exponent}}}?",
        work + _box(cycle[(exponent - 1) % len(cycle)]),
    )


def power_remainder(rng: Random, level: int) -> tuple[str, str]:
    modulus = rng.randint(5, _at(level, 7, 9, 11, 14, 17))
    base = rng.randint(2, modulus - 1)
    exponent = rng.randint(2, _at(level, 3, 3, 4, 5, 6))
    power = base
    steps = []
    for _ in range(exponent - 1):
        steps.append(f"{power} * {base} mod {modulus} = {power * base % modulus}")
        power = power * base % modulus
    return (
        f"Find the remainder of {base}^{exponent} modulo {modulus}.",
        f"{', '.join(steps)}, so {_box(power)}",
    )


def count_divisors(rng: Random, level: int) -> tuple[str, str]:
    primes = sorted(rng.sample((2, 3, 5, 7, 11, 13, 17, 19), _at(level, 2, 2, 2, 3, 3)))
    exponents = [rng.randint(2, _at(level, 5, 7, 9, 5, 8)) for _ in primes]
    product = exponents[0] + 1
    steps = []
    for exponent in exponents[1:]:
        steps.append(f"{product} * {exponent + 1} = {product * (exponent + 1)}")
        product *= exponent + 1
    number = " * ".join(f"{p}^{e}" for p, e in zip(primes, exponents, strict=True))
    return (
        f"How many positive divisors does {number} have?",
        f"{', '.join(steps)}, so {_box(product)}",
    )


def product_remainder(rng: Random, level: int) -> tuple[str, str]:
    modulus = rng.randint(3, _at(level, 5, 7, 9, 10, 12))
    bound = _at(level, 15, 20, 30, 40, 60)
    first, second = rng.randint(2, bound), rng.randint(2, bound)
    left, right = first % modulus, second % modulus
    return (
        f"What is the remainder when {first} * {second} is divided by {modulus}?",
        (
            f"{first} mod {modulus} = {left}, {second} mod {modulus} = {right}, "
            f"{left} * {right} = {left * right}, "
            f"{left * right} mod {modulus} = {_box(left * right % modulus)}"
        ),
    )


def count_multiples(rng: Random, level: int) -> tuple[str, str]:
    divisor = rng.randint(3, _at(level, 6, 9, 12, 15, 19))
    count = rng.randint(2, _at(level, 9, 12, 15, 20, 30))
    limit = divisor * count + rng.randrange(divisor)
    return (
        f"How many positive multiples of {divisor} are at most {limit}?",
        (
            f"{divisor} * {count} = {divisor * count}, "
            f"{divisor} * {count + 1} = {divisor * (count + 1)}, so {_box(count)}"
        ),
    )


# Counting and probability -------------------------------------------------------------------


NOUNS = (
    *("apples", "books", "cards", "coins", "hats", "keys", "maps", "pens"),
    *("pupils", "rings", "shells", "songs", "stamps", "toys"),
)
RACERS = (
    *("boats", "boys", "cars", "cats", "dogs", "girls", "horses", "planes"),
    *("riders", "robots", "runners", "skiers", "snails", "teams"),
)


def choose(rng: Random, level: int) -> tuple[str, str]:
    chosen = rng.randint(2, _at(level, 2, 2, 3, 3, 4))
    things = rng.randint(chosen + 2, _at(level, 15, 25, 12, 14, 12))
    noun = rng.choice(NOUNS)
    product = things
    steps = []
    for factor in range(things - 1, things - chosen, -1):
        steps.append(f"{product} * {factor} = {product * factor}")
        product *= factor
    orders = math.factorial(chosen)
    return (
        f"In how many ways can {chosen} of {things} {noun} be chosen?",
        f"{', '.join(steps)}, {product} / {orders} = {_box(product // orders)}",
    )


def orders(rng: Random, level: int) -> tuple[str, str]:
    places = rng.randint(2, _at(level, 2, 2, 3, 3, 3))
    entrants = rng.randint(places + 2, _at(level, 15, 25, 10, 12, 15))
    noun = rng.choice(RACERS)
    product = entrants
    steps = []
    for factor in range(entrants - 1, entrants - places, -1):
        steps.append(f"{product} * {factor} = {product * factor}")
        product *= factor
    return (
        f"In how many orders can {places} of {entrants} {noun} win the first {places} prizes?",
        f"{', '.join(steps)}, so {_box(product)}",
    )


def draw_one(rng: Random, level: int) -> tuple[str, str]:
    colours = rng.sample(("red", "blue", "green", "black", "white"), _at(level, 2, 2, 3, 3, 3))
    counts = [rng.randint(1, _at(level, 8, 15, 8, 12, 20)) for _ in colours]
    wanted = rng.randrange(len(colours))
    total = sum(counts)
    urn = [f"{count} {colour}" for count, colour in zip(counts, colours, strict=True)]
    return (
        (
            f"A bag holds {', '.join(urn[:-1])} and {urn[-1]} balls. "
            f"What is the probability that one ball is {colours[wanted]}?"
        ),
        (
            f"{_sum(*counts)} = {total}, {_fraction(counts[wanted], total)} = "
            f"{_box(Fraction(counts[wanted], total))}"
        ),
    )


def two_dice(rng: Random, level: int) -> tuple[str, str]:
    sides = [rng.randint(3, _at(level, 5, 7, 9, 12, 15)) for _ in range(2)]
    total = rng.randint(3, sum(sides) - 1)
    low, high = max(1, total - sides[1]), min(total - 1, sides[0])
    pairs, rolls = high - low + 1, sides[0] * sides[1]
    return (
        (
            f"Two dice have {sides[0]} and {sides[1]} sides. "
            f"What is the probability that their sum is {total}?"
        ),
        (
            f"first die {low} to {high}: {pairs} pairs, {sides[0]} * {sides[1]} = {rolls}, "
            f"{_fraction(pairs, rolls)} = {_box(Fraction(pairs, rolls))}"
        ),
    )


def menu(rng: Random, level: int) -> tuple[str, str]:
    courses = ("soups", "mains", "desserts", "drinks")[: _at(level, 2, 3, 3, 3, 4)]
    counts = [rng.randint(2, _at(level, 15, 7, 9, 14, 8)) for _ in courses]
    product = counts[0]
    steps = []
    for count in counts[1:]:
        steps.append(f"{product} * {count} = {product * count}")
        product *= count
    card = [f"{count} {course}" for count, course in zip(counts, courses, strict=True)]
    return (
        f"A menu has {', '.join(card[:-1])} and {card[-1]}. How many different meals are there?",
        f"{', '.join(steps)}, so {_box(product)}",
    )


def complement(rng: Random, level: int) -> tuple[str, str]:
    whole = rng.randint(3, _at(level, 12, 20, 40, 70, 99))
    part = rng.randint(1, whole - 1)
    chance = Fraction(part, whole)
    whole, part = chance.denominator, chance.numerator
    event = rng.choice(("rain", "snow", "a win", "a draw"))
    return (
        (
            f"The probability of {event} is {_fraction(part, whole)}. "
            f"What is the probability of no {event.removeprefix('a ')}?"
        ),
        f"{whole} - {part} = {whole - part}, so {_box(1 - chance)}",
    )


def independent_events(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 5, 7, 9, 12, 16)
    chances = []
    for _ in range(2):
        whole = rng.randint(2, bound)
        chances.append(Fraction(rng.randint(1, whole - 1), whole))
    (a, b), (c, d) = ((chance.numerator, chance.denominator) for chance in chances)
    return (
        (
            f"Independent events have probabilities {_fraction(a, b)} and {_fraction(c, d)}. "
            "What is the probability of both?"
        ),
        (
            f"{a} * {c} = {a * c}, {b} * {d} = {b * d}, {_fraction(a * c, b * d)} = "
            f"{_box(chances[0] * chances[1])}"
        ),
    )


def union(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 9, 20, 40, 99, 400)
    both = rng.randint(1, bound)
    first, second = both + rng.randint(1, bound), both + rng.randint(1, bound)
    return (
        (
            f"In a club {first} play chess, {second} play cards and {both} play both. "
            "How many play at least one?"
        ),
        (
            f"{first} + {second} = {first + second}, {first + second} - {both} = "
            f"{_box(first + second - both)}"
        ),
    )


# Algebra ------------------------------------------------------------------------------------


def linear_equation(rng: Random, level: int) -> tuple[str, str]:
    slope = rng.randint(2, _at(level, 5, 7, 9, 12, 15))
    root = _nonzero(rng, _at(level, 9, 12, 12, 15, 20), level > 2)
    constant = _nonzero(rng, _at(level, 9, 15, 20, 40, 60), level > 1)
    right = slope * root + constant
    return (
        f"Solve {_polynomial(slope, constant)} = {right} for x.",
        f"{slope}x = {_sum(right, -constant)} = {slope * root}, x = {_box(root)}",
    )


def evaluate_quadratic(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 3, 5, 6, 8, 9)
    a = rng.randint(1, bound)
    b, c = (_nonzero(rng, bound, level > 1) for _ in range(2))
    x = _nonzero(rng, _at(level, 4, 5, 6, 8, 10), level > 3)
    return (
        f"If f(x) = {_polynomial(a, b, c)}, what is f({x})?",
        (
            f"{a} * {x * x} = {a * x * x}, {b} * {x} = {b * x}, "
            f"{_sum(a * x * x, b * x, c)} = {_box(a * x * x + b * x + c)}"
        ),
    )


def arithmetic_sequence(rng: Random, level: int) -> tuple[str, str]:
    first = rng.randint(1, _at(level, 9, 15, 30, 50, 80))
    step = _nonzero(rng, _at(level, 6, 9, 9, 12, 15), level > 3)
    index = rng.randint(4, _at(level, 7, 9, 11, 15, 21))
    return (
        f"An arithmetic sequence starts {first}, {first + step}. What is term {index}?",
        (
            f"{_sum(first + step, -first)} = {step}, {step} * {index - 1} = {step * (index - 1)}, "
            f"{_sum(first, step * (index - 1))} = {_box(first + step * (index - 1))}"
        ),
    )


def sum_and_difference(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 12, 20, 40, 70, 99)
    x, y = rng.randint(1, bound), _nonzero(rng, bound, level > 3)
    wanted = rng.choice("xy")
    total, difference = x + y, x - y
    work = _sum(total, difference) if wanted == "x" else _sum(total, -difference)
    value = x if wanted == "x" else y
    return (
        f"If x + y = {total} and x - y = {difference}, what is {wanted}?",
        f"2{wanted} = {work} = {2 * value}, {wanted} = {_box(value)}",
    )


def two_sided_equation(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 5, 7, 9, 12, 15)
    right_slope = rng.randint(2, bound)
    gap = rng.randint(2, bound)
    root = _nonzero(rng, _at(level, 7, 9, 9, 12, 15), level > 2)
    left = _nonzero(rng, _at(level, 9, 15, 20, 30, 50), level > 1)
    right = left + gap * root
    slope = right_slope + gap
    return (
        f"Solve {_polynomial(slope, left)} = {_polynomial(right_slope, right)} for x.",
        (
            f"{slope} - {right_slope} = {gap}, {_sum(right, -left)} = {gap * root}, "
            f"{gap}x = {gap * root}, x = {_box(root)}"
        ),
    )


def slope(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 6, 9, 9, 12, 15)
    x, y = rng.randint(0, bound), rng.randint(0, bound)
    run = rng.randint(1, bound)
    if level < 3:
        rise = run * rng.randint(1, _at(level, 5, 9, 9, 9, 9))
    else:
        rise = _nonzero(rng, 2 * bound, level > 3)
    return (
        f"What is the slope of the line through ({x}, {y}) and ({x + run}, {y + rise})?",
        (
            f"{y + rise} - {y} = {rise}, {x + run} - {x} = {run}, "
            f"{rise} / {run} = {_box(Fraction(rise, run))}"
        ),
    )


def proportion(rng: Random, level: int) -> tuple[str, str]:
    ratio = rng.randint(2, _at(level, 5, 9, 12, 15, 20))
    x, other = rng.sample(range(2, _at(level, 9, 12, 15, 20, 30) + 1), 2)
    return (
        (
            f"If y is proportional to x and y = {ratio * x} when x = {x}, "
            f"what is y when x = {other}?"
        ),
        f"{ratio * x} / {x} = {ratio}, {ratio} * {other} = {_box(ratio * other)}",
    )


# Geometry -----------------------------------------------------------------------------------


def hypotenuse(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 9, 15, 20, 30, 40)
    # A third have whole hypotenuses: multiples of the first Pythagorean triples.
    triples = [
        (a * k, b * k)
        for a, b, c in ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29))
        for k in range(1, bound // b + 1)
    ]
    if triples and rng.random() < 1 / 3:
        first, second = rng.choice(triples)
        if rng.random() < 0.5:
            first, second = second, first
    else:
        first, second = rng.randint(2, bound), rng.randint(2, bound)
    square = first * first + second * second
    return (
        f"A right triangle has legs {first} and {second}. How long is its hypotenuse?",
        (
            f"{first} * {first} = {first * first}, {second} * {second} = {second * second}, "
            f"{first * first} + {second * second} = {square}, so {_box(_square_root(square))}"
        ),
    )


def rectangle(rng: Random, level: int) -> tuple[str, str]:
    width = rng.randint(2, _at(level, 9, 9, 12, 20, 30))
    length = rng.randint(2, _at(level, 12, 30, 60, 80, 99))
    if rng.random() < 0.5:
        return (
            f"A rectangle is {width} wide and {length} long. What is its area?",
            f"{width} * {length} = {_box(width * length)}",
        )
    return (
        f"A rectangle is {width} wide and {length} long. What is its perimeter?",
        (
            f"{width} + {length} = {width + length}, "
            f"2 * {width + length} = {_box(2 * (width + length))}"
        ),
    )


def triangle_area(rng: Random, level: int) -> tuple[str, str]:
    base = rng.randint(2, _at(level, 9, 12, 20, 30, 60))
    height = rng.randint(2, _at(level, 9, 9, 12, 15, 20))
    if base * height % 2:
        base += 1
    return (
        f"A triangle has base {base} and height {height}. What is its area?",
        f"{base} * {height} = {base * height}, {base * height} / 2 = {_box(base * height // 2)}",
    )


def third_angle(rng: Random, level: int) -> tuple[str, str]:
    # Level 1 keeps to multiples of ten, level 2 to multiples of five.
    unit = _at(level, 10, 5, 2, 1, 1)
    first = unit * rng.randint(1, 150 // unit)
    second = unit * rng.randint(1, (170 - first) // unit)
    return (
        (
            f"Two angles of a triangle are {first} and {second} degrees. "
            "How many degrees is the third?"
        ),
        (
            f"{first} + {second} = {first + second}, 180 - {first + second} = "
            f"{_box(180 - first - second)}"
        ),
    )


def circle(rng: Random, level: int) -> tuple[str, str]:
    radius = rng.randint(2, _at(level, 9, 12, 12, 15, 20))
    kind = rng.choice(("area", "volume") if level > 1 else ("area", "circumference"))
    if kind == "circumference":
        return (
            f"A circle has radius {radius}. What is its circumference?",
            f"2 * {radius} = {2 * radius}, so {_box(f'{2 * radius}{PI}')}",
        )
    if kind == "area":
        return (
            f"A circle has radius {radius}. What is its area?",
            f"{radius} * {radius} = {radius**2}, so {_box(f'{radius**2}{PI}')}",
        )
    height = rng.randint(2, _at(level, 9, 9, 12, 15, 30))
    volume = radius**2 * height
    return (
        f"A cylinder has radius {radius} and height {height}. What is its volume?",
        (
            f"{radius} * {radius} = {radius**2}, {radius**2} * {height} = {volume}, "
            f"so {_box(f'{volume}{PI}')}"
        ),
    )


def box(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 5, 7, 9, 12, 18)
    a, b, c = (rng.randint(2, bound) for _ in range(3))
    if rng.random() < 0.5:
        return (
            f"A box has sides {a}, {b} and {c}. What is its volume?",
            f"{a} * {b} = {a * b}, {a * b} * {c} = {_box(a * b * c)}",
        )
    half = a * b + b * c + a * c
    return (
        f"A box has sides {a}, {b} and {c}. What is its surface area?",
        (
            f"{a} * {b} = {a * b}, {b} * {c} = {b * c}, {a} * {c} = {a * c}, "
            f"{a * b} + {b * c} + {a * c} = {half}, 2 * {half} = {_box(2 * half)}"
        ),
    )


def trapezoid(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 9, 12, 20, 30, 50)
    first, second = rng.randint(2, bound), rng.randint(2, bound)
    height = rng.randint(2, _at(level, 6, 9, 9, 12, 15))
    if (first + second) * height % 2:
        second += 1
    area = (first + second) * height
    return (
        f"A trapezoid has bases {first} and {second} and height {height}. What is its area?",
        (
            f"{first} + {second} = {first + second}, {first + second} * {height} = {area}, "
            f"{area} / 2 = {_box(area // 2)}"
        ),
    )


POLYGONS = {
    "pentagon": 5,
    "hexagon": 6,
    "heptagon": 7,
    "octagon": 8,
    "nonagon": 9,
    "decagon": 10,
}


def polygon_perimeter(rng: Random, level: int) -> tuple[str, str]:
    name = rng.choice(list(POLYGONS))
    side = rng.randint(2, _at(level, 12, 30, 60, 99, 250))
    if rng.random() < 0.5:
        return (
            f"A regular {name} has sides of length {side}. What is its perimeter?",
            f"{POLYGONS[name]} * {side} = {_box(POLYGONS[name] * side)}",
        )
    perimeter = POLYGONS[name] * side
    return (
        f"A regular {name} has perimeter {perimeter}. How long is a side?",
        f"{perimeter} / {POLYGONS[name]} = {_box(side)}",
    )


# Intermediate algebra -----------------------------------------------------------------------


def vieta(rng: Random, level: int) -> tuple[str, str]:
    a = rng.randint(_at(level, 1, 2, 2, 2, 2), _at(level, 1, 5, 7, 9, 12))
    b = _nonzero(rng, _at(level, 20, 20, 30, 40, 60))
    c = _nonzero(rng, _at(level, 20, 20, 30, 40, 60))
    kind, numerator = rng.choice((("sum", -b), ("product", c)))
    return (
        f"What is the {kind} of the roots of {_polynomial(a, b, c)} = 0?",
        f"{numerator} / {a} = {_box(Fraction(numerator, a))}",
    )


def larger_root(rng: Random, level: int) -> tuple[str, str]:
    numbers = [
        number
        for number in range(-_at(level, 0, 0, 9, 15, 20), _at(level, 12, 20, 15, 20, 25) + 1)
        if number
    ]
    first, second = sorted(rng.sample(numbers, 2))
    return (
        f"What is the larger root of {_polynomial(1, -first - second, first * second)} = 0?",
        f"{_factor(first)} * {_factor(second)} = 0, so {_box(second)}",
    )


def _factor(root: int) -> str:
    return f"({_polynomial(1, -root)})"


def discriminant(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 4, 6, 8, 9, 12)
    a = rng.randint(1, bound)
    b, c = _nonzero(rng, bound + 3, level > 2), _nonzero(rng, bound, level > 1)
    square, product = b * b, 4 * a * c
    return (
        f"What is the discriminant of {_polynomial(a, b, c)}?",
        (
            f"{abs(b)} * {abs(b)} = {square}, 4 * {a} = {4 * a}, {4 * a} * {c} = {product}, "
            f"{_sum(square, -product)} = {_box(square - product)}"
        ),
    )


def polynomial_remainder(rng: Random, level: int) -> tuple[str, str]:
    root = _nonzero(rng, _at(level, 2, 3, 4, 5, 6), level > 2)
    bound = _at(level, 5, 6, 8, 9, 12)
    b, c, d = (_nonzero(rng, bound, level > 1) for _ in range(3))
    # Horner: each step is one product and one sum.
    first = root + b
    second = first * root + c
    third = second * root + d
    return (
        f"What is the remainder when {_polynomial(1, b, c, d)} is divided by {_factor(root)}?",
        (
            f"{_sum(root, b)} = {first}, {first} * {root} = {first * root}, "
            f"{_sum(first * root, c)} = {second}, {second} * {root} = {second * root}, "
            f"{_sum(second * root, d)} = {_box(third)}"
        ),
    )


def coefficient(rng: Random, level: int) -> tuple[str, str]:
    lead = _at(level, 3, 4, 6, 8, 9)
    bound = _at(level, 6, 8, 9, 12, 15)
    a, c = rng.randint(1, lead), rng.randint(1, lead)
    b, d = (_nonzero(rng, bound, level > 1) for _ in range(2))
    return (
        f"What is the coefficient of x in ({_polynomial(a, b)})({_polynomial(c, d)})?",
        f"{a} * {d} = {a * d}, {b} * {c} = {b * c}, {_sum(a * d, b * c)} = {_box(a * d + b * c)}",
    )


def complex_product(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 4, 6, 9, 12, 15)
    a, c = rng.randint(1, bound), rng.randint(1, bound)
    b, d = (_nonzero(rng, bound, level > 1) for _ in range(2))
    left, right = (
        f"({real} {'-' if imaginary < 0 else '+'} {abs(imaginary)}i)"
        for real, imaginary in ((a, b), (c, d))
    )
    if rng.random() < 0.5:
        return (
            f"What is the real part of {left}{right}?",
            (
                f"{a} * {c} = {a * c}, {b} * {d} = {b * d}, {_sum(a * c, -b * d)} = "
                f"{_box(a * c - b * d)}"
            ),
        )
    return (
        f"What is the imaginary part of {left}{right}?",
        f"{a} * {d} = {a * d}, {b} * {c} = {b * c}, {_sum(a * d, b * c)} = {_box(a * d + b * c)}",
    )


def composition(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 4, 6, 8, 9, 12)
    a, c = rng.randint(2, bound), rng.randint(2, bound)
    b, d = (_nonzero(rng, bound, level > 1) for _ in range(2))
    x = _nonzero(rng, _at(level, 5, 6, 8, 9, 12), level > 3)
    inner = c * x + d
    return (
        f"If f(x) = {_polynomial(a, b)} and g(x) = {_polynomial(c, d)}, what is f(g({x}))?",
        (
            f"{c} * {x} = {c * x}, {_sum(c * x, d)} = {inner}, {a} * {inner} = {a * inner}, "
            f"{_sum(a * inner, b)} = {_box(a * inner + b)}"
        ),
    )


def minimum_value(rng: Random, level: int) -> tuple[str, str]:
    half = _nonzero(rng, _at(level, 5, 8, 10, 15, 20), level > 1)
    minimum = _nonzero(rng, _at(level, 9, 20, 40, 80, 150), level > 2)
    square = half * half
    return (
        f"What is the minimum value of {_polynomial(1, 2 * half, square + minimum)}?",
        (
            f"{2 * abs(half)} / 2 = {abs(half)}, {abs(half)} * {abs(half)} = {square}, "
            f"{_sum(square + minimum, -square)} = {_box(minimum)}"
        ),
    )


# Prealgebra ---------------------------------------------------------------------------------


def add_or_subtract(rng: Random, level: int) -> tuple[str, str]:
    low, high = _at(level, 2, 10, 50, 100, 100), _at(level, 60, 99, 400, 999, 5000)
    first, second = rng.randint(low, high), rng.randint(low, high)
    if rng.random() < 0.5:
        return f"Compute {first} + {second}.", f"{first} + {second} = {_box(first + second)}"
    first, second = max(first, second), min(first, second)
    return f"Compute {first} - {second}.", f"{first} - {second} = {_box(first - second)}"


def multiply(rng: Random, level: int) -> tuple[str, str]:
    first = rng.randint(_at(level, 2, 11, 21, 11, 11), _at(level, 30, 60, 99, 30, 60))
    second = rng.randint(*((2, 9) if level < 4 else (11, 30 if level == 4 else 50)))
    # One factor is split into tens and units: the second one where both have two digits.
    left, right = (first, second) if level < 4 else (second, first)
    tens, units = left // 10 * 10, left % 10
    if tens and units:
        parts = (
            f"{tens} * {right} = {tens * right}, {units} * {right} = {units * right}, "
            f"{tens * right} + {units * right} = {_box(first * second)}"
        )
    else:
        parts = f"{first} * {second} = {_box(first * second)}"
    return f"Compute {first} * {second}.", parts


def add_fractions(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 5, 6, 8, 10, 12)
    b, d = rng.randint(2, bound), rng.randint(2, bound)
    a, c = rng.randint(1, b - 1), rng.randint(1, d - 1)
    subtract = level > 2 and rng.random() < 0.5
    if subtract and a * d < c * b:
        a, b, c, d = c, d, a, b
    sign = -1 if subtract else 1
    top = a * d + sign * c * b
    return (
        f"Compute {_fraction(a, b)} {'-' if subtract else '+'} {_fraction(c, d)}.",
        (
            f"{a} * {d} = {a * d}, {c} * {b} = {c * b}, {_sum(a * d, sign * c * b)} = {top}, "
            f"{b} * {d} = {b * d}, {_fraction(top, b * d)} = {_box(Fraction(top, b * d))}"
        ),
    )


def percentage(rng: Random, level: int) -> tuple[str, str]:
    percent = rng.choice(
        {
            1: (10, 20, 50),
            2: (10, 20, 25, 50),
            3: tuple(range(10, 100, 10)),
            4: tuple(range(5, 100, 5)),
            5: tuple(range(2, 100)),
        }[level]
    )
    unit = 100 // math.gcd(percent, 100)
    number = unit * rng.randint(1, max(1, _at(level, 200, 400, 400, 600, 900) // unit))
    parts = percent * number
    return (
        f"What is {percent} percent of {number}?",
        f"{percent} * {number} = {parts}, {parts} / 100 = {_box(parts // 100)}",
    )


def average(rng: Random, level: int) -> tuple[str, str]:
    count = _at(level, 3, 3, 4, 4, 5)
    bound = _at(level, 9, 20, 20, 40, 40)
    numbers = [rng.randint(1, bound) for _ in range(count)]
    # Raise the last one until the average is a whole number.
    numbers[-1] += -sum(numbers) % count
    running = numbers[0]
    steps = []
    for number in numbers[1:]:
        steps.append(f"{running} + {number} = {running + number}")
        running += number
    listed = ", ".join(map(str, numbers[:-1]))
    return (
        f"What is the average of {listed} and {numbers[-1]}?",
        f"{', '.join(steps)}, {running} / {count} = {_box(running // count)}",
    )


def precedence(rng: Random, level: int) -> tuple[str, str]:
    a = rng.randint(2, _at(level, 9, 20, 40, 60, 99))
    b, c = (rng.randint(2, _at(level, 5, 9, 9, 12, 15)) for _ in range(2))
    d = rng.randint(1, _at(level, 9, 9, 20, 40, 60))
    product = b * c
    if level < 3:
        return (
            f"Evaluate {a} + {b} * {c}.",
            f"{b} * {c} = {product}, {a} + {product} = {_box(a + product)}",
        )
    return (
        f"Evaluate {a} + {b} * {c} - {d}.",
        (
            f"{b} * {c} = {product}, {a} + {product} = {a + product}, "
            f"{a + product} - {d} = {_box(a + product - d)}"
        ),
    )


def change(rng: Random, level: int) -> tuple[str, str]:
    name = rng.choice(("Anna", "Ben", "Carla", "Dan"))
    price = rng.randint(2, _at(level, 9, 15, 25, 40, 70))
    count = rng.randint(2, _at(level, 5, 6, 7, 9, 12))
    cost = price * count
    paid = next(note for note in (20, 50, 100, 200, 500, 1000) if note >= cost)
    return (
        (
            f"{name} buys {count} pens at {price} cents each and pays {paid} cents. "
            "How many cents are left?"
        ),
        f"{count} * {price} = {cost}, {paid} - {cost} = {_box(paid - cost)}",
    )


def minutes(rng: Random, level: int) -> tuple[str, str]:
    hours = rng.randint(2, _at(level, 5, 9, 12, 24, 48))
    extra = rng.randint(1, 59)
    if level < 3 or rng.random() < 0.5:
        return (
            f"How many minutes are {hours} hours and {extra} minutes?",
            f"60 * {hours} = {60 * hours}, {60 * hours} + {extra} = {_box(60 * hours + extra)}",
        )
    return (
        f"How many full hours are {60 * hours + extra} minutes?",
        (
            f"60 * {hours} = {60 * hours}, {60 * hours + extra} - {60 * hours} = {extra}, "
            f"so {_box(hours)}"
        ),
    )


# Precalculus --------------------------------------------------------------------------------

_HALF, _ROOT2, _ROOT3 = _fraction(1, 2), "\\frac{\\sqrt{2}}{2}", "\\frac{\\sqrt{3}}{2}"
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


def trigonometric_value(rng: Random, level: int) -> tuple[str, str]:
    function = rng.choice(("sin", "cos", "tan"))
    angle = rng.choice(STANDARD_ANGLES)
    while function == "tan" and angle % 180 == 90:
        angle = rng.choice(STANDARD_ANGLES)
    turns = rng.randint(_at(level, 0, 0, 1, -5, -12), _at(level, 1, 3, 6, 9, 20))
    value = {
        "sin": _sine(angle),
        "cos": _sine(angle + 90),
        "tan": _tangent(angle) if function == "tan" else "",
    }[function]
    shown = angle + 360 * turns
    if turns:
        work = f"{_sum(shown, -360 * turns)} = {angle}, so {_box(value)}"
    else:
        work = f"angle {angle}, so {_box(value)}"
    return f"What is \\{function} of {shown} degrees?", work


def dot_product(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 4, 6, 6, 9, 12)
    size = _at(level, 2, 2, 3, 3, 3)
    first, second = ([_nonzero(rng, bound, level > 1) for _ in range(size)] for _ in range(2))
    products = [a * b for a, b in zip(first, second, strict=True)]
    steps = [f"{a} * {b} = {a * b}" for a, b in zip(first, second, strict=True)]
    return (
        f"What is the dot product of {_vector(first)} and {_vector(second)}?",
        f"{', '.join(steps)}, {_sum(*products)} = {_box(sum(products))}",
    )


def _vector(entries: list[int]) -> str:
    return f"({', '.join(map(str, entries))})"


def determinant(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 5, 7, 9, 12, 15)
    a, b, c, d = (_nonzero(rng, bound, level > 2) for _ in range(4))
    return (
        f"What is the determinant of the matrix with rows ({a}, {b}) and ({c}, {d})?",
        (
            f"{a} * {d} = {a * d}, {b} * {c} = {b * c}, {_sum(a * d, -b * c)} = "
            f"{_box(a * d - b * c)}"
        ),
    )


def modulus(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 8, 10, 15, 20, 30)
    a, b = (_nonzero(rng, bound, level > 1) for _ in range(2))
    square = a * a + b * b
    number = f"{a} {'-' if b < 0 else '+'} {abs(b)}i"
    return (
        f"What is the modulus of {number}?",
        (
            f"{abs(a)} * {abs(a)} = {a * a}, {abs(b)} * {abs(b)} = {b * b}, "
            f"{a * a} + {b * b} = {square}, so {_box(_square_root(square))}"
        ),
    )


def radians(rng: Random, level: int) -> tuple[str, str]:
    unit = _at(level, 30, 15, 10, 5, 3)
    degrees = unit * rng.randint(1, _at(level, 360, 540, 720, 900, 900) // unit)
    ratio = Fraction(degrees, 180)
    top = PI if ratio.numerator == 1 else f"{ratio.numerator}{PI}"
    exact = top if ratio.denominator == 1 else f"\\frac{{{top}}}{{{ratio.denominator}}}"
    if rng.random() < 0.5:
        common = math.gcd(degrees, 180)
        return (
            f"Convert {degrees} degrees to radians.",
            (
                f"{degrees} / {common} = {degrees // common}, 180 / {common} = {180 // common}, "
                f"so {_box(exact)}"
            ),
        )
    each = 180 // ratio.denominator
    return (
        f"Convert {exact} radians to degrees.",
        f"180 / {ratio.denominator} = {each}, {each} * {ratio.numerator} = {_box(degrees)}",
    )


def matrix_times_vector(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 4, 5, 7, 9, 12)
    a, b, c, d, x, y = (_nonzero(rng, bound, level > 2) for _ in range(6))
    name, p, q = rng.choice((("first", a, b), ("second", c, d)))
    return (
        (
            f"The matrix with rows ({a}, {b}) and ({c}, {d}) multiplies the vector ({x}, {y}). "
            f"What is the {name} entry?"
        ),
        f"{p} * {x} = {p * x}, {q} * {y} = {q * y}, {_sum(p * x, q * y)} = {_box(p * x + q * y)}",
    )


def squared_distance(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 6, 9, 9, 9, 12)
    size = _at(level, 2, 2, 3, 3, 3)
    low = -bound if level > 3 else 0
    first, second = ([rng.randint(low, bound) for _ in range(size)] for _ in range(2))
    gaps = [abs(a - b) for a, b in zip(first, second, strict=True)]
    steps = [f"{gap} * {gap} = {gap * gap}" for gap in gaps]
    squares = [gap * gap for gap in gaps]
    return (
        f"What is the squared distance from {_vector(first)} to {_vector(second)}?",
        f"{', '.join(steps)}, {_sum(*squares)} = {_box(sum(squares))}",
    )


# Easy families: one short question or two a subject, for a model of some 0.2 M parameters. ---


def easy_remainder(rng: Random, level: int) -> tuple[str, str]:
    divisor = rng.choice((2, 5, 10) if level < 4 else (2, 3, 4, 5, 10))
    number = rng.randint(11, _at(level, 99, 300, 500, 99, 150))
    return f"Remainder of {number} by {divisor}?", _box(number % divisor)


def easy_last_digit(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 19, 39, 59, 79, 99)
    first, second = rng.randint(2, bound), rng.randint(2, bound)
    return f"Last digit of {first} * {second}?", _box(first * second % 10)


def easy_alternatives(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 19, 29, 39, 49, 59)
    first, second = rng.randint(2, bound), rng.randint(2, bound)
    return f"Ways to pick one of {first} tea or {second} milk?", _box(first + second)


def easy_equation(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 19, 29, 39, 49, 59)
    root, constant = rng.randint(2, bound), rng.randint(2, bound)
    return f"Solve x - {constant} = {root} for x.", _box(root + constant)


def easy_segments(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 19, 29, 39, 49, 59)
    first, second = rng.randint(2, bound), rng.randint(2, bound)
    return f"Length of segments {first} and {second} joined?", _box(first + second)


def easy_roots(rng: Random, level: int) -> tuple[str, str]:
    b, c = rng.randint(2, _at(level, 9, 20, 40, 60, 99)), rng.randint(2, 99)
    kind, value = rng.choice((("Sum", b), ("Product", c)))
    return f"{kind} of roots of x^2 - {b}x + {c}?", _box(value)


def easy_sum(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 19, 29, 39, 49, 59)
    first, second = rng.randint(2, bound), rng.randint(2, bound)
    return f"Compute {first} + {second}.", _box(first + second)


def easy_component(rng: Random, level: int) -> tuple[str, str]:
    bound = _at(level, 5, 6, 7, 8, 9)
    a, b, c, d = (rng.randint(0, bound) for _ in range(4))
    name, value = rng.choice((("First", a + c), ("Second", b + d)))
    return f"{name} entry of ({a}, {b}) + ({c}, {d})?", _box(value)


def _named(*families: Family) -> dict[str, Family]:
    return {family.__name__: family for family in families}


FAMILIES: dict[str, dict[str, Family]] = {
    "number_theory": _named(
        remainder,
        greatest_common_divisor,
        least_common_multiple,
        units_digit,
        power_remainder,
        count_divisors,
        product_remainder,
        count_multiples,
    ),
    "counting_and_probability": _named(
        choose, orders, draw_one, two_dice, menu, complement, independent_events, union
    ),
    "algebra": _named(
        linear_equation,
        evaluate_quadratic,
        arithmetic_sequence,
        sum_and_difference,
        two_sided_equation,
        slope,
        proportion,
    ),
    "geometry": _named(
        hypotenuse,
        rectangle,
        triangle_area,
        third_angle,
        circle,
        box,
        trapezoid,
        polygon_perimeter,
    ),
    "intermediate_algebra": _named(
        vieta,
        larger_root,
        discriminant,
        polynomial_remainder,
        coefficient,
        complex_product,
        composition,
        minimum_value,
    ),
    "prealgebra": _named(
        add_or_subtract,
        multiply,
        add_fractions,
        percentage,
        average,
        precedence,
        change,
        minutes,
    ),
    "precalculus": _named(
        trigonometric_value,
        dot_product,
        determinant,
        modulus,
        radians,
        matrix_times_vector,
        squared_distance,
    ),
}

EASY_FAMILIES: dict[str, dict[str, Family]] = {
    "number_theory": _named(easy_remainder, easy_last_digit),
    "counting_and_probability": _named(easy_alternatives),
    "algebra": _named(easy_equation),
    "geometry": _named(easy_segments),
    "intermediate_algebra": _named(easy_roots),
    "prealgebra": _named(easy_sum),
    "precalculus": _named(easy_component),
}
