"""Families of questions: counting and probability."""

import math
from fractions import Fraction
from random import Random

from stethoscope.problems.synthetic.latex import boxed, fraction, signed
from stethoscope.problems.synthetic.operands import Question, at, draw, pair
from stethoscope.problems.synthetic.steps import minus, plus, products, reduced, times

NOUNS = (
    *("apples", "books", "cards", "coins", "hats", "keys", "maps", "pens"),
    *("pupils", "rings", "shells", "songs", "stamps", "toys"),
)
RACERS = (
    *("boats", "boys", "cars", "cats", "dogs", "girls", "horses", "planes"),
    *("riders", "robots", "runners", "skiers", "snails", "teams"),
)


def choose(rng: Random, level: int) -> Question:
    chosen = draw(rng, level, 2, 2, 2, 3, 3, 4)
    things = draw(rng, level, chosen + 2, 15, 25, 12, 14, 12)
    noun = rng.choice(NOUNS)
    product, orders = math.perm(things, chosen), math.factorial(chosen)
    return (
        f"In how many ways can {chosen} of {things} {noun} be chosen?",
        f"{products(range(things, things - chosen, -1))}, "
        f"{product} / {orders} = {boxed(product // orders)}",
    )


def orders(rng: Random, level: int) -> Question:
    places = draw(rng, level, 2, 2, 2, 3, 3, 3)
    entrants = draw(rng, level, places + 2, 15, 25, 10, 12, 15)
    noun = rng.choice(RACERS)
    return (
        f"In how many orders can {places} of {entrants} {noun} win the first {places} prizes?",
        f"{products(range(entrants, entrants - places, -1))}, "
        f"so {boxed(math.perm(entrants, places))}",
    )


def draw_one(rng: Random, level: int) -> Question:
    colours = rng.sample(("red", "blue", "green", "black", "white"), at(level, 2, 2, 3, 3, 3))
    counts = [draw(rng, level, 1, 8, 15, 8, 12, 20) for _ in colours]
    wanted = rng.randrange(len(colours))
    urn = [f"{count} {colour}" for count, colour in zip(counts, colours, strict=True)]
    return (
        f"A bag holds {', '.join(urn[:-1])} and {urn[-1]} balls. "
        f"What is the probability that one ball is {colours[wanted]}?",
        f"{signed(*counts)} = {sum(counts)}, {reduced(counts[wanted], sum(counts))}",
    )


def two_dice(rng: Random, level: int) -> Question:
    first, second = pair(rng, 3, at(level, 5, 7, 9, 12, 15))
    total = rng.randint(3, first + second - 1)
    low, high = max(1, total - second), min(total - 1, first)
    pairs = high - low + 1
    return (
        f"Two dice have {first} and {second} sides. "
        f"What is the probability that their sum is {total}?",
        f"first die {low} to {high}: {pairs} pairs, {times(first, second)}, "
        f"{reduced(pairs, first * second)}",
    )


def menu(rng: Random, level: int) -> Question:
    courses = ("soups", "mains", "desserts", "drinks")[: at(level, 2, 3, 3, 3, 4)]
    counts = [draw(rng, level, 2, 15, 7, 9, 14, 8) for _ in courses]
    card = [f"{count} {course}" for count, course in zip(counts, courses, strict=True)]
    return (
        f"A menu has {', '.join(card[:-1])} and {card[-1]}. How many different meals are there?",
        f"{products(counts)}, so {boxed(math.prod(counts))}",
    )


def complement(rng: Random, level: int) -> Question:
    whole = draw(rng, level, 3, 12, 20, 40, 70, 99)
    chance = Fraction(rng.randint(1, whole - 1), whole)
    part, whole = chance.numerator, chance.denominator
    event = rng.choice(("rain", "snow", "a win", "a draw"))
    return (
        f"The probability of {event} is {fraction(part, whole)}. "
        f"What is the probability of no {event.removeprefix('a ')}?",
        f"{minus(whole, part)}, so {boxed(1 - chance)}",
    )


def independent_events(rng: Random, level: int) -> Question:
    terms = []
    for _ in range(2):
        whole = draw(rng, level, 2, 5, 7, 9, 12, 16)
        terms.append(Fraction(rng.randint(1, whole - 1), whole).as_integer_ratio())
    (a, b), (c, d) = terms
    return (
        f"Independent events have probabilities {fraction(a, b)} and {fraction(c, d)}. "
        "What is the probability of both?",
        f"{times(a, c)}, {times(b, d)}, {reduced(a * c, b * d)}",
    )


def union(rng: Random, level: int) -> Question:
    bound = at(level, 9, 20, 40, 99, 400)
    both = rng.randint(1, bound)
    first, second = both + rng.randint(1, bound), both + rng.randint(1, bound)
    return (
        f"In a club {first} play chess, {second} play cards and {both} play both. "
        "How many play at least one?",
        f"{plus(first, second)}, {minus(first + second, both, boxed)}",
    )
