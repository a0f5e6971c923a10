# Each target sets up what it needs in .venv and is a thin line over snakemake or pytest.
PYTHON ?= python3
CORES ?= 2
STUDY ?= config/demo.yaml
BIN := .venv/bin

.PHONY: help demo full plan test schema clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/installed ## run the embedded study: raw material to results/demo/report/index.html
	@$(BIN)/snakemake --cores $(CORES)
	@echo "report: results/demo/report/index.html"

full: .venv/installed ## run the whole experiment: results/full/report/index.html
	@$(BIN)/snakemake --cores $(CORES) --configfile config/full.yaml
	@echo "report: results/full/report/index.html"

plan: .venv/installed ## print what a study costs before it runs; STUDY=config/full.yaml for another
	@$(BIN)/snakemake plan --cores 1 --configfile $(STUDY) --quiet all

# A process for each core; files in the order of testpaths (pyproject.toml), the long ones first.
test: .venv/installed ## run all tests
	@$(BIN)/pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

schema: .venv/installed ## write the JSON schema and the tables of config/README.md from the study's model
	@PYTHONPATH=workflow/scripts $(BIN)/python -m stethoscope.study.document

clean: ## remove results and logs (not .venv)
	rm -rf results logs .snakemake

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else "Python 3.11 is needed, $(PYTHON) is %d.%d: make PYTHON=python3.11 ..." % v)'
	@echo "installing into .venv (a few minutes, once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --no-compile -r requirements.lock
	@touch $@
