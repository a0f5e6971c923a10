"""The same edits under several protocols: are answers better, or only shorter?

An answer that hits the limit on generated tokens is cut before its conclusion and rarely right. An
edit that shortens answers then gains without knowing more; under a protocol with a higher limit it
does not.
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
    """Accuracies and gains by protocol; one row a protocol, seed, edit and subject, and `all`.

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
            for (edit, alpha), after in part.groupby(["edit", "alpha"], sort=False):
                after = after.set_index("doc_hash")
                if sorted(after.index) != sorted(base.index):
                    raise ValueError(f"{protocol}: {edit} and base answered other problems")
                before = base.loc[after.index]
                gained = (after["correct"] > before["correct"]) * 1
                row = {"n": len(after), "correct": after["correct"].sum()}
                row["accuracy"] = row["correct"] / row["n"]
                row["gain"] = (row["correct"] - before["correct"].sum()) / row["n"]
                row["gained"] = gained.sum()
                row["gained_cut"] = (gained * before["truncated"]).sum()
                row["lost"] = (after["correct"] < before["correct"]).sum()
                row["truncated"] = after["truncated"].mean()
                row["unparsed"] = 1 - after["parsed"].mean()
                row["n_tokens"] = after["n_tokens"].mean()
                run = {"protocol": protocol, "seed": seed, "edit": edit, "alpha": alpha}
                rows.append(run | {"subject": subject} | row)
    return pd.DataFrame(rows, columns=COLUMNS)
