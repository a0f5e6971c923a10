"""Sparse autoencoders on the residual stream after each block."""


rule train_saes:
    input:
        problems="<results>/data/train.jsonl",
        probe="<results>/data/probe.jsonl",
        model="<seed>/model/manifest.json",
    output:
        [f"<seed>/saes/{{sae}}/layer_{layer}/manifest.json" for layer in LAYERS],
        quality="<seed>/saes/{sae}/quality.tsv",
    log:
        "<logs>/train_saes/seed-{seed}_{sae}.log",
    benchmark:
        "<benchmarks>/train_saes/seed-{seed}_{sae}.tsv"
    wildcard_constraints:
        sae=TRAINED,
    conda:
        ENVIRONMENT
    resources:
        **requests("train_saes"),
    params:
        settings=settings_of("saes", "sae"),
        subjects=lookup("subjects", within=config),
        device=lookup("device", within=config),
        code=code_digest("train_saes"),
    message:
        "train the {wildcards.sae} SAEs of all layers (seed {wildcards.seed})"
    script:
        "../workflow/scripts/train_saes.py"


rule measure_saes:
    input:
        probe="<results>/data/probe.jsonl",
        model="<seed>/model/manifest.json",
        saes=[f"<seed>/saes/{{sae}}/layer_{layer}/manifest.json" for layer in LAYERS],
    output:
        quality="<seed>/saes/{sae}/quality.tsv",
    log:
        "<logs>/measure_saes/seed-{seed}_{sae}.log",
    wildcard_constraints:
        sae=FETCHED,
    conda:
        ENVIRONMENT
    resources:
        **requests("measure_saes"),
    params:
        device=lookup("device", within=config),
        dtype=lookup("specificity/dtype", within=config),
        code=code_digest("measure_saes"),
    message:
        "measure how the {wildcards.sae} SAEs fit the base model (seed {wildcards.seed})"
    script:
        "../workflow/scripts/measure_saes.py"
