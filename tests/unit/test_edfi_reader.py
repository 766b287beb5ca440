"""Ed-Fi's bulk XML: what the tables of the contract are made of, and what is refused or counted."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cis_ews.errors import ConfigError, ReadError, UnmappedCodesError
from cis_ews.indicators import compute_indicators
from cis_ews.readers import edfi_pieces, edfi_stream, read_school_data
from cis_ews.readers.edfi_records import INTERCHANGES
from cis_ews.readers.edfi_stream import Package, read_xml
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import list_entries
from cis_ews.risk.cohort import build_cohort
from cis_ews.schema.school_data import SchoolData, SourceFile
from tests.lib.builders import absence, action, enrollment, frame, frames, grade, incident, student, tardy, weekdays
from tests.lib.dirt import accounted, clean_frames, leaks, rules_broken, zip_of
from tests.lib.edfi import (
    code,
    document,
    grading_period,
    mark,
    package_of,
    school_of,
    section_attendance,
    student_of,
    support,
    text,
    transcript,
    with_records,
    write_package,
    xml,
)
from tests.lib.extracts import small_district

SAME = {
    "schools": ["school_id", "district_id", "name", "level"],
    "calendar_days": ["school_id", "date", "is_instructional", "school_year", "term"],
    "students": ["student_id", "first_name", "last_name", "birth_date"],
    "enrollments": ["student_id", "school_id", "entry_date", "school_year", "grade_level", "exit_date", "exit_type"],
    "attendance_events": ["student_id", "school_id", "date", "status", "fraction_absent"],
    "incidents": ["student_id", "school_id", "date", "severity"],
    "discipline_actions": ["student_id", "action", "start_date", "days"],
    "course_grades": ["student_id", "school_id", "course_id", "school_year", "term", "subject", "mark", "percent"],
}
"""What Ed-Fi can carry of each table."""


@pytest.fixture
def files() -> dict[str, str]:
    return package_of(clean_frames())


def read(folder: Path, files: Mapping[str, str], **options: float) -> SchoolData:
    return read_school_data(write_package(folder, files), format="edfi", **options)  # pyright: ignore[reportArgumentType]


def some_notes(data: SchoolData, beginning: str) -> list[str]:
    return [note for note in data.coverage.notes if note.startswith(beginning)]


def event(who: str, day: str, category: str, **said: object) -> str:
    """An attendance event of a student at the school `north`."""
    duration, minutes = said.get("duration"), said.get("minutes")
    return (
        xml(
            "StudentSchoolAttendanceEvent",
            xml(
                "AttendanceEvent",
                text("EventDate", day),
                code("AttendanceEventCategory", "AttendanceEventCategory", category),
                text("EventDuration", duration),
            ),
            student_of(who),
            school_of(str(said.get("school", "north"))),
            text("SchoolAttendanceDuration", minutes),
        )
        or ""
    )


def test_a_district_written_as_ed_fi_comes_back_as_it_was(tmp_path: Path, files: dict[str, str]) -> None:
    data = read(tmp_path, files)
    assert data.rejections.is_empty()
    assert all(read == kept for read, kept in accounted(data).values())
    for table, columns in SAME.items():
        expected = SchoolData.from_frames(clean_frames()).table(table).select(columns).sort(columns)
        found = data.table(table).select(columns).sort(columns)
        assert found.equals(expected), table


def test_a_zip_and_a_folder_say_the_same(tmp_path: Path, files: dict[str, str]) -> None:
    archive = zip_of(tmp_path / "edfi.zip", {f"sub/{name}": text.encode() for name, text in files.items()})
    packed = read_school_data(archive, format="edfi")
    plain = read(tmp_path / "plain", files)
    assert all(packed.table(table).equals(plain.table(table)) for table in SAME)


@pytest.mark.parametrize("namespace", ["http://ed-fi.org/0400", "http://ed-fi.org/6.1.0"])
def test_the_namespace_of_another_standard_is_read_too(tmp_path: Path, files: dict[str, str], namespace: str) -> None:
    other = {name: text.replace("http://ed-fi.org/5.2.0", namespace) for name, text in files.items()}
    assert read(tmp_path, other).students.height == 40


def test_of_several_events_of_a_day_the_longest_counts(tmp_path: Path, files: dict[str, str]) -> None:
    who, other = "MARKERID001", "MARKERID003"
    files["StudentAttendance.xml"] = document(
        "StudentAttendance",
        [
            event(who, "2025-09-05", "Tardy"),
            event(who, "2025-09-05", "Excused Absence", duration=0.5),
            event(who, "2025-09-05", "Unexcused Absence", duration=0.5),
            event(other, "2025-09-08", "Partial", minutes=39),
            event(other, "2025-09-09", "Early departure"),
            event(other, "2025-09-10", "Excused Absence"),
            event(other, "2025-09-10", "Excused Absence"),
            event(other, "2025-09-11", "Unexcused Absence", duration=2),
        ],
    )
    data = read(tmp_path, files, tolerance=0.5)
    found = data.attendance_events.select("student_id", "status", "fraction_absent").rows()
    assert found == [
        (who, "unexcused", 0.5),
        (other, "excused", 0.1),
        (other, "excused", 0.25),
        (other, "excused", 1.0),
    ]
    assert rules_broken(data, "attendance_events") == [
        ("duplicate_row", 7, None),
        ("out_of_range", 8, "fraction_absent"),
    ]
    assert some_notes(data, "attendance_events: 2 events are further ones of the same day")
    assert all(read == kept for read, kept in accounted(data).values())


def test_a_district_that_records_by_section_comes_back_as_it_was(tmp_path: Path) -> None:
    """Absences of every number of half sections of six; what is not recorded is presence."""
    tables = clean_frames()
    days = [row["date"] for row in weekdays("2025-09-03", "2025-12-19") if row["is_instructional"]]
    events = [
        absence("MARKERID001", days[halves], "north", fraction=halves / 12, status=status)
        for status, halves in zip(["excused", "unexcused"] * 6, range(1, 13), strict=True)
    ]
    tables = tables | {"attendance_events": frame("attendance_events", [*events, tardy("MARKERID003", days[0])])}
    by_section = list(section_attendance(tables["attendance_events"]))
    assert sum("<EventDuration>0.5<" in each for each in by_section) == 6
    assert sum("EventDuration" not in each for each in by_section) > 6
    data = read(tmp_path, package_of(tables) | {"StudentAttendance.xml": document("StudentAttendance", by_section)})
    assert data.rejections.is_empty()
    assert all(read == kept for read, kept in accounted(data).values())
    for table, columns in SAME.items():
        # Exact but for the last bit of a fraction: polars multiplies by the inverse of the sections of a day.
        assert_frame_equal(
            data.table(table).select(columns),
            SchoolData.from_frames(tables).table(table).select(columns),
            check_row_order=False,
        )


def test_a_code_that_no_crosswalk_knows_stops_with_its_list(tmp_path: Path, files: dict[str, str]) -> None:
    files["StudentAttendance.xml"] = files["StudentAttendance.xml"].replace("#Unexcused Absence", "#Field trip")
    with pytest.raises(UnmappedCodesError, match=r"attendance \(category\)") as caught:
        read(tmp_path, files)
    assert "Field trip (40 rows)" in str(caught.value)
    assert "docs/edfi.md" in str(caught.value.hint)
    toml = tmp_path / "own.toml"
    toml.write_text('reader = "edfi"\n[crosswalks.attendance]\n"field trip" = "present"\n', encoding="utf-8")
    assert read_school_data(tmp_path, format=str(toml)).attendance_events["status"].unique().to_list() == ["tardy"]


def test_victims_and_witnesses_are_no_offenders(tmp_path: Path, files: dict[str, str]) -> None:
    before = files["StudentDiscipline.xml"]
    files["StudentDiscipline.xml"] = before.replace("#Perpetrator", "#Witness", 3)
    data = read(tmp_path, files, tolerance=0.2)
    assert data.incidents.height == 37
    assert some_notes(data, "incidents: 3 associations are of students who are no offenders")
    assert [rule for rule, _, _ in rules_broken(data, "discipline_actions")] == ["incident_known"] * 3


def test_who_was_absent_from_an_intervention_had_no_support(tmp_path: Path, files: dict[str, str]) -> None:
    categories = ("In Attendance", "Tardy", "Early departure", "Partial", "Excused Absence", "Unexcused Absence")
    days = ("2025-09-08", "2025-09-09", "2025-09-10", "2025-09-11", "2025-09-12", "2025-09-15")
    events = [
        support({"student_id": "MARKERID001", "date": day, "category": "tutoring", "minutes": 30}, category=category)
        for day, category in zip(days, categories, strict=True)
    ]
    files["StudentIntervention.xml"] = document("StudentIntervention", events)
    data = read(tmp_path, files)
    assert [str(day) for day in data.supports["date"]] == list(days[:4])
    assert data.supports["minutes"].to_list() == [30] * 4
    assert some_notes(data, "supports: 2 events are absences: no support was delivered")
    assert all(read == kept for read, kept in accounted(data).values())
    files["StudentIntervention.xml"] = files["StudentIntervention.xml"].replace("#Tardy", "#Drop in")
    with pytest.raises(UnmappedCodesError, match=r"attendance \(category\)") as caught:
        read(tmp_path / "other", files)
    assert "1 value that may be personal and is not shown (1 row)" in str(caught.value)
    own = tmp_path / "own.toml"
    own.write_text('reader = "edfi"\n[crosswalks.attendance]\n"Drop in" = "not_used"\n', encoding="utf-8")
    mapped = read_school_data(tmp_path / "other", format=str(own))
    assert mapped.supports.height == 3
    assert some_notes(mapped, "supports: 1 event is of a category that is no attendance")


@pytest.mark.parametrize("record", ["StudentEducationOrganizationAssociation", "StudentDemographic"])
def test_demographics_are_read_of_every_standard(tmp_path: Path, files: dict[str, str], record: str) -> None:
    person = xml(
        record,
        student_of("MARKERID001"),
        code("Sex", "Sex", "Female"),
        text("HispanicLatinoEthnicity", "false"),
        xml("Race", code("Race", "Race", "Asian")),
        code("LimitedEnglishProficiency", "LimitedEnglishProficiency", "Limited"),
    )
    files["StudentEnrollment.xml"] = with_records(files["StudentEnrollment.xml"], [person or ""])
    learner = xml("StudentLanguageInstructionProgramAssociation", student_of("MARKERID003")) or ""
    aside = xml("StudentSection504ProgramAssociation", student_of("MARKERID003")) or ""
    files["StudentProgram.xml"] = document("StudentProgram", [learner, aside])
    data = read(tmp_path, files)
    told = data.demographics.select("student_id", "gender", "race_ethnicity", "english_learner")
    assert told.filter(pl.col("english_learner").is_not_null()).rows() == [
        ("MARKERID001", "Female", "Asian", "current"),
        ("MARKERID003", None, None, "current"),
    ]
    assert some_notes(data, "1 StudentSection504ProgramAssociation left aside")


def test_offenders_of_data_standard_4(tmp_path: Path, files: dict[str, str]) -> None:
    """There the association has the student's part, and a behavior within one."""
    now = read(tmp_path / "now", files)
    behavior = r"(<Behavior>uri[^<]*</Behavior>)(?=<Disc)"
    of_four = re.sub(behavior, r"<Behavior>\1</Behavior>", files["StudentDiscipline.xml"])
    of_four = of_four.replace("StudentDisciplineIncidentBehaviorAssociation", "StudentDisciplineIncidentAssociation")
    of_four = re.sub(r"DisciplineIncidentParticipationCode\b", "StudentParticipationCode", of_four)
    assert of_four.count("<Behavior><Behavior>") == of_four.count("<StudentParticipationCode>") == 40
    files["StudentDiscipline.xml"] = of_four.replace("#Perpetrator", "#Victim", 1)
    then = read(tmp_path / "then", files)
    assert some_notes(then, "incidents: 1 association is of a student who is no offender")
    assert then.incidents.height == 39
    assert_frame_equal(then.incidents, now.incidents.join(then.incidents, on="incident_id", how="semi"))
    assert then.discipline_actions.height == 39


def test_without_enrollments_they_are_derived_and_said(tmp_path: Path, files: dict[str, str]) -> None:
    del files["StudentEnrollment.xml"]
    data = read(tmp_path, files)
    assert data.enrollments.height == 40
    assert data.enrollments["grade_level"].null_count() == 40
    assert some_notes(data, "enrollments: the package has none")
    files["StudentAttendance.xml"] = document("StudentAttendance", [event("MARKERID001", "2025-09-05", "Tardy")])
    del files["StudentDiscipline.xml"], files["StudentTranscript.xml"]
    alone = read(tmp_path / "alone", files)
    assert alone.students.height == 1
    assert some_notes(alone, "students: 39 are enrolled in no school")
    assert all(read == kept for read, kept in accounted(alone).values())


def test_what_is_recorded_after_the_as_of_date_enrolls_nobody(tmp_path: Path, files: dict[str, str]) -> None:
    del files["StudentEnrollment.xml"], files["StudentDiscipline.xml"], files["StudentTranscript.xml"]
    early, late = event("MARKERID001", "2025-09-05", "Tardy"), event("MARKERID003", "2025-11-05", "Tardy")
    files["StudentAttendance.xml"] = document("StudentAttendance", [early, late])
    folder = write_package(tmp_path, files)
    found = {
        day: read_school_data(folder, format="edfi", as_of=day, tolerance=1.0).students.height
        for day in (date(2025, 10, 1), date(2025, 12, 1))
    }
    assert list(found.values()) == [1, 2]


def test_read_without_an_as_of_date_the_whole_year_enrolls_and_the_documents_say_so(
    tmp_path: Path, files: dict[str, str]
) -> None:
    """A training reads a source once, for all of its dates: a look-ahead in who is in a cohort, and in nothing else."""
    del files["StudentEnrollment.xml"], files["StudentDiscipline.xml"], files["StudentTranscript.xml"]
    early, late = event("MARKERID001", "2025-09-05", "Tardy"), event("MARKERID003", "2025-11-05", "Tardy")
    files["StudentAttendance.xml"] = document("StudentAttendance", [early, late])
    folder, day = write_package(tmp_path, files), date(2025, 10, 1)
    night, training = (read_school_data(folder, format="edfi", as_of=asked, tolerance=1.0) for asked in (day, None))
    assert build_cohort(night, day).students["student_id"].to_list() == ["MARKERID001"]
    assert build_cohort(training, day).students["student_id"].to_list() == ["MARKERID001", "MARKERID003"]
    assert some_notes(training, "enrollments: the package has none")
    alike = [compute_indicators(each, day).filter(pl.col("student_id") == "MARKERID001") for each in (night, training)]
    assert_frame_equal(*alike)
    page = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    assert "**Ed-Fi without the interchange StudentEnrollment.**" in page


def test_a_calendar_with_few_dates_gives_way_to_the_sessions(tmp_path: Path, files: dict[str, str]) -> None:
    lines = files["EducationOrgCalendar.xml"].splitlines()
    few = [line for line in lines if "<CalendarDate>" not in line or "2025-09-03" in line]
    files["EducationOrgCalendar.xml"] = "\n".join(few)
    data = read(tmp_path, files)
    assert some_notes(data, "calendar_days: 2 calendar dates are of schools that have too few of them")
    assert some_notes(data, "calendar_days: of 2 schools derived from their sessions")
    assert data.calendar_days.filter("is_instructional")["date"].dt.weekday().max() == 5


ALGEBRA = grade("MARKERID001", "algebra", "S1", school_id="north", subject="math", mark="C")


def test_marks_of_grading_periods_are_known_from_their_last_day(tmp_path: Path, files: dict[str, str]) -> None:
    period = grading_period("First Six Weeks", "north", begins="2025-09-03", ends="2025-10-15")
    files["EducationOrgCalendar.xml"] = with_records(files["EducationOrgCalendar.xml"], [period])
    said = mark(ALGEBRA, kind="Grading Period", period="First Six Weeks")
    files["StudentGrade.xml"] = document("StudentGrade", [said, said.replace("Grading Period<", "Conduct<")])
    data = read(tmp_path, files)
    row = data.course_grades.filter(pl.col("term") == "First Six Weeks").row(0, named=True)
    assert (row["mark"], row["subject"], row["is_final"], str(row["graded_on"])) == ("C", "math", False, "2025-10-15")
    assert some_notes(data, "course_grades: 1 grade is of a conduct or an exam")


def test_a_transcript_of_the_year_hides_no_final_grade_of_a_session_before_it_is_known(
    tmp_path: Path,
) -> None:
    files = package_of(small_district())
    first = grade("s00", "art", "S1", mark="C")
    files["StudentGrade.xml"] = document("StudentGrade", [mark(first, kind="Semester")])
    of_year = first | {"mark": "F", "term": "Year Round"}
    files["StudentTranscript.xml"] = document("StudentTranscript", [transcript(of_year)])
    folder = write_package(tmp_path, files)

    def marks(as_of: str | None) -> list[tuple[str, str]]:
        day = as_of and date.fromisoformat(as_of)
        data = read_school_data(folder, format="edfi", as_of=day or None)
        assert all(read == kept for read, kept in accounted(data).values())
        return data.course_grades.select("term", "mark").rows()

    assert marks("2026-03-01") == [("S1", "C")]
    assert marks("2026-06-12") == marks(None) == [("Year Round", "F")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<InterchangeStudent><Student>", "no well-formed XML near line 1"),
        ('<!DOCTYPE x [<!ENTITY a "MARKERNAME">]><InterchangeStudent><Student/></InterchangeStudent>', "document type"),
        ("<InterchangeStudent>\n<Student>MARKERNAME</Pupil></InterchangeStudent>", "no well-formed XML near line 2"),
    ],
)
def test_a_damaged_file_is_told_by_its_line_and_never_by_its_text(
    tmp_path: Path, files: dict[str, str], content: str, said: str
) -> None:
    files["Student.xml"] = content
    with pytest.raises(ReadError, match=said) as caught:
        read(tmp_path, files)
    assert leaks(caught.value) == []


def test_no_file_outside_is_opened(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "secret").write_text("MARKERNAME", encoding="utf-8")
    entity = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{tmp_path}/secret">]>'
    files["Student.xml"] = files["Student.xml"].replace("<InterchangeStudent", f"{entity}<InterchangeStudent")
    with pytest.raises(ReadError, match="document type"):
        read(tmp_path / "package", files)


def test_files_of_other_interchanges_are_passed_over_and_counted(tmp_path: Path, files: dict[str, str]) -> None:
    files["Descriptors.xml"] = document("Descriptors", ["<GradeLevelDescriptor/>"])
    files["notes.xml"] = "<notes/>"
    assert some_notes(read(tmp_path, files), "2 files passed over")


def test_without_students_or_schools_it_says_what_is_missing(tmp_path: Path, files: dict[str, str]) -> None:
    del files["Student.xml"]
    with pytest.raises(ReadError, match=r"no record of Student \(InterchangeStudent\)"):
        read(tmp_path, files)


def test_a_folder_of_xsds_that_lacks_one_is_said(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "own.toml").write_text('reader = "edfi"\nschemas = "xsd"\n', encoding="utf-8")
    write_package(tmp_path, files)
    with pytest.raises(ConfigError, match=r"there is no Interchange-\w+\.xsd"):
        read_school_data(tmp_path, format=str(tmp_path / "own.toml"))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Of a file of records of which nothing is kept, ten times as long takes no more: it is read as a stream."""

    def most(records: int) -> int:
        folder = tmp_path / str(records)
        filler = "".join(xml("Staff", text("StaffUniqueId", number)) or "" for number in range(100))
        write_package(folder, {"Student.xml": document("Student", [filler] * records)})
        (entry,) = list_entries(folder, ReadLimits())
        tracemalloc.start()
        read_xml(entry, package=Package(), limits=ReadLimits())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(3_000) < 1.5 * most(300)


def test_every_interchange_is_one_of_the_standard() -> None:
    assert all(name.startswith("Interchange") for name in INTERCHANGES)


def test_a_night_of_long_suspensions(tmp_path: Path) -> None:
    tables = frames(
        calendar=weekdays("2025-09-03", "2025-12-19", terms={"S1": "2025-12-19"}),
        students=[student("s1")],
        enrollments=[enrollment("s1", "north", "2025-09-03", grade="9")],
        attendance=[absence("s1", "2025-09-05", "north")],
        incidents=[incident("s1", "2025-09-09", "north", incident_id="i1")],
        actions=[action("s1", "2025-09-10", incident_id="i1", days=15)],
        grades=[grade("s1", "algebra", "S1", school_id="north", subject="math", percent=71.0)],
    )
    data = read(tmp_path, package_of(tables))
    assert data.discipline_actions["action"].to_list() == ["long_term_suspension"]


@pytest.mark.parametrize(
    "text_of",
    [
        pytest.param(lambda body: body, id="records"),
        pytest.param(lambda body: f"<!-- </Student><Student> -->{body}", id="comment"),
        pytest.param(
            lambda body: body.replace("<Name>", "<Twin><Student></Student><Student></Student></Twin><Name>"),
            id="record within a record",
        ),
        pytest.param(lambda body: f'<?xml version="1.0" encoding="ISO-8859-1"?>{body}', id="encoding"),
        pytest.param(lambda body: body.replace("<InterchangeStudent ", '<InterchangeStudent a="b>c" ', 1), id="root"),
    ],
)
def test_a_file_is_the_same_in_pieces_and_as_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text_of: Callable[[str], str]
) -> None:
    """Small pieces, so that every cut is tried; what cannot be cut is read as a stream, and nobody sees it."""
    one = "<Student><StudentUniqueId>s{}</StudentUniqueId><Name><FirstName> A </FirstName></Name></Student>\n"
    root = '<InterchangeStudent xmlns="http://ed-fi.org/5.2.0">'
    body = f"{root}{''.join(map(one.format, range(400)))}</InterchangeStudent>"
    (tmp_path / "Student.xml").write_text(text_of(body), encoding="utf-8")
    (entry,) = list_entries(tmp_path, ReadLimits())

    def rows(size: int) -> tuple[pl.DataFrame, SourceFile]:
        monkeypatch.setattr(edfi_pieces, "PIECE", size)
        monkeypatch.setattr(edfi_stream, "PIECE", size)
        package = Package()
        read_xml(entry, package=package, limits=ReadLimits())
        (file,) = package.files
        return package.rows("Student"), file

    monkeypatch.setattr(edfi_pieces, "LONGEST", 50_000)
    whole, file = rows(1 << 20)
    assert whole["student_id"].to_list() == [f"s{number}" for number in range(400)]
    assert whole["first_name"].to_list() == ["A"] * 400
    for size in (600, 1_500, 7_000):
        small, same = rows(size)
        assert_frame_equal(small, whole)
        assert same == file
