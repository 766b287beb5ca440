"""What was known on a day: an extract without the records of later days, to see whether anything hangs on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import polars as pl

from cis_ews.indicators import compute_indicators
from cis_ews.risk.cohort import build_cohort
from cis_ews.risk.features import build_features
from cis_ews.schema.attendance import Reporting
from cis_ews.schema.roster import Enrollments
from cis_ews.schema.school_data import EVENT_DATES, SchoolData


def known_by(school_data: SchoolData, as_of: date) -> SchoolData:
    """The extract as it stood: later rows are gone, exits to come are not known, no school has reported further.

    Calendars and rosters stay whole, for they are known in advance; so do rows that no date is known of.
    """
    days = school_data.known_on()
    kept = {name: school_data.table(name).filter((days[name] <= as_of).fill_null(value=True)) for name in EVENT_DATES}
    to_come = (pl.col("exit_date") > as_of).fill_null(value=False)
    exits = (pl.when(~to_come).then(name).alias(name) for name in ("exit_date", "exit_type"))
    reported = pl.min_horizontal("reported_through", pl.lit(as_of))
    return replace(
        school_data,
        **{
            **kept,
            "enrollments": Enrollments.cast(kept["enrollments"].with_columns(*exits)),
            "reporting": Reporting.cast(school_data.reporting.with_columns(reported_through=reported)),
        },
    )


def features_known_by(school_data: SchoolData, as_of: date, *, erased: Collection[str] = ()) -> pl.DataFrame:
    """`student_id` and the features of a night of that day, from nothing that came later."""
    known = known_by(school_data, as_of)
    everyone = compute_indicators(known, as_of)
    cohort = build_cohort(known, as_of, indicators=everyone, erased=erased)
    return build_features(cohort.rows_of(everyone))
