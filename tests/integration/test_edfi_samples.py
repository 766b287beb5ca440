"""Ed-Fi files that nobody here wrote: Grand Bend, 960 students, Data Standard 5.2."""

from __future__ import annotations

import importlib
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cis_ews.enums import CoverageLevel
from cis_ews.errors import ReadError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import accounted, rules_broken
from tests.lib.toml import write_toml

SAMPLES = Path(__file__).parents[2] / "../shared/samples"
GRAND_BEND = SAMPLES / "edfi_grandbend_xml"

if not GRAND_BEND.exists():
    pytest.skip("the Ed-Fi sample files are not beside the project (../shared/samples)", allow_module_level=True)


@cache
def data() -> SchoolData:
    return read_school_data(GRAND_BEND, format="edfi")


def test_every_attendance_event_is_kept_or_accounted_for() -> None:
    by_section, by_school = 66, 1_917
    assert data().rows_read["attendance_events"] == by_school + by_section
    not_taught = rules_broken(data(), "attendance_events")
    assert {rule for rule, _, _ in not_taught} == {"instructional_day"}
    further = 1  # 1,917 events have 1,916 keys
    assert data().attendance_events.height == by_school - further - len(not_taught)
    assert data().rows_reduced["attendance_events"] == by_section + further
    assert "attendance_events: 1 event is a further one of the same day; the longest counts" in data().coverage.notes


def test_incidents_and_actions_arrive_with_nothing_unexplained() -> None:
    assert data().incidents.height == 21
    assert data().rows_read["discipline_actions"] == 25
    assert data().discipline_actions.height + data().rows_reduced["discipline_actions"] == 25
    assert set(data().discipline_actions["action"]) == {"in_school_suspension", "expulsion"}
    assert rules_broken(data(), "incidents") == rules_broken(data(), "discipline_actions") == []
    assert all(read == kept for read, kept in accounted(data()).values())


def test_what_the_package_lacks_is_said() -> None:
    assert data().coverage.coursework.level is CoverageLevel.NONE
    assert any(note.startswith("enrollments: the package has none") for note in data().coverage.notes)
    assert data().students.height + data().rows_reduced["students"] == 960


EIGHT = SAMPLES / "oneroster_grandbend/oneroster_1p1"


def schools_of_interventions() -> dict[str, str]:
    """Student -> the school of the intervention that names the student: where the package says it of all eight."""
    etree: Any = importlib.import_module("lxml.etree")
    found = etree.parse(GRAND_BEND / "StudentIntervention.xml").iter("{*}StudentInterventionAssociation")
    return {each.findtext(".//{*}StudentUniqueId"): each.findtext(".//{*}EducationOrganizationId") for each in found}


def test_the_same_eight_students_by_both_standards(tmp_path: Path) -> None:
    """They agree in id, names and school; that their birth dates differ is counted, and no date is told."""
    sources = {
        "edfi": {
            "path": str(GRAND_BEND),
            "format": "edfi",
            "tables": ["schools", "calendar_days", "students", "enrollments", "attendance_events", "incidents"],
        },
        "sis": {"path": str(EIGHT), "format": "oneroster", "tables": ["students"]},
    }
    toml = write_toml(tmp_path / "all.toml", {"config_version": 1, "reader": "combine", "sources": sources})
    combined = read_school_data(toml, format="combine")
    assert [note for note in combined.coverage.notes if note.startswith("students: 8 are")] == [
        "students: 8 are both in edfi and in sis; they differ in birth_date of 8; what edfi says counts"
    ]
    assert "schools: 1 are both in edfi and in sis; they agree" in combined.coverage.notes
    roster = read_school_data(EIGHT, format="oneroster")
    schools = dict(roster.enrollments.select("student_id", "school_id").iter_rows())
    assert len(schools) == 8
    assert schools.items() <= schools_of_interventions().items()
    said = str(combined.coverage.to_dict())
    dates = [str(day) for day in roster.students["birth_date"]] + roster.students["last_name"].to_list()
    assert [each for each in (*schools, *dates) if each in said] == []


def _with_schemas(folder: Path) -> str:
    toml = folder / "own.toml"
    toml.write_text(f'reader = "edfi"\nschemas = "{GRAND_BEND / "Schemas/Bulk"}"\n', encoding="utf-8")
    return str(toml)


def test_a_file_is_held_against_its_xsd_where_that_is_asked_for(tmp_path: Path) -> None:
    names = ("Student.xml", "EducationOrganization.xml", "EducationOrgCalendar.xml", "StudentDiscipline.xml")
    for name in names:
        shutil.copyfile(GRAND_BEND / name, tmp_path / name)
    assert read_school_data(tmp_path, format=_with_schemas(tmp_path), tolerance=1.0).incidents.height == 21
    student = (tmp_path / "Student.xml").read_text(encoding="utf-8")
    broken = student.replace("<BirthDate>2014-11-13<", "<BirthDate>MARKERNAME<", 1)
    (tmp_path / "Student.xml").write_text(broken, encoding="utf-8")
    with pytest.raises(ReadError, match=r"Student\.xml: line \d+ breaks the XSD") as caught:
        read_school_data(tmp_path, format=_with_schemas(tmp_path))
    assert "MARKERNAME" not in str(caught.value)
