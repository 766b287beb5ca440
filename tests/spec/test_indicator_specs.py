"""Days in, numbers out; the page of indicators shows the same cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import polars as pl
import pytest

from cis_ews.indicators import compute_indicators
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import district, enrollment, weekdays
from tests.lib.day_rows import read_days, read_marks
from tests.lib.indicator_cases import DAY_CASES, MARK_CASES, DayCase, MarkCase
from tests.lib.indicator_page import PAGE, render_page


@pytest.mark.parametrize("case", DAY_CASES, ids=str)
def test_days_in_numbers_out(case: DayCase) -> None:
    school_data, as_of = read_days(case.days, grade_level=case.grade_level)
    assert found(school_data, as_of, wanted=case.expected) == rounded(case.expected)


@pytest.mark.parametrize("case", MARK_CASES, ids=str)
def test_marks_in_numbers_out(case: MarkCase) -> None:
    school_data = district(
        calendar=weekdays("2025-09-03", "2026-06-12", terms={"S1": "2026-01-30", "S2": "2026-06-12"}),
        enrollments=[enrollment("ann", grade=case.grade_level)],
        grades=read_marks(case.marks),
    )
    assert found(school_data, case.as_of, wanted=case.expected) == rounded(case.expected)


def test_the_page_of_indicators_is_fresh() -> None:
    renew = "run: python -m tests.lib.indicator_page"
    assert PAGE.exists(), renew
    assert PAGE.read_text(encoding="utf-8") == render_page(), renew


def found(school_data: SchoolData, as_of: date, *, wanted: Iterable[str], student_id: str = "ann") -> dict[str, object]:
    """What the indicators say of one student, in the wanted columns."""
    row = compute_indicators(school_data, as_of).row(by_predicate=pl.col("student_id") == student_id, named=True)
    return rounded({name: row[name] for name in wanted})


def rounded(values: Mapping[str, object]) -> dict[str, object]:
    """Quotients that are written with a stroke differ in the last digit at most."""
    return {name: round(value, 12) if isinstance(value, float) else value for name, value in values.items()}
