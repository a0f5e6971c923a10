"""Chosen edits as checkpoints of their own, for whatever loads no adapters."""


rule export_checkpoints:
    input:
        model="<seed>/model/manifest.json",
        edits="<seed>/edits/{family}.json",
        alphas="<seed>/alphas/{family}.json",
    output:
        "<seed>/checkpoints/{family}.json",
    log:
        "<logs>/export_checkpoints/seed-{seed}_{family}.log",
    benchmark:
        "<benchmarks>/export_checkpoints/seed-{seed}_{family}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        **asks("export_checkpoints"),
    params:
        code=code_digest("export_checkpoints"),
    message:
        "export {wildcards.family} as a checkpoint at its chosen alpha (seed {wildcards.seed})"
    script:
        "../workflow/scripts/export_checkpoints.py"
