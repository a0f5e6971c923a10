"""The report: figures, the page, Tables 1 to 6, and the source of every printed number."""

SOURCES = MEASURED | RECORD | dict(rules.summarize_results.output.items())
FIGURES = [f"figure{number}" for number in range(1, 10)]


rule draw_figures:
    input:
        **{name: SOURCES[name] for name in READ["figures"]},
    output:
        **{figure: f"<results>/report/figures/{figure}.svg" for figure in FIGURES},
    log:
        "<logs>/draw_figures.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("draw_figures"),
    params:
        target=lookup("study/target", within=STUDY),
        code=code_digest("draw_figures"),
    message:
        "draw the figures"
    script:
        "../workflow/scripts/draw_figures.py"


rule render_report:
    input:
        **SOURCES,
        **{figure: f"<results>/report/figures/{figure}.svg" for figure in FIGURES},
        specs=SPECS,
        template=TEMPLATES / "report.html.j2",
        parts=sorted(TEMPLATES.glob("*.html.j2")),
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
        **requests("render_report"),
    params:
        rules=writers(SOURCES),
        code=code_digest("render_report"),
    message:
        "render the report"
    script:
        "../workflow/scripts/render_report.py"
