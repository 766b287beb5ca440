"""The records behind the reasons: what was known on the day, and nothing that came later."""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.schema.student_records import RECORDS_SCHEMA, days_absent, student_records
from cis_ews.storage.packing import packed_lists, unpacked
from tests.lib.builders import (
    absence,
    action,
    district,
    enrollment,
    grade,
    incident,
    student,
    student_year,
    tardy,
    weekdays,
)

DAY = date(2026, 2, 2)


def _tables() -> dict[str, pl.DataFrame]:
    return student_records(
        district(
            calendar=weekdays("2025-09-03", "2026-06-12"),
            students=[student("ann"), student("bob")],
            enrollments=[enrollment("ann", exit="2026-03-06"), enrollment("bob")],
            attendance=[
                absence("ann", "2026-01-20"),
                tardy("ann", "2026-02-02"),
                absence("ann", "2026-02-03"),
            ],
            incidents=[
                incident("ann", "2026-01-21", incident_id="i1"),
                incident("ann", "2026-02-05", incident_id="i2"),
            ],
            actions=[
                action("ann", "2026-01-22", incident_id="i1"),
                action("ann", "2026-02-04", incident_id="i1"),
            ],
            grades=[
                grade("ann", "math", "T1", graded_on="2026-01-30"),
                grade("ann", "science", "T1", graded_on="2026-02-20"),
            ],
            student_years=[student_year("ann", days_enrolled=170, days_absent=20.0)],
        ),
        DAY,
    )


def _records() -> pl.DataFrame:
    """The records as they come out of a block."""
    (block,) = packed_lists(pl.DataFrame({"student_id": ["bob", "ann"]}), [2], _tables())
    return unpacked(block).cast(dict(RECORDS_SCHEMA)).sort("student_id")


def test_what_is_dated_later_is_not_there() -> None:
    ann = _records().row(0, named=True)

    assert [each["date"] for each in ann["attendance_events"]] == [date(2026, 1, 20), DAY]
    assert [each["date"] for each in ann["incidents"]] == [date(2026, 1, 21)]
    assert [each["start_date"] for each in ann["discipline_actions"]] == [date(2026, 1, 22)]
    assert [each["course_id"] for each in ann["course_grades"]] == ["math"]
    assert [(each["school_year"], each["days_absent"]) for each in ann["student_years"]] == [(2025, 20.0)]


def test_an_exit_that_is_planned_is_not_told() -> None:
    (enrolled,) = _records().row(0, named=True)["enrollments"]

    assert (enrolled["exit_date"], enrolled["exit_type"]) == (None, None)


def test_a_student_of_whom_nothing_is_recorded_has_empty_lists_by_the_schema() -> None:
    records = _records()

    assert dict(records.schema) == RECORDS_SCHEMA
    assert records["student_id"].to_list() == ["ann", "bob"]
    assert records.row(1, named=True)["attendance_events"] == []


def test_a_tardy_is_no_day_absent_and_who_has_no_record_is_not_told() -> None:
    assert days_absent(_tables(), pl.Series(["bob", "ann"])).to_list() == [None, 1.0]
