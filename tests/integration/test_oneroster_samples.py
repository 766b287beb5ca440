"""OneRoster files that nobody here wrote: eight students of Grand Bend, and the conformance case of 1.2.1."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from cis_ews.enums import CoverageLevel
from cis_ews.errors import SchemaError
from cis_ews.readers import read_school_data
from cis_ews.readers.oneroster_tables import KNOWN
from tests.lib.dirt import accounted

SAMPLES = Path(__file__).parents[2] / "../shared/samples"
GRAND_BEND = SAMPLES / "oneroster_grandbend"
FULL = SAMPLES / "oneroster_1p2_full"

if not GRAND_BEND.exists():
    pytest.skip("the OneRoster sample files are not beside the project (../shared/samples)", allow_module_level=True)


def cells(path: Path) -> list[dict[str, str]]:
    """The rows of a sample file, by another reader than ours."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("version", ["oneroster_1p0", "oneroster_1p1"])
def test_the_eight_students_of_grand_bend_arrive(version: str) -> None:
    data = read_school_data(GRAND_BEND / version, format="oneroster")
    users = [row for row in cells(GRAND_BEND / version / "users.csv") if row["role"] == "student"]
    assert len(users) == 8
    names = {(row["sourcedId"], row["givenName"], row["familyName"]) for row in users}
    assert set(data.students.select("student_id", "first_name", "last_name").iter_rows()) == names
    assert data.students["birth_date"].null_count() == 0
    assert data.schools.select("school_id", "district_id", "name").rows() == [
        ("255901001", "255901", "Grand Bend High School")
    ]
    assert set(data.enrollments.select("school_id", "entry_date", "exit_date").iter_rows()) == {
        ("255901001", date(2020, 8, 17), None)
    }
    assert data.rejections.is_empty()
    assert all(read == kept for read, kept in accounted(data).values())
    assert data.coverage.coursework.level is CoverageLevel.NONE


def test_their_grade_and_calendar_are_known_from_1p1() -> None:
    data = read_school_data(GRAND_BEND / "oneroster_1p1", format="oneroster")
    assert set(data.enrollments["grade_level"]) == {"9"}
    assert (data.calendar_days["date"].min(), data.calendar_days["date"].max()) == (
        date(2020, 8, 17),
        date(2021, 5, 28),
    )
    assert set(data.calendar_days["term"]) == {"2020-2021 Fall Semester", "2020-2021 Spring Semester"}


def test_every_header_of_the_conformance_case_is_known() -> None:
    headers = json.loads((FULL / "headers_v1p2p1.json").read_text(encoding="utf-8"))
    assert {name.removesuffix(".csv") for name in headers} == set(KNOWN)
    assert {name: set(columns) - set(KNOWN[name.removesuffix(".csv")]) for name, columns in headers.items()} == {
        name: set() for name in headers
    }


def test_the_conformance_case_has_no_student_and_that_is_said() -> None:
    with pytest.raises(SchemaError, match=r"users\.csv: none of 2 users is a student; look at role"):
        read_school_data(FULL / "bulk", format="oneroster")


def test_the_conformance_case_arrives_bulk_and_delta_once_its_user_is_a_student(tmp_path: Path) -> None:
    shutil.copytree(FULL, tmp_path / "full")
    for path in [*tmp_path.rglob("roles.csv"), *tmp_path.rglob("enrollments.csv")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        path.chmod(0o644)
        path.write_text("\n".join(each.replace("teacher", "student") if "user-1" in each else each for each in lines))
    for source in (tmp_path / "full/bulk", tmp_path / "full"):
        data = read_school_data(source, format="oneroster")
        assert data.course_grades.select("student_id", "course_id", "term", "subject", "percent").rows() == [
            ("user-1", "course-1", "Fall Term", "math", 95.5)
        ]
        assert data.rejections.is_empty()
        assert all(read == kept for read, kept in accounted(data).values())
