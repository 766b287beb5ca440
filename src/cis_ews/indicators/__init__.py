"""Indicators: one row a student as of a date; attendance, behavior and coursework, as published sources define them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

import polars as pl

from cis_ews.calendars import school_year_at
from cis_ews.enums import Domain
from cis_ews.indicators.attendance import attendance_indicators
from cis_ews.indicators.behavior import behavior_indicators
from cis_ews.indicators.catalog import INDICATORS, INDICATORS_SCHEMA, Indicator, names_of
from cis_ews.indicators.coursework import coursework_indicators
from cis_ews.indicators.coverage import covers, not_counted
from cis_ews.indicators.roster import build_roster, roster_indicators
from cis_ews.indicators.summaries import with_summaries
from cis_ews.indicators.windows import DAY_PARTS, EnrolledYear, enrolled_year
from cis_ews.schema.school_data import SchoolData

__all__ = ["DAY_PARTS", "INDICATORS", "INDICATORS_SCHEMA", "Indicator", "compute_indicators"]


class _Compute(Protocol):
    def __call__(
        self, school_data: SchoolData, roster: pl.DataFrame, *, this_year: EnrolledYear, last_year: EnrolledYear
    ) -> pl.DataFrame: ...


DOMAINS: Mapping[Domain, _Compute] = {
    Domain.ATTENDANCE: attendance_indicators,
    Domain.BEHAVIOR: behavior_indicators,
    Domain.COURSEWORK: coursework_indicators,
}


def compute_indicators(school_data: SchoolData, as_of: date) -> pl.DataFrame:
    """One row a student who was enrolled in the school year of `as_of` by that date, sorted by `student_id`.

    Columns and types: `INDICATORS_SCHEMA`, in its order; `INDICATORS` says what each means. Nothing dated after `as_of`
    changes a value. Columns of a domain that the extract does not cover, or that count what it never records, are null,
    but for what a summary of last year says. Raises `DataError` where the calendar begins after `as_of`.
    """
    school_year = school_year_at(school_data.calendar_days, as_of)
    recorded = _from_records(school_data, school_year, as_of)
    return with_summaries(recorded, school_data, school_year=school_year - 1, as_of=as_of)


def _from_records(school_data: SchoolData, school_year: int, as_of: date) -> pl.DataFrame:
    roster = build_roster(school_data, school_year=school_year, as_of=as_of)
    this_year = enrolled_year(school_data, roster, school_year=school_year, as_of=as_of)
    last_year = enrolled_year(school_data, roster, school_year=school_year - 1, as_of=as_of)
    found = [roster_indicators(school_data, roster, this_year=this_year, last_year=last_year)]
    for domain, compute in DOMAINS.items():
        if covers(school_data, domain):
            computed = compute(school_data, roster, this_year=this_year, last_year=last_year)
            told = set(computed.columns) - not_counted(school_data, domain)
            found.append(computed.select(name for name in names_of(domain) if name in told))
    return _conform(pl.concat(found, how="horizontal"))


def _conform(table: pl.DataFrame) -> pl.DataFrame:
    """The catalog's columns, order and types; what the extract does not cover is null."""
    known = set(table.columns)
    return table.select(
        (pl.col(name) if name in known else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in INDICATORS_SCHEMA.items()
    )
