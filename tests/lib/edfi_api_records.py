"""A writer of an Ed-Fi API's records from tables of the contract: what a server would answer with, of a district.

Every record is whole, as the OpenAPI of Data Standard 5 asks for it. Beside the tables there is what they do not carry:
section attendance, marks of grading periods, interventions, programs. `xml_of` says the same in bulk XML.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from tests.lib.dirt import clean_frames
from tests.lib.edfi import (
    ACTIONS,
    ATTENDANCE,
    EXITS,
    GRADES,
    LEVELS,
    SEVERITIES,
    SUBJECTS,
    code,
    document,
    package_of,
    rows,
    school_of,
    student_of,
    text,
    xml,
    year,
)

Record = dict[str, Any]
Records = dict[str, list[Record]]
SCHOOLS = {"north": "255901001", "south": "255901107"}
"""Schools of an API have numbers."""
DISTRICT = "255901"
SESSION, PERIOD = "S1", "First Six Weeks"
PERIOD_DAYS = ("2025-09-03", "2025-10-15")
SCHOOL_YEAR = 2026


def numbered_frames() -> dict[str, pl.DataFrame]:
    """The clean district with schools that have numbers, as an API's have."""
    found: dict[str, pl.DataFrame] = {}
    for table, frame in clean_frames().items():
        renamed = frame
        if "school_id" in frame.columns:
            renamed = renamed.with_columns(pl.col("school_id").replace(SCHOOLS))
        if table == "schools":
            named = pl.concat_str(pl.lit("School "), "school_id").alias("name")
            renamed = renamed.with_columns(pl.lit(DISTRICT).alias("district_id"), named)
        found[table] = renamed
    return found


def descriptor(kind: str, value: str | None) -> str | None:
    """A code as an API names it."""
    return None if value is None else f"uri://ed-fi.org/{kind}Descriptor#{value}"


def identified(resource: str, record: Record) -> Record:
    """The record as a server holds it: with its id, and without what is not said."""
    said = {name: value for name, value in record.items() if value is not None}
    return {"id": uuid.uuid5(uuid.NAMESPACE_URL, f"{resource}{said}").hex, **said}


def student_ref(student: str) -> Record:
    """A reference to a student, with its link."""
    return {"studentUniqueId": student, "link": {"rel": "Student", "href": f"/ed-fi/students/{uuid.uuid4().hex}"}}


def school_ref(school: str) -> Record:
    """A reference to a school."""
    return {"schoolId": int(school)}


def records_of(tables: Mapping[str, pl.DataFrame]) -> Records:
    """Resource -> records of all that the tables, and the extras, speak of."""
    found: Records = {
        "students": [_student(row) for row in rows(tables["students"])],
        "schools": [_school(row) for row in rows(tables["schools"])],
        "studentSchoolAssociations": [_enrollment(row) for row in rows(tables["enrollments"])],
        "calendarDates": [_day(row) for row in rows(tables["calendar_days"])],
        "sessions": _sessions(tables["calendar_days"]),
        "studentSchoolAttendanceEvents": [_absence(row) for row in rows(tables["attendance_events"])],
        "disciplineIncidents": [
            _incident(row) for row in rows(tables["incidents"].unique(["incident_id"], maintain_order=True))
        ],
        "studentDisciplineIncidentBehaviorAssociations": [_behavior(row) for row in rows(tables["incidents"])],
        "disciplineActions": _actions(tables["discipline_actions"], tables["incidents"]),
        "courses": [
            _course(row) for row in rows(tables["course_grades"].unique(["course_id", "subject"], maintain_order=True))
        ],
        "courseTranscripts": [_transcript(row) for row in rows(tables["course_grades"])],
    }
    extras = extra_records(tables["enrollments"])
    whole = {name: [*found.get(name, []), *extras.get(name, [])] for name in (*found, *extras)}
    return {name: [identified(name, record) for record in records] for name, records in whole.items()}


def _student(row: Record) -> Record:
    return {
        "studentUniqueId": row["student_id"],
        "firstName": row["first_name"],
        "lastSurname": row["last_name"],
        "birthDate": f"{row['birth_date']}",
        "birthCity": "MARKERNAME City",  # of no use, and so not to be kept
    }


def _school(row: Record) -> Record:
    level = LEVELS.get(row["level"])
    return {
        "schoolId": int(row["school_id"]),
        "nameOfInstitution": row["name"],
        "educationOrganizationCategories": [
            {"educationOrganizationCategoryDescriptor": descriptor("EducationOrganizationCategory", "School")}
        ],
        "gradeLevels": [{"gradeLevelDescriptor": descriptor("GradeLevel", "Seventh grade")}],
        "schoolCategories": [{"schoolCategoryDescriptor": descriptor("SchoolCategory", level)}] if level else None,
        "localEducationAgencyReference": {"localEducationAgencyId": int(row["district_id"])},
    }


def _enrollment(row: Record) -> Record:
    return {
        "studentReference": student_ref(row["student_id"]),
        "schoolReference": school_ref(row["school_id"]),
        "schoolYearTypeReference": {"schoolYear": row["school_year"]},
        "entryDate": f"{row['entry_date']}",
        "entryGradeLevelDescriptor": descriptor("GradeLevel", GRADES[row["grade_level"]]),
        "exitWithdrawDate": f"{row['exit_date']}" if row["exit_date"] else None,
        "exitWithdrawTypeDescriptor": descriptor("ExitWithdrawType", EXITS.get(row["exit_type"])),
    }


def _day(row: Record) -> Record:
    event = "Instructional day" if row["is_instructional"] else "Holiday"
    return {
        "date": f"{row['date']}",
        "calendarEvents": [{"calendarEventDescriptor": descriptor("CalendarEvent", event)}],
        "calendarReference": {
            "calendarCode": "1",
            "schoolId": int(row["school_id"]),
            "schoolYear": row["school_year"],
        },
    }


def _sessions(days: pl.DataFrame) -> list[Record]:
    terms = (
        days.filter(pl.col("term").is_not_null())
        .group_by("school_id", "school_year", "term")
        .agg(begins=pl.col("date").min(), ends=pl.col("date").max(), taught=pl.col("is_instructional").sum())
    )
    return [
        {
            "sessionName": row["term"],
            "schoolReference": school_ref(row["school_id"]),
            "schoolYearTypeReference": {"schoolYear": row["school_year"]},
            "beginDate": f"{row['begins']}",
            "endDate": f"{row['ends']}",
            "termDescriptor": descriptor("Term", row["term"]),
            "totalInstructionalDays": row["taught"],
        }
        for row in rows(terms.sort("school_id", "begins"))
    ]


def _absence(row: Record) -> Record:
    absent = row["status"] in ("excused", "unexcused")
    return {
        "studentReference": student_ref(row["student_id"]),
        "schoolReference": school_ref(row["school_id"]),
        "sessionReference": {
            "schoolId": int(row["school_id"]),
            "schoolYear": SCHOOL_YEAR,
            "sessionName": SESSION,
        },
        "eventDate": f"{row['date']}",
        "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", ATTENDANCE[row["status"]]),
        "eventDuration": row["fraction_absent"] if absent else None,
    }


def _incident(row: Record) -> Record:
    return {
        "incidentIdentifier": row["incident_id"],
        "schoolReference": school_ref(row["school_id"]),
        "incidentDate": f"{row['date']}",
        "incidentDescription": "MARKERNAME was seen",  # of no use, and so not to be kept
    }


def _behavior(row: Record) -> Record:
    role = descriptor("DisciplineIncidentParticipationCode", "Perpetrator")
    return {
        "studentReference": student_ref(row["student_id"]),
        "disciplineIncidentReference": {"incidentIdentifier": row["incident_id"], "schoolId": int(row["school_id"])},
        "behaviorDescriptor": descriptor("Behavior", SEVERITIES[row["severity"]]),
        "disciplineIncidentParticipationCodes": [{"disciplineIncidentParticipationCodeDescriptor": role}],
    }


def _actions(actions: pl.DataFrame, incidents: pl.DataFrame) -> list[Record]:
    known = incidents.select("incident_id", "student_id", "school_id", "severity")
    joined = actions.join(known, on=["incident_id", "student_id"], maintain_order="left")
    return [
        {
            "disciplineActionIdentifier": f"a-{number}",
            "disciplineDate": f"{row['start_date']}",
            "disciplines": [{"disciplineDescriptor": descriptor("Discipline", ACTIONS[row["action"]])}],
            "disciplineActionLength": row["days"],
            "studentReference": student_ref(row["student_id"]),
            "responsibilitySchoolReference": school_ref(row["school_id"]),
            "studentDisciplineIncidentBehaviorAssociations": [
                {
                    "studentDisciplineIncidentBehaviorAssociationReference": {
                        "behaviorDescriptor": descriptor("Behavior", SEVERITIES[row["severity"]]),
                        "incidentIdentifier": row["incident_id"],
                        "schoolId": int(row["school_id"]),
                        "studentUniqueId": row["student_id"],
                    }
                }
            ],
        }
        for number, row in enumerate(rows(joined))
    ]


def _course(row: Record) -> Record:
    return {
        "courseCode": row["course_id"],
        "courseTitle": row["course_id"],
        "educationOrganizationReference": {"educationOrganizationId": int(DISTRICT)},
        "identificationCodes": [
            {
                "courseIdentificationSystemDescriptor": descriptor("CourseIdentificationSystem", "LEA course code"),
                "identificationCode": row["course_id"],
            }
        ],
        "numberOfParts": 1,
        "academicSubjects": [
            {"academicSubjectDescriptor": descriptor("AcademicSubject", SUBJECTS[row["subject"]])},
        ],
    }


def _transcript(row: Record) -> Record:
    return {
        "courseAttemptResultDescriptor": descriptor("CourseAttemptResult", "Pass"),
        "courseReference": {"courseCode": row["course_id"], "educationOrganizationId": int(DISTRICT)},
        "studentAcademicRecordReference": {
            "educationOrganizationId": int(row["school_id"]),
            "schoolYear": row["school_year"],
            "studentUniqueId": row["student_id"],
            "termDescriptor": descriptor("Term", row["term"]),
        },
        "attemptedCredits": row["credits_attempted"],
        "earnedCredits": row["credits_earned"],
        "finalLetterGradeEarned": row["mark"],
        "finalNumericGradeEarned": row["percent"],
    }


# What the tables do not carry, of the first students, once as records and once as XML.


def _some(enrollments: pl.DataFrame) -> list[Record]:
    return list(rows(enrollments.sort("student_id").head(6)))


def extra_records(enrollments: pl.DataFrame) -> Records:
    """Grading periods, offerings, marks, section attendance, interventions, people and programs."""
    found: Records = {
        "gradingPeriods": [
            {
                "gradingPeriodDescriptor": descriptor("GradingPeriod", PERIOD),
                "gradingPeriodName": "P1",
                "schoolReference": school_ref(school),
                "schoolYearTypeReference": {"schoolYear": SCHOOL_YEAR},
                "beginDate": PERIOD_DAYS[0],
                "endDate": PERIOD_DAYS[1],
                "totalInstructionalDays": 30,
            }
            for school in SCHOOLS.values()
        ],
        "courseOfferings": [
            {
                "localCourseCode": "ALG-1",
                "localCourseTitle": "Algebra",
                "courseReference": {"courseCode": "algebra", "educationOrganizationId": int(DISTRICT)},
                "schoolReference": school_ref(school),
                "sessionReference": {"schoolId": int(school), "schoolYear": SCHOOL_YEAR, "sessionName": SESSION},
            }
            for school in SCHOOLS.values()
        ],
    }
    for number, row in enumerate(_some(enrollments)):
        for name, record in _of_student(row["student_id"], int(row["school_id"]), number).items():
            found.setdefault(name, []).append(record)
    return found


def _of_student(student: str, school: int, number: int) -> Record:
    section = {
        "localCourseCode": "ALG-1",
        "schoolId": school,
        "schoolYear": SCHOOL_YEAR,
        "sectionIdentifier": "sec-1",
        "sessionName": SESSION,
    }
    program = {
        "beginDate": "2025-09-03",
        "educationOrganizationReference": {"educationOrganizationId": school},
        "programReference": {
            "educationOrganizationId": int(DISTRICT),
            "programName": "Program",
            "programTypeDescriptor": descriptor("ProgramType", "Other"),
        },
        "studentReference": student_ref(student),
    }
    return {
        "grades": {
            "gradeTypeDescriptor": descriptor("GradeType", "Grading Period"),
            "letterGradeEarned": "C",
            "numericGradeEarned": 71.5 + number,
            "gradingPeriodReference": {
                "gradingPeriodDescriptor": descriptor("GradingPeriod", PERIOD),
                "gradingPeriodName": "P1",
                "schoolId": school,
                "schoolYear": SCHOOL_YEAR,
            },
            "studentSectionAssociationReference": {**section, "beginDate": "2025-09-03", "studentUniqueId": student},
        },
        "studentSectionAttendanceEvents": {
            "studentReference": student_ref(student),
            "sectionReference": section,
            "eventDate": "2025-09-12",
            "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", "Excused Absence"),
            "sectionAttendanceDuration": 65 if number % 2 else None,
        },
        "studentInterventionAttendanceEvents": {
            "studentReference": student_ref(student),
            "interventionReference": {
                "educationOrganizationId": int(DISTRICT),
                "interventionIdentificationCode": "Check and Connect",
            },
            "eventDate": "2025-10-01",
            "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", "In Attendance"),
            "interventionDuration": 30,
        },
        "studentEducationOrganizationAssociations": {
            "studentReference": student_ref(student),
            "educationOrganizationReference": {"educationOrganizationId": int(DISTRICT)},
            "sexDescriptor": descriptor("Sex", "Female" if number % 2 else "Male"),
            "hispanicLatinoEthnicity": number % 3 == 0,
            "races": [{"raceDescriptor": descriptor("Race", "Asian")}],
            "limitedEnglishProficiencyDescriptor": descriptor("LimitedEnglishProficiency", "Limited"),
        },
        "studentSpecialEducationProgramAssociations": program,
        "studentHomelessProgramAssociations": program,
        "studentLanguageInstructionProgramAssociations": program,
        "studentSchoolFoodServiceProgramAssociations": program,
    }


def xml_of(tables: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """The same district in bulk XML, the extras too."""
    files = package_of(tables)
    some = _some(tables["enrollments"])
    periods = "".join(_xml_period(school) or "" for school in SCHOOLS.values())
    calendar = files["EducationOrgCalendar.xml"]
    return {
        **files,
        "EducationOrgCalendar.xml": calendar.replace("<CalendarDate>", f"{periods}<CalendarDate>", 1),
        "MasterSchedule.xml": document("MasterSchedule", map(_xml_offering, SCHOOLS.values())),
        "StudentGrade.xml": document("StudentGrade", [_xml_grade(row, at) for at, row in enumerate(some)]),
        "Sections.xml": document("StudentAttendance", [_xml_section(row, at) for at, row in enumerate(some)]),
        "StudentIntervention.xml": document("StudentIntervention", map(_xml_support, some)),
        "People.xml": document("StudentEnrollment", [_xml_person(row, at) for at, row in enumerate(some)]),
        "StudentProgram.xml": document("StudentProgram", [line for row in some for line in _xml_programs(row)]),
    }


def _xml_period(school: str) -> str | None:
    return xml(
        "GradingPeriod",
        code("GradingPeriod", "GradingPeriod", PERIOD),
        text("GradingPeriodName", "P1"),
        text("SchoolYear", year(SCHOOL_YEAR)),
        text("BeginDate", PERIOD_DAYS[0]),
        text("EndDate", PERIOD_DAYS[1]),
        school_of(school),
    )


def _xml_offering(school: str) -> str:
    course = xml("CourseReference", xml("CourseIdentity", text("CourseCode", "algebra")))
    return xml("CourseOffering", text("LocalCourseCode", "ALG-1"), school_of(school), course) or "<CourseOffering/>"


def _xml_section_ref(school: str) -> str | None:
    session = xml(
        "SessionReference",
        xml("SessionIdentity", school_of(school), text("SchoolYear", year(SCHOOL_YEAR)), text("SessionName", SESSION)),
    )
    offering = xml("CourseOfferingIdentity", text("LocalCourseCode", "ALG-1"), school_of(school), session)
    identity = xml("SectionIdentity", text("SectionIdentifier", "sec-1"), xml("CourseOfferingReference", offering))
    return xml("SectionReference", identity)


def _xml_grade(row: Record, number: int) -> str:
    of_student = xml(
        "StudentSectionAssociationIdentity", student_of(row["student_id"]), _xml_section_ref(row["school_id"])
    )
    period = xml(
        "GradingPeriodIdentity",
        school_of(row["school_id"]),
        code("GradingPeriod", "GradingPeriod", PERIOD),
        text("SchoolYear", year(SCHOOL_YEAR)),
    )
    return (
        xml(
            "Grade",
            text("LetterGradeEarned", "C"),
            text("NumericGradeEarned", 71.5 + number),
            code("GradeType", "GradeType", "Grading Period"),
            xml("StudentSectionAssociationReference", of_student),
            xml("GradingPeriodReference", period),
        )
        or "<Grade/>"
    )


def _xml_event(day: str, category: str) -> str | None:
    return xml(
        "AttendanceEvent",
        text("EventDate", day),
        code("AttendanceEventCategory", "AttendanceEventCategory", category),
    )


def _xml_section(row: Record, number: int) -> str:
    name = "StudentSectionAttendanceEvent"
    said = [
        _xml_event("2025-09-12", "Excused Absence"),
        student_of(row["student_id"]),
        _xml_section_ref(row["school_id"]),
        text("SectionAttendanceDuration", 65 if number % 2 else None),
    ]
    return xml(name, *said) or f"<{name}/>"


def _xml_support(row: Record) -> str:
    name = "StudentInterventionAttendanceEvent"
    identity = xml("InterventionIdentity", text("InterventionIdentificationCode", "Check and Connect"))
    said = [
        _xml_event("2025-10-01", "In Attendance"),
        student_of(row["student_id"]),
        xml("InterventionReference", identity),
        text("InterventionDuration", 30),
    ]
    return xml(name, *said) or f"<{name}/>"


def _xml_person(row: Record, number: int) -> str:
    name = "StudentEducationOrganizationAssociation"
    said = [
        student_of(row["student_id"]),
        code("Sex", "Sex", "Female" if number % 2 else "Male"),
        text("HispanicLatinoEthnicity", "true" if number % 3 == 0 else "false"),
        xml("Race", code("Race", "Race", "Asian")),
        code("LimitedEnglishProficiency", "LimitedEnglishProficiency", "Limited"),
    ]
    return xml(name, *said) or f"<{name}/>"


def _xml_programs(row: Record) -> list[str]:
    return [
        xml(f"Student{kind}ProgramAssociation", student_of(row["student_id"])) or ""
        for kind in ("SpecialEducation", "Homeless", "LanguageInstruction", "SchoolFoodService")
    ]


def write_lines(folder: Path, records: Mapping[str, list[Record]]) -> Path:
    """The records as another tool would download them: one file of JSON lines a resource."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, each in records.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in each), encoding="utf-8")
    return folder
