"""What is gained under each protocol, and how much of it where the base's answer was cut."""

import pandas as pd
import pytest

from stethoscope.statistics.protocols import COLUMNS, protocols_table


def answers(**edits):
    """Frames of answers: per edit a word a problem; r right, w wrong, c wrong and cut."""
    rows = []
    for edit, (number, geometry) in edits.items():
        for subject, letters in (("number_theory", number), ("geometry", geometry)):
            for position, letter in enumerate(letters):
                row = {"seed": 1, "edit": edit, "alpha": 0.5, "subject": subject}
                row |= {"doc_hash": f"{subject}{position}", "correct": int(letter == "r")}
                row |= {"parsed": int(letter != "c"), "truncated": int(letter == "c")}
                rows.append(row | {"n_tokens": 10 * position, "completion": ""})
    return pd.DataFrame(rows)


@pytest.fixture
def table():
    main = answers(base=("rwccw", "rr"), sp=("wrrcr", "rc"))
    chat = answers(base=("rwwrr", "rr"), sp=("rrwrw", "rr"))
    return protocols_table({"main": main, "chat": chat}).set_index(["protocol", "edit", "subject"])


def test_gains_are_counted_problem_by_problem_and_apart_where_the_base_was_cut(table):
    row = table.loc[("main", "sp", "number_theory")]
    assert row[["n", "correct", "gained", "gained_cut", "lost"]].tolist() == [5, 3, 3, 1, 1]
    assert row["gain"] == pytest.approx(2 / 5) and row["accuracy"] == pytest.approx(3 / 5)
    row = table.loc[("chat", "sp", "number_theory")]
    assert row[["n", "correct", "gained", "gained_cut", "lost"]].tolist() == [5, 3, 1, 0, 1]
    assert row["gain"] == 0


def test_all_subjects_together_are_the_sum_of_each(table):
    row = table.loc[("main", "sp", "all")]
    assert row[["n", "correct", "gained", "gained_cut", "lost"]].tolist() == [7, 4, 3, 1, 2]
    assert row["truncated"] == pytest.approx(2 / 7) and row["unparsed"] == pytest.approx(2 / 7)
    assert row["n_tokens"] == pytest.approx((0 + 10 + 20 + 30 + 40 + 0 + 10) / 7)


def test_the_base_gains_nothing_over_itself(table):
    rows = table.xs("base", level="edit")
    assert (rows[["gain", "gained", "gained_cut", "lost"]] == 0).all(axis=None)


def test_a_study_without_protocols_has_a_table_without_rows():
    assert protocols_table({}).empty and list(protocols_table({}).columns) == COLUMNS


def test_other_problems_than_the_bases_are_an_error():
    frame = answers(base=("rw", "r"), sp=("rw", "r"))
    with pytest.raises(ValueError, match="main: sp and base answered other problems"):
        protocols_table({"main": frame.iloc[:-1]})
