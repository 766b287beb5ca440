"""Contoso: files that nobody here wrote, through the two mappings in configs/readers."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.enums import CoverageLevel
from cis_ews.readers import read_school_data
from cis_ews.readers.mapping_config import load_mapping
from cis_ews.readers.survey import survey
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "../shared/samples/contoso_sis"

if not SOURCE.exists():
    pytest.skip("the Contoso sample files are not beside the project (../shared/samples)", allow_module_level=True)


@pytest.fixture(scope="module")
def batch1() -> SchoolData:
    return read_school_data(SOURCE, format=str(ROOT / "configs/readers/contoso.toml"))


@pytest.fixture(scope="module")
def batch2() -> SchoolData:
    return read_school_data(SOURCE, format=str(ROOT / "configs/readers/contoso_batch2.toml"))


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a sample file, by another reader than ours."""
    with (SOURCE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_batch_1_arrives_as_600_students_in_5_schools_on_20_days(batch1: SchoolData) -> None:
    assert batch1.students.height == batch1.enrollments.height == 600
    assert batch1.schools.height == 5
    assert batch1.calendar_days["date"].n_unique() == 20
    assert batch1.calendar_days.height == 100
    assert batch1.calendar_days["school_year"].unique().to_list() == [2022]


def test_batch_1_keeps_the_absences_and_reduces_presence(batch1: SchoolData) -> None:
    codes = Counter(row["AttendanceCode"] for row in rows_of("batch1_studentattendance.csv"))
    assert batch1.rows_read["attendance_events"] == codes.total() == 12_000
    assert batch1.attendance_events.height == codes["A"] == 1_285
    assert batch1.rows_reduced == {"attendance_events": codes["P"]} == {"attendance_events": 10_715}
    assert batch1.attendance_events["status"].unique().to_list() == ["unexcused"]


def test_batch_1_absences_of_each_student_are_a_count_over_the_file(batch1: SchoolData) -> None:
    counted = Counter(
        row["student_id"] for row in rows_of("batch1_studentattendance.csv") if row["PresenceFlag"] == "0"
    )
    assert dict(batch1.attendance_events.group_by("student_id").len().iter_rows()) == dict(counted)


def test_batch_1_marks_are_orphans_and_coursework_is_left_out_whole(batch1: SchoolData) -> None:
    orphans = batch1.rejections.filter(pl.col("table") == "course_grades")
    assert orphans.height == orphans.select("file", "row_number").n_unique() == 1_044
    assert set(orphans["rule"]) == {"student_known"}
    assert batch1.course_grades.height == 0
    assert batch1.coverage.coursework.level is CoverageLevel.NONE
    assert "1,044 of 1,044 rows" in (batch1.coverage.coursework.reason or "")


def test_batch_1_demographics_are_of_other_students_and_left_out_whole(batch1: SchoolData) -> None:
    assert batch1.demographics.height == 0
    assert any(note.startswith("demographics was left out whole: 100 of 100") for note in batch1.coverage.notes)


def test_batch_1_coverage(batch1: SchoolData) -> None:
    coverage = batch1.coverage
    assert (coverage.attendance.first, coverage.attendance.last) == (date(2022, 1, 3), date(2022, 1, 28))
    assert coverage.attendance.level is CoverageLevel.PARTIAL
    assert "excused from unexcused" in (coverage.attendance.reason or "")
    assert coverage.behavior.level is CoverageLevel.NONE
    assert set(coverage.last_reported.values()) == {date(2022, 1, 28)}
    assert any(note.startswith("enrollments: derived from the attendance rows") for note in coverage.notes)
    assert any(note.startswith("calendar_days: derived from the attendance rows") for note in coverage.notes)


def test_batch_1_students_absent_on_their_first_or_last_day_are_enrolled_on_it(batch1: SchoolData) -> None:
    rows = rows_of("batch1_studentattendance.csv")
    ends = {"2022-01-03", "2022-01-28"}
    absent = {row["student_id"] for row in rows if row["attendance_date"] in ends and row["AttendanceCode"] == "A"}
    assert len(absent) == 113
    enrolled = batch1.enrollments.filter(pl.col("student_id").is_in(list(absent)))
    assert enrolled["entry_date"].unique().to_list() == [date(2022, 1, 3)]
    assert enrolled["exit_date"].null_count() == 113


def test_batch_2_is_an_extract_of_its_own(batch2: SchoolData) -> None:
    assert (batch2.students.height, batch2.schools.height, batch2.calendar_days.height) == (16, 2, 5)
    assert batch2.calendar_days["date"].min() == date(2020, 8, 15)
    assert batch2.calendar_days["school_year"].unique().to_list() == [2021]  # August 2020 belongs to 2020-21
    assert batch2.rows_read["attendance_events"] == 20
    assert batch2.rows_reduced == {"attendance_events": 20}
    assert batch2.demographics.height == 3


def test_batch_2_merges_section_rows_into_days(batch2: SchoolData) -> None:
    assert "attendance_events: 4 further rows of the same student and day were merged into one" in batch2.coverage.notes


def test_batch_2_marks_are_mostly_orphans(batch2: SchoolData) -> None:
    assert batch2.coverage.coursework.level is CoverageLevel.NONE
    assert "864 of 1,046 rows" in (batch2.coverage.coursework.reason or "")


def test_every_row_is_accounted_for(batch1: SchoolData, batch2: SchoolData) -> None:
    for data in (batch1, batch2):
        counts = accounted(data)
        del counts["course_grades"], counts["demographics"]  # left out whole: nothing is kept of them
        assert all(read == kept for read, kept in counts.values())


def test_nothing_that_is_said_carries_a_student_id(batch1: SchoolData) -> None:
    said = f"{batch1.coverage.notes} {batch1.coverage.coursework.reason} {batch1.rejections.rows()}"
    ids = set(batch1.students["student_id"]) | {row["student_id"] for row in rows_of("batch1_studentsectionmark.csv")}
    assert [each for each in ids if f"'{each}'" in said or f" {each} " in said] == []


def test_a_survey_takes_the_headings_that_the_mapping_made_by_hand_takes() -> None:
    by_hand = load_mapping(ROOT / "configs/readers/contoso.toml").tables
    found = {table.table: table for table in survey(SOURCE).tables}
    taken = {(name, each.column): each.heading for name, table in found.items() for each in table.columns}
    assert set(found) == set(by_hand)
    assert taken == {place: by_hand[place[0]].columns[place[1]] for place in taken}
    missed = {(name, column) for name, table in by_hand.items() for column in table.columns} - set(taken)
    assert missed == {("demographics", "disability")}  # programs by name, whose words are no truth values
