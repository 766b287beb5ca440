"""Folders as schools' systems export them: the plain tables under other headings, delimiters, dates, codes and names.

Each style is written in the manner of a kind of system, from common knowledge of their headings. `written` puts one on
disk and says what is what in it, so that a mapping can be held against it.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cis_ews.readers import read_school_data
from cis_ews.schema.school_data import TABLES
from cis_ews.synthetic.generator import write_district

Truth = dict[tuple[str, str], tuple[str, str]]
"""Table and column of the contract -> file and heading."""


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file: whose columns it has, under which headings; codes by column; further columns that nothing needs.

    `tables`: the first supplies the rows; those of others are joined by student. `near`: heading of a column of the
    same kind as one that is exported -> that one, whose values it has in another order.
    """

    name: str
    tables: tuple[str, ...]
    headings: Mapping[str, str]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    extra: Sequence[str] = ()
    near: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Style:
    """How one kind of system exports."""

    files: tuple[ExportedFile, ...]
    delimiter: str = ","
    dates: str = "%Y-%m-%d"
    encoding: str = "utf-8"
    ends: str = "\n"


@dataclass(frozen=True, kw_only=True)
class Written:
    """A folder on disk, what is what in it, and the tables that a right mapping gives."""

    folder: Path
    truth: Truth
    tables: Mapping[str, pl.DataFrame]


@cache
def clean_tables() -> Mapping[str, pl.DataFrame]:
    """A made-up district of some 150 students without a single mistake, and with whole days absent alone."""
    with TemporaryDirectory() as name:
        write_district(Path(name) / "extract", students=150, years=1, seed=11)
        data = read_school_data(Path(name) / "extract")
    tables = {table: data.table(table) for table in TABLES if not data.table(table).is_empty()}
    absent = pl.col("status").is_in(["excused", "unexcused"]).cast(pl.Float64)
    tables["attendance_events"] = tables["attendance_events"].with_columns(absent.alias("fraction_absent"))
    western = [pl.col(name).str.replace(r"^.*[^\x00-\xff].*$", "Zoë") for name in ("first_name", "last_name")]
    tables["students"] = tables["students"].with_columns(western)  # what Latin-1 can write
    core = pl.col("subject") != "other"
    tables["course_grades"] = tables["course_grades"].with_columns(core.alias("is_core"))
    return tables


def written(folder: Path, style: Style) -> Written:
    """A style's files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    truth: Truth = {}
    tables: dict[str, pl.DataFrame] = {}
    for file in style.files:
        rows = _rows(file)
        (folder / file.name).parent.mkdir(exist_ok=True)
        (folder / file.name).write_bytes(_text(file, rows, style).encode(style.encoding))
        for table in file.tables:
            columns = [name for name in TABLES[table].columns() if name in file.headings]
            truth |= {(table, name): (file.name, file.headings[name]) for name in columns}
            tables[table] = clean_tables()[table].select(columns)
    return Written(folder=folder, truth=truth, tables=tables)


def _rows(file: ExportedFile) -> pl.DataFrame:
    rows = clean_tables()[file.tables[0]]
    for table in file.tables[1:]:
        rows = rows.join(clean_tables()[table], on="student_id", how="left", maintain_order="left")
    return rows


def _text(file: ExportedFile, rows: pl.DataFrame, style: Style) -> str:
    cells = {
        heading: [_cell(value, file.codes.get(column, {}), style) for value in rows[column].to_list()]
        for column, heading in file.headings.items()
    }
    dice = random.Random(file.name)
    for heading in file.extra:
        cells[heading] = [EXTRAS[heading](dice, style) for _ in range(rows.height)]
    for heading, column in file.near.items():
        cells[heading] = dice.sample(cells[file.headings[column]], rows.height)
    order = list(cells)
    dice.shuffle(order)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=style.delimiter, lineterminator=style.ends)
    writer.writerow(order)
    writer.writerows(zip(*(cells[heading] for heading in order), strict=True))
    return stream.getvalue()


def _cell(value: object, codes: Mapping[str, str], style: Style) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return codes.get(str(value).lower(), str(value).lower())
    written_date = getattr(value, "strftime", None)
    if written_date:
        return written_date(style.dates)
    return codes.get(str(value), str(value))


def _day(dice: random.Random, style: Style) -> str:
    from datetime import date, timedelta

    return (date(2025, 9, 2) + timedelta(days=dice.randrange(200))).strftime(style.dates)


EXTRAS: Mapping[str, Callable[[random.Random, Style], str]] = {
    **dict.fromkeys(
        ("Teacher Number", "Counselor ID", "Locker_Number", "TeacherID", "Advisor", "DCID", "personID", "Record ID"),
        lambda dice, _: str(dice.randrange(10_000, 99_999)),
    ),
    **dict.fromkeys(
        ("Teacher Last Name", "Mother_First", "guardian.lastName", "Counselor", "Emergency Contact"),
        lambda dice, _: dice.choice(["Okafor", "Lindqvist", "Marsh", "Abara", "Toledo", "Szabo"]),
    ),
    **dict.fromkeys(("Last Modified", "Date Printed", "whenmodified", "Entered Date"), _day),
    **dict.fromkeys(("Home_Room", "Bus Route", "Period", "homeroomTeacher"), lambda dice, _: str(dice.randrange(1, 9))),
    **dict.fromkeys(
        ("Comment", "Notes", "Att_Comment"), lambda dice, _: dice.choice(["", "", "called home", "see log"])
    ),
    **dict.fromkeys(("State_StudentNumber", "SSID", "State ID"), lambda dice, _: str(dice.randrange(10**9, 10**10))),
    **dict.fromkeys(("Email", "Student_Web_ID"), lambda dice, _: f"u{dice.randrange(10**6)}@district.example"),
    **dict.fromkeys(("Next_School", "Home School"), lambda dice, _: dice.choice(["0530", "5911"])),
    **dict.fromkeys(("FTEID", "Track", "calendarID"), lambda dice, _: dice.choice(["1", "2", "A"])),
}

GRADES_00 = {"PK": "-1", "K": "0", **{str(each): str(each) for each in range(1, 13)}}
GRADES_KG = {"PK": "PK", "K": "KG", **{str(each): f"{each:02}" for each in range(1, 13)}}
GRADES_WORDS = {"PK": "Pre-K", "K": "Kindergarten", **{str(each): f"Grade {each}" for each in range(1, 13)}}
LETTERS = {"excused": "E", "unexcused": "U", "tardy": "T"}
ATT_CODES = {"excused": "EX", "unexcused": "UX", "tardy": "TDY"}
ATT_WORDS = {"excused": "Absent Excused", "unexcused": "Absent Unexcused", "tardy": "Tardy"}
YN = {"true": "Y", "false": "N"}
ONE_ZERO = {"true": "1", "false": "0"}
SPAN = {"2026": "2025-2026"}
ACTIONS = {
    "classroom_exclusion": "Class Removal",
    "in_school_suspension": "ISS",
    "short_term_suspension": "OSS",
    "long_term_suspension": "Long-Term Suspension",
    "expulsion": "Expulsion",
    "emergency_expulsion": "Emergency Expulsion",
}
DEPARTMENTS = {
    "english": "English",
    "math": "Mathematics",
    "science": "Science",
    "social_studies": "Social Studies",
    "other": "Elective",
}
LEVELS = {"elementary": "Elementary School", "middle": "Middle School", "high": "High School"}

POWERSCHOOL = Style(
    delimiter="\t",
    dates="%m/%d/%Y",
    ends="\r\n",
    encoding="cp1252",
    files=(
        ExportedFile(
            name="Schools.txt",
            tables=("schools",),
            headings={
                "school_id": "School_Number",
                "name": "Name",
                "district_id": "District_Number",
                "level": "SchoolLevel",
            },
            codes={"level": LEVELS},
        ),
        ExportedFile(
            name="Calendar_Day.txt",
            tables=("calendar_days",),
            headings={"school_id": "SchoolID", "date": "Date_Value", "is_instructional": "InSession", "term": "Term"},
            codes={"is_instructional": ONE_ZERO},
        ),
        ExportedFile(
            name="Students.txt",
            tables=("students",),
            headings={
                "student_id": "Student_Number",
                "first_name": "First_Name",
                "last_name": "Last_Name",
                "birth_date": "DOB",
            },
            extra=("DCID", "Home_Room", "Mother_First", "State_StudentNumber", "Student_Web_ID", "Next_School"),
        ),
        ExportedFile(
            name="ReEnrollments.txt",
            tables=("enrollments",),
            headings={
                "student_id": "Student_Number",
                "school_id": "SchoolID",
                "entry_date": "EntryDate",
                "exit_date": "ExitDate",
                "grade_level": "Grade_Level",
                "exit_type": "ExitCode",
            },
            codes={
                "grade_level": GRADES_00,
                "exit_type": {"transfer": "T", "graduated": "G", "dropped_out": "D", "other": "O"},
            },
            extra=("FTEID", "Track"),
        ),
        ExportedFile(
            name="Attendance.txt",
            tables=("attendance_events",),
            headings={
                "student_id": "Student_Number",
                "school_id": "SchoolID",
                "date": "Att_Date",
                "status": "Att_Code",
            },
            codes={"status": LETTERS},
            extra=("Att_Comment", "whenmodified", "DCID"),
        ),
        ExportedFile(
            name="StoredGrades.txt",
            tables=("course_grades",),
            headings={
                "student_id": "Student_Number",
                "school_id": "SchoolID",
                "course_id": "Course_Number",
                "school_year": "School_Year",
                "term": "StoreCode",
                "subject": "Credit_Type",
                "mark": "Grade",
                "percent": "Percent",
                "grade_points": "GPA_Points",
                "credits_attempted": "PotentialCrHrs",
                "credits_earned": "EarnedCrHrs",
                "graded_on": "DateStored",
                "is_final": "Is_Final",
            },
            codes={"subject": DEPARTMENTS, "is_final": ONE_ZERO},
            extra=("TeacherID",),
        ),
    ),
)
CAMPUS = Style(
    dates="%m/%d/%Y",
    encoding="utf-8-sig",
    files=(
        ExportedFile(
            name="school_list.csv",
            tables=("schools",),
            headings={"school_id": "school.number", "name": "school.name", "district_id": "district.number"},
        ),
        ExportedFile(
            name="day_export.csv",
            tables=("calendar_days",),
            headings={
                "school_id": "school.number",
                "date": "day.date",
                "is_instructional": "day.instruction",
                "school_year": "cal.endYear",
                "term": "term.name",
            },
            codes={"is_instructional": YN},
            extra=("calendarID",),
        ),
        ExportedFile(
            name="student_roster.csv",
            tables=("enrollments", "students", "demographics"),
            headings={
                "student_id": "student.studentNumber",
                "first_name": "student.firstName",
                "last_name": "student.lastName",
                "birth_date": "student.birthdate",
                "school_id": "school.number",
                "school_year": "cal.endYear",
                "grade_level": "enrollment.grade",
                "entry_date": "enrollment.startDate",
                "exit_date": "enrollment.endDate",
                "gender": "student.gender",
                "race_ethnicity": "student.raceEthnicityFed",
                "disability": "student.specialEdStatus",
                "homeless": "student.homeless",
            },
            codes={"grade_level": GRADES_KG, "disability": YN, "homeless": YN},
            extra=("personID", "homeroomTeacher", "guardian.lastName"),
        ),
        ExportedFile(
            name="attendance_detail.csv",
            tables=("attendance_events",),
            headings={
                "student_id": "student.studentNumber",
                "school_id": "school.number",
                "date": "attendance.date",
                "status": "attendance.status",
            },
            codes={"status": ATT_CODES},
            extra=("Comment", "Entered Date"),
        ),
        ExportedFile(
            name="behavior_events.csv",
            tables=("incidents",),
            headings={
                "incident_id": "incident.incidentNumber",
                "student_id": "student.studentNumber",
                "school_id": "school.number",
                "date": "incident.date",
                "severity": "event.severityLevel",
                "behavior": "event.behaviorType",
            },
            codes={"severity": {"minor": "Minor", "major": "Major"}},
        ),
        ExportedFile(
            name="behavior_resolutions.csv",
            tables=("discipline_actions",),
            headings={
                "incident_id": "incident.incidentNumber",
                "student_id": "student.studentNumber",
                "action": "resolution.name",
                "start_date": "resolution.startDate",
                "days": "resolution.schoolDaysDuration",
            },
            codes={"action": ACTIONS},
        ),
        ExportedFile(
            name="grading.csv",
            tables=("course_grades",),
            headings={
                "student_id": "student.studentNumber",
                "school_id": "school.number",
                "course_id": "course.courseNumber",
                "school_year": "cal.endYear",
                "term": "term.name",
                "subject": "course.department",
                "is_core": "course.coreCourse",
                "mark": "grading.score",
                "percent": "grading.percent",
                "graded_on": "grading.postedDate",
                "is_final": "grading.finalFlag",
            },
            codes={"subject": DEPARTMENTS, "is_core": YN, "is_final": YN},
            extra=("Teacher Last Name",),
        ),
    ),
)
SKYWARD = Style(
    delimiter=";",
    dates="%d.%m.%Y",
    encoding="latin-1",
    files=(
        ExportedFile(
            name="Entities.csv",
            tables=("schools",),
            headings={
                "school_id": "Entity ID",
                "name": "Entity Name",
                "district_id": "District Code",
                "level": "School Type",
            },
            codes={"level": {"elementary": "ELEM", "middle": "MS", "high": "HS"}},
        ),
        ExportedFile(
            name="School Calendar.csv",
            tables=("calendar_days",),
            headings={
                "school_id": "Entity ID",
                "date": "Calendar Date",
                "is_instructional": "Instructional Day",
                "school_year": "School Year",
            },
            codes={"is_instructional": YN, "school_year": SPAN},
        ),
        ExportedFile(
            name="Student Export.csv",
            tables=("students", "demographics"),
            headings={
                "student_id": "Student ID",
                "first_name": "First Name",
                "last_name": "Last Name",
                "birth_date": "Birth Date",
                "gender": "Gender",
                "race_ethnicity": "Federal Race",
                "english_learner": "ELL Status",
                "low_income": "Low Income Status",
            },
            codes={"english_learner": {"current": "Y", "never": "N", "former": "Exited"}, "low_income": YN},
            extra=("Locker_Number", "Counselor", "Bus Route", "Emergency Contact"),
        ),
        ExportedFile(
            name="Entry Withdrawal.csv",
            tables=("enrollments",),
            headings={
                "student_id": "Student ID",
                "school_id": "Entity ID",
                "entry_date": "Entry Date",
                "exit_date": "Withdrawal Date",
                "grade_level": "Grade",
                "exit_type": "Withdrawal Reason",
                "school_year": "School Year",
            },
            codes={"grade_level": GRADES_KG, "school_year": SPAN},
        ),
        ExportedFile(
            name="Daily Attendance.csv",
            tables=("attendance_events",),
            headings={
                "student_id": "Student ID",
                "school_id": "Entity ID",
                "date": "Absence Date",
                "status": "Absence Type",
                "fraction_absent": "Days Absent",
            },
            codes={"status": ATT_WORDS},
            extra=("Last Modified",),
        ),
        ExportedFile(
            name="Report Card Grades.csv",
            tables=("course_grades",),
            headings={
                "student_id": "Student ID",
                "school_id": "Entity ID",
                "course_id": "Course Code",
                "school_year": "School Year",
                "term": "Grading Period",
                "subject": "Department",
                "mark": "Letter Grade",
                "credits_attempted": "Credits Possible",
                "credits_earned": "Credits Earned",
                "is_final": "Final Grade Flag",
            },
            codes={"school_year": SPAN, "subject": DEPARTMENTS, "is_final": YN},
            extra=("Teacher Number",),
        ),
    ),
)
SYNERGY = Style(
    delimiter="|",
    dates="%Y%m%d",
    encoding="utf-16",
    files=(
        ExportedFile(
            name="SIS_ORG.tsv",
            tables=("schools",),
            headings={"school_id": "SCHOOL_CODE", "name": "SCHOOL_NAME", "district_id": "DISTRICT_CODE"},
        ),
        ExportedFile(
            name="SIS_CAL.tsv",
            tables=("calendar_days",),
            headings={
                "school_id": "SCHOOL_CODE",
                "date": "CAL_DATE",
                "is_instructional": "SCHOOL_DAY",
                "school_year": "SCHOOL_YEAR",
            },
            codes={"is_instructional": YN},
        ),
        ExportedFile(
            name="SIS_STU.tsv",
            tables=("students",),
            headings={
                "student_id": "PERM_ID",
                "first_name": "FIRST_NAME",
                "last_name": "LAST_NAME",
                "birth_date": "BIRTH_DATE",
            },
            extra=("SSID", "Email"),
        ),
        ExportedFile(
            name="SIS_ENR.tsv",
            tables=("enrollments",),
            headings={
                "student_id": "PERM_ID",
                "school_id": "SCHOOL_CODE",
                "entry_date": "ENTER_DATE",
                "exit_date": "LEAVE_DATE",
                "grade_level": "GRADE",
                "school_year": "SCHOOL_YEAR",
            },
            codes={"grade_level": GRADES_KG},
        ),
        ExportedFile(
            name="SIS_ATT.tsv",
            tables=("attendance_events",),
            headings={
                "student_id": "PERM_ID",
                "school_id": "SCHOOL_CODE",
                "date": "ABS_DATE",
                "status": "ABS_REASON",
                "fraction_absent": "DAY_FRACTION",
            },
            codes={"status": {"excused": "EXC", "unexcused": "UNV", "tardy": "TDY"}},
        ),
        ExportedFile(
            name="SIS_DISC.tsv",
            tables=("incidents",),
            headings={
                "incident_id": "INCIDENT_ID",
                "student_id": "PERM_ID",
                "school_id": "SCHOOL_CODE",
                "date": "INCIDENT_DATE",
                "severity": "SEVERITY",
                "behavior": "VIOLATION",
            },
            codes={"severity": {"minor": "MIN", "major": "MAJ"}},
        ),
    ),
)
ASPEN = Style(
    dates="%d/%m/%Y",
    files=(
        ExportedFile(
            name="Schools.csv",
            tables=("schools",),
            headings={
                "school_id": "School > ID",
                "name": "School > Name",
                "district_id": "District > ID",
                "level": "School > Level",
            },
        ),
        ExportedFile(
            name="Calendar Dates.csv",
            tables=("calendar_days",),
            headings={
                "school_id": "School > ID",
                "date": "Date",
                "is_instructional": "In session?",
                "school_year": "School year",
            },
        ),
        ExportedFile(
            name="Students.csv",
            tables=("students",),
            headings={
                "student_id": "Local ID",
                "first_name": "Person > First name",
                "last_name": "Person > Last name",
                "birth_date": "Person > Date of birth",
            },
            extra=("State ID",),
        ),
        ExportedFile(
            name="Enrollment.csv",
            tables=("enrollments",),
            headings={
                "student_id": "Student > Local ID",
                "school_id": "School > ID",
                "entry_date": "Start date",
                "exit_date": "End date",
                "grade_level": "Grade level",
                "school_year": "School year",
            },
            codes={"grade_level": GRADES_WORDS},
        ),
        ExportedFile(
            name="Student Attendance.csv",
            tables=("attendance_events",),
            headings={"student_id": "Student > Local ID", "school_id": "School > ID", "date": "Date", "status": "Code"},
            codes={"status": LETTERS},
            extra=("Notes", "Period"),
        ),
        ExportedFile(
            name="Supports.csv",
            tables=("supports",),
            headings={
                "student_id": "Student > Local ID",
                "date": "Service date",
                "category": "Service type",
                "tier": "Tier",
                "minutes": "Minutes",
                "provider": "Provider",
            },
        ),
    ),
)
STYLES: Mapping[str, Style] = {
    "powerschool": POWERSCHOOL,
    "campus": CAMPUS,
    "skyward": SKYWARD,
    "synergy": SYNERGY,
    "aspen": ASPEN,
}
