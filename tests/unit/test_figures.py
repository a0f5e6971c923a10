"""Figures draw the numbers of the files, in the same bytes each time."""

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from report_inputs import EFFECTS, RULES, write_inputs

from stethoscope.facts import Report, load_sources
from stethoscope.figures import COLOURS, FIGURES, Point, _energy_only, _points, _side_by_side


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


def test_further_edits_differ_by_their_markers(tmp_path):
    report = make(tmp_path)
    points = list(_points(report, report.one("base"), "1"))
    assert {point.marker for point in points} == {"o"}
    for edit in ("full", "random"):
        report.source("study").document["edits"][edit]["role"] = "other"
    again = list(_points(Report(report.sources), report.one("base"), "1"))
    assert {point.marker for point in again if point.label == "Full merge"} == {"s"}
    assert {point.marker for point in again if point.label == "Random layers"} == {"^"}
