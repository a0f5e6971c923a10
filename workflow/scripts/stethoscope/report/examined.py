"""The report's section "SP examined": its tables, its questions, and the rules of its answers.

The numbers are of `stability`; as everywhere in the report, each one is a cell and a rule, not a
hand, picks the sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import correlation

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import (
    FIXED1,
    FIXED2,
    FIXED3,
    INTEGER,
    LAYERS,
    PERCENT,
    PVALUE,
    Cell,
    Format,
)
from stethoscope.report.facts import SIGNIFICANT, Report
from stethoscope.report.layout import Row, Table, Td
from stethoscope.report.verdicts import ABOVE, BELOW, NONE, Finding

# A set of layers is called stable or unstable by its mean Jaccard over bootstraps.
STABLE, UNSTABLE = 0.8, 0.5
# Plain over honest SP up to this factor counts as kept.
KEPT = 1.25

MEASURES = {
    "spearman_depth": ("rank correlation of SP with depth", FIXED2),
    "spearman_mean_active": ("rank correlation of SP with the mean active value", FIXED2),
    "spearman_halves": ("rank correlation between halves of the problems", FIXED2),
    "jaccard_bootstrap": ("Jaccard of the selected set over bootstraps", FIXED2),
    "jaccard_chance": ("the same of random sets of that size", FIXED2),
    "same_set_bootstrap": ("bootstraps with the very same set, %", PERCENT),
    "familywise_95": ("95 % quantile of the null’s largest layer", FIXED2),
    "cutoff": ("lowest score that is selected", FIXED2),
    "cutoff_reached_by_null": ("null draws with a layer that reaches it, %", PERCENT),
    "cutoff_layers_in_null": ("layers that reach it in a null draw, mean", FIXED2),
    "published": ("threshold asked about", FIXED2),
    "published_reached_by_null": ("null draws with a layer that reaches it, %", PERCENT),
    "published_layers_in_null": ("layers that reach it in a null draw, mean", FIXED2),
    "published_layers": ("layers that reach it with the true labels", INTEGER),
}


# --- tables --------------------------------------------------------------------------------


def stability_table(report: Report) -> Table:
    """SP of the target layer by layer: honest, resampled, and against its null."""
    table = report.source("sp_stability")
    seed = (Td("seed", rows=2),) if len(report.seeds) > 1 else ()
    head = (
        Row(
            (*seed, Td("SAE", "left", rows=2), Td("layer", rows=2), Td("SP", "group", 6))
            + (Td("on half of the problems", "group", 2), Td("smoothed", "group", 3))
            + (Td("selected, %", rows=2),)
        ),
        Row(
            (Td("SP"), Td("bootstrap, 95 %"), Td("null median"), Td("null 95 %"))
            + (Td("p"), Td("p familywise"), Td("plain"), Td("honest"))
            + (Td("SP"), Td("null 95 %"), Td("p"))
        ),
    )
    columns = (
        ("sp", FIXED2), ("sp_low sp_high", FIXED2), ("sp_null_median", FIXED2),
        ("sp_null_95", FIXED2), ("sp_p", PVALUE), ("sp_p_familywise", PVALUE),
        ("sp_half", FIXED2), ("sp_cross_fitted", FIXED2), ("sp_smooth", FIXED2),
        ("sp_smooth_null_95", FIXED2), ("sp_smooth_p", PVALUE), ("frequency", PERCENT),
    )  # fmt: skip
    body = []
    for sae in table.values("sae"):
        for index, seed in enumerate(report.seeds):
            for order, row in enumerate(table.find(seed=seed, sae=sae, subject=report.target)):
                cells = [Td(_seed(report, index))] if len(report.seeds) > 1 else []
                cells += [Td(Markup('<span class="name">{}</span>').format(sae), "left")]
                cells += [Td(report.cells.number(table, row, "layer", INTEGER))]
                for names, form in columns:
                    found = [report.cells.number(table, row, name, form) for name in names.split()]
                    cells.append(Td(found[0] if len(found) == 1 else _interval(*found)))
                css = "chosen-row" if table.rows[row]["selected"] == "1" else ""
                body.append(Row(tuple(cells), css + (" rule" if body and not order else "")))
    return Table(head, tuple(body))


def measures_table(report: Report) -> Table:
    """What is one number for all layers, a column for each SAE and seed."""
    table = report.source("sp_measures")
    views = [(sae, i) for sae in table.values("sae") for i in range(len(report.seeds))]
    heads = []
    for sae, index in views:
        name = Markup('<span class="name">{}</span>').format(sae)
        heads.append((name, ", seed ", _seed(report, index)) if len(report.seeds) > 1 else (name,))
    head = (Row((Td("", "left"), *(Td(parts) for parts in heads))),)
    body = []
    for measure, (label, form) in MEASURES.items():
        if not table.find(measure=measure):
            continue
        cells = [Td(label, "left")]
        for sae, index in views:
            found = _measure(report, report.seeds[index], sae, measure, form)
            value, low, high = (found[key] for key in ("value", "low", "high"))
            interval = () if low.value is None else (" ", *_interval(low, high))
            p = () if found["p"].value is None else (", p = ", found["p"])
            cells.append(Td((value, *interval, *p)))
        body.append(Row(tuple(cells)))
    return Table(head, tuple(body))


def sensitivity_table(report: Report) -> Table:
    """SP of each SAE recomputed with other epsilons, units and denominators."""
    table = report.source("sp_sensitivity")
    several = len(report.seeds) > 1
    head = (
        Row(
            ((Td("seed"),) if several else ())
            + (Td("SAE", "left"), Td("unit", "left"), Td("ε"), Td("denominator", "left"))
            + (Td("lowest SP"), Td("highest SP"), Td("rank correlation"), Td("Jaccard"))
            + (Td("selected layers", "left"),)
        ),
    )
    body = []
    for sae in table.values("sae"):
        if "-" in sae:  # a control; the file has it
            continue
        for index, seed in enumerate(report.seeds):
            for order, row in enumerate(table.find(seed=seed, sae=sae, subject=report.target)):
                about = table.rows[row]
                cells = [Td(_seed(report, index))] if several else []
                cells += [Td(Markup('<span class="name">{}</span>').format(sae), "left")]
                cells += [Td(about["unit"].replace("_", " "), "left")]
                cells += [Td(report.cells.number(table, row, "epsilon"))]
                cells += [Td(_denominator(about["denominator"]), "left")]
                for column, form in (
                    ("sp_lowest", FIXED2),
                    ("sp_highest", FIXED2),
                    ("spearman", FIXED2),
                    ("jaccard", FIXED2),
                ):
                    cells.append(Td(report.cells.number(table, row, column, form)))
                cells.append(Td(report.cells.number(table, row, "layers", LAYERS), "left"))
                css = "chosen-row" if about["configured"] == "1" else ""
                body.append(Row(tuple(cells), css + (" rule" if body and not order else "")))
    return Table(head, tuple(body))


# --- rules ---------------------------------------------------------------------------------


def survives(share: float) -> bool:
    """A threshold survives its null if permuted labels reach it in 5 % of the draws or fewer."""
    return share <= SIGNIFICANT


def steadiness(overlap: float) -> str:
    """above: a stable set; below: an unstable one; none: in between; by its mean Jaccard."""
    return ABOVE if overlap >= STABLE else BELOW if overlap < UNSTABLE else NONE


def kept_by_honesty(plain: float, honest: float) -> str:
    """above: the honest SP is near the plain one; below: none is left over 1; none: in between."""
    return BELOW if honest <= 1 else ABOVE if plain <= KEPT * honest else NONE


def trend(low: float, high: float, p: float) -> str:
    """A trend over layers needs an interval without zero and an order that shuffling seldom gives.

    The interval is over problems, with the layers as they are; p is over the order of the layers.
    """
    return verdicts.direction(low, high) if p <= SIGNIFICANT else NONE


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's, of a published table; equal values share the mean of their ranks."""
    ranks = [
        [sum(b < a for b in side) + (sum(b == a for b in side) + 1) / 2 for a in side]
        for side in (first, second)
    ]
    return correlation(*ranks)


# --- questions -----------------------------------------------------------------------------

# In the sentences, ~ is a space that no line break may take.

NULL = (
    "{exceed} of {selected} selected layers exceed the 95~% quantile of their own null "
    "(permuted labels), {family} of them with the largest SP of all layers as null. Of the {rest} "
    "layers that were not selected, {also} exceed theirs."
)
NULL_ANSWER = {ABOVE: "yes", BELOW: "no", NONE: "in part"}
NULL_EVERYWHERE_ANSWER = "yes, and so does every other layer"
NULL_EVERYWHERE = (
    " So being above the null does not tell the selected layers from the others: it says that a "
    "layer has a feature that prefers the target, which is so in all of them."
)
THRESHOLD = (
    "SP~≥~{bound} is reached by at least one layer in {share}~% of the draws with permuted labels "
    "({layers} layers in a draw on average), and by {observed} layers with the true ones. The "
    "lowest score selected here, {cutoff}, is reached in {cutoff_share}~% of the draws. What the "
    "null reaches depends on ε, the unit, the SAE’s width and the number of problems."
)
SET = (
    "Over resampled problems the set has a mean Jaccard of {jaccard} with the selected one (95~% "
    "of the resamples in [{low}, {high}]; {chance} for random sets of that size) and is the very "
    "same in {same}~%."
)
SET_ANSWER = {ABOVE: "stable", BELOW: "unstable", NONE: "in part"}
HONEST = (
    "With half of the problems, the selected layers have a mean SP of {plain} where the same half "
    "chose the feature, and of {honest} where the other half did. {above} of {selected} keep an "
    "honest SP above one."
)
HONEST_ANSWER = {ABOVE: "yes", BELOW: "no, nothing is left", NONE: "in part"}
DEPTH = {
    ABOVE: "SP rises with depth: rank correlation {depth}",
    BELOW: "SP falls with depth: rank correlation {depth}",
    NONE: "No trend of SP with depth is shown: rank correlation {depth}",
}
DEPTH_BOUNDS = (
    " ([{low}, {high}] over resampled problems, p~=~{p} over shuffled layers; the published "
    "Table 6 gives {published}). With the layer’s mean active value it is {scale} "
    "([{scale_low}, {scale_high}], p~=~{scale_p})."
)
DEPTH_ANSWER = {ABOVE: "it rises", BELOW: "it falls", NONE: "not shown"}
GRID = (
    "Over {count} combinations of ε and unit, the rank correlation with the configured profile "
    "runs from {rank_low} to {rank_high}, and {same} give the same set (Jaccard {set_low} to "
    "{set_high})."
)
OTHERS = (
    "Leaving one other subject out of the denominator gives the same set in {same} of {count} "
    "cases (Jaccard from {set_low}). "
)
CONTROLS = {
    "random": "Random encoders of the SAE’s norms and firing rates",
    "coordinates": "The coordinates of the residual stream",
}
CONTROL = (
    "{kind} have a profile whose rank correlation with the SAE’s is {rank}, a highest SP of "
    "{highest} (the SAE’s: {own}), and share {shared} of its {selected} selected layers. "
)
LARGEST = "With the largest of the others in place of their mean, Jaccard is {largest}."


def findings(report: Report) -> tuple[Finding, ...]:
    """The questions to SP with their answers: of the first SAE, seed by seed."""
    name = report.target_name
    asked: tuple[tuple[str, str, Callable], ...] = (
        ("sp-null", f"Do the selected layers stand out from permuted {name} labels?", _null),
        (
            "sp-threshold",
            "Would the published threshold survive the null of this study?",
            _threshold,
        ),
        ("sp-honest", "Does SP last on problems that did not choose the feature?", _honest),
        ("sp-set", "Would other problems select the same layers?", _set),
        ("sp-grid", "Would another ε or unit select the same layers?", _grid),
        ("sp-others", "Does the set hang on one of the other subjects?", _others),
        ("sp-controls", "Do encoders without training select other layers?", _controls),
        ("sp-depth", "Does SP follow depth?", _depth),
    )
    sae = report.source("sp_stability").values("sae")[0]
    found = []
    for key, question, ask in asked:
        given = [ask(report, seed, sae) for seed in report.seeds]
        given = [answer for answer in given if answer]
        if not given:
            continue
        answers = list(dict.fromkeys(answer for answer, _ in given))
        sentence = given[0][1]
        if len(report.seeds) > 1:
            sentence = Markup(" ").join(
                Markup("Seed {}: {}").format(_seed(report, index), text)
                for index, (_, text) in enumerate(given)
            )
        answer = answers[0] if len(answers) == 1 else "differs between seeds"
        found.append(Finding(key, question, answer, sentence))
    return tuple(found)


def _null(report: Report, seed: str, sae: str) -> tuple[str, Markup] | None:
    taken, rest = _selected(report, seed, sae)
    if not taken:
        return None
    exceed, also = (
        _count_pairs(
            report, "layers above their null", rows, "sp", "sp_null_95", lambda a, b: a > b
        )
        for rows in (taken, rest)
    )
    family = _count(
        report,
        "layers with familywise p ≤ .05",
        [_layer(report, row, "sp_p_familywise", PVALUE) for row in taken],
        lambda p: p <= SIGNIFICANT,
    )
    sentence = verdicts.sentence(
        NULL,
        exceed=exceed,
        family=family,
        also=also if rest else "none",
        selected=_size(report, taken),
        rest=_size(report, rest) if rest else "no",
    )
    if rest and also.value == len(rest) and exceed.value == len(taken):
        return NULL_EVERYWHERE_ANSWER, sentence + verdicts.sentence(NULL_EVERYWHERE)
    way = ABOVE if exceed.value == len(taken) else NONE if exceed.value else BELOW
    return NULL_ANSWER[way], sentence


def _threshold(report: Report, seed: str, sae: str) -> tuple[str, Markup]:
    def value(measure: str, form: Format | None = None) -> Cell:
        return _measure(report, seed, sae, measure, form or MEASURES[measure][1])["value"]

    share = value("published_reached_by_null")
    sentence = verdicts.sentence(
        THRESHOLD,
        bound=value("published", FIXED1),
        share=share,
        layers=value("published_layers_in_null"),
        observed=value("published_layers"),
        cutoff=value("cutoff"),
        cutoff_share=value("cutoff_reached_by_null"),
    )
    return "yes" if survives(share.value) else "no", sentence


def _set(report: Report, seed: str, sae: str) -> tuple[str, Markup]:
    found = _measure(report, seed, sae, "jaccard_bootstrap", FIXED2)
    chance = _measure(report, seed, sae, "jaccard_chance", FIXED2)["value"]
    same = _measure(report, seed, sae, "same_set_bootstrap", PERCENT)["value"]
    sentence = verdicts.sentence(
        SET, jaccard=found["value"], low=found["low"], high=found["high"], chance=chance, same=same
    )
    return SET_ANSWER[steadiness(found["value"].value)], sentence


def _honest(report: Report, seed: str, sae: str) -> tuple[str, Markup] | None:
    taken, _ = _selected(report, seed, sae)
    if not taken:
        return None
    plain, honest = (
        report.mean([_layer(report, row, column, FIXED2) for row in taken], FIXED2)
        for column in ("sp_half", "sp_cross_fitted")
    )
    above = _count(
        report,
        "layers with an honest SP above 1",
        [_layer(report, row, "sp_cross_fitted", FIXED2) for row in taken],
        lambda score: score > 1,
    )
    sentence = verdicts.sentence(
        HONEST, plain=plain, honest=honest, above=above, selected=_size(report, taken)
    )
    return HONEST_ANSWER[kept_by_honesty(plain.value, honest.value)], sentence


def _depth(report: Report, seed: str, sae: str) -> tuple[str, Markup] | None:
    depth = _measure(report, seed, sae, "spearman_depth", FIXED2)
    scale = _measure(report, seed, sae, "spearman_mean_active", FIXED2)
    if depth is None or depth["low"].value is None:
        return None
    way = trend(depth["low"].value, depth["high"].value, depth["p"].value)
    table6 = report.source("table6")
    pairs = [
        report.cells.number(table6, row, column, form)
        for row in range(len(table6.rows))
        for column, form in (("layer", INTEGER), ("sp", FIXED2))
    ]
    published = report.cells.derived(
        "rank correlation", lambda v: rank_correlation(v[0::2], v[1::2]), pairs, FIXED2
    )
    sentence = verdicts.sentence(DEPTH[way], depth=depth["value"]) + verdicts.sentence(
        DEPTH_BOUNDS,
        low=depth["low"],
        high=depth["high"],
        p=depth["p"],
        published=published,
        scale=scale["value"],
        scale_low=scale["low"],
        scale_high=scale["high"],
        scale_p=scale["p"],
    )
    return DEPTH_ANSWER[way], sentence


def _grid(report: Report, seed: str, sae: str) -> tuple[str, Markup] | None:
    table = report.source("sp_sensitivity")
    key = {"seed": seed, "sae": sae, "subject": report.target, "denominator": "mean"}
    rows = [row for row in table.find(**key) if table.rows[row]["configured"] != "1"]
    if not rows:
        return None
    overlaps = [report.cells.number(table, row, "jaccard", FIXED2) for row in rows]
    ranks = [report.cells.number(table, row, "spearman", FIXED2) for row in rows]
    ranks = [cell for cell in ranks if cell.value is not None]
    same = _count(report, "the same set", overlaps, lambda overlap: overlap == 1)
    if not ranks:
        return None
    rank_low, rank_high = report.extremes(ranks, FIXED2)
    set_low, set_high = report.extremes(overlaps, FIXED2)
    sentence = verdicts.sentence(
        GRID,
        count=report.cells.derived("number of variants", len, overlaps, INTEGER),
        same=same,
        rank_low=rank_low,
        rank_high=rank_high,
        set_low=set_low,
        set_high=set_high,
    )
    answer = "yes" if same.value == len(rows) else "some would not" if same.value else "no"
    return answer, sentence


def _others(report: Report, seed: str, sae: str) -> tuple[str, Markup] | None:
    table = report.source("sp_sensitivity")
    found = table.find(seed=seed, sae=sae, subject=report.target)
    without = [row for row in found if table.rows[row]["denominator"].startswith("mean without ")]
    largest = [row for row in found if table.rows[row]["denominator"] == "largest"]
    if not without or not largest:
        return None
    overlaps = [report.cells.number(table, row, "jaccard", FIXED2) for row in without]
    same = _count(report, "the same set", overlaps, lambda overlap: overlap == 1)
    sentence = verdicts.sentence(
        OTHERS,
        same=same,
        count=report.cells.derived("number of variants", len, overlaps, INTEGER),
        set_low=report.extremes(overlaps, FIXED2)[0],
    )
    moving = [
        SUBJECTS[table.rows[row]["denominator"].removeprefix("mean without ")].type
        for row in without
        if float(table.rows[row]["jaccard"]) < 1
    ]
    if moving:
        sentence += verdicts.sentence("It changes without {names}. ", names=", ".join(moving))
    sentence += verdicts.sentence(
        LARGEST, largest=report.cells.number(table, largest[0], "jaccard", FIXED2)
    )
    return "yes" if moving else "no", sentence


def _controls(report: Report, seed: str, sae: str) -> tuple[str, Markup] | None:
    controls = [
        name
        for name in report.source("sp_stability").values("sae", seed=seed, subject=report.target)
        if name.startswith(f"{sae}-")
    ]
    mine, _ = _selected(report, seed, sae)
    profile = _profile(report, seed, sae)
    if not controls or not mine or len(profile) < 2:
        return None
    sentence, shares = Markup(""), []
    for name in controls:
        other = _profile(report, seed, name)
        flags = [
            _layer(report, row, "selected", INTEGER)
            for encoder in (sae, name)
            for row in sorted(sum(_selected(report, seed, encoder), []))
        ]
        shared = report.cells.derived(
            "layers selected by both",
            lambda v: sum(a * b for a, b in zip(v[: len(v) // 2], v[len(v) // 2 :], strict=True)),
            flags,
            INTEGER,
        )
        shares.append(shared.value)
        rank = report.cells.derived(
            "rank correlation",
            lambda v: rank_correlation(v[: len(v) // 2], v[len(v) // 2 :]),
            [*profile, *other],
            FIXED2,
        )
        sentence += verdicts.sentence(
            CONTROL,
            kind=CONTROLS[name.removeprefix(f"{sae}-")],
            rank=rank,
            shared=shared,
            selected=_size(report, mine),
            highest=report.extremes(other, FIXED2)[1],
            own=report.extremes(profile, FIXED2)[1],
        )
    same = [share == len(mine) for share in shares]
    return "no" if all(same) else "some do not" if any(same) else "yes", sentence


# --- numbers -------------------------------------------------------------------------------


def _selected(report: Report, seed: str, sae: str) -> tuple[list[int], list[int]]:
    """Rows of the selected layers, and of the others."""
    table = report.source("sp_stability")
    rows = table.find(seed=seed, sae=sae, subject=report.target)
    taken = [row for row in rows if table.rows[row]["selected"] == "1"]
    return taken, [row for row in rows if row not in taken]


def _profile(report: Report, seed: str, sae: str) -> list[Cell]:
    rows = report.source("sp_stability").find(seed=seed, sae=sae, subject=report.target)
    return [_layer(report, row, "sp", FIXED2) for row in rows]


def _layer(report: Report, row: int, column: str, form: Format) -> Cell:
    return report.cells.number(report.source("sp_stability"), row, column, form)


def _measure(
    report: Report, seed: str, sae: str, measure: str, form: Format
) -> dict[str, Cell] | None:
    table = report.source("sp_measures")
    rows = table.find(seed=seed, sae=sae, subject=report.target, measure=measure)
    if not rows:
        return None
    return {
        column: report.cells.number(table, rows[0], column, form)
        for column in ("value", "low", "high")
    } | {"p": report.cells.number(table, rows[0], "p", FIXED3)}


def _size(report: Report, rows: Sequence[int]) -> Cell:
    parents = [_layer(report, row, "sp", FIXED2) for row in rows]
    return report.cells.derived("number of layers", len, parents, INTEGER)


def _count(report: Report, name: str, parents: Sequence[Cell], is_one: Callable) -> Cell:
    return report.cells.derived(name, lambda v: sum(map(is_one, v)), parents, INTEGER)


def _count_pairs(
    report: Report, name: str, rows: Sequence[int], first: str, second: str, is_one: Callable
) -> Cell:
    parents = [_layer(report, row, column, FIXED2) for row in rows for column in (first, second)]
    return report.cells.derived(
        name, lambda v: sum(map(is_one, v[0::2], v[1::2])), parents, INTEGER
    )


def _seed(report: Report, index: int) -> Cell:
    return report.cells.pointer(report.source("study"), f"/seeds/{index}")


def _denominator(name: str) -> str:
    """As printed: subjects by their short names."""
    head, _, subject = name.partition("without ")
    return f"{head}without {SUBJECTS[subject].short}" if subject else name


def _interval(low: Cell, high: Cell) -> tuple:
    return ("[", low, ", ", high, "]")
