"""Indicator frames of a few students: every column null but those that a test names."""

from __future__ import annotations

from typing import Any

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.indicators import DAY_PARTS, INDICATORS_SCHEMA

IDENTITY: dict[str, Any] = {
    "school_id": "north",
    "grade_level": GradeLevel.G9,
    "school_year": 2026,
    "is_enrolled": True,
    "school_level": "high",
}


def indicator_frame(*students: dict[str, Any]) -> pl.DataFrame:
    """One row a student; a student without an id is called s1, s2, ... in order.

    Days absent and days enrolled of a window bring the whole-number parts and the rate of that window with them.
    """
    rows = [
        _completed({"student_id": f"s{number}", **IDENTITY, **student}) for number, student in enumerate(students, 1)
    ]
    own = {name: pl.Int32() for row in rows for name in row if name not in INDICATORS_SCHEMA}
    schema = {**INDICATORS_SCHEMA, **own}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def _completed(row: dict[str, Any]) -> dict[str, Any]:
    for name in [name for name in row if name.startswith("days_absent_")]:
        window, days = name.removeprefix("days_absent_"), row[name]
        enrolled = row.get(f"days_enrolled_{window}")
        if days is not None and f"absent_parts_{window}" in INDICATORS_SCHEMA:
            row.setdefault(f"absent_parts_{window}", round(days * DAY_PARTS))
        if days is not None and enrolled:
            row.setdefault(f"absence_rate_{window}", days / enrolled)
    return row
