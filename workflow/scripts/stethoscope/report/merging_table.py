"""The report's table of edits that add several task vectors, beside each of these alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from markupsafe import Markup

from stethoscope.problems.records import SUBJECTS
from stethoscope.report import verdicts
from stethoscope.report.cells import EMPTY, FIXED1, FIXED3, INTEGER, PERCENT, RAW, Cell
from stethoscope.report.facts import OTHERS, Edit, Report
from stethoscope.report.layout import DOWN, UNMARKED, UP, Row, Table, Td

# Words for the ways to put task vectors together, as the page prints them.
METHODS = {
    "raw": "sum",
    "ties": "TIES",
    "dare": "DARE",
    "localize_and_stitch": "Localize-and-Stitch",
}


def merging_table(report: Report) -> Table | None:
    """Interference, energy and effect of each sum or merge of task vectors; None without one."""
    merges = report.merges()
    if not merges:
        return None
    subjects = (report.target, *_subjects_of_vectors(report, merges))
    short = [SUBJECTS[subject].short for subject in subjects]
    groups = (f"{short[0]} (the target), %", *(f"{name} (of a vector), %" for name in short[1:]))
    several = (Td("seed", "", 1, 2),) if len(report.seeds) > 1 else ()
    head = (
        Row(
            (Td("Edit", "left", 1, 2), Td("how", "left", 1, 2), Td("vectors", "left", 1, 2))
            + (*several, Td("layers", "", 1, 2), Td("α", "", 1, 2), Td("energy", "group", 3))
            + (Td("cosine", "", 1, 2), Td("signs differ, %", "group", 2))
            + tuple(Td(group, "group", 3) for group in groups)
            + (Td("all but the target, %", "group", 2),)
        ),
        Row(
            (Td("sum"), Td("kept, %"), Td("edit"), Td("whole"), Td("trimmed"))
            + (Td("accuracy"), Td("from base"), Td("95 % interval")) * len(groups)
            + (Td("from base"), Td("95 % interval"))
        ),
    )
    body = []
    for edit, settings in (*_alone(report, merges), *merges):
        for index, seed in enumerate(report.seeds):
            cells = (Td(), Td(), Td())
            if index == 0:
                cells = (Td(edit.title, "left"), Td(_how(report, edit, settings), "left"))
                cells += (Td(_vectors(report, edit, settings), "left"),)
            if several:
                cells += (Td(report.cells.pointer(report.source("study"), f"/seeds/{index}")),)
            cells += _energies(report, edit, seed) + _meeting(report, edit, settings, seed)
            if index == 0:
                cells += _effects(report, edit, subjects)
            else:
                cells += (Td(),) * (3 * len(subjects) + 2)
            body.append(Row(cells, "minor" if edit.draw else ""))
    return Table(head, tuple(body))


def _main_subject(report: Report, vector: str) -> str | None:
    """The subject that a vector has most of its problems from; None where none has the half."""
    problems = report.source("study").document["vectors"][vector]["problems"]
    return next((s for s, n in problems.items() if 2 * n > sum(problems.values())), None)


def _subjects_of_vectors(report: Report, merges: tuple) -> list[str]:
    """Main subjects of the merged vectors, but for the target."""
    names = sorted({name for _, settings in merges for name in settings["vectors"]})
    subjects = dict.fromkeys(_main_subject(report, name) for name in names)
    return [s for s in subjects if s in report.subjects and s != report.target]


def _alone(report: Report, merges: tuple) -> list[tuple[Edit, Mapping]]:
    """Raw edits of one merged vector, in layers in which vectors are merged; no controls."""
    vectors = {name for _, settings in merges for name in settings["vectors"]}
    selections = {settings["selection"] for _, settings in merges}
    configured = report.source("study").document["edits"]
    found = []
    for edit in report.edits:
        settings = configured.get(edit.family, {"vectors": {}})
        alone = len(settings["vectors"]) == 1 and set(settings["vectors"]) <= vectors
        if alone and settings["transform"] == "raw" and settings["selection"] in selections:
            if edit.role != "control":
                found.append((edit, settings))
    return found


def _how(report: Report, edit: Edit, settings: Mapping) -> tuple:
    """How the vectors are put together, with the share that is kept or dropped."""
    words: tuple = (METHODS[settings["transform"]],)
    if words == ("sum",) and len(settings["vectors"]) == 1:
        return ("alone",)
    for key in ("density", "drop"):
        if key in settings.get("merging", {}):
            place = f"/edits/{edit.family}/merging/{key}"
            words += (f", {key} ", report.cells.pointer(report.source("study"), place))
    return words


def _vectors(report: Report, edit: Edit, settings: Mapping) -> tuple:
    """Weight and name of each task vector, the target's first."""
    shown: tuple = ()
    for name in sorted(
        settings["vectors"], key=lambda n: (_main_subject(report, n) != report.target, n)
    ):
        place = f"/edits/{edit.family}/vectors/{name}"
        weight = report.cells.pointer(report.source("study"), place)
        title = Markup('<span class="name">{}</span>').format(name)
        shown += (*((" + ",) if shown else ()), weight, " ", title)
    return shown


def _energies(report: Report, edit: Edit, seed: str) -> tuple[Td, ...]:
    """Layers, alpha, and the energies of the sum, of what is kept of it, and of the edit."""
    energy, row = report.source("energy"), report.energy_row(edit, seed)
    columns = {
        "n_layers": INTEGER,
        "alpha": RAW,
        "energy_task_vector": FIXED1,
        "energy_retained": PERCENT,
        "energy_edit": FIXED1,
    }
    return tuple(Td(report.cells.number(energy, row, *column)) for column in columns.items())


def _meeting(report: Report, edit: Edit, settings: Mapping, seed: str) -> tuple[Td, ...]:
    """Cosine, and share of differing signs whole and trimmed, of each pair of vectors."""
    table = report.source("interference")
    drawn = report.source("study").document["selections"][settings["selection"]].get("draws")
    selection = f"{settings['selection']}-{edit.draw}" if drawn else settings["selection"]
    cosine, whole, trimmed = [], [], []
    for first, second in combinations(sorted(settings["vectors"]), 2):
        pair = {"seed": seed, "first": first, "second": second}
        pair |= {"selection": selection, "layer": "all"}
        row = table.only(**pair, density=1.0)
        cosine.append(report.cells.number(table, row, "cosine", FIXED3))
        whole.append(report.cells.number(table, row, "sign_conflict", PERCENT))
        if density := settings.get("merging", {}).get("density"):
            row = table.only(**pair, density=density)
            trimmed.append(report.cells.number(table, row, "sign_conflict", PERCENT))
    return tuple(Td(_listed(cells)) for cells in (cosine, whole, trimmed))


def _listed(cells: list[Cell]) -> tuple:
    """Cells with a space between them; a dash where there is none."""
    shown: tuple = ()
    for cell in cells:
        shown += (*((" ",) if shown else ()), cell)
    return shown or (EMPTY,)


def _effects(report: Report, edit: Edit, subjects: tuple[str, ...]) -> tuple[Td, ...]:
    """Accuracy and paired difference from base by subject, then over all but the target."""
    answered, base = edit in report.edits, report.one("base")
    cells: tuple[Td, ...] = ()
    for subject in (*subjects, OTHERS):
        if subject != OTHERS:
            cells += (Td(report.accuracy(edit, subject) if answered else EMPTY),)
        found = report.paired(edit, base, subject) if answered and base else None
        if found is None:
            cells += (Td(EMPTY), Td(EMPTY))
            continue
        mark = {verdicts.ABOVE: UP, verdicts.BELOW: DOWN}.get(found.direction, UNMARKED)
        cells += (Td((found.difference, mark)), Td(("[", found.low, ", ", found.high, "]")))
    return cells
