"""A verdict follows from an interval or a rank, and every finding has its numbers."""

import pandas as pd
import pytest
from report_inputs import EFFECTS, read_results, write_inputs

from stethoscope.statistics.results import Results
from stethoscope.statistics.summaries import verdicts
from stethoscope.statistics.summaries.findings import finding_energy, findings


def test_rank_p_counts_draws_that_are_at_least_as_good():
    assert verdicts.rank_p(0.5, [0.1, 0.2, 0.3, 0.4, 0.45]) == pytest.approx(1 / 6)
    assert verdicts.rank_p(0.4, [0.1, 0.2, 0.3, 0.4, 0.45]) == pytest.approx(3 / 6)
    assert verdicts.rank_p(0.0, [0.1, 0.2, 0.3, 0.4, 0.45]) == 1
    with pytest.raises(ValueError, match="found none"):
        verdicts.rank_p(0.5, [])


@pytest.mark.parametrize(
    ("ours", "verdict"), [(0.5, "above"), (0.05, "below"), (0.3, "none"), (0.4, "none")]
)
def test_only_better_than_every_random_draw_is_above_them(ours, verdict):
    assert verdicts.rank_direction(ours, [0.1, 0.2, 0.4]) == verdict


@pytest.mark.parametrize(
    ("directions", "verdict"),
    [
        (("none", "none", "above"), "no effect"),
        (("above", "above", "none"), "kept"),
        (("above", "none", "above"), "size"),
        (("above", "none", "none"), "direction"),
        (("above", "below", "below"), "harmful"),
    ],
)
def test_direction_or_size_follows_from_three_comparisons(directions, verdict):
    assert verdicts.direction_or_size(*directions) == verdict


@pytest.mark.parametrize(("kept", "verdict"), [(0.1, "above"), (0.03, "none"), (0.005, "below")])
def test_energy_within_a_factor_of_two_is_near_chance(kept, verdict):
    assert verdicts.against_chance(kept, 3 / 128) == verdict


def test_signs_and_order_against_the_published_table():
    assert verdicts.same_signs([4, -3, 0, 2], [1, -1, 5, -2]) == (2, 3)
    assert verdicts.same_signs([4], [0]) == (0, 1)
    assert verdicts.ranking({"base": 0.3, "ours": 0.4, "full": 0.35}) == ("ours", "full", "base")


@pytest.mark.parametrize(
    ("directions", "verdict"),
    [
        (["above", "above"], "all"),
        (["above", "none"], "some"),
        (["none", "none"], "none"),
        (["none", "below"], "worse"),
        (["above", "below"], "mixed"),
    ],
)
def test_against_other_selectors_the_intervals_decide(directions, verdict):
    assert verdicts.against_rivals(directions) == verdict


@pytest.mark.parametrize(
    ("difference", "alone", "corrected", "verdict"),
    [
        (0.1, 0.001, 0.04, "kept"),
        (0.1, 0.001, 0.05, "lost"),
        (0.1, 0.2, 0.9, "unshown"),
        (-0.1, 0.001, 0.001, "none"),
        (0.0, 1.0, 1.0, "none"),
    ],
)
def test_a_gain_survives_only_with_a_small_corrected_p(difference, alone, corrected, verdict):
    assert verdicts.survives(difference, alone, corrected) == verdict


@pytest.mark.parametrize(
    ("subjects", "verdict"),
    [
        (["not inferior"] * 7, "excluded"),
        (["not inferior"] * 6 + ["undecided"], "open"),
        (["not inferior"] * 6 + ["degraded within margin"], "shown"),
        (["undecided"] * 6 + ["degraded"], "shown"),
    ],
)
def test_one_undecided_subject_is_enough_to_leave_degradation_open(subjects, verdict):
    assert verdicts.degradation(subjects) == verdict


@pytest.mark.parametrize(
    ("gain", "low", "verdict"), [(0.0, 0.0, "none"), (0.02, 0.0, "unshown"), (0.02, 0.01, "shown")]
)
def test_optimism_is_shown_by_an_interval_above_zero(gain, low, verdict):
    assert verdicts.optimism(gain, low) == verdict


# --- of a whole study -------------------------------------------------------------------------


def finding_rows(root, options=None, **changes):
    """Findings of a small study by key; changes: other effects of some edits."""
    paths = write_inputs(root, effects=EFFECTS | changes, **(options or {}))
    return findings(read_results(root, paths)).set_index("key")


@pytest.mark.parametrize(("gain", "verdict"), [(40, "above"), (-40, "below"), (2, "none")])
def test_ours_beats_base_only_with_an_interval_above_zero(tmp_path, gain, verdict):
    row = finding_rows(tmp_path, sp=("1.0", gain, 0)).loc["ours-base"]
    assert row["verdict"] == verdict
    assert row["difference"] == pytest.approx(gain / 300)
    assert (row["edit"], row["reference"]) == ("Ours (SP-selected layers)", "Base model")


@pytest.mark.parametrize(("other", "verdict"), [(-57, "below"), (57, "above"), (0, "none")])
def test_harm_to_the_other_subjects_is_a_finding_on_the_full_merge(tmp_path, other, verdict):
    row = finding_rows(tmp_path, full=("1.0", 61, other)).loc["full-others"]
    assert (row["verdict"], row["scope"], row["n"]) == (verdict, "the other subjects", 1800)


@pytest.mark.parametrize(
    ("gain", "verdict", "p"), [(60, "above", 1 / 6), (0, "below", 1), (20, "none", 3 / 6)]
)
def test_ours_is_ranked_among_the_random_draws(tmp_path, gain, verdict, p):
    row = finding_rows(tmp_path, sp=("1.0", gain, 0)).loc["ours-random"]
    assert (row["verdict"], row["p"]) == (verdict, pytest.approx(p))
    # Draws: 96, 111, 109, 117, 93 right of 300; with 5 of them p cannot be below 1/6.
    assert (row["lowest"], row["highest"]) == (93 / 300, 117 / 300)
    assert row["mean"] == pytest.approx(526 / 1500)
    assert (row["floor"], row["rank_can_show"]) == (1 / 6, False)


@pytest.mark.parametrize(("matched", "verdict"), [(40, "size"), (0, "direction"), (-40, "harmful")])
def test_the_rescaled_projection_tells_direction_from_size(tmp_path, matched, verdict):
    options = {"seeds": (1, 2)}
    changes = {"sp": ("1.0", 40, 0), "projected_matched": ("0.75", matched, 0)}
    assert finding_rows(tmp_path, options, **changes).loc["cause", "verdict"] == verdict
    paths = write_inputs(tmp_path, effects=EFFECTS | changes, **options)
    energy = finding_energy(read_results(tmp_path, paths))
    # 4.31 % kept, 3/128 by chance: less than twice that, in each seed.
    assert energy["seed"].tolist() == ["1", "2"] and set(energy["verdict"]) == {"none"}
    assert energy["ratio"].tolist() == [pytest.approx(0.0431 * 128 / 3)] * 2


@pytest.mark.parametrize(("matched", "verdict"), [(40, "size"), (-40, "harmful")])
def test_the_full_merge_has_its_own_projections(tmp_path, matched, verdict):
    assert "cause-full" not in finding_rows(tmp_path / "without").index
    edits = {"projected_all": ("1.0", 1, 0), "projected_all_matched": ("1.0", matched, 0)}
    assert finding_rows(tmp_path, **edits).loc["cause-full", "verdict"] == verdict


@pytest.mark.parametrize(("gain", "verdict"), [(80, "all"), (21, "none"), (-40, "worse")])
def test_rivals_are_other_selectors_of_as_many_layers(tmp_path, gain, verdict):
    rows = finding_rows(tmp_path, sp=("1.0", gain, 0))
    for key in ("ours-norm", "ours-selectors"):
        finding = rows.loc[key]
        assert (finding["verdict"], finding["total"], finding["same"]) == (verdict, 1, 0)
    assert "ours-depth" not in rows.index  # no window of this study answers problems
    assert rows.loc["ours-scaled", "reference"] == "Full merge, scaled"


def test_rivals_of_the_same_layers_in_every_seed_are_counted(tmp_path):
    paths = write_inputs(tmp_path, seeds=(1, 2))
    results = read_results(tmp_path, paths)
    energy = results.tables["energy"]
    for layers, same in (("2,3,5", 1), ("3,4,5", 0)):  # those of ours in the first seed
        mine = energy["edit"] == "norm"
        energy.loc[mine, "layers"] = "2,3,5"
        energy.loc[mine & (energy["seed"] == "2"), "layers"] = layers
        again = Results(results.tables, results.study)
        assert findings(again).set_index("key").loc["ours-norm", "same"] == same


def test_corrections_losses_and_the_choice_of_alpha_have_their_numbers(tmp_path):
    rows = finding_rows(tmp_path)
    family = rows.loc["ours-family"]
    # 24 problems more, of 300; made to survive in the inputs, among 11 edits.
    assert (family["verdict"], family["p_corrected"], family["edits"]) == ("kept", 0.011, 11)
    losses = rows.loc["ours-degraded"]
    assert losses["verdict"] == "open"
    counts = losses[["subjects", "lost", "safe", "undecided", "margin", "lowest", "highest"]]
    assert counts.tolist() == [7, 0, 1, 6, 0.05, 0.064, 0.071]
    choice = rows.loc["optimism"]
    assert (choice["verdict"], choice["alpha_chosen"], choice["alpha_best"]) == (
        "unshown", "1.0", "1.5",
    )  # fmt: skip
    assert choice[["accuracy_chosen", "accuracy_best", "optimism"]].tolist() == [0.38, 0.39, 0.01]


def test_the_published_order_and_signs_are_compared_with_those_here(tmp_path):
    row = finding_rows(tmp_path).loc["pattern"]
    # Published: 39.4, 33.9, 30.0, 29.6. Here: 151, 114, 90 and 84 right of 300.
    ours, projected = "Ours (SP-selected layers)", "SAE projection"
    assert row["published_order"] == f"{ours} > {projected} > Full merge > Base model"
    assert row["reproduced_order"] == f"Full merge > {ours} > Base model > {projected}"
    assert (row["verdict"], row["total"]) == ("no", 20)


def test_a_study_with_few_edits_has_few_findings(tmp_path):
    paths = write_inputs(
        tmp_path, effects={k: EFFECTS[k] for k in ("base", "sp")}, read_again=False
    )
    keys = findings(read_results(tmp_path, paths))["key"].tolist()
    assert keys == ["ours-base", "ours-others", "ours-family", "ours-degraded", "pattern"]


def test_edits_that_were_not_compared_say_so(tmp_path):
    paths = write_inputs(tmp_path)
    results = read_results(tmp_path, paths)
    table = results.tables["comparisons"]
    results.tables["comparisons"] = table[table["reference"] == "base"]
    rows = findings(results).set_index("key")
    assert rows.loc["ours-full", "verdict"] == "not compared"
    assert pd.isna(rows.loc["ours-full", "difference"])
