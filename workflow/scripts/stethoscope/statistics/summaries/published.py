"""Tables of the published record's audit (R8 to R8h): counts, marks, and what the report shows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stethoscope.problems.records import SUBJECTS
from stethoscope.statistics.results import (
    NONE,
    SIGNIFICANT,
    Results,
    direction,
    gains_and_losses,
)
from stethoscope.statistics.summaries.registry import frame, summary

BASE_MODEL = "Base model"  # as the paper's Table 1 calls it
SUMS = {"all": "all", "others": "all but NT"}
VERDICTS = {
    "impossible": "No data could give it",
    "contradicted": "Contradicted by other numbers or words of the paper",
    "cannot be checked": "Not decided by what was printed, or by what survives of it",
    "holds": "Holds",
}


@summary
def published_z(results: Results) -> pd.DataFrame:
    """A row for each published method: z and its mark by subject, gains without and with Holm."""
    subjects = [SUBJECTS[subject].short for subject in results.subjects]
    rows = []
    for method, cells in results["published_table1"].groupby("method", sort=False):
        cells = cells.set_index("subject").loc[subjects].rename(columns={"z_lmeval": "z"})
        cells["direction"] = list(map(_marked, cells["p_lmeval"], cells["z"]))
        cells["impossible"] = cells["grim_possible"].eq(False)
        row = {"method": method} | _wide(cells, ("z", "direction", "impossible"))
        for name, p in (("gains", "p_lmeval"), ("gains_holm", "p_holm")):
            row[name], _ = gains_and_losses(cells[p], cells["z"])
        rows.append(row)
    return frame(rows)


@summary
def published_tests(results: Results) -> pd.DataFrame:
    """The headline as published, then a row for each test: z, p, and whether they print so."""
    claims = results["text_claims"].set_index("claim_id")["value"]
    printed = {"kind": "printed", "formula": "as published", "z": claims["C03"], "p": claims["C04"]}
    table = results["published_formulas"]
    css = table["both_print"].eq("yes").map({True: "chosen-row", False: ""})
    table = table.drop(columns=["z_printed", "p_printed"]).assign(css=css, kind="")
    return frame([printed, *table.to_dict("records")])


@summary
def published_sig(results: Results) -> pd.DataFrame:
    """`published_significant` with the #Sig that Table 1 prints for a method against base."""
    table, printed = results["published_significant"], results["table1"].set_index("method")
    against_base = table["reference"] == BASE_MODEL
    return table.assign(
        n_sig=table["method"].map(printed["n_sig_of_7"]).where(against_base)
    ).convert_dtypes(convert_floating=False)


@summary
def published_pairs(results: Results) -> pd.DataFrame:
    """A row for each pair of published methods: difference, its mark and p by subject."""
    rows = []
    table = results["published_comparisons"].replace({"subject": SUMS})
    for (method, reference), cells in table.groupby(["method", "reference"], sort=False):
        cells = cells.set_index("subject").rename(columns={"p_lmeval": "p"})
        cells["direction"] = list(map(_marked, cells["p"], cells["difference"]))
        wide = _wide(cells, ("difference", "direction", "p"))
        rows.append({"method": method, "reference": reference} | wide)
    return frame(rows)


@summary
def published_counts(results: Results) -> pd.DataFrame:
    """Right answers from each printed percentage by subject, below the sizes of the subjects.

    Where no count prints as the percentage: the percentages that the next counts print.
    """
    table = results["published_grim"]
    sizes = table.drop_duplicates("subject").set_index("subject")[["n"]]
    rows = [{"label": "problems", "kind": "sizes"}]
    rows[0] |= _wide(sizes.rename(columns={"n": "correct"}), ["correct"])
    for where, cells in table.groupby(["table", "row"], sort=False):
        cells = cells.set_index("subject").astype({"below": object, "above": object})
        cells["impossible"] = ~cells["possible"]
        cells.loc[cells["possible"], ["below", "above"]] = None
        wide = _wide(cells, ("correct", "percent", "impossible", "below", "above"))
        rows.append({"label": ", ".join(where)} | wide)
    return frame(rows)


@summary
def published_statements(results: Results) -> pd.DataFrame:
    """The checks by verdict; `section` is the verdict in words, with the number of its checks."""
    table = results["published_checks"].set_index("verdict", drop=False)
    parts = [
        table.loc[[verdict]].assign(section=f"{words} ({(table.index == verdict).sum()})")
        for verdict, words in VERDICTS.items()
        if verdict in table.index
    ]
    return pd.concat(parts)[["section", "claim", "where", "found", "evidence"]]


@summary
def published_verdicts(results: Results) -> pd.DataFrame:
    """How many checks there are, and how many have each verdict."""
    counts = results["published_checks"]["verdict"].value_counts()
    row = {verdict.replace(" ", "_"): counts.get(verdict, 0) for verdict in VERDICTS}
    return frame([{"checks": counts.sum()} | row])


def _marked(p: float, difference: float) -> str:
    return direction(difference, difference) if p < SIGNIFICANT else NONE


def _wide(cells: pd.DataFrame, columns: Sequence[str]) -> dict:
    """Columns of cells by subject as one row: `z_NT`."""
    return {f"{name}_{subject}": x for name in columns for subject, x in cells[name].items()}
