"""What figures plot, with numbers worked out by hand."""

import json

import pandas as pd
import pytest
from report_inputs import EFFECTS, N, write_inputs
from statsmodels.stats.proportion import proportion_confint

from stethoscope.statistics.results import Results, read_table
from stethoscope.statistics.summaries import SUMMARIES


def results_of(root, **options):
    paths = write_inputs(root, **options)
    study = json.loads((root / paths.pop("study")).read_text("utf-8"))
    tables = {name: path for name, path in paths.items() if name not in SUMMARIES}
    return Results({name: read_table(root / path) for name, path in tables.items()}, study)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return results_of(tmp_path_factory.mktemp("study"))


def rows(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def z(before, after, n):
    """The paper's two-sample z, unpooled and with lm-eval's n - 1."""
    p0, p1 = before / n, after / n
    return (p1 - p0) / ((p0 * (1 - p0) + p1 * (1 - p1)) / (n - 1)) ** 0.5


def test_accuracies_have_wilsons_interval_and_draws_their_range(results):
    table = rows(SUMMARIES["figure_accuracy"](results), subject="number_theory")
    ours = rows(table, role="ours", source="reproduced").iloc[0]
    assert ours["accuracy"] == (90 + 24) / N
    interval = proportion_confint(90 + 24, N, method="wilson")
    assert (ours["low"], ours["high"]) == pytest.approx(interval)
    assert rows(table, role="ours", source="published")["accuracy"].item() == pytest.approx(0.394)
    draws = rows(table, role="random").iloc[0]  # 6, 21, 19, 27 and 3 problems more than 90
    values = draws[["accuracy", "low", "high"]].tolist()
    assert values == pytest.approx([105.2 / N, 93 / N, 117 / N])


def test_a_profile_has_every_layer_and_published_ones_that_are_not_listed_have_no_sp(results):
    table = SUMMARIES["figure_profiles"](results)
    measured, published = rows(table, source="reproduced"), rows(table, source="published")
    assert measured.loc[measured["selected"] == 1, "layer"].tolist() == [2, 3, 5]
    assert measured[["sp", "sp_smooth", "sp_null_95"]].iloc[3].tolist() == [6.23, 6.23 * 0.6, 1.9]
    assert published["layer"].tolist() == list(range(34)) and published["depth"].iloc[-1] == 1
    assert published.loc[published["sp"].notna(), "layer"].tolist() == [6, 13, 14, 19, 31, 32]


def test_the_two_ways_keep_a_share_of_the_energy_and_have_an_effect(results):
    projected, ours = SUMMARIES["figure_ways"](results).to_dict("records")
    assert (projected["rank"], ours["rank"], ours["n_layers"], ours["n_layers_model"]) == (
        3,
        None,
        3,
        8,
    )
    assert (projected["energy_retained"], projected["published_energy_retained"]) == (0.0431, 0.03)
    assert (ours["difference"], ours["gains"], ours["losses"]) == (24 / N, 1, 0)
    assert ours["published_difference"] == pytest.approx(0.394 - 0.296)


def test_energies_of_projections_that_answered_no_problems_have_no_effect(results):
    table = SUMMARIES["figure_energy"](results)
    alone = rows(table, source="energy only")
    assert (
        alone["energy_retained"].tolist() == [0.0231, 0.0252] and alone["difference"].isna().all()
    )
    measured = rows(table, source="reproduced")
    assert not {"norm", "scaled", "base"} & {*measured["edit"]}  # controls keep all of it
    assert rows(table, source="chance")["energy_retained"].item() == 3 / 128


def test_merges_and_raw_edits_of_no_role_are_not_in_figure_5(tmp_path):
    effects = EFFECTS | {"dual": ("1.0", 5, 3), "projected_all": ("1.0", 5, 3)}
    table = SUMMARIES["figure_energy"](results_of(tmp_path, effects=effects))
    others = rows(table, role="other", source="reproduced")
    assert others["edit"].tolist() == ["projected_all"]


def test_approaches_have_z_where_there_is_one(results):
    search, narrow, wide, three, raw = SUMMARIES["figure_approaches"](results).itertuples()
    # The lowest perplexity of the search for NT has 99 of 300 right, base 90.
    assert search.z == pytest.approx(z(90, 99, 300)) and pd.isna(search.z_published)
    assert (raw.z, narrow.z) == pytest.approx((1.96 * 8 / 5.5, -1.96 * 2 / 5.5))
    # Table 1's percentages are 160, 213 and 183 of 540
    published = (raw.z_published, narrow.z_published)
    assert published == pytest.approx((z(160, 213, 540), z(160, 183, 540)))
    assert pd.isna([wide.z, wide.z_published, three.z, three.z_published]).all()


def test_z_has_the_published_row_and_one_for_each_configuration_of_the_study(results):
    table = SUMMARIES["figure_z"](results)
    values = {
        name: group["z"].tolist() for name, group in table.groupby(["configuration", "source"])
    }
    published = values[("SP4 14L", "published")]
    assert published[0] == pytest.approx(z(160, 213, 540)) and len(published) == 7
    # 24 and -9 of 300 over half an interval of 5.5 points
    ours = values[("SP4 14L", "reproduced")]
    assert ours[:2] == pytest.approx([1.96 * 8 / 5.5, -1.96 * 3 / 5.5])
    assert ("SP4 noDeep", "reproduced") in values and len(values) == 3


def test_a_response_is_over_alpha_and_over_its_share_of_the_layers(results):
    table = SUMMARIES["figure_responses"](results)
    ours = rows(table, curve="SP4 14L", source="reproduced")
    assert ours["alpha"].tolist() == [0.5, 0.8, 1.0, 1.5, 2.0]
    assert ours["budget"].tolist() == pytest.approx([alpha * 3 / 8 for alpha in ours["alpha"]])
    assert ours["accuracy"].tolist() == [(90 + gain) / N for gain in (12, 20, 24, 30, -6)]
    assert ours.loc[ours["chosen"] == 1, "alpha"].tolist() == [1.0]
    assert set(rows(table, curve="SP4 noDeep")["edit"].dropna()) == {"norm"}


def test_a_search_shows_its_test_problems_and_where_perplexity_is_lowest(results):
    table = rows(SUMMARIES["figure_searches"](results), search="cp")
    assert set(table["split"]) == {"test"} and len(table) == 5  # of 6, one has no test problems
    assert set(table["label"]) == {"Counting & Probability"}
    assert table.loc[table["lowest"] == 1, "perplexity"].tolist() == [1.31]
    assert table[["r", "r_low", "r_high"]].iloc[0].tolist() == [-0.31, -0.93, 0.79]
