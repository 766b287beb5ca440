"""A writer of Ed-Fi bulk XML from tables of the contract: what another system would export of a district."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import polars as pl

from cis_ews.readers.edfi_config import SHIPPED

NAMESPACE = "http://ed-fi.org/5.2.0"
ACTIONS = {
    "in_school_suspension": "In School Suspension",
    "classroom_exclusion": "Removal from Classroom",
    "short_term_suspension": "Out of School Suspension",
    "long_term_suspension": "Out of School Suspension",
    **dict.fromkeys(("expulsion", "emergency_expulsion"), "Expulsion"),
}
SEVERITIES = {"major": "State Offense", "minor": "School Code of Conduct"}
LEVELS = {"elementary": "Elementary School", "middle": "Middle School", "high": "High School", "other": "All Levels"}
EXITS = {"transfer": "Transferred", "graduated": "Graduated", "dropped_out": "Dropout", "other": "Other"}
SUBJECTS = {
    "english": "English",
    "math": "Mathematics",
    "science": "Science",
    "social_studies": "Social Studies",
    "other": "Other",
}
GRADES = {word: code for code, word in SHIPPED["grade_levels"].items() if word != "not_used"}
ATTENDANCE = {"excused": "Excused Absence", "unexcused": "Unexcused Absence", "tardy": "Tardy", "present": "Present"}


def package_of(tables: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """File name -> XML of every interchange that the tables speak of."""
    return {
        "Student.xml": document("Student", _students(tables["students"])),
        "EducationOrganization.xml": document(
            "EducationOrganization", [*_schools(tables["schools"]), *_courses(tables["course_grades"])]
        ),
        "EducationOrgCalendar.xml": document("EducationOrgCalendar", _calendar(tables["calendar_days"])),
        "StudentEnrollment.xml": document("StudentEnrollment", _enrollments(tables["enrollments"])),
        "StudentAttendance.xml": document("StudentAttendance", _attendance(tables["attendance_events"])),
        "StudentDiscipline.xml": document(
            "StudentDiscipline", _discipline(tables["incidents"], tables["discipline_actions"])
        ),
        "StudentTranscript.xml": document("StudentTranscript", _transcripts(tables["course_grades"])),
    }


def write_package(folder: Path, files: Mapping[str, str]) -> Path:
    """The files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def document(interchange: str, records: Iterable[str]) -> str:
    """An interchange with these records."""
    name = f"Interchange{interchange}"
    lines = "\n".join(records)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">\n{lines}\n</{name}>\n'


def xml(name: str, *content: str | None) -> str | None:
    """An element of other elements, or of one text; None where there is nothing."""
    filled = [each for each in content if each]
    return f"<{name}>{''.join(filled)}</{name}>" if filled else None


def text(name: str, value: object) -> str | None:
    """An element with a text."""
    return None if value is None else f"<{name}>{escape(str(value))}</{name}>"


def code(name: str, kind: str, value: str | None) -> str | None:
    """An element with a descriptor."""
    return None if value is None else text(name, f"uri://ed-fi.org/{kind}Descriptor#{value}")


def student_of(value: str) -> str | None:
    """A reference to a student."""
    return xml("StudentReference", xml("StudentIdentity", text("StudentUniqueId", value)))


def school_of(value: str) -> str | None:
    """A reference to a school."""
    return xml("SchoolReference", xml("SchoolIdentity", text("SchoolId", value)))


def rows(frame: pl.DataFrame) -> Iterable[dict[str, Any]]:
    """The rows of a frame by column."""
    return frame.iter_rows(named=True)


def _written(name: str, *content: str | None) -> str:
    return xml(name, *content) or f"<{name}/>"


def _students(students: pl.DataFrame) -> Iterable[str]:
    for row in rows(students):
        yield _written(
            "Student",
            text("StudentUniqueId", row["student_id"]),
            xml("Name", text("FirstName", row["first_name"]), text("LastSurname", row["last_name"])),
            xml("BirthData", text("BirthDate", row["birth_date"])),
        )


def _schools(schools: pl.DataFrame) -> Iterable[str]:
    for district in schools["district_id"].unique().sort():
        said = text("LocalEducationAgencyId", district)
        yield f'<LocalEducationAgency id="LEA_{district}">{said}</LocalEducationAgency>'
    for row in rows(schools):
        yield _written(
            "School",
            text("NameOfInstitution", row["name"]),
            text("SchoolId", row["school_id"]),
            code("SchoolCategory", "SchoolCategory", LEVELS.get(row["level"])),
            f'<LocalEducationAgencyReference ref="LEA_{row["district_id"]}"/>',
        )


def _courses(grades: pl.DataFrame) -> Iterable[str]:
    for row in rows(grades.select("course_id", "subject").unique(maintain_order=True)):
        yield _written(
            "Course",
            text("CourseCode", row["course_id"]),
            text("CourseTitle", row["course_id"]),
            code("AcademicSubject", "AcademicSubject", SUBJECTS[row["subject"]]),
        )


def year(value: int) -> str:
    """A school year as Ed-Fi writes it."""
    return f"{value - 1}-{value}"


def _calendar(days: pl.DataFrame) -> Iterable[str]:
    terms = (
        days.filter(pl.col("term").is_not_null())
        .group_by("school_id", "school_year", "term")
        .agg(begins=pl.col("date").min(), ends=pl.col("date").max(), taught=pl.col("is_instructional").sum())
    )
    for row in rows(terms.sort("school_id", "begins")):
        yield session(row)
    for row in rows(days):
        yield _written(
            "CalendarDate",
            text("Date", row["date"]),
            code("CalendarEvent", "CalendarEvent", "Instructional day" if row["is_instructional"] else "Holiday"),
            xml(
                "CalendarReference",
                xml(
                    "CalendarIdentity",
                    text("CalendarCode", "1"),
                    school_of(row["school_id"]),
                    text("SchoolYear", year(row["school_year"])),
                ),
            ),
        )


def _enrollments(enrollments: pl.DataFrame) -> Iterable[str]:
    for row in rows(enrollments):
        yield _written(
            "StudentSchoolAssociation",
            student_of(row["student_id"]),
            school_of(row["school_id"]),
            text("SchoolYear", year(row["school_year"])),
            text("EntryDate", row["entry_date"]),
            code("EntryGradeLevel", "GradeLevel", GRADES.get(row["grade_level"])),
            text("ExitWithdrawDate", row["exit_date"]),
            code("ExitWithdrawType", "ExitWithdrawType", EXITS.get(row["exit_type"])),
        )


def _attendance(events: pl.DataFrame) -> Iterable[str]:
    for row in rows(events):
        absent = row["status"] in ("excused", "unexcused")
        yield _written(
            "StudentSchoolAttendanceEvent",
            xml(
                "AttendanceEvent",
                text("EventDate", row["date"]),
                code("AttendanceEventCategory", "AttendanceEventCategory", ATTENDANCE[row["status"]]),
                text("EventDuration", row["fraction_absent"] if absent else None),
            ),
            student_of(row["student_id"]),
            school_of(row["school_id"]),
        )


def section_attendance(events: pl.DataFrame, *, sections: int = 6) -> Iterable[str]:
    """The same absences told by section, in half sections: a whole one says so by its duration or by none at all."""
    for row in rows(events):
        absent = row["status"] in ("excused", "unexcused")
        halves = round(row["fraction_absent"] * sections * 2) if absent else 2
        for number in range(1, halves // 2 + halves % 2 + 1):
            duration = 0.5 if 2 * number > halves else 1.0 if absent and number % 2 else None
            yield _written(
                "StudentSectionAttendanceEvent",
                xml(
                    "AttendanceEvent",
                    text("EventDate", row["date"]),
                    code("AttendanceEventCategory", "AttendanceEventCategory", ATTENDANCE[row["status"]]),
                    text("EventDuration", duration),
                ),
                student_of(row["student_id"]),
                section_of(row["school_id"], "algebra", section=str(number)),
            )


def section_of(school: str, course: str, *, section: str = "1", session: str | None = None) -> str | None:
    """A reference to a section."""
    identity = xml("CourseOfferingIdentity", text("LocalCourseCode", course), school_of(school), session)
    of_course = xml("CourseOfferingReference", identity)
    return xml("SectionReference", xml("SectionIdentity", text("SectionIdentifier", section), of_course))


def incident_of(incident: str, school: str) -> str | None:
    """A reference to an incident."""
    identity = xml("DisciplineIncidentIdentity", text("IncidentIdentifier", incident), school_of(school))
    return xml("DisciplineIncidentReference", identity)


def _discipline(incidents: pl.DataFrame, actions: pl.DataFrame) -> Iterable[str]:
    for row in rows(incidents.unique(["incident_id", "school_id"], maintain_order=True)):
        yield _written(
            "DisciplineIncident",
            text("IncidentIdentifier", row["incident_id"]),
            text("IncidentDate", row["date"]),
            school_of(row["school_id"]),
        )
    for row in rows(incidents):
        yield _written(
            "StudentDisciplineIncidentBehaviorAssociation",
            student_of(row["student_id"]),
            incident_of(row["incident_id"], row["school_id"]),
            code("Behavior", "Behavior", SEVERITIES[row["severity"]]),
            code("DisciplineIncidentParticipationCode", "DisciplineIncidentParticipationCode", "Perpetrator"),
        )
    known = incidents.select("incident_id", "student_id", "school_id")
    for row in rows(actions.join(known, on=["incident_id", "student_id"], maintain_order="left")):
        behavior = "StudentDisciplineIncidentBehaviorAssociation"
        yield _written(
            "DisciplineAction",
            code("Discipline", "Discipline", ACTIONS[row["action"]]),
            text("DisciplineDate", row["start_date"]),
            text("DisciplineActionLength", row["days"]),
            student_of(row["student_id"]),
            xml(f"{behavior}Reference", xml(f"{behavior}Identity", incident_of(row["incident_id"], row["school_id"]))),
        )


def support(row: Mapping[str, Any], *, category: str = "In Attendance") -> str:
    """Attendance at an intervention, from a row of `supports`."""
    intervention = xml("InterventionIdentity", text("InterventionIdentificationCode", row["category"]))
    return _written(
        "StudentInterventionAttendanceEvent",
        xml(
            "AttendanceEvent",
            text("EventDate", row["date"]),
            code("AttendanceEventCategory", "AttendanceEventCategory", category),
        ),
        student_of(row["student_id"]),
        xml("InterventionReference", intervention),
        text("InterventionDuration", row["minutes"]),
    )


def _transcripts(grades: pl.DataFrame) -> Iterable[str]:
    return map(transcript, rows(grades))


def transcript(row: Mapping[str, Any]) -> str:
    """A course on a transcript, from a row of `course_grades`."""
    organization = xml(
        "EducationOrganizationReference",
        xml("EducationOrganizationIdentity", text("EducationOrganizationId", row["school_id"])),
    )
    return _written(
        "CourseTranscript",
        xml("AttemptedCredits", text("Credits", row["credits_attempted"])),
        xml("EarnedCredits", text("Credits", row["credits_earned"])),
        text("FinalLetterGradeEarned", row["mark"]),
        text("FinalNumericGradeEarned", row["percent"]),
        xml("CourseReference", xml("CourseIdentity", text("CourseCode", row["course_id"]))),
        xml(
            "StudentAcademicRecordReference",
            xml(
                "StudentAcademicRecordIdentity",
                student_of(row["student_id"]),
                organization,
                text("SchoolYear", year(row["school_year"])),
                code("Term", "Term", row["term"]),
            ),
        ),
    )


def mark(row: Mapping[str, Any], *, kind: str, period: str | None = None) -> str:
    """A Grade of a kind (`Semester`, `Grading Period`, ...) in a section, from a row of `course_grades`.

    `term` of the row is the session of the section.
    """
    school, school_year = school_of(row["school_id"]), text("SchoolYear", year(row["school_year"]))
    session = xml("SessionReference", xml("SessionIdentity", school, school_year, text("SessionName", row["term"])))
    section = section_of(row["school_id"], row["course_id"], session=session)
    return _written(
        "Grade",
        text("LetterGradeEarned", row["mark"]),
        text("NumericGradeEarned", row["percent"]),
        code("GradeType", "GradeType", kind),
        xml(
            "StudentSectionAssociationReference",
            xml("StudentSectionAssociationIdentity", student_of(row["student_id"]), section),
        ),
        period
        and xml(
            "GradingPeriodReference",
            xml("GradingPeriodIdentity", school, code("GradingPeriod", "GradingPeriod", period), school_year),
        ),
    )


def session(row: Mapping[str, Any]) -> str:
    """A session of a school: `term`, `school_id`, `school_year`, `begins`, `ends`, and how many days are `taught`."""
    return _written(
        "Session",
        text("SessionName", row["term"]),
        text("SchoolYear", year(row["school_year"])),
        text("BeginDate", row["begins"]),
        text("EndDate", row["ends"]),
        code("Term", "Term", row["term"]),
        text("TotalInstructionalDays", row["taught"]),
        school_of(row["school_id"]),
    )


def grading_period(name: str, school: str, *, begins: str, ends: str, school_year: int = 2026) -> str:
    """A grading period of a school."""
    return _written(
        "GradingPeriod",
        code("GradingPeriod", "GradingPeriod", name),
        text("GradingPeriodName", name),
        text("SchoolYear", year(school_year)),
        text("BeginDate", begins),
        text("EndDate", ends),
        school_of(school),
    )


def with_records(content: str, records: Iterable[str]) -> str:
    """A document with these records before its own."""
    head, tag, rest = content.partition(f'xmlns="{NAMESPACE}">')
    return head + tag + "".join(records) + rest
