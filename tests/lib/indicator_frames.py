"""Indicator frames of a few students: every column null but those that a test names."""

from __future__ import annotations

from typing import Any

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_engine import needed_columns
from cis_ews.risk.rules import RULES

TEXT = {"student_id", "school_id", "grade_level", "school_level"}
YES_OR_NO = {"is_enrolled", "failing_english", "failing_math", "is_first_time_grade_9"}
IDENTITY: dict[str, Any] = {"school_id": "north", "grade_level": "9", "school_year": 2026, "is_enrolled": True}
COLUMNS = sorted(
    {name for rule in RULES for name in needed_columns(rule)} - EXTERNAL_INPUTS.keys()
    | IDENTITY.keys()
    | {"absence_rate_ytd"}
)


def indicator_frame(*students: dict[str, Any], grade_level: GradeLevel | None = GradeLevel.G9) -> pl.DataFrame:
    """One row a student; a student without an id is called s1, s2, ... in order."""
    rows = [
        {"student_id": f"s{number}", **IDENTITY, "grade_level": grade_level, **student}
        for number, student in enumerate(students, start=1)
    ]
    extra = sorted({name for row in rows for name in row} - set(COLUMNS))
    schema = {name: _dtype(name) for name in [*COLUMNS, *extra]}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def _dtype(name: str) -> type[pl.DataType]:
    if name in TEXT:
        return pl.String
    if name in YES_OR_NO:
        return pl.Boolean
    return pl.Float64
