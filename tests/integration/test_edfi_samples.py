"""Ed-Fi files that nobody here wrote: Grand Bend, 960 students, Data Standard 5.2."""

from __future__ import annotations

import importlib
import shutil
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from cis_ews import compute_indicators
from cis_ews.enums import CoverageLevel
from cis_ews.errors import ReadError
from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import TABLES, SchoolData
from tests.lib.dirt import accounted, rules_broken
from tests.lib.toml import write_toml

SAMPLES = Path(__file__).parents[2] / "../shared/samples"
GRAND_BEND = SAMPLES / "edfi_grandbend_xml"

if not GRAND_BEND.exists():
    pytest.skip("the Ed-Fi sample files are not beside the project (../shared/samples)", allow_module_level=True)


@cache
def data() -> SchoolData:
    return read_school_data(GRAND_BEND, format="edfi")


def sundays() -> int:
    """Events of the school on a Sunday, by the file itself."""
    etree: Any = importlib.import_module("lxml.etree")
    days = etree.parse(GRAND_BEND / "StudentSchoolAttendance.xml").iter("{*}EventDate")
    return sum(date.fromisoformat(each.text).isoweekday() == 7 for each in days)


def test_every_attendance_event_is_kept_or_accounted_for() -> None:
    by_section, by_school = 66, 1_917
    assert data().rows_read["attendance_events"] == by_school + by_section
    not_taught = rules_broken(data(), "attendance_events")
    assert [rule for rule, _, _ in not_taught] == ["instructional_day"] * 3
    assert sundays() == 3
    further = 1  # 1,917 events have 1,916 keys
    assert data().attendance_events.height == by_school - further - 3
    assert data().rows_reduced["attendance_events"] == by_section + further
    assert "attendance_events: 1 event is a further one of the same day; the longest counts" in data().coverage.notes


def test_incidents_and_actions_arrive_with_nothing_unexplained() -> None:
    assert data().incidents.height == 21
    assert data().rows_read["discipline_actions"] == 25
    assert data().discipline_actions.height == 21
    assert data().rows_reduced["discipline_actions"] == 4
    assert set(data().discipline_actions["action"]) == {"in_school_suspension", "expulsion"}
    assert rules_broken(data(), "incidents") == rules_broken(data(), "discipline_actions") == []
    assert all(read == kept for read, kept in accounted(data()).values())


def test_programs_are_read_for_the_audit_or_counted() -> None:
    etree: Any = importlib.import_module("lxml.etree")
    named = "StudentLanguageInstructionProgramAssociation"
    records = list(etree.parse(GRAND_BEND / "StudentProgram.xml").iter(f"{{*}}{named}"))
    assert len(records) == 38
    learners = {each.findtext(".//{*}StudentUniqueId") for each in records}
    current = data().demographics.filter(english_learner="current")["student_id"].to_list()
    assert set(current) == learners & set(data().students["student_id"])
    aside = {"Section504": 3, "MigrantEducation": 275, "": 126}
    assert [note for note in data().coverage.notes if "left aside" in note] == [
        f"{count} Student{kind}ProgramAssociations left aside: no column is for that program"
        for kind, count in aside.items()
    ]


def test_what_the_package_lacks_is_said() -> None:
    assert data().coverage.coursework.level is CoverageLevel.NONE
    assert any(note.startswith("enrollments: the package has none") for note in data().coverage.notes)
    assert data().students.height + data().rows_reduced["students"] == 960


def _day_of(record: Any) -> str | None:
    places = ("AttendanceEvent/{*}EventDate", "IncidentDate", "DisciplineDate")
    return next((day for place in places if (day := record.findtext(f"{{*}}{place}"))), None)


def _until(as_of: date, folder: Path) -> Path:
    """The same files without what is dated after a day: events, actions, and incidents with who is named in them."""
    etree: Any = importlib.import_module("lxml.etree")
    folder.mkdir()
    for path in GRAND_BEND.glob("*.xml"):
        root = etree.parse(path).getroot()
        later = [each for each in root if (day := _day_of(each)) and date.fromisoformat(day) > as_of]
        named = {each.get("id") for each in later if each.get("id")}
        later += [each for each in root if any(place.get("ref") in named for place in each.iter("{*}*"))]
        for each in later:
            root.remove(each)
        etree.ElementTree(root).write(folder / path.name, encoding="UTF-8", xml_declaration=True)
    return folder


def test_what_is_dated_after_a_day_changes_nothing_as_of_that_day(tmp_path: Path) -> None:
    """Enrollments are derived here: later rows name students who are not enrolled yet, and cost no table its rows."""
    as_of = date(2022, 3, 31)
    every = read_school_data(GRAND_BEND, format="edfi", as_of=as_of)
    known = read_school_data(_until(as_of, tmp_path / "known"), format="edfi", as_of=as_of)
    for table in TABLES:
        assert_frame_equal(every.table(table), known.table(table))
    assert (every.incidents.height, every.discipline_actions.height) == (16, 16)
    assert every.coverage.behavior.level is CoverageLevel.FULL
    said = [{**each.coverage.to_dict(), "notes": None} for each in (every, known)]
    assert said[0] == said[1]
    assert_frame_equal(compute_indicators(every, as_of), compute_indicators(known, as_of))
    assert "attendance_events: 370 events are not known on 2022-03-31 yet; not used" in every.coverage.notes
    assert all(read == kept for read, kept in accounted(every).values())


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
