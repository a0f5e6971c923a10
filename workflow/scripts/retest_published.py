"""Test the published Tables 1 and 4 again, from their percentages (paper, sec. 4 and 5)."""

import pandas as pd

from stethoscope.published import retest as audit
from stethoscope.published.recompute import BASE_METHOD, OUR_METHOD
from stethoscope.runtime.files import write_table
from stethoscope.runtime.jobs import job

with job(snakemake) as progress:
    table1, table4, sizes = (
        pd.read_csv(snakemake.input[name]) for name in ("table1", "table4", "sizes")
    )
    said = pd.read_csv(snakemake.input.claims, dtype=str).set_index("claim_id")["value"]
    accuracies = table1.set_index("method")[f"{audit.TARGET}_acc_pct"]
    n = int(sizes.set_index("subject")["n"][audit.TARGET])
    comparisons = audit.published_comparisons(table1, sizes)
    tables = {
        "comparisons": comparisons,
        "significant": audit.published_significant(comparisons),
        "sweep": audit.published_sweep(table1, table4, n),
        "grim": audit.published_grim(table1, table4, sizes),
        "power": audit.published_power(table1, sizes, float(said["C20"]) / 100),
        "formulas": audit.published_formulas(
            (accuracies[BASE_METHOD], accuracies[OUR_METHOD]), n, said["C03"], said["C04"]
        ),
    }
    for name, table in tables.items():
        write_table(snakemake.output[name], table)
    progress(f"{len(comparisons)} comparisons")
