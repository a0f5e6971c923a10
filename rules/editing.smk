"""Edits: alpha * tau in the selected layers (paper, eq. 3), as PEFT adapters."""


rule build_edits:
    input:
        unpack(edit_inputs),
        model="<seed>/model/manifest.json",
    output:
        "<seed>/edits/{family}.json",
    log:
        "<logs>/build_edits/seed-{seed}_{family}.log",
    benchmark:
        "<benchmarks>/build_edits/seed-{seed}_{family}.tsv"
    priority: draws
    conda:
        "../envs/cpu.yaml"
    resources:
        **asks("build_edits"),
    params:
        edits=edit_recipes,
        alphas=lambda wildcards: studies.alphas(STUDY, wildcards.family),
        code=code_digest("build_edits"),
    message:
        "build {wildcards.family} at each alpha (seed {wildcards.seed})"
    script:
        "../workflow/scripts/build_edits.py"
