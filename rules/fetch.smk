"""Published model, SAEs and problems: linked, not copied, and checked. Only these rules reach the hub,
on the machine that Snakemake runs on, since nodes of a cluster often have no network."""

if "load" in STUDY["model"]:

    rule fetch_model:
        output:
            "<seed>/model/manifest.json",
        log:
            "<logs>/fetch_model/seed-{seed}.log",
        localrule: True
        conda:
            "../envs/cpu.yaml"
        params:
            settings=lookup("model/load", within=config),
            code=code_digest("fetch_model"),
        message:
            "fetch the base model (seed {wildcards.seed})"
        script:
            "../workflow/scripts/fetch_model.py"


if "math" in STUDY["data"]:

    rule fetch_math:
        output:
            **{
                split: f"<results>/data/{split}.jsonl"
                for split in ("train", "validation", "test", "probe")
            },
        log:
            "<logs>/fetch_math.log",
        localrule: True
        conda:
            "../envs/cpu.yaml"
        params:
            settings=lookup("data/math", within=config),
            sizes={split: studies.split_sizes(STUDY, split) for split in ("validation", "probe")},
            code=code_digest("fetch_math"),
        message:
            "fetch MATH and split it"
        script:
            "../workflow/scripts/fetch_math.py"


rule fetch_sae:
    output:
        "<seed>/saes/{sae}/layer_{layer}/manifest.json",
    log:
        "<logs>/fetch_sae/seed-{seed}_{sae}_layer_{layer}.log",
    wildcard_constraints:
        sae=FETCHED,
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        settings=lambda wildcards: STUDY["saes"][wildcards.sae]["load"],
        width=studies.stream_width(STUDY),
        code=code_digest("fetch_sae"),
    message:
        "fetch the {wildcards.sae} SAE of layer {wildcards.layer} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/fetch_sae.py"
