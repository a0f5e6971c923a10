"""A table is written as TSV that pandas reads and as LaTeX whose rows have the columns promised."""

import io
import re

import pandas as pd
import pytest
from markupsafe import Markup

from stethoscope.report.cells import EMPTY, Cell
from stethoscope.report.layout import DOWN, UP, Row, Table, Td, columns, escape_tex, to_tex, to_tsv


def cell(text, value=1.0):
    return Cell("c0001", text, value, "where")


HEAD = (
    Row((Td("Edit", "left", rows=2, names="edit"), Td("NT & others", "group", 3))),
    Row(
        (Td("%", names="NT_pct"), Td("95 % interval", names="low high"))
        + (Td("#Sig", names="gains losses"),)
    ),
)
BODY = (
    Row(
        (Td(Markup('<span class="name">a_b &amp; c</span>'), "left"), Td((cell("38.0"), UP)))
        + (Td(("[", cell("−1.5"), ", ", cell("+3.0"), "]")),)
        + (Td((cell("5"), UP, " ", cell("0"), DOWN)),)
    ),
    Row((Td("other", "left"), Td(EMPTY), Td(EMPTY), Td("")), "rule"),
)


def test_each_number_of_a_cell_has_its_own_tsv_column_and_a_dash_is_nothing():
    assert to_tsv(Table(HEAD, BODY)).splitlines() == [
        "edit\tNT_pct\tlow\thigh\tgains\tlosses",
        "a_b & c\t38.0\t-1.5\t+3.0\t5\t0",
        "other\t\t\t\t\t",
    ]


def test_pandas_reads_the_tsv_without_arguments_but_the_separator():
    read = pd.read_csv(io.StringIO(to_tsv(Table(HEAD, BODY))), sep="\t")
    assert read["low"][0] == -1.5 and read["high"][0] == 3.0
    assert read.loc[1].drop("edit").isna().all()


def test_a_row_in_other_units_is_printed_but_not_in_the_tsv():
    table = Table(HEAD, (BODY[0], Row(BODY[1].cells, apart=True)))
    assert len(to_tsv(table).splitlines()) == 2
    assert "other & --- & --- &" in to_tex(table, "x", "")


def test_a_cell_with_other_than_the_named_numbers_is_refused():
    bad = Row((Td("x"), Td(cell("1")), Td((cell("1"), cell("2"), cell("3"))), Td("")))
    with pytest.raises(ValueError, match="3 numbers in a cell with 2 names"):
        to_tsv(Table(HEAD, (bad,)))


def test_a_column_without_a_header_of_its_own_is_refused():
    with pytest.raises(ValueError, match="column 1 has no header"):
        columns(Table((Row((Td("a"), Td("b", span=2))),), ()))


def test_latex_keeps_spans_rules_arrows_and_escapes():
    text = to_tex(Table(HEAD, BODY), "results", Markup("<b>95&nbsp;%</b> of α &lt; x_1"))
    lines = text.splitlines()
    assert r"\caption{95~\% of $\alpha$ $<$ x\_1}" in lines
    assert r"\begin{tabular}{lrrr}" in lines
    assert r" & \multicolumn{3}{c}{NT \& others} \\" in lines
    assert r"\cmidrule(lr){2-4}" in lines
    assert (
        r"a\_b \& c & 38.0$^{\uparrow}$ & [$-$1.5, +3.0] & 5$^{\uparrow}$ 0$^{\downarrow}$ \\"
        in lines
    )
    assert lines.count(r"\midrule") == 2  # below the head, and above a ruled row
    assert [line for line in lines if line in (r"\toprule", r"\bottomrule")]
    assert text.isascii()


def test_every_special_character_of_latex_is_escaped():
    assert escape_tex("a_b & c% $1 #2 {x} ~ ^ \\") == (
        r"a\_b \& c\% \$1 \#2 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert re.fullmatch(r"[\x00-\x7f]*", escape_tex("−—–≥τ‖²αρε∞●†“”’×·"))
