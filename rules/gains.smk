"""Loss gain of each layer of a task vector, for selectors that need no SAE."""


rule measure_gains:
    input:
        problems="<results>/data/probe.jsonl",
        model="<seed>/model/manifest.json",
        vector="<seed>/vectors/{vector}.safetensors",
    output:
        "<seed>/gains/{vector}/{subject}.tsv",
    log:
        "<logs>/measure_gains/seed-{seed}_{vector}_{subject}.log",
    benchmark:
        "<benchmarks>/measure_gains/seed-{seed}_{vector}_{subject}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **requests("measure_gains"),
    params:
        n_layers=len(LAYERS),
        device=lookup("device", within=config),
        code=code_digest("measure_gains"),
    message:
        "measure the loss gain of each layer of {wildcards.vector} on {wildcards.subject} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/measure_gains.py"
