"""Who is scored, and the counted steps that led to them."""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.indicators import compute_indicators
from cis_ews.risk.cohort import build_cohort
from cis_ews.schema.school_data import SchoolData
from tests.lib import builders

AS_OF = date(2025, 10, 15)


def _school_data() -> SchoolData:
    rows = [builders.student(name) for name in ("ann", "bob", "cid", "dee", "eve", "fay", "pia")]
    return builders.district(
        calendar=builders.weekdays("2025-09-03", "2026-06-12"),
        students=rows,
        enrollments=[
            builders.enrollment("ann"),
            builders.enrollment("bob", exit="2025-10-15"),
            builders.enrollment("cid", exit="2025-10-14"),
            builders.enrollment("dee", entry="2025-11-03"),
            builders.enrollment("eve", entry="2025-10-15", grade=None),
            builders.enrollment("fay"),
            builders.enrollment("pia", grade="PK"),
        ],
        attendance=[],
    )


def test_every_exclusion_is_counted_in_its_step() -> None:
    cohort = build_cohort(_school_data(), AS_OF, erased={"fay", "of another district"})
    assert cohort.students.get_column("student_id").to_list() == ["ann", "bob", "eve"]
    assert [(step.before, step.after, step.excluded) for step in cohort.flow] == [
        (7, 7, 0),
        (7, 7, 0),
        (7, 7, 0),
        (7, 6, 1),
        (6, 5, 1),
        (5, 4, 1),
        (4, 3, 1),
    ]


def test_steps_join_without_a_gap() -> None:
    flow = build_cohort(_school_data(), AS_OF).flow
    assert [step.after for step in flow[:-1]] == [step.before for step in flow[1:]]
    assert flow[-1].to_dict() == {"name": "in PreK", "before": 5, "after": 4, "excluded": 1}


def test_days_enrolled_school_and_grade_come_with_each_student() -> None:
    cohort = build_cohort(_school_data(), AS_OF)
    last = cohort.students.row(by_predicate=pl.col("student_id") == "eve", named=True)
    assert last == {"student_id": "eve", "school_id": "north", "grade_level": None, "days_enrolled": 1}


def test_indicators_that_are_there_already_are_not_made_again() -> None:
    data = _school_data()
    given = compute_indicators(data, AS_OF).filter(pl.col("student_id") != "ann")
    assert build_cohort(data, AS_OF, indicators=given).students.height == 3


def test_rejected_and_repeated_rows_of_students_are_told_apart() -> None:
    named = builders.frames(
        calendar=builders.weekdays("2025-09-03", "2026-06-12"),
        enrollments=[builders.enrollment("ann")],
        attendance=[],
    )
    twice = pl.concat([named["students"], named["students"]])
    nameless = pl.DataFrame({"student_id": [None]}, schema={"student_id": pl.String})
    named["students"] = pl.concat([twice, nameless], how="diagonal")
    cohort = build_cohort(SchoolData.from_frames(named, tolerance=1.0), AS_OF)
    assert [(step.name, step.excluded) for step in cohort.flow if step.excluded] == [("rejected by the reader", 2)]
    assert cohort.students.height == 1


def test_rows_of_any_table_about_the_cohort() -> None:
    cohort = build_cohort(_school_data(), AS_OF)
    table = pl.DataFrame({"student_id": ["pia", "bob", "ann"], "value": [1, 2, 3]})
    assert cohort.rows_of(table).get_column("value").to_list() == [2, 3]
