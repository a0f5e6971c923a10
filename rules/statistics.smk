"""Tables of evaluations and measurements, over all seeds."""

PAIRS = studies.merged_pairs(STUDY)
MERGED = sorted({pair[which] for pair in PAIRS for which in ("first", "second")})
MERGED_IN = sorted({pair["selection"] for pair in PAIRS})
SWEPT = studies.swept(STUDY)
PROTOCOLS = {name: protocol["edits"] for name, protocol in STUDY["evaluation"]["protocols"].items()}
NOISE = STUDY["evaluation"].get("noise_floor", {"batch_size": None, "edits": []})

TEST = {"evaluations": evaluations("test", EVALUATED), "alphas": choices(EVALUATED)}


rule compare_edits:
    input:
        **TEST,
    output:
        accuracy="<results>/statistics/accuracy.tsv",
        alphas="<results>/statistics/alphas.tsv",
        comparisons="<results>/statistics/comparisons.tsv",
    log:
        "<logs>/compare_edits.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("compare_edits"),
    params:
        target=lookup("study/target", within=config),
        subjects=lookup("subjects", within=config),
        references=lookup("statistics/references", within=config),
        code=code_digest("compare_edits"),
    message:
        "compare the edits on the same test problems"
    script:
        "../workflow/scripts/compare_edits.py"


rule correct_comparisons:
    input:
        evaluations=TEST["evaluations"],
    output:
        families="<results>/statistics/families.tsv",
        noninferiority="<results>/statistics/noninferiority.tsv",
    log:
        "<logs>/correct_comparisons.log",
    conda:
        "../envs/cpu.yaml"
    resources:
        **requests("correct_comparisons"),
    params:
        settings={key: STUDY["statistics"][key] for key in ("sign_flip", "bootstrap", "margin")},
        target=lookup("study/target", within=config),
        subjects=lookup("subjects", within=config),
        code=code_digest("correct_comparisons"),
    message:
        "correct the comparisons for multiple testing, and test non-inferiority"
    script:
        "../workflow/scripts/correct_comparisons.py"


rule compare_sweeps:
    input:
        sweeps=evaluations("sweep", SWEPT),
        validation=evaluations("validation", SWEPT),
        test=evaluations("test", SWEPT),
        base=evaluations("test", [studies.BASE] if SWEPT else []),
        alphas=choices(SWEPT),
    output:
        sweep="<results>/statistics/sweep.tsv",
        optimism="<results>/statistics/optimism.tsv",
    log:
        "<logs>/compare_sweeps.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        target=lookup("study/target", within=config),
        subjects=lookup("subjects", within=config),
        choose_on=lookup("evaluation/choose_alpha_on", within=config),
        bootstrap=lookup("statistics/bootstrap", within=config),
        code=code_digest("compare_sweeps"),
    message:
        "compare all alphas on the test problems with the chosen ones"
    script:
        "../workflow/scripts/compare_sweeps.py"


rule measure_noise:
    input:
        test=evaluations("test", NOISE["edits"]),
        noise=evaluations("noise", NOISE["edits"]),
    output:
        "<results>/statistics/noise.tsv",
    log:
        "<logs>/measure_noise.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        subjects=lookup("subjects", within=config),
        batch_size=NOISE["batch_size"],
        code=code_digest("measure_noise"),
    message:
        "count the answers that another batch size changes"
    script:
        "../workflow/scripts/measure_noise.py"


rule compare_protocols:
    input:
        **{name: evaluations(name, edits) for name, edits in PROTOCOLS.items()},
        test=evaluations("test", list(dict.fromkeys(sum(PROTOCOLS.values(), [])))),
    output:
        "<results>/statistics/protocols.tsv",
    log:
        "<logs>/compare_protocols.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        subjects=lookup("subjects", within=config),
        protocols=list(PROTOCOLS),
        code=code_digest("compare_protocols"),
    message:
        "compare the evaluation protocols"
    script:
        "../workflow/scripts/compare_protocols.py"


rule summarize_energy:
    input:
        alphas=TEST["alphas"],
        edits=[path for spec in EVALUATED for path in for_each_seed(f"edits/{spec}.json")],
        unevaluated=[
            path
            for spec in EDITS
            if spec not in EVALUATED
            for path in for_each_seed(f"edits/{spec}.json")
        ],
    output:
        "<results>/statistics/energy.tsv",
    log:
        "<logs>/summarize_energy.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("summarize_energy"),
    message:
        "tabulate the energy of each edit: intended, kept, landed"
    script:
        "../workflow/scripts/summarize_energy.py"


rule measure_interference:
    input:
        vectors=[
            path for vector in MERGED for path in for_each_seed(f"vectors/{vector}.safetensors")
        ],
        selections=[
            path
            for selection in MERGED_IN
            for path in for_each_seed(f"selections/{selection}.json")
        ],
    output:
        "<results>/statistics/interference.tsv",
    log:
        "<logs>/measure_interference.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        vectors=MERGED,
        selections=MERGED_IN,
        seeds=lookup("seeds", within=config),
        pairs=PAIRS,
        code=code_digest("measure_interference"),
    message:
        "measure the interference of merged task vectors"
    script:
        "../workflow/scripts/measure_interference.py"


rule summarize_layers:
    input:
        quality=[path for sae in STUDY["saes"] for path in for_each_seed(f"saes/{sae}/quality.tsv")],
        specificity=[
            path
            for sae in STUDY["saes"]
            for subject in STUDY["subjects"]
            for path in for_each_seed(f"specificity/{sae}/{subject}.tsv")
        ],
        selections=for_each_seed(f"selections/{OURS}.json"),
    output:
        saes="<results>/statistics/saes.tsv",
        specificity="<results>/statistics/specificity.tsv",
    log:
        "<logs>/summarize_layers.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        target=lookup("study/target", within=config),
        saes=list(STUDY["saes"]),
        subjects=lookup("subjects", within=config),
        seeds=lookup("seeds", within=config),
        code=code_digest("summarize_layers"),
    message:
        "tabulate SAE quality and specificity of every layer"
    script:
        "../workflow/scripts/summarize_layers.py"


rule summarize_selections:
    input:
        [
            path
            for selection in STUDY["selections"]
            for path in for_each_seed(f"selections/{selection}.json")
        ],
    output:
        layers="<results>/statistics/selections.tsv",
        selectors="<results>/statistics/selectors.tsv",
    log:
        "<logs>/summarize_selections.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        n_layers=len(LAYERS),
        ours=OURS,
        selections=list(STUDY["selections"]),
        seeds=lookup("seeds", within=config),
        code=code_digest("summarize_selections"),
    message:
        "tabulate the layers of every selection, beside ours"
    script:
        "../workflow/scripts/summarize_selections.py"


rule summarize_stability:
    input:
        **{
            table: [
                path
                for sae in SCORED
                for path in for_each_seed(
                    f"specificity/{sae}/{STUDY['study']['target']}.{table}.tsv"
                )
            ]
            for table in ("stability", "measures", "sensitivity", "profiles")
        },
    output:
        stability="<results>/statistics/sp_stability.tsv",
        measures="<results>/statistics/sp_measures.tsv",
        sensitivity="<results>/statistics/sp_sensitivity.tsv",
        profiles="<results>/statistics/sp_profiles.tsv",
    log:
        "<logs>/summarize_stability.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        target=lookup("study/target", within=config),
        saes=SCORED,
        seeds=lookup("seeds", within=config),
        code=code_digest("summarize_stability"),
    message:
        "tabulate nulls, stability and sensitivity of SP over all seeds"
    script:
        "../workflow/scripts/summarize_stability.py"


rule describe_study:
    output:
        study="<results>/statistics/study.json",
        edits="<results>/statistics/edits.tsv",
    log:
        "<logs>/describe_study.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        study=STUDY,
        code=code_digest("describe_study"),
    message:
        "write the checked study and a table of its edits"
    script:
        "../workflow/scripts/describe_study.py"


# Sources of the summaries and of the report, by name.
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
    "edits": rules.describe_study.output.edits,
    "study": rules.describe_study.output.study,
}
TABLES = [f"table{number}" for number in range(1, 7)]
RECORD = {name: PUBLISHED / f"{name}.csv" for name in (*TABLES, "text_claims")}
SPECS = sorted(TEMPLATES.glob("tables/*.yaml"))


rule summarize_results:
    input:
        **MEASURED,
        **RECORD,
    output:
        **{
            name: f"<results>/statistics/summaries/{name}.tsv"
            for name in summary_tables(known={*MEASURED, *RECORD})
        },
    log:
        "<logs>/summarize_results.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("summarize_results"),
    message:
        "compute what the report prints"
    script:
        "../workflow/scripts/summarize_results.py"
