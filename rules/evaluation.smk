"""lm-eval on validation and test problems; alpha is chosen on validation, each edit on its own."""


rule evaluate_edits:
    input:
        problems="<results>/data/{split}.jsonl",
        model="<seed>/model/manifest.json",
        edits="<seed>/edits/{family}.json",
        alphas=chosen_alphas,
    output:
        "<seed>/evaluations/{split}/{family}.json",
    log:
        "<logs>/evaluate_edits/seed-{seed}_{split}_{family}.log",
    benchmark:
        "<benchmarks>/evaluate_edits/seed-{seed}_{split}_{family}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=lookup("evaluation", within=config),
        subjects=evaluated_subjects,
        code=code_digest("evaluate_edits"),
    message:
        "evaluate {wildcards.family} on {wildcards.split} problems (seed {wildcards.seed})"
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
