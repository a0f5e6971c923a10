"""Specificity of features and layers (paper, eqs. 1 and 2)."""


rule sum_activations:
    input:
        problems="<results>/data/probe.jsonl",
        model="<seed>/model/manifest.json",
        saes=[f"<seed>/saes/{{sae}}/layer_{layer}/manifest.json" for layer in LAYERS],
    output:
        [f"<seed>/specificity/{{sae}}/activations/layer_{layer}.safetensors" for layer in LAYERS],
    log:
        "<logs>/sum_activations/seed-{seed}_{sae}.log",
    benchmark:
        "<benchmarks>/sum_activations/seed-{seed}_{sae}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **requests("sum_activations"),
    params:
        subjects=lookup("subjects", within=config),
        device=lookup("device", within=config),
        dtype=lookup("specificity/dtype", within=config),
        code=code_digest("sum_activations"),
    message:
        "sum the activations of the {wildcards.sae} SAEs over each probe problem (seed {wildcards.seed})"
    script:
        "../workflow/scripts/sum_activations.py"


rule sum_control_activations:
    input:
        problems="<results>/data/probe.jsonl",
        model="<seed>/model/manifest.json",
        saes=[f"<seed>/saes/{{sae}}/layer_{layer}/manifest.json" for layer in LAYERS],
        sums=[
            f"<seed>/specificity/{{sae}}/activations/layer_{layer}.safetensors" for layer in LAYERS
        ],
    output:
        [
            f"<seed>/specificity/{{sae}}-{{control}}/activations/layer_{layer}.safetensors"
            for layer in LAYERS
        ],
    log:
        "<logs>/sum_control_activations/seed-{seed}_{sae}-{control}.log",
    benchmark:
        "<benchmarks>/sum_control_activations/seed-{seed}_{sae}-{control}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **requests("sum_control_activations"),
    params:
        seed=lookup("specificity/controls/seed", within=config),
        subjects=lookup("subjects", within=config),
        device=lookup("device", within=config),
        dtype=lookup("specificity/dtype", within=config),
        code=code_digest("sum_control_activations"),
    message:
        "sum the activations of the {wildcards.control} controls of the {wildcards.sae} SAEs (seed {wildcards.seed})"
    script:
        "../workflow/scripts/sum_control_activations.py"


rule score_specificity:
    input:
        [f"<seed>/specificity/{{sae}}/activations/layer_{layer}.safetensors" for layer in LAYERS],
    output:
        table="<seed>/specificity/{sae}/{subject}.tsv",
        features="<seed>/specificity/{sae}/{subject}.features.tsv",
    log:
        "<logs>/score_specificity/seed-{seed}_{sae}_{subject}.log",
    wildcard_constraints:
        sae="|".join(SCORED),
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("score_specificity"),
    params:
        scoring=SCORING,
        subjects=lookup("subjects", within=config),
        code=code_digest("score_specificity"),
    message:
        "score the specificity of {wildcards.subject} on the {wildcards.sae} SAEs (seed {wildcards.seed})"
    script:
        "../workflow/scripts/score_specificity.py"


rule examine_specificity:
    input:
        [f"<seed>/specificity/{{sae}}/activations/layer_{layer}.safetensors" for layer in LAYERS],
    output:
        layers="<seed>/specificity/{sae}/{subject}.stability.tsv",
        measures="<seed>/specificity/{sae}/{subject}.measures.tsv",
        sensitivity="<seed>/specificity/{sae}/{subject}.sensitivity.tsv",
        profiles="<seed>/specificity/{sae}/{subject}.profiles.tsv",
    log:
        "<logs>/examine_specificity/seed-{seed}_{sae}_{subject}.log",
    benchmark:
        "<benchmarks>/examine_specificity/seed-{seed}_{sae}_{subject}.tsv"
    wildcard_constraints:
        sae="|".join(SCORED),
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("examine_specificity"),
    params:
        scoring=SCORING,
        choice=studies.choice_of_layers(STUDY),
        settings=lookup("specificity/stability", within=config),
        subjects=lookup("subjects", within=config),
        code=code_digest("examine_specificity"),
    message:
        "test the robustness of specificity for {wildcards.subject} on the {wildcards.sae} SAEs (seed {wildcards.seed})"
    script:
        "../workflow/scripts/examine_specificity.py"
