"""The bench of layer selectors: tables by hand, and each selector's place in the report."""

import pandas as pd
import pytest
from report_inputs import EFFECTS, read_results, write_inputs
from scipy.stats import spearmanr

from stethoscope.statistics.selectors import layers_table, selectors_table
from stethoscope.statistics.summaries.layers import Bench, bench

SP = [1.0, 4.0, 3.0, 3.0, 0.5]
NORM = [5.0, 1.0, 4.0, 4.0, 9.0]
SELECTIONS = [
    {"seed": 1, "selection": "sp", "by": "specificity", "layers": [1, 2], "scores": SP},
    {"seed": 1, "selection": "norm", "by": "task_vector_norm", "layers": [0, 4], "scores": NORM},
    {"seed": 1, "selection": "last", "by": "window", "layers": [2, 3, 4]},
    {"seed": 1, "selection": "flat", "by": "n_features", "layers": [0], "scores": [2.0] * 5},
]


def test_each_layer_of_each_selection_has_its_score_and_whether_it_is_selected():
    table = layers_table(SELECTIONS, 5)
    assert len(table) == 20
    norm = table[table["selection"] == "norm"]
    assert norm["score"].tolist() == NORM
    assert norm["selected"].tolist() == [1, 0, 0, 0, 1]
    last = table[table["selection"] == "last"]
    assert last["score"].isna().all() and last["selected"].tolist() == [0, 0, 1, 1, 1]


def test_scores_are_correlated_by_rank_with_those_of_ours_and_with_depth():
    table = selectors_table(SELECTIONS, "sp").set_index("selection")
    depth = range(5)
    assert table.loc["sp", "rho_ours"] == pytest.approx(1)
    assert table.loc["sp", "rho_depth"] == pytest.approx(spearmanr(SP, depth).statistic)
    assert table.loc["norm", "rho_ours"] == pytest.approx(spearmanr(NORM, SP).statistic)
    assert table.loc["norm", "rho_depth"] == pytest.approx(spearmanr(NORM, depth).statistic)


def test_without_a_score_or_with_the_same_for_all_layers_there_is_no_correlation():
    table = selectors_table(SELECTIONS, "sp").set_index("selection")
    assert table.loc[["last", "flat"], ["rho_ours", "rho_depth"]].isna().all(axis=None)


def test_layers_are_counted_named_and_compared_with_ours():
    table = selectors_table(SELECTIONS, "sp").set_index("selection")
    assert table["layers"].tolist() == ["1,2", "0,4", "2,3,4", "0"]
    assert table["n_layers"].tolist() == [2, 2, 3, 1]
    assert table["shared_with_ours"].tolist() == [2, 0, 1, 0]


def test_ours_is_that_of_the_same_seed():
    second = {**SELECTIONS[0], "seed": 2, "layers": [3, 4], "scores": SP[::-1]}
    last = {**SELECTIONS[2], "seed": 2}
    table = selectors_table([*SELECTIONS, second, last], "sp")
    assert table[table["seed"] == 2]["shared_with_ours"].tolist() == [2, 2]
    with pytest.raises(ValueError, match="seed 2: no selection 'sp' to compare with"):
        selectors_table([*SELECTIONS, last], "sp")


def make(root, **options):
    return read_results(root, write_inputs(root, summarize=False, **options))


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_the_bench_holds_raw_edits_of_the_same_vector_by_their_number_of_layers(tmp_path, seeds):
    among = Bench.of(make(tmp_path, seeds=seeds))
    assert (among.ours, among.rivals, among.scaled) == ("sp", ["norm"], "scaled")
    assert among.random == [[f"random-{draw}" for draw in range(1, 6)]]
    assert among.unequal == [["full"], ["scaled"]]


@pytest.mark.parametrize("change", [{"vectors": {"v2": 0.5}}, {"search": "nt"}])
def test_an_edit_of_another_vector_or_of_a_search_is_not_in_the_bench(tmp_path, change):
    results = make(tmp_path)
    results.study["edits"]["norm"] |= change
    assert Bench.of(results).rivals == []


def test_each_draw_of_another_selector_than_random_layers_is_a_rival(tmp_path):
    results = make(tmp_path)
    results.study["selections"]["random"]["by"] = "permuted_specificity"
    among = Bench.of(results)
    assert among.random == [] and len(among.rivals) == 6


def test_the_table_has_each_selector_with_layers_correlations_and_rank(tmp_path):
    rows = bench(make(tmp_path)).set_index("title")
    norm = rows.loc["Highest norm"]
    assert norm[["layers", "shared", "rho_ours", "rho_depth"]].tolist() == ["3,5,6", 2, 0.25, 0.5]
    # On the target norm has 111 of 300 right; the draws 96, 111, 109, 117 and 93.
    assert norm[["accuracy_target", "as_good_random"]].tolist() == [0.37, 2]
    assert norm["rank_p_random"] == pytest.approx(3 / 6)
    assert rows.loc["Ours (SP-selected layers)", "rank_p_random"] == pytest.approx(2 / 6)
    assert pd.isna(rows.loc["Ours (SP-selected layers)", "difference_ours"])
    assert pd.isna(rows.loc["Full merge, scaled", "rank_p_random"])
    draws = rows.loc["Random layers"]
    assert (draws["kind"], draws["n_draws"], draws["lowest_target"]) == ("draws", 5, 0.31)


def test_a_draw_of_an_edits_own_layers_does_not_rank_it(tmp_path):
    results = make(tmp_path)
    selectors = results["selectors"]
    selectors.loc[selectors["selection"] == "random-2", "layers"] = "3,5,6"
    rows = bench(results).set_index("title")["rank_p_random"]
    # Of the other four draws, one is at least as good as norm; for ours they are five as before.
    assert rows["Highest norm"] == pytest.approx(2 / 5)
    assert rows["Ours (SP-selected layers)"] == pytest.approx(2 / 6)


def test_draws_of_another_number_of_layers_rank_nothing(tmp_path):
    results = make(tmp_path)
    results["selectors"].loc[results["selectors"]["by"] == "random", "n_layers"] = 2
    assert [len(edits) for edits in Bench.of(results).unequal] == [1, 5, 1]
    assert not [column for column in bench(results).columns if column.startswith("rank_p")]


def test_a_study_without_other_raw_edits_has_no_bench(tmp_path):
    few = {name: EFFECTS[name] for name in ("base", "sp", "projected")}
    assert bench(make(tmp_path, effects=few)).empty
    assert bench(make(tmp_path / "b", effects={"base": EFFECTS["base"]})).empty


def test_the_tables_are_read_back_as_they_are_written(tmp_path):
    table = selectors_table(SELECTIONS, "sp")
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    again = pd.read_csv(tmp_path / "t.tsv", sep="\t", dtype={"layers": str})
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
