"""lm-eval on validation and test problems; alpha is chosen on validation, each edit on its own.

The test problems are read once for the results (split `test`). They are read again only to show
what that means: at every alpha (`sweep`), and with another batch size (`noise`).
"""


rule evaluate_edits:
    input:
        problems=lambda wildcards: f"{RESULTS}/data/{studies.problems_of(wildcards.split)}.jsonl",
        model="<seed>/model/manifest.json",
        edits="<seed>/edits/{family}.json",
        alphas=lambda wildcards: (
            [in_seed("alphas/{family}.json")] if wildcards.split in studies.AT_CHOSEN_ALPHA else []
        ),
    output:
        "<seed>/evaluations/{split}/{family}.json",
    log:
        "<logs>/evaluate_edits/seed-{seed}_{split}_{family}.log",
    benchmark:
        "<benchmarks>/evaluate_edits/seed-{seed}_{split}_{family}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=lambda wildcards: studies.generation(STUDY, wildcards.split),
        subjects=lambda wildcards: studies.subjects_asked(
            STUDY, wildcards.family, wildcards.split
        ),
        code=code_digest("evaluate_edits"),
    message:
        "evaluate {wildcards.family}: {wildcards.split} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/evaluate_edits.py"


rule choose_alpha:
    input:
        "<seed>/evaluations/validation/{family}.json",
    output:
        "<seed>/alphas/{family}.json",
    log:
        "<logs>/choose_alpha/seed-{seed}_{family}.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("choose_alpha"),
    message:
        "choose alpha of {wildcards.family} on validation problems (seed {wildcards.seed})"
    script:
        "../workflow/scripts/choose_alpha.py"
