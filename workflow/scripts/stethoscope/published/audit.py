"""The audit of the published record: its numbers recomputed, its statements checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jinja2
import pandas as pd

from stethoscope.published import recompute
from stethoscope.published.checks import accuracies, layers, sweep
from stethoscope.published.checks.check import UNDECIDED
from stethoscope.published.record import EmptyCell, Record, spans

Checks = Mapping[str, Mapping[str, Any]]  # config/published/checks.yaml


def published_tables(record: Record, checks: Checks) -> dict[str, pd.DataFrame]:
    """All tables of the audit by name, each as its function documents it."""
    rows = [run_check(name, check, record) for name, check in checks.items()]
    return record.recomputed | {"checks": pd.DataFrame(rows)}


def run_check(name: str, check: Mapping[str, Any], record: Record) -> dict[str, str]:
    """`check where claim found verdict evidence` of one check.

    where: section and table; claim: statement of a table, and quotes of the paper with claim_id. A
    check that needs an empty cell is undecided, and `found` names the cell.
    """
    claims = [record.claim(claim) for claim in check.get("claims", ())]
    names: dict[str, list[str]] = {}
    for claim in claims:
        names.setdefault(claim.quote, []).append(claim.name)
    quotes = [f"“{quote}” [{', '.join(cited)}]" for quote, cited in names.items()]
    try:
        verdict, values = _function(name)(record)
        finding, evidence = (
            _TEMPLATES.from_string(check.get(key, "")).render(values, record=record)
            for key in ("found", "evidence")
        )
    except EmptyCell as error:
        finding, verdict, evidence = str(error), UNDECIDED, ""
    where = dict.fromkeys([*(claim.where for claim in claims), check.get("tables")])
    return {
        "check": name,
        "where": ", ".join(filter(None, where)),
        "claim": "; ".join(filter(None, [check.get("says"), *quotes])),
        "found": finding,
        "verdict": verdict,
        "evidence": evidence,
    }


def _function(name: str) -> Callable[[Record], tuple[str, dict]]:
    for module in (accuracies, sweep, layers):
        if function := getattr(module, name.replace("-", "_"), None):
            return function
    raise ValueError(f"checks.yaml: no function in published/checks/ for '{name}'")


def each(table: pd.DataFrame, form: str, separator: str = ", ") -> str:
    """Every row of a table in a format of its columns."""
    return separator.join(form.format(**row) for row in table.to_dict("records"))


def signed(difference: float) -> str:
    """A difference of proportions in percentage points, as "+9.8" or "−1.3"."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def two_digits(p: float) -> str:
    """Two significant digits, as 0.00066 or 2.6e-08."""
    return f"{p:#.2g}"


def _test(row: pd.Series) -> str:
    return f"{signed(row['difference'])} points, z = {row['z_lmeval']:.2f}"


_TEMPLATES = jinja2.Environment(undefined=jinja2.StrictUndefined)
_TEMPLATES.filters |= {"each": each, "signed": signed, "digits": two_digits}
_TEMPLATES.filters |= {"test": _test, "spans": spans}
_TEMPLATES.globals |= {"TARGET": recompute.TARGET, "LEVEL": recompute.LEVEL}
_TEMPLATES.globals |= {"POWER": recompute.POWER, "NEAR": layers.NEAR}
