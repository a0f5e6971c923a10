"""Tables 1 to 6 and the merges as numbers: published beside reproduced, checked by hand."""

import pandas as pd
import pytest
from report_inputs import EFFECTS, RECORD, read_results, write_inputs

from stethoscope.statistics.summaries import SUMMARIES
from stethoscope.statistics.summaries.paper_tables import ranking
from stethoscope.statistics.summaries.runs import left_out

TWO_VECTORS = EFFECTS | {"dual": ("1.0", 15, -20), "ties": ("0.5", 18, -11)}


def make(root, **options):
    return read_results(root, write_inputs(root, summarize=False, **options))


@pytest.fixture
def results(tmp_path):
    return make(tmp_path)


def table(results, number):
    return SUMMARIES[f"paper_table{number}"](results)


@pytest.mark.parametrize(
    ("number", "columns"),
    [(2, ("n_layers", "alpha", "sig")), (3, ("sig",)), (5, ("rank", "alpha", "sig"))],
)
def test_published_columns_hold_what_the_record_holds(results, number, columns):
    record = pd.read_csv(RECORD / f"table{number}.csv", dtype=str)
    for column in columns:
        shown = table(results, number)[f"{column}_published"][: len(record)]
        assert shown.tolist() == record[column].tolist()


def test_table1_has_a_row_for_each_method_and_the_range_of_the_draws(results):
    rows = table(results, 1)
    assert rows["title"].tolist() == [
        "Base model", "Full merge", "Random layers", "Random layers", "Random layers",
        "SAE projection", "SAE projection, raw norm", "Ours (SP-selected layers)",
        "z, ours against base", "p, ours against base",
    ]  # fmt: skip
    base, full, mean, low, high, _, _, ours, z, p = rows.to_dict("records")
    # 90 right answers of the base and 24 more, of 300.
    assert (ours["published_NT"], ours["reproduced_NT"]) == ("39.4", 114 / 300)
    assert (ours["alpha_published"], ours["sig_published"]) == ("0.80", "5")
    # The full merge gains on the target and loses on the six others (made so in the inputs).
    assert (full["gains_holm"], full["losses_holm"], full["direction_NT"]) == (1, 6, "above")
    assert pd.isna(base["gains_z"]) and pd.isna(base["alpha"])
    # Draws: 96, 111, 109, 117, 93 right of 300.
    assert mean["reproduced_NT"] == pytest.approx(526 / 1500) and mean["n_draws"] == 5
    assert (low["reproduced_NT"], high["reproduced_NT"]) == (93 / 300, 117 / 300)
    # +8.0 points over half an interval of 5.5, times 1.96; the published z is of the target alone.
    assert z["published_NT"] == "+3.41" and pd.isna(z["published_CP"])
    assert z["reproduced_NT"] == pytest.approx(0.08 / 0.055 * 1.96)
    assert (p["published_NT"], p["reproduced_NT"]) == ("0.0007", 0.0004)


def test_seeds_are_pooled_by_problems(tmp_path):
    base = table(make(tmp_path, seeds=(1, 2)), 1).iloc[0]
    assert base["reproduced_NT"] == pytest.approx((90 + 93) / 600)


def test_further_edits_have_a_table_of_their_own_and_controls_none(tmp_path):
    rows = SUMMARIES["further_edits"](make(tmp_path, effects=TWO_VECTORS))
    assert rows["title"].tolist() == ["Sum", "Merge"]
    assert SUMMARIES["further_edits"](make(tmp_path / "b")).empty


def test_table2_has_each_configuration_beside_the_edit_that_reproduces_it(results):
    rows = table(results, 2).set_index("configuration")
    ours = rows.loc["SP4 14L"]
    assert (ours["n_layers"], ours["layers"], ours["alpha"]) == (3, "2,3,5", 1.0)
    assert ours["accuracy"] == 0.38 and ours["difference"] == pytest.approx(0.08)
    assert (ours["ci_low"], ours["ci_high"]) == pytest.approx((0.025, 0.135))
    assert rows.loc["SP4 noDeep", "title"] == "Highest norm"
    absent = rows.loc["MID 10L"]
    assert absent["sig_published"] == "3/7"
    assert absent[["title", "n_layers", "accuracy", "gains_z"]].isna().all()


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_table3_has_the_energy_kept_beside_chance_and_the_best(tmp_path, seeds):
    rows = table(make(tmp_path, seeds=seeds), 3).set_index("method")
    kept = rows.loc["SAE Proj (16K, rank-3)", ["energy_retained", "chance", "oracle"]]
    assert kept.tolist() == pytest.approx([0.0431, 3 / 128, 0.61])
    assert rows.loc["Raw TV (SP4, 14 layers)", "energy_retained"] == 1
    assert pd.isna(rows.loc["Raw TV (E3, 7 layers)", "energy_retained"])


def test_table4_puts_each_alpha_once_published_beside_reproduced(results):
    rows = table(results, 4)
    alphas = rows["alpha"].astype(float).tolist()
    assert alphas == [0.5, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0]
    both = rows[rows["alpha"] == "0.80"].iloc[0]
    # 213 of 540 against 160 of 540; 20 problems more than 90, of 300
    assert both["NT_published"] == "39.4" and round(both["recomputed_z"], 2) == 3.41
    assert (both["accuracy"], both["z_NT"]) == (110 / 300, 20 / 8)
    assert (both["gains_z"], both["losses_z"]) == (1, 0)
    assert rows.loc[rows["chosen"] == 1, "alpha"].tolist() == [1.0]
    assert pd.isna(rows.iloc[-1]["NT_published"])


def test_table5_ranks_every_edit_at_every_alpha_that_was_tried(tmp_path, results):
    # 11 edits, and the alphas of two that were not chosen: 4 of ours, 2 of the control.
    values = [row["accuracy"] for row in ranking(results)]
    assert len(values) == 11 + 4 + 2 and values == sorted(values, reverse=True)
    rows = table(results, 5)
    assert rows.loc[0, ["title", "alpha"]].tolist() == ["Full merge", 1.0]
    assert rows.loc[1, ["title", "alpha"]].tolist() == ["Ours (SP-selected layers)", 1.5]
    # 117, 114, then two with 111: they share the rank, and the next has the one after.
    assert rows["rank"].tolist() == [1, 2, 3, 4, 5, 5, 7, 8, 9, 9]
    assert len(ranking(make(tmp_path / "b", read_again=False))) == 11


def test_table6_orders_published_and_reproduced_layers_by_depth(results):
    results["table6"].loc[results["table6"]["layer"] == "32", "layer"] = "33"
    rows = table(results, 6)
    assert rows["depth"].is_monotonic_increasing
    ours, theirs = rows[rows["layer"].notna()], rows[rows["published_layer"].notna()]
    assert ours["depth"].tolist() == pytest.approx([layer / 7 for layer in range(8)])
    assert ours.loc[ours["selected"] == 1, "layer"].tolist() == [2, 3, 5]
    published = (6, 13, 14, 19, 31, 33)
    assert theirs["depth"].tolist() == pytest.approx([layer / 33 for layer in published])
    last = rows.iloc[-1]  # layers of equal depth share a row
    assert (last["published_layer"], last["layer"], last["depth"]) == ("33", 7, 1)


def test_what_a_study_has_no_data_for_is_left_out(tmp_path, results):
    items = left_out(make(tmp_path / "b", read_again=False))["item"]
    assert set(items) == {"table4", "figure6", "figure7", "figure9"}
    for edit in results.study["edits"].values():
        edit.pop("published", None)
    assert set(left_out(results)["item"]) == {"table2", "table3", "figure4", "figure8"}


def test_edits_of_two_vectors_are_beside_each_vector_alone(tmp_path):
    rows = SUMMARIES["merging"](make(tmp_path, effects=TWO_VECTORS)).set_index("title")
    assert list(rows.index) == ["Full merge", "Ours (SP-selected layers)", "Sum", "Merge"]
    assert rows["how"].tolist() == ["alone", "alone", "sum", "TIES, density 0.2"]
    assert rows.loc["Sum", "vectors"] == rows.loc["Merge", "vectors"] == "1.0 v2 + 0.5 cp"
    columns = ["cosine", "signs_differ", "signs_differ_trimmed"]
    assert rows.loc["Full merge", columns].isna().all()
    assert rows.loc["Sum", columns[:2]].tolist() == [0.125, 0.45]
    assert rows.loc["Merge", columns].tolist() == [0.0625, 0.48, 0.36]
    # CP is the subject of the second vector: 165 of 300 right at base, 20 fewer with the sum
    assert rows.loc["Sum", ["accuracy_target", "accuracy_of_CP"]].tolist() == [0.35, 145 / 300]
    assert rows.loc["Sum", "difference_of_CP"] == pytest.approx(-20 / 300)
    assert SUMMARIES["merging"](make(tmp_path / "b")).empty
