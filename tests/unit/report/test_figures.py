"""Figures draw the numbers of their frames, in the same bytes each time."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml
from report_inputs import EFFECTS, write_inputs

from stethoscope.problems.records import SUBJECTS
from stethoscope.report.figures import FIGURES, draw
from stethoscope.report.figures.energy import _side_by_side, figure5
from stethoscope.report.figures.profiles import figure2
from stethoscope.report.figures.style import COLOURS
from stethoscope.report.figures.sweep import figure7
from stethoscope.statistics.results import read_table

TARGET = SUBJECTS["number_theory"]
NAMES = {frame for _, frames in FIGURES.values() for frame in frames}


def frames_of(root, **options):
    paths = write_inputs(root, **options)
    return {name: read_table(root / paths[name]) for name in NAMES}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return frames_of(tmp_path_factory.mktemp("study"))


def test_the_study_writes_the_frames_of_all_figures():
    assert set(FIGURES) == {f"figure{number}" for number in range(1, 10)}
    path = Path(__file__).parents[3] / "report" / "sources.yaml"
    sources = yaml.safe_load(path.read_text("utf-8"))
    assert set(sources["figures"]) == NAMES | {"left_out"}


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_the_same_frames_give_the_same_bytes_without_dates(frames, name):
    first = draw(name, frames, TARGET)
    assert first == draw(name, frames, TARGET)
    assert not re.search(r"<dc:date>|\b20\d\d-\d\d|Matplotlib v", first)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_is_valid_xml_whose_ids_are_its_own(frames, name):
    text = draw(name, frames, TARGET)
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    ids = set(re.findall(r'\bid="([^"]*)"', text))
    assert ids and all(one.startswith(f"{name}-") for one in ids)
    used = set(re.findall(r"url\(#([^)]*)\)", text)) | set(re.findall(r'href="#([^"]*)"', text))
    assert used <= ids
    assert "<text" not in text  # letters are paths: no font is needed


def test_other_numbers_give_another_figure(frames, tmp_path):
    changed = frames_of(tmp_path, effects=EFFECTS | {"sp": ("1.0", 60, -9)})
    for name in ("figure3", "figure5"):
        assert draw(name, changed, TARGET) != draw(name, frames, TARGET)


def test_a_method_has_one_colour_in_every_figure(frames):
    for name in ("figure3", "figure5"):
        drawn = draw(name, frames, TARGET)
        assert all(COLOURS[role] in drawn for role in ("full", "projection", "ours", "random"))
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_each_seed_has_its_panel_in_figure_2(frames, tmp_path):
    three = frames_of(tmp_path, seeds=(1, 2, 3))["figure_profiles"]
    for profiles, panels in ((frames["figure_profiles"], 2), (three, 4)):
        axes = figure2(profiles, TARGET).axes
        assert len(axes) == panels and all(axis.get_title() for axis in axes)


@pytest.mark.parametrize("count, widest", [(3, 1.09**2), (40, 1.7)])
def test_points_of_equal_energy_spread_a_little_around_it(count, widest):
    kept = pd.DataFrame({"energy_retained": [0.04, *[1.0] * count]})
    alone, *places = [place for place, _ in _side_by_side(kept)]
    assert alone == pytest.approx(4) and places[0] < 100 < places[-1]
    assert places[0] * places[-1] == pytest.approx(100**2)
    assert places[-1] / places[0] == pytest.approx(widest)


def test_further_projections_differ_by_their_markers_and_others_do_not(frames):
    energy = frames["figure_energy"].copy()
    markers = {line.get_marker() for line in figure5(energy, TARGET).axes[0].get_lines()}
    assert not markers & {"s", "^"} and "o" in markers
    energy.loc[energy["role"].str.startswith("projection", na=False), "role"] = "other"
    markers = {line.get_marker() for line in figure5(energy, TARGET).axes[0].get_lines()}
    assert {"s", "^"} <= markers


def test_figure_7_rings_the_chosen_alphas_and_marks_the_published_peaks(frames):
    left, right = figure7(frames["figure_responses"], TARGET).axes
    rings = [line.get_xdata() for line in left.get_lines() if line.get_markersize() == 10]
    assert [list(ring) for ring in rings] == [[1.0], [1.0]]
    peaks = [line.get_xdata()[0] for line in right.get_lines()[-2:]]
    assert peaks == pytest.approx([0.8 * 14 / 34, 1.0 * 11 / 34])


def test_a_study_without_projection_or_draws_can_be_drawn(tmp_path):
    effects = {name: EFFECTS[name] for name in ("base", "full", "sp")}
    frames = frames_of(tmp_path, effects=effects)
    for name in {*FIGURES} - {"figure1"}:
        assert draw(name, frames, TARGET).startswith("<?xml")


def test_a_figure_without_data_is_a_small_drawing_that_says_so(frames):
    drawn = draw("figure9", frames, TARGET, "no search by perplexity was made")
    assert ElementTree.fromstring(drawn.encode()).tag.endswith("svg")
    assert float(re.search(r'height="([\d.]+)pt"', drawn)[1]) < 40
    assert float(re.search(r'height="([\d.]+)pt"', draw("figure9", frames, TARGET))[1]) > 150
