"""Edits: alpha * tau in the selected layers (paper, eq. 3), as PEFT adapters."""


rule build_edits:
    input:
        unpack(edit_inputs),
        model="<seed>/model/manifest.json",
    output:
        "<seed>/edits/{spec}.json",
    log:
        "<logs>/build_edits/seed-{seed}_{spec}.log",
    benchmark:
        "<benchmarks>/build_edits/seed-{seed}_{spec}.tsv"
    priority: draws
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("build_edits"),
    params:
        spec=lambda wildcards: asdict(studies.edit_spec(STUDY, wildcards.spec)),
        edits=lambda wildcards: [
            asdict(edit.at(alpha))
            for edit in studies.edit_ids(STUDY, wildcards.spec)
            for alpha in studies.alphas(STUDY, wildcards.spec)
        ],
        code=code_digest("build_edits"),
    message:
        "build {wildcards.spec} at each alpha (seed {wildcards.seed})"
    script:
        "../workflow/scripts/build_edits.py"
