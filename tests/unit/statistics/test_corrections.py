"""Promises of stethoscope.statistics.multiplicity, on answers of which every number is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from stethoscope.statistics.multiplicity import (
    FAMILY_COLUMNS,
    LOSS_COLUMNS,
    families_table,
    losses_table,
)
from stethoscope.statistics.resampling import sign_flips
from stethoscope.statistics.tests import newcombe_interval

TARGET = "number_theory"
SUBJECTS = (TARGET, "algebra", "geometry")


def samples_of(seed, edit, alpha, correct):
    """Rows of one evaluation, subject -> 0 and 1, in an order of the edit's own."""
    rows = [
        {"seed": seed, "edit": edit, "alpha": alpha, "subject": subject}
        | {"doc_hash": f"{subject[0]}{i:03}", "correct": int(right)}
        for subject, answers in correct.items()
        for i, right in enumerate(answers)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=len(edit))


def study(seeds=(1,), n=40, edits=("full", "sp", "same")):
    """Random answers; `full` is far better on the target, `same` answers as base does."""
    generator = np.random.default_rng(17)
    frames, answers = [], {}
    for seed in seeds:
        base = {subject: generator.integers(0, 2, n) for subject in SUBJECTS}
        answers[seed] = {"base": base}
        for edit in edits:
            flipped = {s: np.where(generator.random(n) < 0.3, 1 - base[s], base[s]) for s in base}
            if edit == "full":
                flipped[TARGET] = np.maximum(base[TARGET], generator.random(n) < 0.8)
            answers[seed][edit] = base if edit == "same" else flipped
        for edit, correct in answers[seed].items():
            frames.append(samples_of(seed, edit, 0.0 if edit == "base" else 0.5 + seed, correct))
    return pd.concat(frames), answers


def test_a_family_is_all_edits_of_a_seed_on_the_same_problems():
    samples, answers = study()
    table = families_table(samples, TARGET, flips=300, seed=5)
    assert list(table.columns) == FAMILY_COLUMNS
    assert table[["subject", "edit"]].drop_duplicates().shape == (6, 2)
    for subject, members in ((TARGET, [TARGET]), ("others", ["algebra", "geometry"])):
        gains = [
            np.concatenate([answers[1][edit][m] - answers[1]["base"][m] for m in members])
            for edit in ("full", "sp", "same")
        ]
        expected = sign_flips(np.stack(gains, axis=1), 300, 5)
        rows = table[table["subject"] == subject]
        assert rows["edit"].tolist() == ["full", "sp", "same"]
        assert rows["n"].tolist() == [40 * len(members)] * 3
        np.testing.assert_allclose(rows["difference"], [gain.mean() for gain in gains])
        np.testing.assert_array_equal(rows["p_signflip"], expected.p)
        np.testing.assert_array_equal(rows["p_max"], expected.p_max)
    assert table[(table["edit"] == "same")]["p_max"].tolist() == [1.0, 1.0]
    full = table[(table["edit"] == "full") & (table["subject"] == TARGET)].iloc[0]
    assert full["p_max"] <= 0.02 and full["difference"] > 0.2


def test_seeds_have_a_family_each_and_one_together():
    table = families_table(study(seeds=(1, 2))[0], TARGET, flips=50, seed=1)
    assert list(dict.fromkeys(table["seed"])) == ["1", "2", "pooled"]
    pooled = table[(table["seed"] == "pooled") & (table["subject"] == TARGET)]
    assert (pooled["n"] == 80).all() and pooled["alpha"].isna().all()


def test_losses_of_answers_counted_by_hand():
    # Of 40 problems 4 are gained and 10 lost; base has 20 right, the edit 14.
    base = np.repeat([1, 0], 20)
    edit = base.copy()
    edit[:10], edit[20:24] = 0, 1
    frames = [
        samples_of(1, name, alpha, {TARGET: part, "algebra": base})
        for name, alpha, part in (("base", 0.0, base), ("sp", 1.0, edit))
    ]
    table = losses_table(pd.concat(frames), TARGET, margin=0.05, draws=2000, seed=1)
    assert list(table.columns) == LOSS_COLUMNS
    row = table[table["subject"] == TARGET].iloc[0]
    assert (row["n"], row["difference"]) == (40, -0.15)
    assert (row["ci_low"], row["ci_high"]) == newcombe_interval(10, 4, 10, 16)
    assert row["verdict"] == "undecided"  # -.15 of 40 problems is neither
    assert row["p_mcnemar"] == pytest.approx(stats.binomtest(4, 14).pvalue)
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert row["mde"] == pytest.approx(z * (14 / 40) ** 0.5 / 40**0.5, abs=1e-12)
    se = np.std(edit - base) / 40**0.5
    assert row["boot_low"] == pytest.approx(-0.15 - 1.96 * se, abs=0.03)
    assert row["boot_high"] == pytest.approx(-0.15 + 1.96 * se, abs=0.03)
    same = table[table["subject"] == "algebra"].iloc[0]
    assert (same["difference"], same["boot_low"], same["boot_high"]) == (0, 0, 0)
    assert np.isnan(same["mde"])  # no answer differed: nothing to judge by how many could
    pooled = table[table["subject"] == "all"].iloc[0]
    assert (pooled["n"], pooled["difference"]) == (80, -0.075)


def test_benjamini_and_hochberg_take_the_subjects_of_one_edit_and_not_their_sums():
    table = losses_table(study()[0], TARGET, margin=0.05, draws=20, seed=1)
    for _, rows in table.groupby("edit"):
        single = rows[rows["subject"].isin(SUBJECTS)]
        expected = multipletests(single["p_mcnemar"], method="fdr_bh")[1]
        np.testing.assert_allclose(single["p_bh"], expected, rtol=1e-10)
        assert rows[rows["subject"].isin(["all", "others"])]["p_bh"].isna().all()


def test_a_bootstrap_of_all_subjects_is_stratified():
    # The edit gains on each problem of one subject and on none of the other: only the sizes of
    # the subjects could vary, and they do not.
    frames = [
        samples_of(1, name, alpha, {TARGET: np.full(30, gain), "algebra": np.zeros(10)})
        for name, alpha, gain in (("base", 0.0, 0), ("sp", 1.0, 1))
    ]
    table = losses_table(pd.concat(frames), TARGET, margin=0.05, draws=100, seed=1)
    both = table[table["subject"] == "all"].iloc[0]
    assert (both["boot_low"], both["boot_high"]) == (0.75, 0.75)


def test_a_study_of_the_base_alone_has_tables_without_rows():
    samples, _ = study(edits=())
    assert families_table(samples, TARGET, 10, 1).shape == (0, len(FAMILY_COLUMNS))
    assert losses_table(samples, TARGET, 0.05, 10, 1).shape == (0, len(LOSS_COLUMNS))
