"""One spec gives a table as HTML, TSV and LaTeX."""

import io

import pandas as pd
import pytest
import yaml

from stethoscope.report.numbers import Numbers, Source
from stethoscope.report.table import read_specs, render_table, to_tex, to_tsv

SPEC = """
source: edits
css: dense
columns:
  - {head: Edit, css: left, cell: "{title:name}[[ <small>({n} draws)</small>]]", names: [edit]}
  - group: "{target} & others"
    columns:
      - {head: from base, cell: "{difference:points}{direction:arrow}"}
      - {head: interval, cell: "[{low:points}, {high:points}]", names: [low, high]}
  - {head: chosen, cell: "{chosen:dot}", blank: true}
  - {each: "z_*", head: "{*} z", cell: "{z_{*}:signed2}"}
  - {head: seed, cell: "{seed}", optional: true}
variants:
  apart: [{css: left, cell: "{title:text}"}, {span: rest, cell: "{difference:p}"}]
"""
COLUMNS = "kind css title n difference direction low high chosen z_NT z_CP".split()
ROWS = [
    ("", "", "a & <b>", "5", "0.098", "above", "0.01", "0.2", "1", "3.406", "-0.5"),
    ("", "ours", "b_c", "", "", "", "", "", "0", "", "inf"),
    ("apart", "rule apart", "p", "", "0.00002", "", "", "", "", "", ""),
]


def numbers(rows=ROWS):
    rows = tuple(dict(zip(COLUMNS, row, strict=True)) for row in rows)
    return Numbers({"edits": Source("edits", "edits.tsv", "0", "r", tuple(COLUMNS), rows)})


def table(found=None, **changes):
    return render_table("t", yaml.safe_load(SPEC) | changes, found or numbers(), {"target": "NT"})


def test_html_has_headings_over_columns_marks_dashes_and_escaped_text():
    page = str(table().__html__())
    assert '<th class="group" colspan="2">NT & others</th>' in page
    assert '<th class="left" rowspan="2">Edit</th>' in page
    assert "a &amp; &lt;b&gt;" in page and "<small>(" in page and page.count("<small>") == 1
    assert '+9.8</span><span class="up">↑</span>' in page
    assert page.count("●") == 1 and ">NT z</th>" in page and "seed" not in page
    assert '<tr class="ours">' in page and '<span class="none">—</span>' in page
    assert '<td colspan="5">' in page and "&lt;0.0001" in page


def test_pandas_reads_the_tsv_with_a_column_for_each_number_and_nothing_for_a_dash():
    rows = pd.read_csv(io.StringIO(to_tsv(table())), sep="\t")
    assert list(rows.columns) == ["edit", "difference", "low", "high", "chosen", "z_NT", "z_CP"]
    assert rows["edit"].tolist() == ["a & <b> (5 draws)", "b_c"]  # no row in other units
    assert rows.iloc[0, 1:6].tolist() == [9.8, 1.0, 20.0, 1, 3.41]
    assert rows.iloc[1, 1:5].isna().all()


def test_latex_keeps_spans_rules_arrows_and_escapes():
    text = to_tex(table(), "50 % of\n it")
    assert text.isascii() and r"\caption{50 \% of it}" in text
    assert r"\begin{tabular}{lrrrrr}" in text
    assert r" & \multicolumn{2}{c}{NT \& others} &  &  &  \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"a \& $<$b$>$ (5 draws) & +9.8$^{\uparrow}$ & [+1.0, +20.0] & $\bullet$" in text
    assert r"b\_c & --- & --- &  & --- & $\infty$ \\" in text
    assert "\\midrule\np & \\multicolumn{5}{l}{$<$0.0001}" in text


def test_each_number_is_recorded_once_with_file_row_and_column():
    found = numbers()
    table(found)
    table(found)
    records = {(r["row"], r["column"]): r for r in found.records()}
    assert len(records) == len(found.records()) == 6 + 1 + 1
    assert records[0, "difference"]["value"] == 0.098 and records[0, "difference"]["text"] == "+9.8"
    assert {r["file"] for r in found.records()} == {"edits.tsv"}


@pytest.mark.parametrize(
    ("cell", "message"),
    [("{differense}", "no column 'differense'"), ("{low:point}", "no format 'point'")],
)
def test_a_spec_that_names_what_there_is_not_is_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        table(columns=[{"head": "x", "cell": cell}])


def test_a_broken_spec_names_its_file_and_table(tmp_path):
    (tmp_path / "a.yaml").write_text("one: {source: x}\n")
    with pytest.raises(ValueError, match=r"a\.yaml: table 'one' has no columns"):
        read_specs(tmp_path)
