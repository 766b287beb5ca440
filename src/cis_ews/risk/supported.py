"""Who was supported after an as-of date and before the outcome: of them nobody can tell what would have come without.

Nothing here is a feature: it looks into the future, as labels do.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import polars as pl

SUPPORTED_LATER = "supported between the as-of date and the end of the horizon"
SUPPORTED_HOW = "supported"
"""Where a model keeps what it learned of supported students (a value of `Supported`)."""
TARGETED = 2


class Supported(StrEnum):
    """What is learned of students who were supported between the as-of date and the end of the horizon, before the
    outcome, where it has a day."""

    AS_RECORDED = "as recorded"
    CENSOR = "censor"
    WEIGHT = "weight"


def supported_students(
    supports: pl.DataFrame, *, as_of: date, horizon_end: date, happened_on: pl.DataFrame | None = None
) -> pl.Series:
    """The ids of those who had targeted or intensive support (Tier 2 or 3, or of a tier that is not said) after the
    as-of date, up to the end of the horizon. What a whole school receives (Tier 1) is no answer to a flag.

    `happened_on`: of whom the outcome has a day, that day (`cis_ews.risk.labels.happened_on`). Support on it or later
    did not come before the outcome: it may well be the answer to it, and leaving such students out would leave out the
    very cases that the model is to know.
    """
    in_horizon = pl.col("date").is_between(as_of, horizon_end, closed="right")
    targeted = pl.col("tier").fill_null(TARGETED) >= TARGETED
    found = supports.filter(in_horizon & targeted)
    if happened_on is not None:
        in_time = (pl.col("date") < pl.col("happened_on")).fill_null(value=True)
        found = found.join(happened_on, on="student_id", how="left").filter(in_time)
    return found["student_id"].unique().sort()
