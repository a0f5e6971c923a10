"""Sets of layers to edit (paper, section 3: SP >= 4) and their controls."""


rule select_layers:
    input:
        unpack(selection_inputs),
    output:
        "<seed>/selections/{selection}.json",
    log:
        "<logs>/select_layers/seed-{seed}_{selection}.log",
    # Before all others: a second each, and every edit, the longest jobs, waits for its own.
    priority: 100
    conda:
        "../envs/cpu.yaml"
    resources:
        **asks("select_layers"),
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
