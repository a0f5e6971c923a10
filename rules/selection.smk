"""Sets of layers to edit (paper, section 3: SP >= 4) and their controls."""


rule select_layers:
    input:
        unpack(selection_inputs),
    output:
        "<seed>/selections/{selection}.json",
    log:
        "<logs>/select_layers/seed-{seed}_{selection}.log",
    # First: each takes a second, and the longest jobs, the edits, wait for them.
    priority: 100
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("select_layers"),
    params:
        settings=selection_settings,
        draws=lambda wildcards: STUDY["selections"][wildcards.selection].get("draws"),
        n_layers=len(LAYERS),
        subjects=lookup("subjects", within=config),
        code=code_digest("select_layers"),
    message:
        "select layers: {wildcards.selection} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/select_layers.py"
