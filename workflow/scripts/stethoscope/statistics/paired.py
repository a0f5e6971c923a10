"""Tables that compare all edits of a study on the same problems (paper, section 4 and Table 1).

Per-problem answers in, tidy tables out; the tests behind them are in `statistics`.
"""

from collections.abc import Mapping, Sequence
from math import nan, sqrt

import numpy as np
import pandas as pd

from stethoscope.names import ALL, OTHERS, POOLED
from stethoscope.statistics.tests import holm, paired_difference

Comparison = tuple[str, str, float, str]  # seed, edit, alpha, reference


def accuracy(samples: pd.DataFrame, target: str | None = None) -> pd.DataFrame:
    """Accuracy of every edit on every subject, with what the completions looked like.

    samples: one row a problem, columns seed edit alpha subject doc_hash correct truncated parsed
    n_tokens. Returns `seed edit alpha subject n correct accuracy se truncated unparsed
    mean_tokens`: accuracy and se (lm-eval's, sqrt(p (1 - p) / (n - 1)), empty for n = 1) are
    fractions; truncated (hit the token limit) and unparsed (no answer found) count problems.

    Subjects are followed by `all`, and by `others` (all but the target) where target is given.
    Seeds, edits and subjects stay in order of appearance; alphas ascend.
    """
    frame = _samples(samples, ["truncated", "parsed", "n_tokens"])
    members_of = rows_of(dict.fromkeys(frame["subject"]), target)
    by_key = dict(iter(frame.groupby(["seed", "edit", "alpha"], sort=False)))
    rows = []
    for key in _ordered(by_key, frame):
        run = by_key[key]
        _no_duplicates(run, key)
        for name, members in members_of.items():
            part = run[run["subject"].isin(members)]
            n, correct = len(part), int(part["correct"].sum())
            if n == 0:
                continue
            p = correct / n
            se = sqrt(p * (1 - p) / (n - 1)) if n > 1 else nan
            truncated = int(part["truncated"].astype(bool).sum())
            unparsed = n - int(part["parsed"].astype(bool).sum())
            mean_tokens = float(part["n_tokens"].mean())
            rows.append((*key, name, n, correct, p, se, truncated, unparsed, mean_tokens))
    return _table(rows, _ACCURACY_COLUMNS)


def comparisons(
    samples: pd.DataFrame,
    references: Sequence[tuple[str, float | None]] = (("base", None),),
    target: str | None = None,
) -> pd.DataFrame:
    """Every edit against each reference on the same problems, by subject and seed.

    samples: one row a problem, columns seed edit alpha subject doc_hash correct (0 or 1).
    references: (edit, alpha) pairs, one for each reference edit; alpha None means the only alpha
    that the edit has in that seed (it may differ between seeds).
    target: the edited subject; gives the `others` rows.

    Returns `seed edit alpha reference subject n correct_reference correct_edit b c z p_z
    p_mcnemar p_holm ci_low ci_high` (see `PairedDifference`). After the subjects come `all` and
    `others`, which pool problems. p_holm is Holm's correction of p_mcnemar over the subjects
    within (seed, edit, alpha, reference), and empty for `all` and `others`.

    With two or more seeds, rows with seed = "pooled" follow. Their items are problems x seeds.
    This treats the seeds as fixed: it speaks of these base models, not of the next seed, and
    takes answers of different seeds to one problem as independent. An edit with one alpha in
    each seed is pooled over these, with alpha empty if they differ; one with several is pooled
    for each alpha that all seeds have; one that some seed lacks is not pooled.

    Raises ValueError, in one line that names edit, subject and the first differing hash, when
    an edit and its reference did not answer exactly the same problems, or one problem twice.
    """
    rows = []
    for key, by_subject in paired_answers(samples, references).items():
        subjects = list(by_subject)
        paired = {
            name: paired_difference(*joined(by_subject, members))
            for name, members in rows_of(subjects, target).items()
        }
        adjusted = dict(zip(subjects, holm([paired[s].p_mcnemar for s in subjects]), strict=True))
        run = dict(zip(("seed", "edit", "alpha", "reference"), key, strict=True))
        for name, difference in paired.items():
            corrected = {"p_holm": adjusted.get(name, nan)}
            rows.append(run | {"subject": name} | vars(difference) | corrected)
    return _table(rows, _COMPARISON_COLUMNS)


def paired_answers(
    samples: pd.DataFrame, references: Sequence[tuple[str, float | None]] = (("base", None),)
) -> dict[Comparison, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Answers of every edit beside those of each reference, by subject; see `comparisons`.

    Gives (seed, edit, alpha, reference) -> subject -> (answers of the reference, of the edit),
    with the problems of a subject in the same order for all edits and references of a seed.
    """
    names = [name for name, _ in references]
    if len(set(names)) != len(names):
        raise ValueError(f"references: an edit is named twice ({', '.join(names)})")
    frame = _samples(samples, [])
    subjects = list(dict.fromkeys(frame["subject"]))
    runs = {}
    for key, run in frame.groupby(["seed", "edit", "alpha"], sort=False):
        _no_duplicates(run, key)
        runs[key] = {
            subject: part.set_index("doc_hash")["correct"].sort_index()
            for subject, part in run.groupby("subject", sort=False)
        }

    pairs = {}
    for name, wanted in references:
        for seed in dict.fromkeys(frame["seed"]):
            reference = (seed, name, _reference_alpha(runs, seed, name, wanted))
            for key in _ordered(runs, frame):
                if key[0] == seed and key != reference:
                    pairs[*key, name] = {
                        subject: _aligned(runs, reference, key, subject) for subject in subjects
                    }
    return pairs | _pooled_over_seeds(pairs)


def joined(
    answers: Mapping[str, tuple[np.ndarray, np.ndarray]], subjects: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Answers of the reference and of the edit on the problems of some subjects."""
    before, after = (np.concatenate([answers[name][side] for name in subjects]) for side in (0, 1))
    return before, after


def rows_of(subjects: Sequence[str], target: str | None) -> dict[str, list[str]]:
    """Name of each row of a table -> the subjects whose problems it pools.

    The subjects themselves, `all` and, where there is a target, `others`: all but the target.
    """
    subjects = list(subjects)
    if target is not None and target not in subjects:
        raise ValueError(f"samples: no problems of target {target!r} ({', '.join(subjects)})")
    rows = {subject: [subject] for subject in subjects} | {ALL: subjects}
    others = [subject for subject in subjects if subject != target]
    if target is not None and others:
        rows[OTHERS] = others
    return rows


_ACCURACY_COLUMNS = {
    "seed": "str", "edit": "str", "alpha": "float64", "subject": "str", "n": "int64",
    "correct": "int64", "accuracy": "float64", "se": "float64", "truncated": "int64",
    "unparsed": "int64", "mean_tokens": "float64",
}  # fmt: skip
_COMPARISON_COLUMNS = {
    "seed": "str", "edit": "str", "alpha": "float64", "reference": "str", "subject": "str",
    "n": "int64", "correct_reference": "int64", "correct_edit": "int64", "b": "int64",
    "c": "int64", "z": "float64", "p_z": "float64", "p_mcnemar": "float64", "p_holm": "float64",
    "ci_low": "float64", "ci_high": "float64",
}  # fmt: skip


def _table(rows: list, columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _require(frame: pd.DataFrame, what: str, columns: list[str]) -> None:
    for column in columns:
        if column not in frame.columns:
            raise ValueError(f"{what}: no column {column!r} (found: {', '.join(frame.columns)})")


def _samples(samples: pd.DataFrame, extra: list[str]) -> pd.DataFrame:
    """The needed columns of samples with fixed types, after checking their values."""
    columns = ["seed", "edit", "alpha", "subject", "doc_hash", "correct", *extra]
    _require(samples, "samples", columns)
    if samples.empty:
        raise ValueError("samples: no rows to compare")
    for column in columns:
        if samples[column].isna().any():
            raise ValueError(f"samples: column {column!r} has empty cells")
    if not samples["correct"].isin([0, 1]).all():
        raise ValueError("samples: column 'correct' must hold 0 or 1")
    types = {name: "str" for name in ("seed", "edit", "subject", "doc_hash")}
    return samples[columns].astype(types | {"alpha": "float64", "correct": "int8"})


def _ordered(keys: Mapping[tuple, object], frame: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Keys (seed, edit, alpha): seeds and edits in order of appearance, alphas ascending."""
    seeds, edits = list(dict.fromkeys(frame["seed"])), list(dict.fromkeys(frame["edit"]))
    return sorted(keys, key=lambda key: (seeds.index(key[0]), edits.index(key[1]), key[2]))


def _no_duplicates(run: pd.DataFrame, key: tuple[str, str, float]) -> None:
    twice = run[run.duplicated(["subject", "doc_hash"])]
    if not twice.empty:
        first = twice.sort_values(["subject", "doc_hash"]).iloc[0]
        raise ValueError(
            f"{_run(key)}: {first['subject']}: problem {first['doc_hash']} occurs more than once"
        )


def _run(key: tuple[str, str, float]) -> str:
    seed, edit, alpha = key
    return f"edit {edit} (seed {seed}, alpha {alpha})"


def _reference_alpha(runs: Mapping, seed: str, name: str, wanted: float | None) -> float:
    alphas = sorted(alpha for s, edit, alpha in runs if (s, edit) == (seed, name))
    if wanted is None and len(alphas) == 1:
        return alphas[0]
    if wanted is not None and float(wanted) in alphas:
        return float(wanted)
    needed = "exactly one alpha" if wanted is None else f"alpha {float(wanted)}"
    raise ValueError(
        f"reference {name}: seed {seed} needs {needed} of it "
        f"(found {', '.join(map(str, alphas)) or 'none'})"
    )


def _aligned(
    runs: Mapping, reference: tuple, edit: tuple, subject: str
) -> tuple[np.ndarray, np.ndarray]:
    """Answers of reference and edit to one subject, in the same order of problems."""
    nothing = pd.Series(dtype="int8", index=pd.Index([], dtype="str"))
    before = runs[reference].get(subject, nothing)
    after = runs[edit].get(subject, nothing)
    differing = sorted(set(before.index) ^ set(after.index))
    if differing:
        has, lacks = (reference, edit) if differing[0] in before.index else (edit, reference)
        raise ValueError(
            f"{_run(edit)}: {subject}: not the problems of reference {reference[1]}: "
            f"{differing[0]} is in {has[1]}, not in {lacks[1]} ({len(differing)} differ)"
        )
    return before.to_numpy(), after.to_numpy()


def _pooled_over_seeds(pairs: Mapping) -> dict:
    """Rows over all seeds of `comparisons`, see there; none with fewer than two seeds."""
    seeds = list(dict.fromkeys(key[0] for key in pairs))
    if len(seeds) < 2:
        return {}
    alphas: dict[tuple[str, str], dict[str, list[float]]] = {}
    for seed, edit, alpha, reference in pairs:
        alphas.setdefault((edit, reference), {}).setdefault(seed, []).append(alpha)

    pooled = {}
    for (edit, reference), by_seed in alphas.items():
        if len(by_seed) < len(seeds):
            continue
        if all(len(tried) == 1 for tried in by_seed.values()):
            chosen = {seed: tried[0] for seed, tried in by_seed.items()}
            same = len(set(chosen.values())) == 1
            groups = [(chosen[seeds[0]] if same else nan, chosen)]
        else:
            shared = sorted(set.intersection(*map(set, by_seed.values())))
            groups = [(alpha, dict.fromkeys(seeds, alpha)) for alpha in shared]
        for alpha, chosen in groups:
            parts = [pairs[seed, edit, chosen[seed], reference] for seed in seeds]
            pooled[POOLED, edit, alpha, reference] = {
                subject: tuple(
                    np.concatenate([part[subject][side] for part in parts]) for side in (0, 1)
                )
                for subject in parts[0]
            }
    return pooled
