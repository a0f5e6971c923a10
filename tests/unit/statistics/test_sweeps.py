"""Sweeps, and the reader of answers, on answers counted by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stethoscope.evaluation.answers import COLUMNS, read_answers
from stethoscope.statistics.sweeps import (
    NOISE_COLUMNS,
    OPTIMISM_COLUMNS,
    SWEEP_COLUMNS,
    noise_table,
    optimism_table,
    sweep_table,
)

TARGET = "number_theory"
SUBJECTS = [TARGET, "algebra", "geometry"]


def answers(seed, edit, alpha, right, n=10, words="answer"):
    """`right` problems of each subject right, the first ones; {subject: number} or one number."""
    rows = []
    for subject in SUBJECTS:
        k = right.get(subject, 5) if isinstance(right, dict) else right
        for i in range(n):
            run = {"seed": seed, "edit": edit, "alpha": alpha, "subject": subject}
            run |= {"doc_hash": f"{subject[0]}{i}", "correct": int(i < k)}
            rows.append(run | {"completion": f"{words} {i}"})
    return pd.DataFrame(rows)


def swept(seed=1, rights=(5, 8, 8)):
    alphas = (0.5, 1.0, 1.5)
    parts = [
        answers(seed, "sp", a, {TARGET: k, "algebra": 4})
        for a, k in zip(alphas, rights, strict=True)
    ]
    return pd.concat(parts)


@pytest.fixture
def base():
    return answers(1, "base", 0.0, 5)


def test_a_sweep_has_a_row_for_each_alpha_and_subject_against_base(base):
    table = sweep_table(swept(), base, {(1, "sp"): 0.5}, [TARGET], TARGET)
    assert list(table.columns) == SWEEP_COLUMNS
    assert len(table) == 3 * 5
    row = table[(table["alpha"] == 1.0) & (table["subject"] == TARGET)].iloc[0]
    assert (row["n"], row["correct_base"], row["correct"], row["b"], row["c"]) == (10, 5, 8, 3, 0)
    assert (row["accuracy"], row["difference"]) == (0.8, 0.3)
    assert row["p_mcnemar"] == pytest.approx(stats.binomtest(3, 3).pvalue)
    others = table[(table["alpha"] == 1.5) & (table["subject"] == "others")].iloc[0]
    assert (others["n"], others["correct"], others["difference"]) == (20, 9, -0.05)


def test_chosen_is_by_validation_and_best_by_the_test_problems_that_choose(base):
    table = sweep_table(swept(), base, {(1, "sp"): 0.5}, [TARGET], TARGET)
    marks = table[table["subject"] == "geometry"].set_index("alpha")
    assert marks["chosen"].tolist() == [1, 0, 0]
    assert marks["best_on_test"].tolist() == [0, 1, 0]  # 1.0 and 1.5 tie: the smaller
    others = sweep_table(swept(), base, {(1, "sp"): 0.5}, ["algebra"], TARGET)
    assert set(others[others["best_on_test"] == 1]["alpha"]) == {0.5}


def test_pooled_rows_are_chosen_where_every_seed_chose_the_same():
    sweep = pd.concat([swept(1), swept(2, rights=(5, 6, 9))])
    base = pd.concat([answers(seed, "base", 0.0, 5) for seed in (1, 2)])
    for other, chosen in ((1.0, {1.0}), (1.5, set())):
        choices = {(1, "sp"): 1.0, (2, "sp"): other}
        table = sweep_table(sweep, base, choices, [TARGET], TARGET)
        pooled = table[table["seed"] == "pooled"]
        assert set(pooled[pooled["chosen"] == 1]["alpha"]) == chosen
        assert set(pooled[pooled["best_on_test"] == 1]["alpha"]) == {1.5}  # 17 of 20


def optimism(sweep, validation, test, chosen):
    return optimism_table(sweep, validation, test, chosen, [TARGET], draws=200, seed=1)


def test_optimism_is_the_best_on_test_less_the_one_that_validation_chose():
    test = swept()[swept()["alpha"] == 0.5]
    table = optimism(swept(), swept(rights=(9, 6, 6)), test, {(1, "sp"): 0.5})
    assert list(table.columns) == OPTIMISM_COLUMNS
    row = table.iloc[0]
    assert (row["n"], row["alpha_chosen"], row["alpha_best"]) == (10, 0.5, 1.0)
    assert (row["accuracy_chosen"], row["accuracy_best"]) == (0.5, 0.8)
    assert row["optimism"] == pytest.approx(0.3)
    assert 0 <= row["ci_low"] <= 0.3 <= row["ci_high"] <= 0.7
    assert (row["repeated"], row["answers_differ"]) == (30, 0)


def test_a_choice_that_both_make_is_not_optimistic():
    test = swept()[swept()["alpha"] == 1.0]
    row = optimism(swept(), swept(rights=(1, 9, 2)), test, {(1, "sp"): 1.0}).iloc[0]
    assert (row["alpha_chosen"], row["alpha_best"], row["optimism"]) == (1.0, 1.0, 0.0)


def test_repeated_answers_that_differ_in_words_are_counted_even_if_as_right():
    test = swept()[swept()["alpha"] == 0.5].copy()
    test.iloc[[3, 17], test.columns.get_loc("completion")] = "another way to say it"
    row = optimism(swept(), swept(), test, {(1, "sp"): 0.5}).iloc[0]
    assert (row["repeated"], row["answers_differ"]) == (30, 2)


def test_a_sweep_of_other_problems_than_the_test_is_refused():
    test = swept()[swept()["alpha"] == 0.5].iloc[1:]
    with pytest.raises(ValueError, match="number_theory n0 was answered once only"):
        optimism(swept(), swept(), test, {(1, "sp"): 0.5})
    with pytest.raises(ValueError, match="number_theory: not every alpha answered the same"):
        optimism(swept().iloc[1:], swept(), swept(), {(1, "sp"): 0.5})


def test_optimism_pooled_over_seeds_adds_up_what_each_seed_chose():
    sweep = pd.concat([swept(1), swept(2, rights=(7, 4, 5))])
    chosen = {(1, "sp"): 0.5, (2, "sp"): 1.5}
    test = pd.concat([sweep[(sweep["seed"] == s) & (sweep["alpha"] == a)]
                      for (s, _), a in chosen.items()])  # fmt: skip
    table = optimism(sweep, sweep, test, chosen).set_index("seed")
    assert table.index.tolist() == [1, 2, "pooled"]
    pooled = table.loc["pooled"]
    assert (pooled["n"], pooled["correct_chosen"], pooled["correct_best"]) == (20, 10, 15)
    assert pooled["optimism"] == pytest.approx(0.25)
    assert np.isnan(pooled["alpha_chosen"]) and pooled["repeated"] == 60


def test_the_noise_floor_counts_changed_words_and_changed_verdicts():
    first = answers(1, "sp", 1.0, 5)
    second = answers(1, "sp", 1.0, {TARGET: 6}).sample(frac=1, random_state=3)
    second.loc[second["doc_hash"] == "g7", "completion"] = "other words, as wrong"
    second.loc[second["doc_hash"] == "n5", "completion"] = "other words, now right"
    table = noise_table(pd.concat([first, answers(1, "full", 1.0, 9)]), second, batch_size=32)
    assert list(table.columns) == NOISE_COLUMNS
    row = table.iloc[0]
    assert row["seed":"correct_differ"].tolist() == [1, "sp", 32, 30, 2, 1]
    assert (row["accuracy_first"], row["accuracy_second"]) == (0.5, 16 / 30)
    assert row["difference"] == pytest.approx(1 / 30)


def test_a_study_that_reads_the_test_problems_once_has_tables_without_rows():
    nothing = read_answers([], SUBJECTS)
    assert list(nothing.columns) == COLUMNS
    assert sweep_table(nothing, nothing, {}, [TARGET], TARGET).shape == (0, len(SWEEP_COLUMNS))
    assert optimism(nothing, nothing, nothing, {}).shape == (0, len(OPTIMISM_COLUMNS))
    assert noise_table(nothing, nothing, 32).shape == (0, len(NOISE_COLUMNS))


def test_answers_are_read_from_the_folders_that_an_evaluation_names(tmp_path):
    root = tmp_path / "evaluations/test"
    for folder in ("sp/alpha-0.5", "sp/alpha-2.0"):  # the second is of another run
        (root / folder).mkdir(parents=True)
        sample = {"doc_id": 0, "doc_hash": "h", "level": 1, "math_verify": 1, "parsed": 1}
        sample |= {"n_tokens": 9, "truncated": 0, "completion": folder}
        (root / folder / f"samples_{TARGET}.jsonl").write_text(json.dumps(sample) + "\n")
    record = {"spec": "sp", "draw": None, "alpha": 0.5}
    listed = {"seed": 7, "written": {"sp/alpha-0.5": record}}
    (root / "sp.json").write_text(json.dumps(listed))
    table = read_answers([root / "sp.json"], [TARGET])
    assert table.to_dict("records") == [
        {"seed": 7, "edit": "sp", "alpha": 0.5, "subject": TARGET, "doc_hash": "h", "correct": 1}
        | {"parsed": 1, "truncated": 0, "n_tokens": 9, "completion": "sp/alpha-0.5"}
    ]
