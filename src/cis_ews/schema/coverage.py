"""What a source can speak of: attendance, behavior, coursework; from when to when; last reported day by school."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, cast

from cis_ews.enums import CoverageLevel, Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCoverage:
    """How far a source speaks of one domain; `reason` says why it is partial or none."""

    level: CoverageLevel
    first: date | None = None
    last: date | None = None
    rows: int = 0
    reason: str | None = None


NOT_COVERED = DomainCoverage(level=CoverageLevel.NONE, reason="the source has no such table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The coverage statement of an extract.

    `last_reported`: school_id -> the last day of which the school's absences are known. `reporting_known`: whether the
    source itself says so; otherwise it is the last recorded event, and silence cannot be told from perfect attendance.
    `notes`: what was derived, left out or assumed, in sentences without any student's name, id or value.
    """

    attendance: DomainCoverage = NOT_COVERED
    behavior: DomainCoverage = NOT_COVERED
    coursework: DomainCoverage = NOT_COVERED
    last_reported: dict[str, date] = field(default_factory=dict[str, date])
    reporting_known: bool = False
    notes: tuple[str, ...] = ()

    def of(self, domain: Domain) -> DomainCoverage:
        """Coverage of one of the three domains."""
        by_domain = {
            Domain.ATTENDANCE: self.attendance,
            Domain.BEHAVIOR: self.behavior,
            Domain.COURSEWORK: self.coursework,
        }
        return by_domain[domain]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: dates as ISO text, keys sorted by the writer."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def _plain(value: Any) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast("list[object]", value)]
    return value
