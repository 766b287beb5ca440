"""Ed-Fi packages of several years, and files that hold no XML or one in another encoding."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews.errors import ReadError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import grade
from tests.lib.dirt import clean_frames, leaks
from tests.lib.edfi import (
    code,
    document,
    grading_period,
    mark,
    package_of,
    school_of,
    session,
    student_of,
    text,
    with_records,
    write_package,
    xml,
)
from tests.lib.extracts import small_district

LAST_YEAR = session(
    {
        "term": "S1",
        "school_id": "north",
        "school_year": 2025,
        "begins": "2024-09-03",
        "ends": "2025-01-31",
        "taught": 90,
    }
)


@pytest.fixture
def files() -> dict[str, str]:
    return package_of(clean_frames())


def read(folder: Path, files: Mapping[str, str], *, tolerance: float | None = None) -> SchoolData:
    return read_school_data(write_package(folder, files), format="edfi", tolerance=tolerance)


def tardy(who: str, day: str) -> str:
    """A late arrival of a student of the school `north`."""
    said = xml(
        "AttendanceEvent", text("EventDate", day), code("AttendanceEventCategory", "AttendanceEventCategory", "Tardy")
    )
    return xml("StudentSchoolAttendanceEvent", said, student_of(who), school_of("north")) or ""


def test_derived_enrollments_are_of_the_years_in_which_anything_is_recorded(
    tmp_path: Path, files: dict[str, str]
) -> None:
    del files["StudentEnrollment.xml"], files["StudentDiscipline.xml"], files["StudentTranscript.xml"]
    files["EducationOrgCalendar.xml"] = with_records(files["EducationOrgCalendar.xml"], [LAST_YEAR])
    events = [tardy("MARKERID001", "2024-10-01"), tardy("MARKERID003", "2025-09-05")]
    files["StudentAttendance.xml"] = document("StudentAttendance", events)
    found = read(tmp_path, files, tolerance=1.0).enrollments
    assert found.select("student_id", "school_year").sort("student_id").rows() == [
        ("MARKERID001", 2025),
        ("MARKERID003", 2026),
    ]


def test_a_final_mark_is_known_from_the_end_of_its_session_in_its_own_year(tmp_path: Path) -> None:
    """Sessions may bear the same name year after year."""
    files = package_of(small_district())
    end = "</InterchangeEducationOrgCalendar>"
    content = files["EducationOrgCalendar.xml"]
    files["EducationOrgCalendar.xml"] = content.replace(end, f"{LAST_YEAR}\n{end}")
    files["StudentGrade.xml"] = document("StudentGrade", [mark(grade("s00", "art", "S1"), kind="Semester")])
    rows = read(tmp_path, files).course_grades.filter(pl.col("course_id") == "art")
    assert rows["graded_on"].to_list() == [date(2026, 1, 30)]


def test_a_school_without_grading_periods_has_its_sessions_whatever_others_have(
    tmp_path: Path, files: dict[str, str]
) -> None:
    period = grading_period("First Six Weeks", "north", begins="2025-09-03", ends="2025-10-15")
    files["EducationOrgCalendar.xml"] = with_records(files["EducationOrgCalendar.xml"], [period])
    days = read(tmp_path, files).calendar_days
    terms = {school: rows["term"].unique().to_list() for (school,), rows in days.group_by("school_id")}
    assert "First Six Weeks" in terms["north"]
    assert terms["south"] == ["S1"]


@pytest.mark.parametrize("content", ["", "\n", "<?xml version='1.0'?>\n", "MARKERNAME,MARKERID001\n"])
def test_a_file_that_is_no_xml_is_refused_and_not_passed_over(
    tmp_path: Path, files: dict[str, str], content: str
) -> None:
    """An export that was cut off before its first record would else be a district without absences."""
    files["StudentAttendance.xml"] = content
    with pytest.raises(ReadError, match=r"StudentAttendance\.xml: no XML") as caught:
        read(tmp_path, files)
    assert not leaks(str(caught.value) + str(caught.value.hint))


def test_a_file_in_another_encoding_is_no_other_kind_of_file(tmp_path: Path, files: dict[str, str]) -> None:
    folder = write_package(tmp_path, files)
    path = folder / "StudentAttendance.xml"
    path.write_text(path.read_text(encoding="utf-8").replace("UTF-8", "UTF-16"), encoding="utf-16")
    assert (
        read_school_data(folder, format="edfi").attendance_events.height
        == read(tmp_path / "plain", files).attendance_events.height
    )
