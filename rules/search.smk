"""CMA-ES over one alpha a layer, and the correlation of its fitness with accuracy (paper, appendix D)."""

SEARCHED = studies.searched(STUDY)


rule search_alphas:
    input:
        problems="<results>/data/validation.jsonl",
        model="<seed>/model/manifest.json",
        vector=lambda wildcards: in_seed(
            f"vectors/{STUDY['searches'][wildcards.search]['vector']}.safetensors"
        ),
    output:
        candidates="<seed>/searches/{search}/candidates.tsv",
        best="<seed>/searches/{search}/best.json",
    log:
        "<logs>/search_alphas/seed-{seed}_{search}.log",
    benchmark:
        "<benchmarks>/search_alphas/seed-{seed}_{search}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **requests("search_alphas"),
    params:
        settings=settings_of("searches", "search"),
        n_layers=len(LAYERS),
        device=lookup("device", within=config),
        code=code_digest("search_alphas"),
    message:
        "search one alpha a layer: {wildcards.search} (seed {wildcards.seed})"
    script:
        "../workflow/scripts/search_alphas.py"


rule correlate_search:
    input:
        validation=evaluations("validation", SEARCHED),
        test=evaluations("test", SEARCHED),
        kept=[
            path
            for search in SEARCHED.values()
            for path in for_each_seed(f"searches/{search}/best.json")
        ],
    output:
        configurations="<results>/statistics/search.tsv",
        correlations="<results>/statistics/search_correlations.tsv",
    log:
        "<logs>/correlate_search.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("correlate_search"),
    message:
        "correlate the perplexity of the searches' configurations with their accuracy"
    script:
        "../workflow/scripts/correlate_search.py"
