"""Test problems answered more than once: at every alpha, and with another batch size.

The paper sweeps alpha on the test problems and reports the best (section 5.2, Table 4), and states
that a repeated run gives the same accuracies (section 6.2). `sweep_table` is that sweep,
`optimism_table` compares a choice on it with a choice on validation problems, and `noise_table`
counts the answers that change with the batch size alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stethoscope.evaluation.alpha_choice import best_alpha, choose_alpha
from stethoscope.names import POOLED
from stethoscope.statistics.paired import comparisons
from stethoscope.statistics.resampling import optimism_of_choice, percentile_interval

SWEEP_COLUMNS = [
    "seed", "edit", "alpha", "subject", "n", "correct_base", "correct", "accuracy", "difference",
    "b", "c", "z", "p_z", "p_mcnemar", "p_holm", "ci_low", "ci_high", "chosen", "best_on_test",
]  # fmt: skip
OPTIMISM_COLUMNS = [
    "seed", "edit", "n", "alpha_chosen", "correct_chosen", "accuracy_chosen", "alpha_best",
    "correct_best", "accuracy_best", "optimism", "ci_low", "ci_high", "repeated", "answers_differ",
]  # fmt: skip
NOISE_COLUMNS = [
    "seed", "edit", "batch_size", "n", "answers_differ", "correct_differ", "accuracy_first",
    "accuracy_second", "difference",
]  # fmt: skip

Chosen = Mapping[tuple[int, str], float]  # (seed, edit) -> alpha chosen on validation problems


def sweep_table(
    sweep: pd.DataFrame, base: pd.DataFrame, chosen: Chosen, choose_on: Sequence[str], target: str
) -> pd.DataFrame:
    """Every alpha of the swept edits against base on the same test problems.

    sweep, base: answers as `comparisons` takes them. choose_on: the subjects that choose alpha.
    Returns `SWEEP_COLUMNS`; the tests are those of `comparisons`. chosen: 1 at the alpha chosen
    on validation problems; best_on_test: 1 at the one that the test problems would choose, ties
    to the smaller. In pooled rows: the alpha that every seed chose, and the best of all seeds.
    """
    if sweep.empty:
        return pd.DataFrame(columns=SWEEP_COLUMNS)
    table = comparisons(pd.concat([base, sweep]), target=target)
    table = table.rename(columns={"correct_reference": "correct_base", "correct_edit": "correct"})
    table["accuracy"] = table["correct"] / table["n"]
    table["difference"] = (table["correct"] - table["correct_base"]) / table["n"]
    best = {
        key: choose_alpha(part[["alpha", "n", "correct"]].itertuples(index=False))
        for key, part in table[table["subject"].isin(choose_on)].groupby(["seed", "edit"])
    }
    by_validation = {(str(seed), edit): alpha for (seed, edit), alpha in chosen.items()}
    for edit in dict.fromkeys(sweep["edit"]):
        alphas = {alpha for (_, name), alpha in chosen.items() if name == edit}
        if len(alphas) == 1:
            by_validation[POOLED, edit] = alphas.pop()
    keys = list(zip(table["seed"], table["edit"], strict=True))
    for column, alphas in (("chosen", by_validation), ("best_on_test", best)):
        wanted = np.array([alphas.get(key, np.nan) for key in keys])
        table[column] = (table["alpha"] == wanted).astype(int)
    return table[SWEEP_COLUMNS]


def optimism_table(
    sweep: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    chosen: Chosen,
    choose_on: Sequence[str],
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Apparent gain from choosing alpha on the test problems, as the paper does.

    sweep, validation: answers of the swept edits at every alpha. test: their answers at the
    chosen alpha, from the study's main evaluation. draws, seed: of the bootstrap.

    Returns `OPTIMISM_COLUMNS`, accuracies being those on the test problems of choose_on:
    _chosen: at the alpha chosen on validation; _best: at the one that these very problems choose;
    optimism: their difference, with a 95 % interval that makes both choices again in every
    resample (`optimism_of_choice`). repeated: test answers at the chosen alpha that the sweep
    gave a second time (all subjects); answers_differ: number of completions that differ.

    With two or more seeds, rows with seed "pooled" follow: each seed makes its own choice, and
    alpha is empty where they differ.
    """
    rows, drawn = [], {}
    for (study_seed, edit), alpha in chosen.items():
        mine = {"seed": study_seed, "edit": edit}
        swept, tried = _only(sweep, **mine), _only(validation, **mine)
        by_test, by_validation = (_by_alpha(part, choose_on) for part in (swept, tried))
        alphas = sorted(set(swept["alpha"]))
        correct = sum(part.sum(axis=0) for part in by_test.values())
        best = int(best_alpha(correct))
        n = sum(len(part) for part in by_test.values())
        again = _matched(_only(test, **mine, alpha=alpha), _only(swept, alpha=alpha))
        differ = int((again["completion_x"] != again["completion_y"]).sum())
        at_chosen, at_best = int(correct[alphas.index(alpha)]), int(correct[best])
        rows.append(
            (study_seed, edit, n, alpha, at_chosen, alphas[best], at_best, len(again), differ)
        )
        # Problems of different seeds are drawn apart, as `comparisons` takes them as different.
        own = seed + list(dict.fromkeys(sweep["seed"])).index(study_seed)
        drawn[study_seed, edit] = optimism_of_choice(by_validation, by_test, draws, own)
    counts = pd.DataFrame(
        rows,
        columns=["seed", "edit", "n", "alpha_chosen", "correct_chosen", "alpha_best"]
        + ["correct_best", "repeated", "answers_differ"],
    )
    counts = _with_pooled(counts)
    for edit in counts.loc[counts["seed"] == POOLED, "edit"]:
        drawn[POOLED, edit] = np.mean([d for (_, name), d in drawn.items() if name == edit], 0)
    for which in ("chosen", "best"):
        counts[f"accuracy_{which}"] = counts[f"correct_{which}"] / counts["n"]
    counts["optimism"] = (counts["correct_best"] - counts["correct_chosen"]) / counts["n"]
    keys = zip(counts["seed"], counts["edit"], strict=True)
    bounds = [percentile_interval(drawn[key]) for key in keys]
    counts["ci_low"] = [float(low) for low, _ in bounds]
    counts["ci_high"] = [float(high) for _, high in bounds]
    return counts[OPTIMISM_COLUMNS]


def _with_pooled(counts: pd.DataFrame) -> pd.DataFrame:
    """Counts of each seed, and with two or more seeds their sums."""
    if counts["seed"].nunique() < 2:
        return counts
    pooled = counts.groupby("edit", sort=False).agg(
        {name: "sum" for name in ("n", "correct_chosen", "correct_best", "repeated")}
        | {"answers_differ": "sum", "alpha_chosen": _the_one, "alpha_best": _the_one}
    )
    return pd.concat([counts, pooled.reset_index().assign(seed=POOLED)], ignore_index=True)


def noise_table(first: pd.DataFrame, second: pd.DataFrame, batch_size: int) -> pd.DataFrame:
    """Two runs of the same edits on the same problems that differ in batch size alone.

    first: with the study's batch size. second: with batch_size. Returns `NOISE_COLUMNS`, all
    subjects together: numbers of answers that differ in their text and in being right, and both
    accuracies.
    """
    rows = []
    for seed, edit in dict.fromkeys(zip(second["seed"], second["edit"], strict=True)):
        both = _matched(*(_only(frame, seed=seed, edit=edit) for frame in (first, second)))
        n, one, two = len(both), both["correct_x"], both["correct_y"]
        answers = int((both["completion_x"] != both["completion_y"]).sum())
        rows.append(
            (seed, edit, batch_size, n, answers, int((one != two).sum()))
            + (one.sum() / n, two.sum() / n, (int(two.sum()) - int(one.sum())) / n)
        )
    return pd.DataFrame(rows, columns=NOISE_COLUMNS)


def _only(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows whose columns have these values."""
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def _by_alpha(answers: pd.DataFrame, subjects: Sequence[str]) -> dict[str, np.ndarray]:
    """Subject -> (problems, alphas) of 0 or 1, the alphas ascending."""
    parts = {}
    for subject in subjects:
        mine = answers[answers["subject"] == subject]
        wide = mine.pivot(index="doc_hash", columns="alpha", values="correct")
        if wide.empty or wide.isna().any(axis=None):
            raise ValueError(f"{subject}: not every alpha answered the same problems")
        parts[subject] = wide.to_numpy()
    return parts


def _matched(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Two runs of one edit side by side (columns _x and _y), problem by problem."""
    keys = ["subject", "doc_hash"]
    both = first.merge(second, on=keys, how="outer", validate="one_to_one", indicator="found_in")
    lone = both[both["found_in"] != "both"]
    if not lone.empty or both.empty:
        name = f"{lone.iloc[0]['subject']} {lone.iloc[0]['doc_hash']}" if len(lone) else "none"
        raise ValueError(f"repeated run: not the same problems ({name} was answered once only)")
    return both


def _the_one(values: pd.Series) -> float:
    """The value that all share, empty if they differ."""
    return float(values.iloc[0]) if values.nunique() == 1 else np.nan
