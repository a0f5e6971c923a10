"""Cost of a study before it runs: `snakemake -c1 plan`, or `make plan STUDY=config/....yaml`."""


rule plan:
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        study=STUDY,
        snakefile=str(ROOT / "Snakefile"),
    message:
        "count the jobs of {params.study[study][name]} and estimate what they cost"
    script:
        "../workflow/scripts/plan.py"
