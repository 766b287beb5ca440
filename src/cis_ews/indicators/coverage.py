"""What an extract speaks of: where it says nothing, an indicator is null and never zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from cis_ews.calendars import school_year_at, school_year_starts
from cis_ews.enums import AttendanceStatus, CoverageLevel, Domain, Severity
from cis_ews.indicators.windows import DAY_WINDOWS, EnrolledYear
from cis_ews.schema.coverage import Coverage
from cis_ews.schema.school_data import SchoolData

COUNTING: Mapping[str, tuple[str, ...]] = {
    AttendanceStatus.TARDY: ("tardies_ytd",),
    Severity.MINOR: (
        *(f"incidents_minor_{window}" for window in DAY_WINDOWS),
        "incidents_ytd",
        "days_since_last_incident",
        "distinct_behaviors_ytd",
        "share_of_days_with_incident_ytd",
        "incidents_last_year",
    ),
}
"""Kind of record -> the indicators that count it, alone or among others."""


def covers(school_data: SchoolData, domain: Domain) -> bool:
    """Whether the extract has the domain at all."""
    return school_data.coverage.of(domain).level != CoverageLevel.NONE


def covers_actions(school_data: SchoolData) -> bool:
    """Whether the extract has disciplinary actions, and not incidents alone."""
    missing = school_data.coverage.behavior.missing_tables
    return covers(school_data, Domain.BEHAVIOR) and "discipline_actions" not in missing


def not_counted(school_data: SchoolData, domain: Domain) -> set[str]:
    """The indicators of a domain that count what the source never records: none of it says nothing."""
    return {name for kind in school_data.coverage.of(domain).missing_kinds for name in COUNTING[kind]}


def covers_before(school_data: SchoolData, domain: Domain, year: EnrolledYear) -> bool:
    """Whether the domain's first row is older than the school year; a year before it without any is not covered.

    The statement of the whole extract decides, so that a part of its students gives the same answer.
    """
    return _begins_before(school_data.coverage, domain, starts=year.starts)


def _begins_before(coverage: Coverage, domain: Domain, *, starts: pl.DataFrame) -> bool:
    first, begins = coverage.of(domain).first, starts.get_column("starts").min()
    return first is not None and isinstance(begins, date) and first < begins


def told_of_coverage(coverage: Coverage, calendar_days: pl.DataFrame, as_of: date) -> dict[str, list[object]]:
    """All that the indicators of a day take from a statement, as plain values: where two statements tell the same, the
    same records have the same indicators by both. Raises `DataError` where the calendar begins after `as_of`."""
    starts = school_year_starts(calendar_days, school_year_at(calendar_days, as_of))
    return {
        domain.value: [
            coverage.of(domain).level != CoverageLevel.NONE,
            _begins_before(coverage, domain, starts=starts),
            *sorted(coverage.of(domain).missing_tables),
            *sorted(coverage.of(domain).missing_kinds),
        ]
        for domain in (Domain.ATTENDANCE, Domain.BEHAVIOR, Domain.COURSEWORK)
    }
