"""The base model, theta of section 3."""


rule pretrain_model:
    input:
        problems="<results>/data/pretrain.jsonl",
    output:
        "<seed>/model/manifest.json",
    log:
        "<logs>/pretrain_model/seed-{seed}.log",
    benchmark:
        "<benchmarks>/pretrain_model/seed-{seed}.tsv"
    conda:
        ENVIRONMENT
    threads: 2  # nearly all other jobs wait for it
    resources:
        **requests("pretrain_model"),
    params:
        settings=lookup("model/grow", within=config),
        threads=2,  # not `threads`, which --cores 1 would lower: their number changes the bytes
        device=lookup("device", within=config),
        code=code_digest("pretrain_model"),
    message:
        "pretrain the base model (seed {wildcards.seed}); the longest job"
    script:
        "../workflow/scripts/pretrain_model.py"
