"""lm-eval on validation and test problems; each edit's alpha is chosen on validation problems.

Results come from one evaluation of the test problems. `evaluate_again` repeats it at every alpha
(`sweep`), with another batch size (`noise`), or by another protocol.
"""


rule evaluate_edits:
    input:
        validation="<results>/data/validation.jsonl",
        test="<results>/data/test.jsonl",
        model="<seed>/model/manifest.json",
        edits="<seed>/edits/{spec}.json",
        earlier_edits=of_equal_edits("edits"),
        earlier_validation=of_equal_edits("evaluations/validation"),
        earlier_test=of_equal_edits("evaluations/test"),
    output:
        validation="<seed>/evaluations/validation/{spec}.json",
        alphas="<seed>/alphas/{spec}.json",
        test="<seed>/evaluations/test/{spec}.json",
    log:
        "<logs>/evaluate_edits/seed-{seed}_{spec}.log",
    benchmark:
        "<benchmarks>/evaluate_edits/seed-{seed}_{spec}.tsv"
    priority: draws
    conda:
        ENVIRONMENT
    resources:
        **requests("evaluate_edits"),
    params:
        generation=studies.generation(STUDY),
        choose_alpha_on=lambda wildcards: studies.choosing_subjects(STUDY, wildcards.spec),
        subjects=lookup("subjects", within=config),
        device=lookup("device", within=config),
        code=code_digest("evaluate_edits"),
    message:
        "evaluate {wildcards.spec}: alpha on validation, then test (seed {wildcards.seed})"
    script:
        "../workflow/scripts/evaluate_edits.py"


rule evaluate_again:
    input:
        problems="<results>/data/test.jsonl",
        model="<seed>/model/manifest.json",
        edits="<seed>/edits/{spec}.json",
        # A sweep evaluates every alpha, so it needs no chosen one.
        alphas=branch(
            lambda wildcards: wildcards.again == "sweep",
            then=[],
            otherwise="<seed>/alphas/{spec}.json",
        ),
    output:
        "<seed>/evaluations/{again}/{spec}.json",
    log:
        "<logs>/evaluate_again/seed-{seed}_{again}_{spec}.log",
    benchmark:
        "<benchmarks>/evaluate_again/seed-{seed}_{again}_{spec}.tsv"
    priority: 2  # a sweep takes as long as several edits of one draw
    conda:
        ENVIRONMENT
    resources:
        **requests("evaluate_again"),
    params:
        generation=lambda wildcards: studies.generation(STUDY, wildcards.again),
        subjects=lookup("subjects", within=config),
        device=lookup("device", within=config),
        code=code_digest("evaluate_again"),
    message:
        "evaluate {wildcards.spec} on test again: {wildcards.again} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/evaluate_again.py"
