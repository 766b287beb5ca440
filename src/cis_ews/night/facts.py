"""What the whole has to know of a part, as values for JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from cis_ews.schema.coverage import CoverageFacts, DatedRows
from cis_ews.schema.validation import PartFacts


def plain(facts: PartFacts) -> dict[str, Any]:
    """Facts as values for JSON."""
    coverage = facts.coverage
    return {
        "read": dict(facts.read),
        "reduced": dict(facts.reduced),
        "unreadable": {table: list(names) for table, names in facts.unreadable.items()},
        "readable": {table: list(names) for table, names in facts.readable.items()},
        "tables": sorted(coverage.tables),
        "dated": {name: _plain_dated(getattr(coverage, name)) for name in _DATED},
        "present": coverage.present,
        "last_recorded": {school: day.isoformat() for school, day in coverage.last_recorded.items()},
    }


def facts_of(said: Mapping[str, Any]) -> PartFacts:
    """Facts from such values."""
    return PartFacts(
        read=said["read"],
        reduced=said["reduced"],
        unreadable=said["unreadable"],
        readable=said["readable"],
        coverage=CoverageFacts(
            tables=frozenset(said["tables"]),
            present=said["present"],
            last_recorded={school: date.fromisoformat(day) for school, day in said["last_recorded"].items()},
            **{name: _dated(said["dated"][name]) for name in _DATED},
        ),
    )


_DATED = ("attendance_events", "incidents", "course_grades")


def _plain_dated(dated: DatedRows) -> list[Any]:
    return [dated.rows, *(None if day is None else day.isoformat() for day in (dated.first, dated.last))]


def _dated(said: Sequence[Any]) -> DatedRows:
    rows, first, last = said
    days = [None if day is None else date.fromisoformat(day) for day in (first, last)]
    return DatedRows(rows=rows, first=days[0], last=days[1])
