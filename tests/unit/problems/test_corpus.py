"""The synthetic corpus. Answers are worked out again from the text of each problem."""

import itertools
import json
import math
import re
from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from math_verify import parse, verify

from stethoscope.problems.records import MATH, boxed_answer
from stethoscope.problems.synthetic import easy, geometry, intermediate_algebra
from stethoscope.problems.synthetic.corpus import FAMILY_SETS, generate_problem, generate_splits

DEMO_SIZES = {
    "pretrain": {slug: 9000 if slug != "number_theory" else 2500 for slug in MATH},
    "train": dict.fromkeys(MATH, 1500),
    "validation": dict.fromkeys(MATH, 200),
    "test": dict.fromkeys(MATH, 1000),
    "probe": dict.fromkeys(MATH, 150),
}


def every_family(*sets):
    return [
        pytest.param(slug, family, id=f"{families}/{slug}/{family.__name__}")
        for families in sets
        for slug, named in FAMILY_SETS[families].items()
        for family in named
    ]


@pytest.fixture(scope="module")
def demo():
    return generate_splits(7, DEMO_SIZES)


# Reading a problem's text -------------------------------------------------------------------


def numbers(text):
    """Integers of a text that has no expressions in it."""
    return [int(found) for found in re.findall(r"(?<![\w)])-?\d+", text)]


def expression(text):
    """A polynomial in x, as a function that takes exact numbers."""
    code = re.sub(r"(\d)([xi(])", r"\1*\2", text).replace("^", "**").replace(")(", ")*(")
    code = code.replace("i", "1j")
    assert re.fullmatch(r"[-+*/()\dxj ]+", code)
    return lambda x=0: eval(code, {"x": x})


def between(text, start, end):
    return text[text.index(start) + len(start) : text.rindex(end)]


def value(answer):
    """A LaTeX answer as a Fraction, or as a float where it is not rational."""
    if re.fullmatch(r"-?\d+", answer):
        return Fraction(answer)
    if match := re.fullmatch(r"(-?)\\frac\{(\d+)\}\{(\d+)\}", answer):
        sign, top, bottom = match.groups()
        assert math.gcd(int(top), int(bottom)) == 1, "not in lowest terms"
        assert int(bottom) > 1
        return Fraction(int(sign + top), int(bottom))
    code = re.sub(r"\\sqrt\{(\d+)\}", r"sqrt(\1)", answer)
    code = re.sub(r"(\d)\\pi", r"\1*\\pi", code).replace("\\pi", "pi")
    code = re.sub(r"\\frac\{([^}]*)\}\{(\d+)\}", r"(\1)/\2", code)
    assert re.fullmatch(r"[-*/()\d]*(sqrt|pi)[-*/()\d]*", code)
    return eval(code, {"sqrt": math.sqrt, "pi": math.pi})


# One oracle a family: the answer from the text, by brute force where that is possible. ----------


def roots(function, low=-60, high=120):
    return [x for x in range(low, high + 1) if function(x) == 0]


def solve_for_x(text):
    left, right = between(text, "Solve ", " for x").split(" = ")
    left, right = expression(left), expression(right)
    (root,) = roots(lambda x: left(x) - right(x))
    return root


def product_of(factors):
    return len(list(itertools.product(*map(range, factors))))


def count_divisors(text):
    number = eval(between(text, "does ", " have").replace("^", "**"), {})
    # By trial division over the primes in use, instead of reading the exponents.
    count = 1
    for prime in (2, 3, 5, 7, 11, 13, 17, 19):
        exponent = 0
        while number % prime == 0:
            number //= prime
            exponent += 1
        count *= exponent + 1
    assert number == 1
    return count


def two_dice(text):
    first, second, total = numbers(text)
    rolls = list(itertools.product(range(1, first + 1), range(1, second + 1)))
    return Fraction(sum(sum(roll) == total for roll in rolls), len(rolls))


def draw_one(text):
    counts = {colour: int(count) for count, colour in re.findall(r"(\d+) (\w+)", text)}
    return Fraction(counts[re.search(r"ball is (\w+)", text)[1]], sum(counts.values()))


def fractions_in(text):
    return [Fraction(int(a), int(b)) for a, b in re.findall(r"\\frac\{(\d+)\}\{(\d+)\}", text)]


def club(text):
    first, second, both = numbers(text)
    chess = set(range(first))
    cards = set(range(first - both, first - both + second))
    return len(chess | cards)


def proportion(text):
    y, x, other = numbers(text)
    return Fraction(y, x) * other


def slope(text):
    x0, y0, x1, y1 = numbers(text)
    return Fraction(y1 - y0, x1 - x0)


def sequence(text):
    first, second, index = numbers(text)
    return list(itertools.islice(itertools.count(first, second - first), index))[-1]


def system(text):
    total, difference = numbers(text)
    (pair,) = ({"x": x, "y": total - x} for x in range(-200, 200) if x - (total - x) == difference)
    return pair[text[-2]]


def function_value(text):
    return expression(between(text, "f(x) = ", ", what"))(int(re.search(r"f\((-?\d+)\)", text)[1]))


def shape(text):
    """Rectangle, triangle, circle, cylinder, box, trapezoid."""
    sizes = numbers(text)
    asked = re.search(r"its ([a-z ]+)\?", text)[1]
    if "cylinder" in text:
        return math.pi * sizes[0] ** 2 * sizes[1]
    if "circle" in text:
        return math.pi * (sizes[0] ** 2 if asked == "area" else 2 * sizes[0])
    if "box" in text:
        if asked == "volume":
            return math.prod(sizes)
        return sum(2 * a * b for a, b in itertools.combinations(sizes, 2))
    if "trapezoid" in text:
        low, high, height = sizes
        # A rectangle and a triangle.
        return min(low, high) * height + Fraction(abs(high - low) * height, 2)
    if "rectangle" in text:
        return math.prod(sizes) if asked == "area" else sum(sizes + sizes)
    return Fraction(math.prod(sizes), 2)


def polygon(text):
    names = ["pentagon", "hexagon", "heptagon", "octagon", "nonagon", "decagon"]
    corners = 5 + names.index(re.search(r"regular (\w+)", text)[1])
    (size,) = numbers(text)
    return size * corners if text.endswith("perimeter?") else Fraction(size, corners)


def quadratic(text):
    """Coefficients of the quadratic in a text, by finite differences of its values."""
    function = expression(re.search(r"-?\d*x\^2[^=?]*", text)[0].strip())
    c = function(0)
    a = Fraction(function(1) + function(-1) - 2 * c, 2)
    return a, function(1) - a - c, c


def vieta(text):
    a, b, c = quadratic(text)
    return -b / a if "sum" in text.lower() else c / a


def discriminant(text):
    a, b, c = quadratic(text)
    return b * b - 4 * a * c


def vertex(text):
    a, b, c = quadratic(text)
    return min(a * x * x + b * x + c for x in range(-60, 60))


def horner(text):
    cubic = expression(between(text, "when ", " is divided"))
    (root,) = roots(expression(between(text, "divided by ", "?")))
    return cubic(root)


def product_coefficient(text):
    product = expression(between(text, "x in ", "?"))
    return Fraction(product(1) - product(-1), 2)


def complex_part(text):
    product = expression(between(text, "part of ", "?"))()
    return product.real if "real" in text else product.imag


def composition(text):
    f = expression(between(text, "f(x) = ", " and g"))
    g = expression(between(text, "g(x) = ", ", what"))
    return f(g(int(re.search(r"g\((-?\d+)\)\)", text)[1])))


def arithmetic(text):
    code = text.removeprefix("Compute ").removeprefix("Evaluate ").removesuffix(".")
    return expression(code)()


def sum_of_fractions(text):
    first, second = fractions_in(text)
    return first - second if "} - " in text else first + second


def change(text):
    count, price, paid = numbers(text)
    return paid - sum([price] * count)


def duration(text):
    sizes = numbers(text)
    return sizes[0] // 60 if "full" in text else sum([60] * sizes[0]) + sizes[1]


def trigonometry(text):
    name, angle = re.search(r"\\(\w+) of (-?\d+) degrees", text).groups()
    return getattr(math, name)(math.radians(int(angle)))


def vectors(text):
    return [
        [int(entry) for entry in found.split(",")] for found in re.findall(r"\(([^)]*)\)", text)
    ]


def dot(text):
    first, second = vectors(text)
    return sum(a * b for a, b in zip(first, second, strict=True))


def determinant(text):
    (a, b), (c, d) = vectors(text)
    return a * d - c * b


def modulus(text):
    return abs(expression(between(text, "modulus of ", "?"))())


def radians(text):
    if "to radians" in text:
        return math.radians(numbers(text)[0])
    return math.degrees(value(between(text, "Convert ", " radians")))


def matrix_vector(text):
    *rows, vector = vectors(text)
    row = rows["second" in text]
    return sum(a * b for a, b in zip(row, vector, strict=True))


def squared_distance(text):
    return round(math.dist(*vectors(text)) ** 2)


def vector_sum(text):
    first, second = vectors(text)
    return [a + b for a, b in zip(first, second, strict=True)]["Second" in text]


def percent(text):
    share, number = numbers(text)
    return Fraction(share, 100) * number


def brute_gcd(a, b):
    return max(d for d in range(1, min(a, b) + 1) if a % d == b % d == 0)


def power(text):
    base, exponent, modulus_ = (int(n) for n in re.findall(r"\d+", text))
    return base**exponent % modulus_


def units(text):
    base, exponent = (int(n) for n in re.findall(r"\d+", text))
    return base**exponent % 10


ORACLES = {
    "remainder": lambda t: divmod(*numbers(t))[1],
    "greatest_common_divisor": lambda t: brute_gcd(*numbers(t)),
    "least_common_multiple": lambda t: math.prod(numbers(t)) // brute_gcd(*numbers(t)),
    "units_digit": units,
    "power_remainder": power,
    "count_divisors": count_divisors,
    "product_remainder": lambda t: numbers(t)[0] * numbers(t)[1] % numbers(t)[2],
    "count_multiples": lambda t: len(range(numbers(t)[0], numbers(t)[1] + 1, numbers(t)[0])),
    "choose": lambda t: sum(1 for _ in itertools.combinations(range(numbers(t)[1]), numbers(t)[0])),
    "orders": lambda t: sum(1 for _ in itertools.permutations(range(numbers(t)[1]), numbers(t)[0])),
    "draw_one": draw_one,
    "two_dice": two_dice,
    "menu": lambda t: product_of(numbers(t)),
    "complement": lambda t: 1 - fractions_in(t)[0],
    "independent_events": lambda t: math.prod(fractions_in(t)),
    "union": club,
    "linear_equation": solve_for_x,
    "evaluate_quadratic": function_value,
    "arithmetic_sequence": sequence,
    "sum_and_difference": system,
    "two_sided_equation": solve_for_x,
    "slope": slope,
    "proportion": proportion,
    "hypotenuse": lambda t: math.hypot(*numbers(t)),
    "rectangle": shape,
    "triangle_area": shape,
    "third_angle": lambda t: 180 - sum(numbers(t)),
    "circle": shape,
    "box": shape,
    "trapezoid": shape,
    "polygon_perimeter": polygon,
    "vieta": vieta,
    "larger_root": lambda t: max(roots(expression(between(t, "root of ", " = 0")))),
    "discriminant": discriminant,
    "polynomial_remainder": horner,
    "coefficient": product_coefficient,
    "complex_product": complex_part,
    "composition": composition,
    "minimum_value": vertex,
    "add_or_subtract": arithmetic,
    "multiply": arithmetic,
    "add_fractions": sum_of_fractions,
    "percentage": percent,
    "average": lambda t: Fraction(sum(numbers(t)), len(numbers(t))),
    "precedence": arithmetic,
    "change": change,
    "minutes": duration,
    "trigonometric_value": trigonometry,
    "dot_product": dot,
    "determinant": determinant,
    "modulus": modulus,
    "radians": radians,
    "matrix_times_vector": matrix_vector,
    "squared_distance": squared_distance,
    "last_digit": lambda t: math.prod(numbers(t)) % 10,
    "alternatives": lambda t: sum(numbers(t)),
    "equation": solve_for_x,
    "segments": lambda t: sum(numbers(t)),
    "roots": vieta,
    "sum_of_two": arithmetic,
    "component": vector_sum,
}


def samples(slug, family, per_level):
    rng = Random(f"{slug}/{family.__name__}")
    return [generate_problem(rng, slug, family, level) for level in (1, 2, 3, 4, 5) * per_level]


@pytest.mark.parametrize(("slug", "family"), every_family("all", "easy"))
def test_answers_agree_with_a_second_way_of_working_them_out(slug, family):
    for record in samples(slug, family, 30):
        answer = value(boxed_answer(record["solution"]))
        expected = ORACLES[family.__name__](record["problem"])
        if isinstance(answer, float) or isinstance(expected, float):
            assert answer == pytest.approx(float(expected), rel=1e-12, abs=1e-12), record
        else:
            assert answer == expected, record


def equations(solution):
    """Chains of equal numbers in a worked solution: [["84 mod 36", "12"], ...]."""
    text = solution.replace("\\boxed{", "{").replace(", so ", ", ")
    text = re.sub(r"\{?(-?)\\frac\{(\d+)\}\{(\d+)\}\}?", r"\1\2 / \3", text)
    text = re.sub(r"\{(-?\d+)\}", r"\1", text).replace(" mod ", " % ")
    for part in text.split(","):
        sides = [side.strip() for side in part.split(" = ")]
        yield [side for side in sides if re.fullmatch(r"-?\d+( [-+*/%] -?\d+)*", side)]


@pytest.mark.parametrize(("slug", "family"), every_family("all", "easy"))
def test_every_numeric_equation_of_a_worked_solution_is_true(slug, family):
    checked = 0
    for record in samples(slug, family, 40):
        for sides in equations(record["solution"]):
            exact = [
                eval(re.sub(r"(\d+)", r"Fraction(\1)", s), {"Fraction": Fraction}) for s in sides
            ]
            assert len(set(exact)) <= 1, record
            checked += len(sides) > 1
    if family is not intermediate_algebra.larger_root and family.__module__ != easy.__name__:
        assert checked >= 30


@pytest.mark.parametrize(("slug", "family"), every_family("all", "easy"))
def test_math_verify_reads_the_solution_as_its_boxed_answer(slug, family):
    for record in samples(slug, family, 2):
        gold = parse(record["solution"])
        answer = boxed_answer(record["solution"])
        assert verify(gold, parse(f"the answer is $\\boxed{{{answer}}}$"))
        assert not verify(gold, parse("$\\boxed{987654}$"))


@pytest.mark.parametrize(("slug", "family"), every_family("all", "easy"))
def test_texts_are_short_plain_ascii_with_one_box_at_the_end(slug, family):
    for record in samples(slug, family, 40):
        problem, solution = record["problem"], record["solution"]
        assert problem.isascii()
        assert solution.isascii()
        assert solution.count("\\boxed{") == 1
        assert solution.endswith("\\boxed{" + boxed_answer(solution) + "}")
        assert len(problem) <= 110
        assert len(solution) <= 130
        assert list(record) == ["problem", "solution", "level", "type"]
        assert record["type"] == MATH[slug].type


@pytest.mark.parametrize(
    ("slug", "family"),
    # The level of third_angle sets how round its angles are, not how many digits they have.
    [case for case in every_family("all") if case.values[1] is not geometry.third_angle],
)
def test_the_level_sets_the_size_of_the_operands(slug, family):
    easy, hard = (
        sum(sum(map(len, family(Random(f"{draw}"), level))) for draw in range(300))
        for level in (1, 5)
    )
    assert easy < hard


def test_every_subject_has_six_to_eight_families():
    assert list(FAMILY_SETS["all"]) == list(MATH) == list(FAMILY_SETS["easy"])
    assert all(6 <= len(families) <= 8 for families in FAMILY_SETS["all"].values())
    assert all(1 <= len(families) <= 2 for families in FAMILY_SETS["easy"].values())


def test_the_demo_sizes_are_filled_with_problems_that_occur_once(demo):
    problems = [record["problem"] for records in demo.values() for record in records]
    assert len(problems) == len(set(problems))
    for split, sizes in DEMO_SIZES.items():
        counts = Counter(record["type"] for record in demo[split])
        assert counts == {MATH[slug].type: size for slug, size in sizes.items()}


def test_every_subject_has_all_levels_and_families_in_the_test_split(monkeypatch):
    families = {}  # of each problem's text

    def noted(family):
        def question(rng, level):
            problem, solution = family(rng, level)
            families[problem] = family
            return problem, solution

        return question

    noting = {slug: tuple(map(noted, FAMILY_SETS["all"][slug])) for slug in MATH}
    monkeypatch.setitem(FAMILY_SETS, "all", noting)
    sizes = {"pretrain": dict.fromkeys(MATH, 3000), "test": dict.fromkeys(MATH, 400)}
    test = generate_splits(3, sizes)["test"]
    monkeypatch.undo()
    for slug, subject in MATH.items():
        records = [record for record in test if record["type"] == subject.type]
        assert {record["level"] for record in records} == {f"Level {n}" for n in range(1, 6)}
        assert {families[record["problem"]] for record in records} == set(FAMILY_SETS["all"][slug])


@pytest.mark.parametrize("slug", list(MATH))
def test_a_subject_has_twenty_thousand_distinct_problems(slug):
    assert len(generate_splits(0, {"one": {slug: 20_000}})["one"]) == 20_000


@pytest.mark.parametrize("slug", list(MATH))
def test_a_subject_has_fifteen_hundred_easy_problems(slug):
    assert len(generate_splits(0, {"one": {slug: 1_500}}, families="easy")["one"]) == 1_500


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(demo):
    assert json.dumps(generate_splits(7, DEMO_SIZES)) == json.dumps(demo)
    small = {"test": dict.fromkeys(MATH, 50)}
    assert generate_splits(1, small) != generate_splits(2, small)


def test_a_subject_does_not_depend_on_the_sizes_of_another():
    alone = generate_splits(1, {"test": {"algebra": 50}})["test"]
    both = generate_splits(1, {"test": {"geometry": 30, "algebra": 50}})["test"]
    assert [record for record in both if record["type"] == "Algebra"] == alone


@pytest.mark.parametrize(
    ("sizes", "families", "message"),
    [
        (
            {"train": {"algebra": 100}, "test": {"algebra": 50_000}},
            "easy",
            r"^test: algebra: expected 50000 more distinct problems after 100 .* found \d+ in all",
        ),
        ({"train": {"topology": 1}}, "all", r"^train: expected one of .*, found 'topology'$"),
        ({"train": {"algebra": -1}}, "all", r"^train: algebra: .* found -1$"),
        ({"train": {"algebra": 1}}, "hard", r"^families: expected one of all, easy, found 'hard'$"),
    ],
)
def test_impossible_requests_are_named_in_one_line(sizes, families, message):
    with pytest.raises(ValueError, match=message) as error:
        generate_splits(0, sizes, families=families)
    assert "\n" not in str(error.value)
