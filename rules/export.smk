"""Edits at their chosen alphas as whole checkpoints, for tools that load no adapters."""


rule export_checkpoints:
    input:
        model="<seed>/model/manifest.json",
        edits="<seed>/edits/{spec}.json",
        alphas="<seed>/alphas/{spec}.json",
    output:
        "<seed>/checkpoints/{spec}.json",
    log:
        "<logs>/export_checkpoints/seed-{seed}_{spec}.log",
    benchmark:
        "<benchmarks>/export_checkpoints/seed-{seed}_{spec}.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("export_checkpoints"),
    params:
        code=code_digest("export_checkpoints"),
    message:
        "export {wildcards.spec} as a checkpoint at its chosen alpha (seed {wildcards.seed})"
    script:
        "../workflow/scripts/export_checkpoints.py"
