"""The base model, theta of section 3."""


rule grow_model:
    input:
        problems="<results>/data/pretrain.jsonl",
    output:
        "<seed>/model/manifest.json",
    log:
        "<logs>/grow_model/seed-{seed}.log",
    benchmark:
        "<benchmarks>/grow_model/seed-{seed}.tsv"
    conda:
        ENVIRONMENT
    threads: 2  # nearly everything waits for it
    resources:
        **asks("grow_model"),
    params:
        settings=lookup("model/grow", within=config),
        threads=2,  # not `threads`, which --cores 1 would lower: their number changes the bytes
        device=lookup("device", within=config),
        code=code_digest("grow_model"),
    message:
        "grow the base model (seed {wildcards.seed}); the longest job"
    script:
        "../workflow/scripts/grow_model.py"
