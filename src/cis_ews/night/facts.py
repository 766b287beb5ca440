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
        "dated": {name: _plain_dated(dated) for name, dated in coverage.dated.items()},
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
            dated={name: _dated(each) for name, each in said["dated"].items()},
        ),
    )


def _plain_dated(dated: DatedRows) -> list[Any]:
    return [dated.rows, {day.isoformat(): rows for day, rows in dated.days.items()}]


def _dated(said: Sequence[Any]) -> DatedRows:
    rows, days = said
    return DatedRows(rows=rows, days={date.fromisoformat(day): rows for day, rows in days.items()})
