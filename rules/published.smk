"""Audit of the published record: tests of its percentages, consistency of its text and tables."""

CSVS = ["table1", "table2", "table3", "table4", "table5", "table6", "text_claims", "subject_sizes"]
AUDITED = [
    "table1",
    "comparisons",
    "significant",
    "sweep",
    "grim",
    "power",
    "formulas",
    "checks",
]


rule audit_published:
    input:
        **{name: PUBLISHED / f"{name}.csv" for name in CSVS},
        checks=PUBLISHED / "checks.yaml",
    output:
        **{name: f"<results>/statistics/published_{name}.tsv" for name in AUDITED},
    log:
        "<logs>/audit_published.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("audit_published"),
    message:
        "recompute the published tables and check the paper's claims"
    script:
        "../workflow/scripts/audit_published.py"
