"""Tables 1 to 6: published beside reproduced, lost numbers left empty, every number a cell."""

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from report_inputs import EFFECTS, RECORD, RULES, write_inputs

from stethoscope.report.facts import Report, load_sources
from stethoscope.report.paper_tables import TABLES, candidates, further_edits, methods
from stethoscope.report.render import PAPER_TABLES, table_files

TEMPLATE = Path(__file__).parents[3] / "report/report.html.j2"


def make(root, **options):
    paths = write_inputs(root, **options)
    return Report(load_sources({k: root / v for k, v in paths.items()}, RULES, root))


@pytest.fixture
def report(tmp_path):
    return make(tmp_path)


def read(report, name):
    return pd.read_csv(io.StringIO(table_files(report, TEMPLATE)[f"{name}.tsv"]), sep="\t")


def width(line):
    """Columns that a LaTeX row fills."""
    cells = re.split(r"(?<!\\) & ", line.removesuffix(r" \\"))
    spans = [re.match(r"\\multicolumn\{(\d+)\}", cell) for cell in cells]
    return sum(int(span[1]) if span else 1 for span in spans)


@pytest.mark.parametrize("options", [{}, {"seeds": (1, 2)}, {"read_again": False}])
def test_every_latex_row_has_the_columns_that_the_table_declares(tmp_path, options):
    files = table_files(make(tmp_path, **options), TEMPLATE)
    assert sorted(files) == sorted(
        f"{name}.{kind}" for name in PAPER_TABLES for kind in ("tsv", "tex")
    )
    for name in PAPER_TABLES:
        text = files[f"{name}.tex"]
        declared = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1]
        rows = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert {width(row) for row in rows} == {len(declared)}
        assert text.isascii()


@pytest.mark.parametrize("options", [{}, {"seeds": (1, 2)}])
def test_every_number_of_the_files_is_a_recorded_cell(tmp_path, options):
    report = make(tmp_path, **options)
    files = table_files(report, TEMPLATE)
    printed = {str(record["text"]).replace("−", "-") for record in report.records()}
    words = {edit.label for edit in report.edits}
    for name in PAPER_TABLES:
        for row in csv.DictReader(files[f"{name}.tsv"].splitlines(), delimiter="\t"):
            for column, text in row.items():
                if column in ("method", "edit", "selected", "chosen") or "selected" in column:
                    continue
                if text and text not in words and text not in printed:
                    parts = re.split(r" · | |–", text)  # several side by side
                    assert set(parts) <= printed, (name, column, text)


def test_published_columns_hold_what_the_record_holds_and_nothing_else(report):
    again = {"table2": ("n_layers", "alpha", "sig"), "table3": ("sig",), "table5": ("alpha", "sig")}
    names = {"n_layers": "n_layers_published", "sig": "n_sig_published", "alpha": "alpha_published"}
    for table, columns in again.items():
        record, found = pd.read_csv(RECORD / f"{table}.csv"), read(report, table)
        for column in columns:
            assert found[names[column]].tolist() == record[column].tolist()
    for table, column in (
        ("table2", "NT_z_published"),
        ("table3", "NT_z_published"),
        ("table3", "energy_published_pct"),
        ("table4", "CP_z_published"),
        ("table5", "NT_published"),
    ):
        assert read(report, table)[column].isna().all()


def test_table1_has_a_row_for_each_method_and_the_range_of_the_draws(report):
    rows = read(report, "table1").set_index("method")
    assert list(rows.index) == [
        "Base model", "Full merge", "Random layers (mean of 5 draws)", "Random layers (lowest)",
        "Random layers (highest)", "SAE projection", "SAE projection, raw norm",
        "Ours (SP-selected layers)",
    ]  # fmt: skip
    ours, full = rows.loc["Ours (SP-selected layers)"], rows.loc["Full merge"]
    # 90 right answers of the base and 24 more, of 300.
    assert (ours["NT_published_pct"], ours["NT_reproduced_pct"]) == (39.4, 38.0)
    assert (full["n_gain_holm"], full["n_loss_holm"], full["n_sig_published"]) == (1, 6, 0)
    # Draws: 96, 111, 109, 117, 93 right of 300.
    spread = rows["NT_reproduced_pct"].filter(like="Random layers (").tolist()
    assert spread == [35.1, 31.0, 39.0]


def test_the_last_lines_of_table1_are_z_and_p_of_ours(report):
    z, p = TABLES["table1"](report).body[-2:]
    shown = [str(cell.parts[0]) for cell in z.cells]
    # +8.0 points over half an interval of 5.5, times 1.96; the published z is of the target alone.
    assert shown[3:7] == ["+3.41", "+2.85", "—", "−1.07"]
    assert [str(cell.parts[0]) for cell in p.cells][3:5] == ["0.0007", "0.0004"]


def test_further_edits_have_a_table_of_their_own(tmp_path, report):
    assert further_edits(report) is None
    assert {method.edit.role for method in methods(report)}.isdisjoint({"other", "control"})
    report.source("study").document["edits"]["norm"]["role"] = "other"
    again = Report(report.sources)
    (row,) = further_edits(again).body
    assert "Highest norm" in row.cells[0].parts[0]


def test_table2_holds_each_configuration_against_the_edit_that_stands_for_it(report):
    rows = read(report, "table2").set_index("configuration")
    ours = rows.loc["SP4 14L"]
    assert (ours["n_layers_published"], ours["n_layers_reproduced"]) == (14, 3)
    assert (ours["alpha_published"], ours["alpha_reproduced"]) == (0.8, 1.0)
    assert ours["layers"] == "2,3,5" and ours["NT_z_reproduced"] == 2.85
    effect = ours[["NT_accuracy_pct", "NT_difference_points", "NT_ci_low", "NT_ci_high"]]
    assert effect.tolist() == [38.0, 8.0, 2.5, 13.5]
    assert rows.loc["SP4 noDeep", "edit"] == "Highest norm"
    absent = rows.loc["MID 10L"]
    assert absent["n_sig_published"] == "3/7"
    assert absent[["edit", "n_layers_reproduced", "NT_accuracy_pct", "n_gain_z"]].isna().all()


def test_table3_shows_the_energy_kept_beside_chance_and_the_best(report):
    rows = read(report, "table3").set_index("method")
    kept = ["energy_reproduced_pct", "chance_pct", "oracle_pct", "norm_retained_pct"]
    assert rows.loc["SAE Proj (16K, rank-3)", kept].tolist() == [4.31, 2.34, 61.0, 20.76]
    assert rows.loc["Raw TV (SP4, 14 layers)", "energy_reproduced_pct"] == 100
    assert rows.loc["Raw TV (E3, 7 layers)", kept].isna().all()
    assert rows["n_sig_published"].tolist() == ["0/7", "0/7", "1/7", "5/7"]


def test_table3_takes_the_mean_energy_of_the_seeds(tmp_path):
    rows = read(make(tmp_path, seeds=(1, 2)), "table3").set_index("method")
    assert rows.loc["SAE Proj (16K, rank-3)", "energy_reproduced_pct"] == 4.31


def test_table4_puts_each_alpha_once_published_beside_reproduced(report):
    rows = read(report, "table4").set_index("alpha")
    assert rows.index.tolist() == [0.5, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0]
    both = rows.loc[0.8]
    # 213 of 540 against 160 of 540; 20 problems more than 90, of 300
    assert both["NT_published_pct"] == 39.4 and both["NT_z_recomputed"] == 3.41
    assert (both["NT_reproduced_pct"], both["NT_z_reproduced"]) == (36.7, 2.5)
    assert (both["n_gain_z"], both["n_loss_z"]) == (1, 0)
    assert rows.index[rows["chosen"] == 1].tolist() == [1.0]
    assert rows.loc[2.0, "NT_published_pct"] != rows.loc[2.0, "NT_published_pct"]


def test_table5_ranks_every_edit_at_every_alpha_that_was_tried(report):
    found = candidates(report)
    # 11 edits, and the alphas of two that were not chosen: 4 of ours, 2 of the control.
    assert len(found) == 11 + 4 + 2
    values = [one.accuracy.value for one in found]
    assert values == sorted(values, reverse=True)
    rows = read(report, "table5")
    assert rows.loc[0, ["edit", "alpha_reproduced"]].tolist() == ["Full merge", 1.0]
    assert rows.loc[1, ["edit", "alpha_reproduced"]].tolist() == [
        "Ours (SP-selected layers)",
        1.5,
    ]
    # 117, 114, then two with 111: they share the rank, and the next has the one after.
    assert rows["rank_reproduced"].tolist() == [1, 2, 3, 4, 5, 5, 7, 8, 9, 9]


def test_table5_without_a_sweep_ranks_the_chosen_alphas(tmp_path):
    report = make(tmp_path, read_again=False)
    assert len(candidates(report)) == 11
    assert candidates(report)[0].edit.name == "full"


def test_table6_orders_published_and_reproduced_layers_by_depth(report):
    rows = read(report, "table6")
    assert rows["relative_depth"].is_monotonic_increasing
    ours = rows[rows["layer"].notna()]
    assert ours["layer"].tolist() == list(range(8))
    assert ours["relative_depth"].tolist() == [round(layer / 7, 2) for layer in range(8)]
    assert ours.loc[ours["selected"] == 1, "layer"].tolist() == [2, 3, 5]
    theirs = rows[rows["published_layer"].notna()]
    assert theirs["relative_depth"].tolist() == [
        round(layer / 33, 2) for layer in (6, 13, 14, 19, 31, 32)
    ]
    assert theirs["published_n_features"].tolist() == [1, 5, 20, 16, 13, 12]


def test_layers_of_equal_depth_share_a_row(report):
    published = report.source("table6").rows
    moved = tuple({**row, "layer": "33"} if row["layer"] == "32" else row for row in published)
    object.__setattr__(report.source("table6"), "rows", moved)
    last = read(report, "table6").iloc[-1]
    assert (last["published_layer"], last["layer"], last["relative_depth"]) == (33, 7, 1)


def test_what_a_study_does_not_have_is_left_out_and_its_files_hold_the_header(tmp_path):
    report = make(tmp_path, read_again=False)
    assert set(report.left_out) == {"table4", "figure6", "figure7", "figure9"}
    files = table_files(report, TEMPLATE)
    assert files["table4.tsv"].startswith("alpha\t") and files["table4.tsv"].count("\n") == 1
    assert "Left out: no" in files["table4.tex"]
    assert files["table5.tsv"].count("\n") == 11


def test_a_study_that_stands_for_nothing_published_leaves_those_tables_out(report):
    for edit in report.source("study").document["edits"].values():
        edit.pop("published", None)
    again = Report(report.sources)
    assert {"table2", "table3", "figure4", "figure8"} <= set(again.left_out)
    assert table_files(again, TEMPLATE)["table2.tsv"].count("\n") == 1


def test_a_file_with_its_header_alone_is_as_good_as_none(tmp_path):
    paths = write_inputs(tmp_path)
    path = tmp_path / paths["sweep"]
    path.write_text(path.read_text().splitlines()[0] + "\n")
    report = Report(load_sources({k: tmp_path / v for k, v in paths.items()}, RULES, tmp_path))
    assert report.optional("sweep") is None
    assert "table4" in report.left_out and "figure9" not in report.left_out


def test_few_edits_make_all_six_tables_too(tmp_path):
    effects = {name: EFFECTS[name] for name in ("base", "sp")}
    files = table_files(make(tmp_path, effects=effects, read_again=False), TEMPLATE)
    assert files["table5.tsv"].count("\n") == 11
