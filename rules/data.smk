"""Problems in MATH's record layout (paper, section 4)."""

SPLITS = ["pretrain", "train", "validation", "test", "probe"]


rule generate_data:
    output:
        **{split: f"<results>/data/{split}.jsonl" for split in SPLITS},
    log:
        "<logs>/generate_data.log",
    benchmark:
        "<benchmarks>/generate_data.tsv"
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("generate_data"),
    params:
        settings=lookup("data/generate", within=config),
        subjects=lookup("subjects", within=config),
        code=code_digest("generate_data"),
    message:
        "generate the synthetic maths corpus"
    script:
        "../workflow/scripts/generate_data.py"
