"""Families of questions: number theory."""

import math
from random import Random

from stethoscope.problems.synthetic.latex import boxed
from stethoscope.problems.synthetic.operands import Question, at, draw, pair
from stethoscope.problems.synthetic.steps import minus, modulo, over, products, times


def remainder(rng: Random, level: int) -> Question:
    divisor = draw(rng, level, 3, 5, 7, 9, 11, 12)
    quotient = draw(rng, level, 1, 9, 12, 20, 40, 60)
    multiple = divisor * quotient
    number = multiple + rng.randrange(divisor)
    return (
        f"What is the remainder when {number} is divided by {divisor}?",
        f"{times(divisor, quotient)}, {minus(number, multiple, boxed)}",
    )


def greatest_common_divisor(rng: Random, level: int) -> Question:
    factor = draw(rng, level, 2, 4, 6, 8, 10, 12)
    first, second = rng.sample(range(1, at(level, 5, 7, 9, 11, 13) + 1), 2)
    first, second = factor * first, factor * second
    steps = []
    large, small = max(first, second), min(first, second)
    while small:
        steps.append(modulo(large, small))
        large, small = small, large % small
    return (
        f"What is the greatest common divisor of {first} and {second}?",
        f"{', '.join(steps)}, so {boxed(large)}",
    )


def least_common_multiple(rng: Random, level: int) -> Question:
    factor = draw(rng, level, 1, 3, 5, 7, 9, 10)
    first, second = rng.sample(range(2, at(level, 5, 6, 8, 10, 12) + 1), 2)
    first, second = factor * first, factor * second
    common = math.gcd(first, second)
    return (
        f"What is the least common multiple of {first} and {second}?",
        f"gcd {common}, {over(first, common)}, {times(first // common, second, boxed)}",
    )


def units_digit(rng: Random, level: int) -> Question:
    base = draw(rng, level, 2, 9, 19, 49, 99, 99)
    exponent = draw(rng, level, 2, 9, 15, 30, 60, 99)
    cycle = [base % 10]
    while (following := cycle[-1] * base % 10) != cycle[0]:
        cycle.append(following)
    if len(cycle) == 1:
        work = f"each power ends in {cycle[0]}"
    else:
        work = f"{', '.join(map(str, cycle))} repeat, {modulo(exponent, len(cycle))}"
    return (
        f"What is the units digit of {base}^{{{exponent}}}?",
        f"{work}, so {boxed(cycle[(exponent - 1) % len(cycle)])}",
    )


def power_remainder(rng: Random, level: int) -> Question:
    modulus = draw(rng, level, 5, 7, 9, 11, 14, 17)
    base = rng.randint(2, modulus - 1)
    exponent = draw(rng, level, 2, 3, 3, 4, 5, 6)
    power = base
    steps = []
    for _ in range(exponent - 1):
        steps.append(f"{power} * {base} mod {modulus} = {power * base % modulus}")
        power = power * base % modulus
    return (
        f"Find the remainder of {base}^{exponent} modulo {modulus}.",
        f"{', '.join(steps)}, so {boxed(power)}",
    )


def count_divisors(rng: Random, level: int) -> Question:
    primes = sorted(rng.sample((2, 3, 5, 7, 11, 13, 17, 19), at(level, 2, 2, 2, 3, 3)))
    exponents = [draw(rng, level, 2, 5, 7, 9, 5, 8) for _ in primes]
    counts = [exponent + 1 for exponent in exponents]
    number = " * ".join(f"{p}^{e}" for p, e in zip(primes, exponents, strict=True))
    return (
        f"How many positive divisors does {number} have?",
        f"{products(counts)}, so {boxed(math.prod(counts))}",
    )


def product_remainder(rng: Random, level: int) -> Question:
    modulus = draw(rng, level, 3, 5, 7, 9, 10, 12)
    first, second = pair(rng, 2, at(level, 15, 20, 30, 40, 60))
    left, right = first % modulus, second % modulus
    return (
        f"What is the remainder when {first} * {second} is divided by {modulus}?",
        f"{modulo(first, modulus)}, {modulo(second, modulus)}, {times(left, right)}, "
        f"{modulo(left * right, modulus, boxed)}",
    )


def count_multiples(rng: Random, level: int) -> Question:
    divisor = draw(rng, level, 3, 6, 9, 12, 15, 19)
    count = draw(rng, level, 2, 9, 12, 15, 20, 30)
    limit = divisor * count + rng.randrange(divisor)
    return (
        f"How many positive multiples of {divisor} are at most {limit}?",
        f"{times(divisor, count)}, {times(divisor, count + 1)}, so {boxed(count)}",
    )
