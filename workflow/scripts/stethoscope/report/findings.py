"""The report's findings: each question of the study with its numbers, its sentence by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from stethoscope.report import corrected, verdicts
from stethoscope.report.bench_table import Bench, bench, same_layers, selector
from stethoscope.report.cells import EMPTY, FIXED1, FIXED3, INTEGER, PERCENT2, Cell
from stethoscope.report.facts import DRAWS_FOR_RANK, OTHERS, Edit, Paired, Report
from stethoscope.report.paper_tables import methods


def findings(report: Report) -> tuple[verdicts.Finding, ...]:
    """The study's answers, each picked by a rule of `verdicts` from the numbers."""
    base, ours, full = report.one("base"), report.one("ours"), report.one("full")
    projected = report.one("projection")
    target = report.target_name
    among = bench(report)
    scaled = among.scaled if among else None
    beats, hurts, shows = verdicts.BEATS, verdicts.HURTS, verdicts.DIFFERS
    here = report.target
    asked = (
        ("ours-base", f"Does ours beat base on {target}?", ours, base, here, beats),
        ("ours-others", "Does ours hurt the other subjects?", ours, base, OTHERS, hurts),
        ("full-base", f"Does the full merge beat base on {target}?", full, base, here, beats),
        ("full-others", "Does the full merge hurt the others?", full, base, OTHERS, hurts),
        ("ours-full", f"Does ours beat the full merge on {target}?", ours, full, here, beats),
        ("ours-full-others", "And on the other subjects?", ours, full, OTHERS, beats),
        ("ours-scaled", "Does ours beat the full merge scaled down?", ours, scaled, here, beats),
        ("ours-proj", f"Does ours beat projection on {target}?", ours, projected, here, beats),
        (
            "proj-base",
            f"Does projection differ from base on {target}?",
            projected,
            base,
            here,
            shows,
        ),
    )
    found = []
    for key, question, edit, reference, subject, answers in asked:
        if edit is not None and reference is not None:
            found.append(_compared(report, key, question, edit, reference, subject, answers))
    if ours and report.of("random"):
        found.insert(-2 if projected else len(found), _against_draws(report, ours))
    for key, question, rivals in _rivals(report, among) if among else ():
        finding = _against_rivals(report, key, question, ours, rivals)
        found.insert(-2 if projected else len(found), finding)
    for key, raw in (("cause", ours), ("cause-full", full)):
        if base and raw and all(twins := _projected_twins(report, raw)):
            found.append(_cause(report, key, base, raw, *twins))
    if ours and (rest := _complement(report)):
        question = f"Does ours without its SAE directions differ from ours on {target}?"
        found.append(_compared(report, "rest-ours", question, rest, ours, here, shows))
    found += corrected.findings(report)
    if base and ours:
        found.append(_pattern(report))
    return tuple(found)


def _compared(
    report: Report,
    key: str,
    question: str,
    edit: Edit,
    reference: Edit,
    subject: str,
    answers: Mapping[str, str],
) -> verdicts.Finding:
    """An edit against a reference on the target or on the other subjects."""
    paired = report.paired(edit, reference, subject)
    if paired is None:
        sentence = Markup("These two were not compared on the same problems.")
        return verdicts.Finding(key, question, "not compared", sentence)
    sentence = verdicts.sentence(
        verdicts.COMPARED[paired.direction],
        edit=edit.title,
        reference=reference.title,
        scope=report.target_name if subject == report.target else "the other subjects",
        **_numbers(paired),
    )
    return verdicts.Finding(key, question, answers[paired.direction], sentence)


def _complement(report: Report) -> Edit | None:
    """The edit that answered problems with all but the SAE directions, if there is one."""
    for edit, settings in report.projections():
        wanted = settings["projection"].get("basis") == "complement"
        if wanted and settings["transform"] == "project" and edit not in report.unevaluated:
            return edit
    return None


def _against_draws(report: Report, ours: Edit) -> verdicts.Finding:
    draws = report.of("random")
    mine = report.accuracy(ours, report.target)
    theirs = [report.accuracy(edit, report.target) for edit in draws]
    place = verdicts.standing(mine.value, [cell.value for cell in theirs])
    lowest, highest = report.extremes(theirs)
    p = report.cells.derived(
        "rank p", lambda v: verdicts.rank_p(v[0], v[1:]), [mine, *theirs], FIXED3
    )
    floor = report.cells.derived("1 / (draws + 1)", lambda v: 1 / (len(v) + 1), theirs, FIXED3)
    enough = len(draws) >= DRAWS_FOR_RANK
    text = verdicts.STANDING[place] + (verdicts.RANGE_ENOUGH if enough else verdicts.RANGE)
    sentence = verdicts.sentence(
        text,
        edit=ours.title,
        ours=mine,
        draws=report.draw_count(draws),
        lowest=lowest,
        highest=highest,
        mean=report.mean(theirs),
        p=p,
        floor=floor,
    )
    paired = [report.paired(ours, draw, report.target) for draw in draws]
    if all(paired):
        ways = [found.direction for found in paired]
        bounds = [bound for found in paired for bound in (found.low, found.high)]
        above, below = (
            report.cells.derived(
                f"intervals {way} zero",
                lambda v, way=way: sum(
                    verdicts.direction(*pair) == way for pair in zip(v[0::2], v[1::2], strict=True)
                ),
                bounds,
                INTEGER,
            )
            for way in (verdicts.ABOVE, verdicts.BELOW)
        )
        rest = (
            " Paired with each draw in turn, the 95 % interval is above zero for {above} and "
            "below zero for {below} of them."
        )
        if set(ways) == {verdicts.NONE}:
            rest = " Paired with each draw in turn, no difference is shown at this n."
        sentence += verdicts.sentence(rest, above=above, below=below)
    question = f"Does ours beat random layers on {report.target_name}?"
    return verdicts.Finding("ours-random", question, verdicts.STANDING_ANSWER[place], sentence)


def _rivals(report: Report, among: Bench) -> Iterator[tuple[str, str, tuple[Edit, ...]]]:
    """Groups of the other selectors that a question is asked of: (key, question, edits)."""
    where = f"on {report.target_name}"
    for key, asked, by in (
        ("depth", "than depth does", "window"),
        ("norm", "than the task vector's norm does", "task_vector_norm"),
        ("selectors", "than other selectors do", None),
    ):
        rivals = tuple(edit for edit in among.rivals if by in (None, selector(report, edit)))
        if rivals:
            yield f"ours-{key}", f"Does SP pick better layers {asked}, {where}?", rivals


def _against_rivals(
    report: Report, key: str, question: str, ours: Edit, rivals: Sequence[Edit]
) -> verdicts.Finding:
    paired = [report.paired(ours, rival, report.target) for rival in rivals]
    if not all(paired):
        sentence = Markup("Ours and the other selectors were not compared on the same problems.")
        return verdicts.Finding(key, question, "not compared", sentence)
    bounds = [bound for found in paired for bound in (found.low, found.high)]
    differences = [found.difference for found in paired]

    def count(way: str) -> Cell:
        def counted(v: Sequence[float]) -> int:
            pairs = zip(v[0::2], v[1::2], strict=True)
            return sum(verdicts.direction(*pair) == way for pair in pairs)

        return report.cells.derived(f"intervals {way} zero", counted, bounds, INTEGER)

    sentence = verdicts.sentence(
        verdicts.RIVALS,
        edit=ours.title,
        scope=report.target_name,
        total=report.cells.derived("number of selectors", len, differences, INTEGER),
        same=same_layers(report, rivals),
        above=count(verdicts.ABOVE),
        below=count(verdicts.BELOW),
        higher=report.cells.derived(
            "differences below zero", lambda v: sum(d < 0 for d in v), differences, INTEGER
        ),
    )
    answer = verdicts.against_rivals([found.direction for found in paired])
    return verdicts.Finding(key, question, answer, sentence)


def _projected_twins(report: Report, raw: Edit) -> tuple[Edit | None, Edit | None]:
    """What projects the task vector of a raw edit in its layers: as it is, and at the raw norm."""
    about, twins = report.source("study").document["edits"][raw.family], {}
    for edit, settings in report.projections():
        how = settings["projection"]
        same = all(settings[key] == about[key] for key in ("vectors", "selection"))
        plain = (settings["transform"], how["basis"], how["reading"]) == ("project", "sae", "both")
        if same and plain and edit not in report.unevaluated:
            twins.setdefault(how.get("match_norm", False), edit)
    return twins.get(False), twins.get(True)


def _cause(
    report: Report, key: str, base: Edit, raw: Edit, projected: Edit, matched: Edit
) -> verdicts.Finding:
    question = f"Why does {raw.label}, projected, lose its effect: by direction or by size?"
    found = [report.paired(edit, base, report.target) for edit in (raw, projected, matched)]
    if None in found:
        sentence = Markup("Raw, projected and rescaled edits were not all compared with base.")
        return verdicts.Finding(key, question, "not compared", sentence)
    cause = verdicts.direction_or_size(*(paired.direction for paired in found))
    sentence = verdicts.sentence(
        verdicts.CAUSE[cause], scope=report.target_name, **_numbers(found[2])
    )
    for seed in report.seeds:
        row = report.energy_row(projected, seed)
        retained, chance, oracle = (
            report.cells.number(report.source("energy"), row, column, PERCENT2)
            for column in ("energy_retained", "chance", "oracle")
        )
        if EMPTY in (retained, chance) or chance.value <= 0:
            continue
        ratio = report.cells.derived("ratio", lambda v: v[0] / v[1], [retained, chance], FIXED1)
        text = verdicts.ENERGY[verdicts.against_chance(retained.value, chance.value)]
        if len(report.seeds) > 1:
            text = text.replace(" It keeps", " With seed {seed} it keeps").replace(
                " So little energy says nothing about SAE features in particular.", ""
            )
        sentence += verdicts.sentence(
            text,
            retained=retained,
            chance=chance,
            oracle=oracle,
            ratio=ratio,
            seed=report.cells.pointer(report.source("study"), f"/seeds/{report.seeds.index(seed)}"),
        )
    return verdicts.Finding(key, question, verdicts.CAUSE_ANSWER[cause], sentence)


def _pattern(report: Report) -> verdicts.Finding:
    """Signs and order against the published Table 1."""
    compared = [m for m in methods(report) if EMPTY not in m.published.values()]
    base = next(method for method in compared if method.edit.role == "base")
    parents, pairs = [], []
    for method in compared:
        for subject in report.subjects if method is not base else ():
            cells = [
                which[subject]
                for which in (
                    method.published,
                    base.published,
                    method.reproduced,
                    base.reproduced,
                )
            ]
            parents += cells
            pairs.append(tuple(cell.value for cell in cells))
    signs = verdicts.same_signs([p - b for p, b, _, _ in pairs], [r - b for _, _, r, b in pairs])

    def derived(name: str, which: int) -> Cell:
        def counted(v: Sequence[float]) -> int:
            groups = list(zip(v[0::4], v[1::4], v[2::4], v[3::4], strict=True))
            published = [p - b for p, b, _, _ in groups]
            return verdicts.same_signs(published, [r - b for _, _, r, b in groups])[which]

        return report.cells.derived(name, counted, parents, INTEGER)

    orders = []
    for kind in ("published", "reproduced"):
        values = {m.edit.name: getattr(m, kind)[report.target].value for m in compared}
        titles = {m.edit.name: m.edit.title for m in compared}
        orders.append([titles[name] for name in verdicts.ranking(values)])
    same = orders[0] == orders[1]
    sentence = Markup(
        "On {scope} the published order is {published}; here it is {reproduced}. Of {total} "
        "published differences from base that are not zero (every method and subject), "
        "{agree} have the same sign here. Order and signs are of point estimates, "
        "untested."
    ).format(
        scope=report.target_name,
        published=Markup(" &gt; ").join(orders[0]),
        reproduced=Markup(" &gt; ").join(orders[1]),
        total=derived("published differences that are not zero", 1),
        agree=derived("differences with the same sign", 0),
    )
    whole = same and signs[0] == signs[1]
    answer = "order and signs agree" if whole else "order agrees, signs in part" if same else "no"
    question = "Does the pattern of the published Table 1 come back?"
    return verdicts.Finding("pattern", question, answer, sentence)


def _numbers(paired: Paired) -> dict[str, Cell]:
    return {
        "difference": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "n": paired.n,
    }
