"""The bench of layer selectors: tables by hand, and each selector's place in the report."""

import re

import pandas as pd
import pytest
from report_inputs import EFFECTS, RULES, write_inputs
from scipy.stats import spearmanr

from stethoscope.report.bench_table import bench, bench_table, rank, same_layers
from stethoscope.report.facts import Report, load_sources
from stethoscope.report.paper_tables import methods
from stethoscope.statistics.selectors import layers_table, selectors_table

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
    paths = write_inputs(root, **options)
    return Report(load_sources({k: root / v for k, v in paths.items()}, RULES, root))


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_the_bench_holds_raw_edits_of_the_same_vector_by_their_number_of_layers(tmp_path, seeds):
    found = bench(make(tmp_path, seeds=seeds))
    assert found.ours.name == "sp"
    assert [edit.name for edit in found.rivals] == ["norm"]
    draws = [f"random-{draw}" for draw in range(1, 6)]
    assert [[edit.name for edit in draws] for draws in found.twins] == [draws]
    assert [[edit.name for edit in edits] for edits in found.unequal] == [["full"], ["scaled"]]
    assert found.scaled.name == "scaled"


def test_an_edit_of_another_vector_or_weight_is_not_in_the_bench(tmp_path):
    report = make(tmp_path)
    report.source("study").document["edits"]["norm"]["vectors"] = {"v2": 0.5}
    assert bench(report).rivals == ()


def test_alphas_of_a_search_are_no_selection_of_layers(tmp_path):
    report = make(tmp_path)
    report.source("study").document["edits"]["norm"]["search"] = "nt"
    assert bench(report).rivals == ()


def test_each_draw_of_another_selector_than_random_layers_is_a_rival(tmp_path):
    report = make(tmp_path)
    report.source("study").document["selections"]["random"]["by"] = "permuted_specificity"
    found = bench(report)
    draws = [f"random-{draw}" for draw in range(1, 6)]
    assert found.twins == () and {edit.name for edit in found.rivals} == {"norm", *draws}


def test_a_selector_is_ranked_among_the_random_draws(tmp_path):
    report = make(tmp_path)
    found = bench(report)
    # On the target norm has 111 right; the draws 96, 111, 109, 117 and 93.
    count, p = rank(report, found.rivals[0], found.twins[0])
    assert (count.value, p.value) == (2, pytest.approx(3 / 6))


def test_the_table_shows_each_selector_with_layers_correlations_and_rank(tmp_path):
    table = bench_table(make(tmp_path))
    widths = {sum(td.span for td in row.cells) for row in table.body}
    assert widths == {15} == {sum(td.span for td in table.head[0].cells)}
    rows = {text(row.cells[0]): [text(td) for td in row.cells] for row in table.body}
    norm = rows["Highest norm"]
    assert norm[1:5] == ["3,5,6", "2", "0.25", "0.50"]
    assert norm[5] == "37.0" and norm[-2:] == ["2", "0.500"]  # 111 of 300
    assert rows["Ours (SP-selected layers)"][-2:] == ["1", "0.333"]
    assert rows["Ours (SP-selected layers)"][11:13] == ["—", "—"]
    assert rows["Full merge, scaled"][1] == "0–7"
    assert rows["Full merge, scaled"][-2:] == ["—", "—"]
    assert rows["Random layers"][1] == "5 draws; mean, lowest–highest"


def test_a_draw_of_an_edits_own_layers_is_no_rival_of_it(tmp_path):
    report = make(tmp_path)
    for row in report.source("selectors").rows:
        if row["selection"] == "random-2":
            row["layers"] = "3,5,6"
    rows = {text(row.cells[0]): text(row.cells[-1]) for row in bench_table(report).body}
    # Of the other four draws, one is at least as good as norm; for ours they are five as before.
    assert (rows["Highest norm"], rows["Ours (SP-selected layers)"]) == ("0.400", "0.333")


def test_draws_of_another_number_of_layers_rank_nothing(tmp_path):
    report = make(tmp_path)
    for row in report.source("selectors").rows:
        if row["by"] == "random":
            row["n_layers"] = "2"
    found, table = bench(report), bench_table(report)
    assert found.twins == () and [len(edits) for edits in found.unequal] == [1, 5, 1]
    assert {sum(td.span for td in row.cells) for row in table.body} == {13}


def text(td) -> str:
    """What a reader sees of a table cell."""
    return re.sub(r"<[^>]*>", "", "".join(map(str, td.parts)))


def test_controls_stand_in_the_bench_and_not_in_table_1(tmp_path):
    report = make(tmp_path)
    assert "norm" not in {method.edit.name for method in methods(report)}
    assert {"norm", "scaled"} <= {edit.name for edit in report.of("control")}


@pytest.mark.parametrize(("shared", "count"), [(["3", "3"], 1), (["3", "2"], 0)])
def test_selectors_that_picked_the_same_layers_in_every_seed_are_counted(tmp_path, shared, count):
    report = make(tmp_path, seeds=(1, 2))
    table = report.source("selectors")
    for row, value in zip(table.find(selection="norm"), shared, strict=True):
        table.rows[row]["shared_with_ours"] = value
    assert same_layers(report, bench(report).rivals).value == count


def test_a_study_without_other_raw_edits_has_no_bench(tmp_path):
    few = {name: EFFECTS[name] for name in ("base", "sp", "projected")}
    assert bench_table(make(tmp_path, effects=few)) is None
    assert bench_table(make(tmp_path / "b", effects={"base": EFFECTS["base"]})) is None


def test_the_tables_are_read_back_as_they_are_written(tmp_path):
    table = selectors_table(SELECTIONS, "sp")
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    again = pd.read_csv(tmp_path / "t.tsv", sep="\t", dtype={"layers": str})
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
