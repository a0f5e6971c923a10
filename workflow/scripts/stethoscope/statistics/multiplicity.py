"""Gains corrected for many edits, and losses that an interval excludes.

The paper picks its edit among many and tests it as if it were the only one; and it calls a
subject that did not lose significantly "not degraded" (section 4, Table 1). Here every edit's
gain is corrected for all evaluated edits, and only an interval excludes a loss. Per-problem
answers in, tidy tables out; the arithmetic is in `resampling` and `tests`.
"""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np
import pandas as pd

from stethoscope.names import OTHERS
from stethoscope.statistics.paired import Comparison, joined, paired_answers, rows_of
from stethoscope.statistics.resampling import bootstrap, percentile_interval, sign_flips
from stethoscope.statistics.tests import (
    benjamini_hochberg,
    minimum_detectable_effect,
    non_inferiority,
    paired_difference,
)

FAMILY_COLUMNS = ["seed", "subject", "edit", "alpha", "n", "difference", "t", "p_signflip", "p_max"]
LOSS_COLUMNS = [
    "seed", "edit", "alpha", "subject", "n", "difference", "ci_low", "ci_high", "boot_low",
    "boot_high", "margin", "verdict", "mde", "p_mcnemar", "p_bh",
]  # fmt: skip

Answers = Mapping[str, tuple[np.ndarray, np.ndarray]]  # subject -> answers of base, of the edit


def families_table(samples: pd.DataFrame, target: str, flips: int, seed: int) -> pd.DataFrame:
    """Every edit against base on the target and on the others, corrected for all of them.

    samples: as for `comparisons`, one alpha an edit. Returns `seed subject edit alpha n difference
    t p_signflip p_max`, see `sign_flips`; a family is all edits of one seed (and, with several
    seeds, of all of them together: seed "pooled") on one subject. flips, seed: of the test.
    """
    rows = []
    for study_seed, family in _families(samples).items():
        subjects = next(iter(family.values()))
        for name in (target, OTHERS):
            members = rows_of(subjects, target).get(name)
            if members is None:
                continue
            gains = np.stack([_gain(answers, members) for answers in family.values()], axis=1)
            flipped = sign_flips(gains, flips, seed)
            for (_, edit, alpha, _), gain, *tests in zip(
                family, gains.T, flipped.t, flipped.p, flipped.p_max, strict=True
            ):
                rows.append((study_seed, name, edit, alpha, len(gain), gain.mean(), *tests))
    return pd.DataFrame(rows, columns=FAMILY_COLUMNS)


def losses_table(
    samples: pd.DataFrame, target: str, margin: float, draws: int, seed: int
) -> pd.DataFrame:
    """Possible loss of every edit against base, on each subject, on all and on the others.

    samples: as for `comparisons`. margin: a smaller loss counts as none, as a fraction. draws,
    seed: of the bootstrap. Returns `seed edit alpha subject n difference ci_low ci_high boot_low
    boot_high margin verdict mde p_mcnemar p_bh`:
    ci_low, ci_high: Newcombe's 95 % interval, and verdict its reading (`non_inferiority`);
    boot_low, boot_high: paired bootstrap, resampled within each subject, the same resamples for
    every edit; mde: the difference detected with power .8 if as many answers
    differ as here (empty where none does); p_bh: Benjamini and Hochberg over the subjects of an
    edit, empty for `all` and `others`.
    """
    rows = []
    for family in _families(samples).values():
        subjects = list(next(iter(family.values())))
        gains = {
            subject: np.stack([_gain(by, [subject]) for by in family.values()], axis=1)
            for subject in subjects
        }
        sums = bootstrap(gains, draws, seed)
        bounds = {}
        for name, members in rows_of(subjects, target).items():
            n = sum(len(gains[member]) for member in members)
            bounds[name] = percentile_interval(sum(sums[member] for member in members) / n)
        for column, ((study_seed, edit, alpha, _), answers) in enumerate(family.items()):
            paired = {
                name: paired_difference(*joined(answers, members))
                for name, members in rows_of(subjects, target).items()
            }
            adjusted = benjamini_hochberg([paired[subject].p_mcnemar for subject in subjects])
            p_bh = dict(zip(subjects, adjusted, strict=True))
            for name, d in paired.items():
                verdict = non_inferiority(d.ci_low, d.ci_high, margin)
                differing = (d.b + d.c) / d.n
                mde = minimum_detectable_effect(d.n, differing) if differing else nan
                low, high = (bound[column] for bound in bounds[name])
                rows.append(
                    (study_seed, edit, alpha, name, d.n, d.difference, d.ci_low, d.ci_high)
                    + (low, high, margin, verdict, mde, d.p_mcnemar, p_bh.get(name, nan))
                )
    return pd.DataFrame(rows, columns=LOSS_COLUMNS)


def _families(samples: pd.DataFrame) -> dict[str, dict[Comparison, Answers]]:
    """The edits of each seed (and pooled) with their answers beside those of base."""
    families: dict[str, dict[Comparison, Answers]] = {}
    for key, answers in paired_answers(samples).items():
        families.setdefault(key[0], {})[key] = answers
    return families


def _gain(answers: Answers, members: Sequence[str]) -> np.ndarray:
    """Edit minus base on each problem of some subjects: -1, 0 or 1."""
    before, after = joined(answers, members)
    return after - before
