"""The same edits under several protocols: are answers better, or do they only end in time?

An answer that hits the limit on generated tokens is cut before its conclusion and rarely right. An
edit that shortens answers then gains without knowing more; under a protocol that lets answers end,
it does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from stethoscope.names import ALL, BASE

COLUMNS = [
    "protocol", "seed", "edit", "alpha", "subject", "n", "correct", "accuracy", "gain", "gained",
    "gained_cut", "lost", "truncated", "unparsed", "n_tokens",
]  # fmt: skip
MAIN = "main"


def protocols_table(answers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How edits do under each protocol; one row a protocol, seed, edit and subject, and `all`.

    answers: by protocol, frames as `answers.read_answers` gives them, each with the base. gain:
    accuracy over that of the base, as a fraction. gained and lost: problems that the edit answers
    right and the base wrong, and the other way round; gained_cut: of those gained, the ones where
    the base's answer was cut at the limit. truncated, unparsed: shares of the edit's answers;
    n_tokens: their mean length.

    Raises ValueError where an edit did not answer the problems of base.
    """
    rows = []
    for protocol, frame in answers.items():
        whole = pd.concat([frame, frame.assign(subject=ALL)])
        for (seed, subject), part in whole.groupby(["seed", "subject"], sort=False):
            base = part[part["edit"] == BASE].set_index("doc_hash")
            for (edit, alpha), mine in part.groupby(["edit", "alpha"], sort=False):
                mine = mine.set_index("doc_hash")
                if sorted(mine.index) != sorted(base.index):
                    raise ValueError(f"{protocol}: {edit} and base answered other problems")
                then = base.loc[mine.index]
                gained = (mine["correct"] > then["correct"]) * 1
                row = {"n": len(mine), "correct": mine["correct"].sum()}
                row["accuracy"] = row["correct"] / row["n"]
                row["gain"] = (row["correct"] - then["correct"].sum()) / row["n"]
                row["gained"] = gained.sum()
                row["gained_cut"] = (gained * then["truncated"]).sum()
                row["lost"] = (mine["correct"] < then["correct"]).sum()
                row["truncated"] = mine["truncated"].mean()
                row["unparsed"] = 1 - mine["parsed"].mean()
                row["n_tokens"] = mine["n_tokens"].mean()
                about = {"protocol": protocol, "seed": seed, "edit": edit, "alpha": alpha}
                rows.append(about | {"subject": subject} | row)
    return pd.DataFrame(rows, columns=COLUMNS)
