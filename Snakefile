from snakemake.utils import min_version

min_version("9.27")


# A study is whole: one given by --configfile replaces the default instead of being merged into it.
if not workflow.overwrite_configfiles:

    configfile: "config/demo.yaml"


include: "rules/common.smk"
include: "rules/fetch.smk"


# A study generates its problems or takes MATH's, grows its model or takes one that is there.
if "generate" in STUDY["data"]:

    include: "rules/data.smk"


if "grow" in STUDY["model"]:

    include: "rules/model.smk"


include: "rules/saes.smk"
include: "rules/taskvectors.smk"
include: "rules/specificity.smk"
include: "rules/gains.smk"
include: "rules/selectors.smk"
include: "rules/selection.smk"
include: "rules/editing.smk"
include: "rules/evaluation.smk"
include: "rules/export.smk"
include: "rules/search.smk"
include: "rules/published.smk"
include: "rules/statistics.smk"
include: "rules/report.smk"
include: "rules/plan.smk"


rule all:
    default_target: True
    input:
        "<results>/report/index.html",
        "<results>/report/cells.json",
        checkpoints(),
    localrule: True
