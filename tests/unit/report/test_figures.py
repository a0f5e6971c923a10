"""Figures draw the numbers of the files, in the same bytes each time."""

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from report_inputs import EFFECTS, RULES, write_inputs

from stethoscope.report.facts import Report, load_sources
from stethoscope.report.figures.configurations import approaches, heat
from stethoscope.report.figures.drawing import searched
from stethoscope.report.figures.figures import (
    COLOURS,
    FIGURES,
    Point,
    _energy_only,
    _points,
    _side_by_side,
)
from stethoscope.report.figures.sweep import published_budgets, responses


def make(root, **options):
    paths = write_inputs(root, **options)
    return Report(load_sources({k: root / v for k, v in paths.items()}, RULES, root))


@pytest.mark.parametrize("name", list(FIGURES))
def test_the_same_numbers_give_the_same_bytes_without_dates(tmp_path, name):
    first = FIGURES[name](make(tmp_path / "a"))
    second = FIGURES[name](make(tmp_path / "b"))
    assert first == second
    assert not re.search(r"<dc:date>|\b20\d\d-\d\d|Matplotlib v", first)


@pytest.mark.parametrize("name", list(FIGURES))
def test_a_figure_is_valid_xml_whose_ids_are_its_own(tmp_path, name):
    text = FIGURES[name](make(tmp_path))
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    ids = set(re.findall(r'\bid="([^"]*)"', text))
    assert ids and all(found.startswith(f"{name}-") for found in ids)
    used = set(re.findall(r"url\(#([^)]*)\)", text)) | set(re.findall(r'href="#([^"]*)"', text))
    assert used <= ids
    assert "<text" not in text  # letters are paths: no font is needed


def test_other_numbers_give_another_figure(tmp_path):
    effects = EFFECTS | {"sp": ("1.0", 60, -9)}
    for name in ("figure3", "figure5"):
        changed = FIGURES[name](make(tmp_path / "a", effects=effects))
        assert changed != FIGURES[name](make(tmp_path / "b"))


def test_a_method_has_one_colour_in_every_figure(tmp_path):
    report = make(tmp_path)
    for name in ("figure3", "figure5"):
        drawn = FIGURES[name](report)
        assert all(COLOURS[role] in drawn for role in ("full", "projection", "ours", "random"))
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_each_seed_has_its_panel_in_figure_2(tmp_path):
    one = FIGURES["figure2"](make(tmp_path / "a"))
    three = FIGURES["figure2"](make(tmp_path / "b", seeds=(1, 2, 3)))
    assert one.count('id="figure2-axes_') == 2
    assert three.count('id="figure2-axes_') == 4


def test_points_of_equal_energy_stand_around_their_place():
    points = [Point(100.0, effect, None, "ours", "x") for effect in (1, 2, 3)]
    alone = Point(4.0, 1, None, "projection", "y")
    places = [place for place, _ in _side_by_side([*points, alone])]
    assert places[1] == pytest.approx(100) and places[3] == pytest.approx(4)
    assert places[0] * places[2] == pytest.approx(100**2)
    assert places[0] < 100 < places[2]


def test_many_points_of_equal_energy_do_not_spread_over_the_axis():
    points = [Point(100.0, effect, None, "random", "x", small=True) for effect in range(40)]
    places = [place for place, _ in _side_by_side(points)]
    assert max(places) / min(places) == pytest.approx(1.7)


def test_a_study_without_projection_or_draws_can_be_drawn(tmp_path):
    effects = {name: EFFECTS[name] for name in ("base", "full", "sp")}
    report = make(tmp_path, effects=effects)
    for draw in FIGURES.values():
        assert draw(report).startswith("<?xml")


def test_figure_5_marks_controls_of_which_only_the_energy_is_known(tmp_path):
    axis = Figure().subplots()
    _energy_only(axis, make(tmp_path), "1")
    (ticks,) = axis.get_lines()
    assert ticks.get_xdata() == pytest.approx([2.31, 2.52])
    assert (ticks.get_marker(), ticks.get_linestyle()) == ("|", "None")


def test_further_projections_differ_by_their_markers(tmp_path):
    report = make(tmp_path)
    points = list(_points(report, report.one("base"), "1"))
    assert {point.marker for point in points} == {"o"}
    for edit in ("full", "projected", "projected_matched"):
        report.source("study").document["edits"][edit]["role"] = "other"
    again = list(_points(Report(report.sources), report.one("base"), "1"))
    assert {point.marker for point in again if point.label == "SAE projection"} == {"s"}
    assert {point.marker for point in again if point.label == "SAE projection, raw norm"} == {"^"}
    assert "Full merge" not in {point.label for point in again}  # raw: all of its energy


@pytest.mark.parametrize("name", ["figure6", "figure7", "figure9"])
def test_a_figure_without_data_is_a_small_drawing_that_says_so(tmp_path, name):
    report = make(tmp_path / "a", read_again=False)
    drawn = FIGURES[name](report)
    assert ElementTree.fromstring(drawn.encode()).tag.endswith("svg")
    whole = FIGURES[name](make(tmp_path / "b"))
    assert float(re.search(r'height="([\d.]+)pt"', drawn)[1]) < 40
    assert float(re.search(r'height="([\d.]+)pt"', whole)[1]) > 150


def test_figure_4_has_the_papers_approaches_with_z_where_there_is_one(tmp_path):
    search, narrow, wide, three, raw = approaches(make(tmp_path))
    assert search.published is None
    # The lowest perplexity of the search for NT has 99 of 300 right, base 90; unpooled, n - 1.
    p0, p1 = 90 / 300, 99 / 300
    error = ((p0 * (1 - p0) + p1 * (1 - p1)) / 299) ** 0.5
    assert search.reproduced == pytest.approx((p1 - p0) / error)
    assert raw.reproduced == pytest.approx(1.96 * 8 / 5.5) and round(raw.published, 2) == 3.41
    assert narrow.reproduced == pytest.approx(-1.96 * 2 / 5.5) and round(narrow.published, 2) == 1.5
    assert (wide.reproduced, wide.published) == (three.reproduced, three.published) == (None, None)


def test_figure_8_has_the_published_row_and_one_for_each_configuration_of_the_study(tmp_path):
    rows = dict(heat(make(tmp_path)))
    assert list(rows) == ["SP4 14L, published", "SP4 14L, reproduced", "SP4 noDeep, reproduced"]
    assert [f"{z:.2f}" for z in rows["SP4 14L, published"]] == [
        "3.41", "2.56", "2.87", "2.19", "1.65", "2.94", "0.00",
    ]  # fmt: skip
    # 24 and -9 of 300 over half an interval of 5.5 points
    assert rows["SP4 14L, reproduced"][:2] == pytest.approx([1.96 * 8 / 5.5, -1.96 * 3 / 5.5])


def test_the_published_budgets_are_alpha_times_the_share_of_layers(tmp_path):
    report = make(tmp_path)
    assert published_budgets(report) == pytest.approx(
        {"SP4 14L": 0.8 * 14 / 34, "SP4 noDeep": 1.0 * 11 / 34}
    )
    assert {name: edit.name for name, edit in responses(report).items()} == {
        "SP4 14L": "sp", "SP4 noDeep": "norm",
    }  # fmt: skip


def test_a_search_is_found_by_its_name_or_by_its_subject(tmp_path):
    report = make(tmp_path)
    assert searched(report, "number_theory") == searched(report, "nt") != searched(report, "cp")
    assert len(searched(report, "cp")) == 6 and searched(report, "cp")[-1].accuracy_test is None
    assert searched(report, "geometry") == []
