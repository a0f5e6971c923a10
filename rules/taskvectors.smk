"""Task vectors: the weights that a LoRA adds to its base (paper, section 3)."""


rule train_adapter:
    input:
        problems="<results>/data/train.jsonl",
        model="<seed>/model/manifest.json",
    output:
        "<seed>/adapters/{vector}/manifest.json",
    log:
        "<logs>/train_adapter/seed-{seed}_{vector}.log",
    benchmark:
        "<benchmarks>/train_adapter/seed-{seed}_{vector}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **requests("train_adapter"),
    params:
        settings=settings_of("vectors", "vector"),
        processes=lambda wildcards: STUDY["vectors"][wildcards.vector]["lora"]["processes"],
        device=lookup("device", within=config),
        code=code_digest("train_adapter"),
    message:
        "fine-tune the LoRA of task vector {wildcards.vector} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/train_adapter.py"


rule extract_task_vector:
    input:
        adapter="<seed>/adapters/{vector}/manifest.json",
        model="<seed>/model/manifest.json",
    output:
        "<seed>/vectors/{vector}.safetensors",
    log:
        "<logs>/extract_task_vector/seed-{seed}_{vector}.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("extract_task_vector"),
    params:
        code=code_digest("extract_task_vector"),
    message:
        "extract task vector {wildcards.vector} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/extract_task_vector.py"
