"""What the paper says against what its own tables say, check by check.

Every number in a finding is computed from config/published/ (`record.Record`); what the paper
claims is quoted from its prose by claim_id, or is the content of a table.
"""

from __future__ import annotations

import pandas as pd

from stethoscope.published.checks import layers as checks_of_layers
from stethoscope.published.checks import sweep as checks_of_sweep
from stethoscope.published.checks import tests as checks_of_tests
from stethoscope.published.checks.check import Check, run_check
from stethoscope.published.record import Record

CHECKS: tuple[Check, ...] = (
    *checks_of_tests.CHECKS,
    *checks_of_sweep.CHECKS,
    *checks_of_layers.CHECKS,
)


def published_checks(record: Record) -> pd.DataFrame:
    """All checks: `check where claim found verdict evidence`, as in `checks.run_check`."""
    return pd.DataFrame([run_check(check, record) for check in CHECKS])
