"""The benchmark of the readers measures a package that is read whole: every result has its part in a grade."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.readers import COURSES, ITEMS, parse_alone, read_edfi, read_plainly, write_events, write_gradebook
from cis_ews.readers import read_school_data


def test_its_package_is_read_by_both_to_the_last_row(tmp_path: Path) -> None:
    write_gradebook(tmp_path / "package", results=2400)
    data = read_school_data(tmp_path / "package", format="oneroster")
    assert data.rows_read["course_grades"] == 2400
    assert data.course_grades.height == 20 * COURSES
    assert data.rejections.is_empty()
    assert read_plainly(tmp_path / "package") > 2400
    first = data.course_grades.filter(pl.col("student_id") == "student-0", pl.col("course_id") == "class-0")
    assert first["percent"].item() == sum(item * 17 % 101 for item in range(ITEMS)) / ITEMS


def test_its_year_of_attendance_is_read_by_both_to_the_last_event(tmp_path: Path) -> None:
    write_events(tmp_path / "package", events=400)
    assert parse_alone(tmp_path / "package") == read_edfi(tmp_path / "package") == 400
