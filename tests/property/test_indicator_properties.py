"""Two ways to one answer, and what must not change it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.indicators import INDICATORS_SCHEMA, compute_indicators
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.plain_indicators import complete, plain_indicators
from tests.lib.random_districts import SCHOOLS, STUDENTS, Night, checked, nights

OF_STUDENTS = [name for name, schema in TABLES.items() if "student_id" in schema.columns()]
DATED = {
    "attendance_events": "date",
    "incidents": "date",
    "discipline_actions": "start_date",
    "course_grades": "graded_on",
}


@given(night=nights())
def test_every_indicator_equals_its_plain_definition(night: Night) -> None:
    school_data = night.school_data
    found = compute_indicators(school_data, night.as_of)
    expected = complete(plain_indicators(school_data, night.as_of), INDICATORS_SCHEMA)
    assert found.schema == INDICATORS_SCHEMA
    assert found["student_id"].to_list() == [row["student_id"] for row in expected]
    assert differences(found, expected) == []


@given(night=nights(), seed=st.integers(0, 9))
def test_row_order_changes_nothing(night: Night, seed: int) -> None:
    school_data = night.school_data
    shuffled: dict[str, Any] = {
        name: school_data.table(name).sample(fraction=1, shuffle=True, seed=seed) for name in TABLES
    }
    found = compute_indicators(replace(school_data, **shuffled), night.as_of)
    assert_same(found, compute_indicators(school_data, night.as_of))


@given(night=nights())
def test_nothing_dated_after_the_as_of_date_changes_a_bit(night: Night) -> None:
    with_future = compute_indicators(night.school_data, night.as_of)
    assert_same(compute_indicators(checked(without_future(night.tables, night.as_of)), night.as_of), with_future)


@given(night=nights(), buckets=st.lists(st.integers(0, 4), min_size=len(STUDENTS), max_size=len(STUDENTS)))
def test_splitting_by_student_changes_nothing(night: Night, buckets: list[int]) -> None:
    """Some of the five parts have no student, and many no row of this or last year: coverage is that of the whole."""
    school_data = night.school_data
    bucket_of = pl.col("student_id").replace_strict(dict(zip(STUDENTS, buckets, strict=True)))
    parts = [compute_indicators(only(school_data, bucket_of == bucket), night.as_of) for bucket in range(5)]
    assert_same(pl.concat(parts).sort("student_id"), compute_indicators(school_data, night.as_of))


@given(night=nights())
def test_splitting_by_school_changes_nothing_for_those_who_never_moved(night: Night) -> None:
    school_data = night.school_data
    spells = school_data.enrollments.group_by("student_id").agg(pl.col("school_id").unique())
    stayed = spells.filter(pl.col("school_id").list.len() == 1).explode("school_id")
    whole = compute_indicators(school_data, night.as_of)
    for school_id in SCHOOLS:
        students = stayed.filter(pl.col("school_id") == school_id)["student_id"].to_list()
        inside = pl.col("student_id").is_in(students)
        assert_same(compute_indicators(only(school_data, inside), night.as_of), whole.filter(inside))


@given(night=nights())
def test_a_summary_equal_to_the_records_of_last_year_gives_the_same_indicators(night: Night) -> None:
    detailed = checked({name: rows for name, rows in night.tables.items() if name != "student_years"})
    expected = compute_indicators(detailed, night.as_of)
    summarised = compute_indicators(checked(summed_up(night.tables, expected)), night.as_of)
    last_year = [name for name in INDICATORS_SCHEMA if name.endswith("_last_year")]
    assert_same(summarised.select(last_year), expected.select(last_year))


def summed_up(tables: dict[str, pl.DataFrame], found: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables without a record of last year, and what was found of it as its summary."""
    this_year = tables["calendar_days"].filter(pl.col("school_year") == 2026)["date"].min()
    later = {
        name: rows.filter(pl.col(DATED[name]) >= this_year)
        for name, rows in tables.items()
        if name in DATED and name != "course_grades"
    }
    if "course_grades" in tables:
        later["course_grades"] = tables["course_grades"].filter(pl.col("school_year") == 2026)
    summary = found.select(
        "student_id",
        school_year=pl.lit(2025, pl.Int16),
        days_enrolled=pl.col("days_enrolled_last_year").cast(pl.Int16),
        days_absent="days_absent_last_year",
        incidents="incidents_last_year",
        suspensions="suspensions_last_year",
        grade_points="gpa_last_year",
        course_failures="course_failures_last_year",
        school_changes="school_changes_last_year",
    )
    return {**tables, **later, "student_years": summary}


def differences(found: pl.DataFrame, expected: list[dict[str, Any]]) -> list[tuple[str, str, object, object]]:
    """Student, column, what the library found, what the plain definition says."""
    return [
        (row["student_id"], name, row[name], plain[name])
        for row, plain in zip(found.to_dicts(), expected, strict=True)
        for name in INDICATORS_SCHEMA
        if row[name] != plain[name]
    ]


def only(school_data: SchoolData, which: pl.Expr) -> SchoolData:
    """A part of the students with all their history; schools, calendar and coverage stay whole."""
    parts: dict[str, Any] = {name: school_data.table(name).filter(which) for name in OF_STUDENTS}
    return replace(school_data, **parts)


def without_future(given_tables: dict[str, pl.DataFrame], as_of: date) -> dict[str, pl.DataFrame]:
    """The tables as they could have been known on the as-of date; the days of the calendar stay planned."""
    past = dict(given_tables)
    for name, column in DATED.items():
        if name in past:
            past[name] = past[name].filter(pl.col(column).is_null() | (pl.col(column) <= as_of))
    past["enrollments"] = past["enrollments"].with_columns(
        exit_date=pl.when(pl.col("exit_date") <= as_of).then("exit_date")
    )
    past["enrollments"] = past["enrollments"].filter(pl.col("entry_date") <= as_of)
    planned = (pl.col("date") > as_of) | pl.col("is_instructional")
    past["calendar_days"] = past["calendar_days"].with_columns(is_instructional=planned)
    if "student_years" in past:
        ends = past["calendar_days"].group_by("school_year").agg(pl.col("date").max())
        unfinished = ends.filter(pl.col("date") > as_of)
        past["student_years"] = past["student_years"].join(unfinished, on="school_year", how="anti")
    if "reporting" in past:
        past["reporting"] = past["reporting"].filter(pl.col("reported_through") <= as_of)
    return past


def assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert_frame_equal(found, expected, check_exact=True)
