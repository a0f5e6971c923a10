"""Edits: alpha * tau in the selected layers (paper, eq. 3), as PEFT adapters."""


rule build_edit:
    input:
        unpack(edit_inputs),
        model="<seed>/model/manifest.json",
    output:
        "<seed>/edits/{edit}/alpha-{alpha}/manifest.json",
    log:
        "<logs>/build_edit/seed-{seed}_{edit}_alpha-{alpha}.log",
    conda:
        "../envs/cpu.yaml"
    params:
        settings=edit_settings,
        code=code_digest("build_edit"),
    message:
        "build edit {wildcards.edit}, alpha {wildcards.alpha} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/build_edit.py"
