"""What an extract speaks of: where it says nothing, an indicator is null and never zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from cis_ews.enums import AttendanceStatus, CoverageLevel, Domain, Severity
from cis_ews.indicators.windows import DAY_WINDOWS, EnrolledYear
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
    first, begins = school_data.coverage.of(domain).first, year.starts.get_column("starts").min()
    return first is not None and isinstance(begins, date) and first < begins
