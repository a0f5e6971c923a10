"""The published record: what its percentages say, and what it says against itself."""

CSVS = ["table1", "table2", "table3", "table4", "table5", "table6", "text_claims", "subject_sizes"]
RETESTED = ["comparisons", "significant", "sweep", "grim", "power", "formulas"]


rule retest_published:
    input:
        table1=PUBLISHED / "table1.csv",
        table4=PUBLISHED / "table4.csv",
        claims=PUBLISHED / "text_claims.csv",
        sizes=PUBLISHED / "subject_sizes.csv",
    output:
        **{name: f"<results>/statistics/published_{name}.tsv" for name in RETESTED},
    log:
        "<logs>/retest_published.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("retest_published"),
    message:
        "test every pair of the published Table 1 again, from its percentages"
    script:
        "../workflow/scripts/retest_published.py"


rule check_published:
    input:
        **{name: PUBLISHED / f"{name}.csv" for name in CSVS},
    output:
        "<results>/statistics/published_checks.tsv",
    log:
        "<logs>/check_published.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("check_published"),
    message:
        "hold the published record against itself"
    script:
        "../workflow/scripts/check_published.py"
