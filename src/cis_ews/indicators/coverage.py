"""What an extract speaks of: where it says nothing, an indicator is null and never zero."""

from __future__ import annotations

from datetime import date

from cis_ews.enums import CoverageLevel, Domain
from cis_ews.indicators.windows import EnrolledYear
from cis_ews.schema.school_data import SchoolData


def covers(school_data: SchoolData, domain: Domain) -> bool:
    """Whether the extract has the domain at all."""
    return school_data.coverage.of(domain).level != CoverageLevel.NONE


def covers_actions(school_data: SchoolData) -> bool:
    """Whether the extract has disciplinary actions, and not incidents alone."""
    missing = school_data.coverage.behavior.missing_tables
    return covers(school_data, Domain.BEHAVIOR) and "discipline_actions" not in missing


def covers_before(school_data: SchoolData, domain: Domain, year: EnrolledYear) -> bool:
    """Whether the domain's first row is older than the school year; a year before it without any is not covered.

    The statement of the whole extract decides, so that a part of its students gives the same answer.
    """
    first, begins = school_data.coverage.of(domain).first, year.starts.get_column("starts").min()
    return first is not None and isinstance(begins, date) and first < begins
