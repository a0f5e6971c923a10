"""Library of the study: one module per noun of the paper, importable without Snakemake."""
