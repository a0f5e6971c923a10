"""The report: figures, the page, Tables 1 to 6, and where every printed number comes from."""

MEASURED = {
    "accuracy": rules.compare_edits.output.accuracy,
    "alphas": rules.compare_edits.output.alphas,
    "comparisons": rules.compare_edits.output.comparisons,
    "families": rules.correct_comparisons.output.families,
    "noninferiority": rules.correct_comparisons.output.noninferiority,
    "sweep": rules.compare_sweeps.output.sweep,
    "optimism": rules.compare_sweeps.output.optimism,
    "noise": rules.measure_noise.output[0],
    "protocols": rules.compare_protocols.output[0],
    "energy": rules.summarize_energy.output[0],
    "interference": rules.measure_interference.output[0],
    "specificity": rules.summarize_layers.output.specificity,
    "saes": rules.summarize_layers.output.saes,
    "selectors": rules.summarize_selections.output.selectors,
    "sp_stability": rules.summarize_stability.output.stability,
    "sp_measures": rules.summarize_stability.output.measures,
    "sp_sensitivity": rules.summarize_stability.output.sensitivity,
    "search": rules.correlate_search.output.configurations,
    "search_correlations": rules.correlate_search.output.correlations,
    **{f"published_{name}": path for name, path in rules.audit_published.output.items()},
    "study": rules.describe_study.output.study,
}
WRITTEN_BY = {
    **{name: "compare_edits" for name in ("accuracy", "alphas", "comparisons")},
    **{name: "correct_comparisons" for name in ("families", "noninferiority")},
    **{name: "compare_sweeps" for name in ("sweep", "optimism")},
    "noise": "measure_noise",
    "protocols": "compare_protocols",
    "energy": "summarize_energy",
    "interference": "measure_interference",
    **{name: "summarize_layers" for name in ("specificity", "saes")},
    "selectors": "summarize_selections",
    **{name: "summarize_stability" for name in ("sp_stability", "sp_measures", "sp_sensitivity")},
    **{name: "correlate_search" for name in ("search", "search_correlations")},
    **{f"published_{name}": "audit_published" for name in AUDITED},
    "study": "describe_study",
}
TABLES = [f"table{number}" for number in range(1, 7)]
RECORD = {name: PUBLISHED / f"{name}.csv" for name in (*TABLES, "text_claims")}
FIGURES = [f"figure{number}" for number in range(1, 10)]


rule draw_figures:
    input:
        **MEASURED,
        **RECORD,
    output:
        **{figure: f"<results>/report/figures/{figure}.svg" for figure in FIGURES},
    log:
        "<logs>/draw_figures.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        **asks("draw_figures"),
    params:
        rules=WRITTEN_BY,
        code=code_digest("draw_figures"),
    message:
        "draw the figures"
    script:
        "../workflow/scripts/draw_figures.py"


rule render_report:
    input:
        **MEASURED,
        **RECORD,
        **{figure: f"<results>/report/figures/{figure}.svg" for figure in FIGURES},
        template=TEMPLATES / "report.html.j2",
        macros=TEMPLATES / "macros.html.j2",
        captions=TEMPLATES / "captions.html.j2",
        style=TEMPLATES / "style.css",
    output:
        **{
            f"{table}_{kind}": f"<results>/report/tables/{table}.{kind}"
            for table in TABLES
            for kind in ("tsv", "tex")
        },
        page="<results>/report/index.html",
        cells="<results>/report/cells.json",
    log:
        "<logs>/render_report.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        **asks("render_report"),
    params:
        rules=WRITTEN_BY,
        code=code_digest("render_report"),
    message:
        "render the report"
    script:
        "../workflow/scripts/render_report.py"
