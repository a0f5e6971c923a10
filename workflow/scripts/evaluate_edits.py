"""Evaluate an edit, all its draws and alphas, with lm-eval on one resident model."""

from pathlib import Path

from stethoscope.data import of_subject, read_problems
from stethoscope.editing import read_edit
from stethoscope.evaluation import Evaluator, edited
from stethoscope.jobs import job
from stethoscope.models import load_model, load_tokenizer
from stethoscope.provenance import (
    atomic_folder,
    folder_digests,
    read_json,
    write_json,
    write_jsonl,
)
from stethoscope.taskvectors import check_base

with job(snakemake) as progress:
    settings, family = snakemake.params.settings, snakemake.wildcards.family
    base = Path(snakemake.input.model).parent
    problems = read_problems(snakemake.input.problems)
    parts = {subject: of_subject(problems, subject) for subject in snakemake.params.subjects}
    evaluator = Evaluator(
        load_model(base),
        load_tokenizer(base),
        parts,
        batch_size=settings["batch_size"],
        max_gen_toks=settings["max_gen_toks"],
    )
    source = Path(snakemake.input.edits)
    places = list(read_json(source)["written"])
    if snakemake.input.alphas:
        chosen = read_json(snakemake.input.alphas[0])["edits"]
        places = [f"{edit}/alpha-{record['chosen']}" for edit, record in chosen.items()]
    target, written = Path(snakemake.output[0]), {}
    for number, place in enumerate(places, start=1):
        adapter = source.parent / place
        edit = read_edit(adapter)
        check_base(edit, base, adapter)
        with edited(evaluator.model, edit):
            results, samples = evaluator.run()
        results["edit"] = read_json(adapter / "edit.json")
        with atomic_folder(target.parent / place) as folder:
            write_json(folder / "results.json", results)
            for subject, rows in samples.items():
                write_jsonl(folder / f"samples_{subject}.jsonl", rows)
        written[place] = folder_digests(target.parent / place)
        correct = sum(row["math_verify"] for rows in samples.values() for row in rows)
        total = sum(map(len, samples.values()))
        progress(f"{number}/{len(places)} {place}: {correct} of {total} right")
    write_json(target, {"family": family, "split": snakemake.wildcards.split, "written": written})
