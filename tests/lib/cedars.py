"""A writer of CEDARS-shaped files from tables of the contract, in the manner of two vendors; and what they can carry.

Numbers and names of fields are those of `cedars_fields`; what CEDARS has besides stands in columns that are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.schema.school_data import SchoolData
from tests.lib.dirt import clean_frames

Files = dict[str, pl.DataFrame]
DISTRICT = "17001"
STATE_COURSES = {"english": "01001", "math": "02052", "science": "03001", "social_studies": "04001", "other": "22001"}
ACTION_CODES = {
    "expulsion": "EX",
    "long_term_suspension": "LS",
    "short_term_suspension": "SS",
    "in_school_suspension": "IS",
    "emergency_expulsion": "EE",
    "classroom_exclusion": "CE",
}
WITHDRAWALS = {"transfer": "T1", "graduated": "G1", "dropped_out": "D1", "other": "O1"}
PARTIAL = 0.25
GRADES = pl.Enum(GradeLevel)
# Heading -> number, null where it is not known; the order is that of the file.
FIELDS: Mapping[str, Mapping[str, int | None]] = {
    "A": {
        "School Year": 1,
        "Serving County District Code": 2,
        "Location ID": None,
        "Initial School Start Date": 7,
        "Last School End Date": 8,
    },
    "B": {
        "School Year": 1,
        "Serving County District Code": 2,
        "Home County District Code": 3,
        "District Student ID": 4,
        "SSID": 5,
        "Legal Last Name": 6,
        "Legal First Name": 7,
        "Birth Date": None,
        "Grade Level": None,
        "Date Enrolled in District": 14,
        "Date Exited from District": 15,
        "Zip Code": 20,
    },
    "C": {
        "School Year": 1,
        "Serving County District Code": 2,
        "District Student Code": 3,
        "SSID": 4,
        "Location ID": 5,
        "Date Enrolled in School": 6,
        "Date Exited from School": 8,
        "Withdrawal Code": 9,
        "Primarily Responsible": 10,
    },
    "D": {
        "School Year": 1,
        "Serving County District Code": 2,
        "Location ID": 3,
        "Course ID": 4,
        "Course Title": None,
        "Course Designation Code": 7,
        "State Course Code": 8,
    },
    "E": {
        "School Year": 1,
        "Serving County District Code": 2,
        "Student Code": 3,
        "SSID": 4,
        "Location ID": 5,
        "Course ID": 6,
        "Section ID": 7,
        "Term": 8,
    },
    "H": {
        "School Year": 1,
        "Serving County District Code": 2,
        "District Student ID": 3,
        "SSID": 4,
        "Course ID": 7,
        "Course Title": 8,
        "Grade Level Code": 9,
        "Letter Grade": 10,
        "Credits Attempted": 11,
        "Credits Earned": 12,
        "State Course Code": 15,
        "Term": None,
    },
    "L": {
        "School Year": 1,
        "Serving County District Code": 2,
        "District Student ID": 3,
        "SSID": 4,
        "Ethnicity Code": 5,
    },
    "M": {
        "School Year": 1,
        "Serving County District Code": 2,
        "District Student ID": 3,
        "SSID": 4,
        "Race Code": 5,
    },
    "N": {
        "School Year": 1,
        "Serving County District Code": 2,
        "District Student ID": 3,
        "SSID": 4,
        "Location ID": 5,
        "Absence Date": 6,
        "Absence Code": 7,
    },
    "R": {
        "School Year": 1,
        "Serving County District Code": 2,
        "District Student ID": 3,
        "State Student ID": 4,
        "Location ID": 5,
        "Incident ID": 6,
        "Incident Date": 7,
        "Behavior Code": 8,
        "Other Behaviors": 9,
        "Action Applied": None,
        "Action Date": None,
        "Number of Days": None,
        "Weapon Type": None,
    },
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Vendor:
    """How one system writes the files: their names, headings, dates, school years and delimiter."""

    names: Mapping[str, str]
    delimiter: str
    date_format: str
    is_numbered: bool
    is_spaced: bool

    def heading(self, letter: str, name: str) -> str:
        """A heading as it writes it."""
        number = FIELDS[letter][name]
        written = name if self.is_spaced else name.replace(" ", "")
        return f"Element {letter}{number:02d} - {written}" if self.is_numbered and number else written


TAB = Vendor(
    names={letter: f"{letter}.txt" for letter in FIELDS},
    delimiter="\t",
    date_format="%m/%d/%Y",
    is_numbered=True,
    is_spaced=True,
)
COMMA = Vendor(
    names={
        "A": "Location.csv",
        "B": "DistrictStudent.csv",
        "C": "SchoolStudent.csv",
        "D": "CourseCatalog.csv",
        "E": "StudentSchedule.csv",
        "H": "StudentGradeHistory.csv",
        "L": "StudentEthnicity.csv",
        "M": "StudentRace.csv",
        "N": "StudentAbsence.csv",
        "R": "StudentExclusionaryDiscipline.csv",
    },
    delimiter=",",
    date_format="%Y-%m-%d",
    is_numbered=False,
    is_spaced=False,
)


def cedars_of(tables: Mapping[str, pl.DataFrame]) -> Files:
    """Every file that the tables have something for; dates are dates, school years numbers."""
    files = {
        "A": _locations(tables["calendar_days"]),
        "B": _pupils(tables["students"], tables["enrollments"]),
        "C": _spells(tables["enrollments"]),
    }
    if "attendance_events" in tables:
        files["N"] = _absences(tables["attendance_events"])
    if "demographics" in tables:
        files |= _origins(tables["demographics"])
    if "incidents" in tables:
        files["R"] = _exclusions(tables["incidents"], tables["discipline_actions"])
    if "course_grades" in tables:
        grades = for_credit(tables["course_grades"], tables["enrollments"])
        files |= {"D": _catalog(grades), "E": _schedule(grades), "H": _history(grades, tables["enrollments"])}
    return {letter: _as_fields(letter, frame) for letter, frame in files.items()}


def write_cedars(
    folder: Path, files: Mapping[str, pl.DataFrame], *, vendor: Vendor = TAB, beside: Mapping[str, pl.DataFrame] = {}
) -> Path:
    """The files as a vendor writes them. `beside`: tables of the plain format in the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, frame in files.items():
        columns = [pl.col(name).alias(vendor.heading(letter, name)) for name in FIELDS[letter]]
        written = frame.with_columns(_year(pl.col("School Year"), vendor)).select(columns)
        written.write_csv(
            folder / vendor.names[letter],
            separator=vendor.delimiter,
            date_format=vendor.date_format,
            line_terminator="\r\n",
        )
    for table, frame in beside.items():
        frame.write_csv(folder / f"{table}.csv")
    return folder


def _year(year: pl.Expr, vendor: Vendor) -> pl.Expr:
    last = year.cast(pl.String)
    first = (year - 1).cast(pl.String)
    return (first + "-" + last if vendor.is_spaced else last).alias("School Year")


def _as_fields(letter: str, frame: pl.DataFrame) -> pl.DataFrame:
    given = frame.with_columns(pl.lit(DISTRICT).alias("Serving County District Code"))
    return given.select(
        name if name in given.columns else pl.lit(None, dtype=pl.String).alias(name) for name in FIELDS[letter]
    )


def _locations(calendar: pl.DataFrame) -> pl.DataFrame:
    return (
        calendar.group_by("school_year", "school_id")
        .agg(
            pl.col("date").min().alias("Initial School Start Date"), pl.col("date").max().alias("Last School End Date")
        )
        .sort("school_year", "school_id")
        .rename({"school_year": "School Year", "school_id": "Location ID"})
    )


def _pupils(students: pl.DataFrame, enrollments: pl.DataFrame) -> pl.DataFrame:
    spells = enrollments.sort("school_year", "student_id", "entry_date")
    return spells.join(students, on="student_id", how="inner", maintain_order="left").select(
        pl.col("school_year").alias("School Year"),
        pl.col("student_id").alias("District Student ID"),
        ssid("student_id").alias("SSID"),
        pl.col("last_name").alias("Legal Last Name"),
        pl.col("first_name").alias("Legal First Name"),
        pl.col("birth_date").alias("Birth Date"),
        pl.col("grade_level").cast(pl.String).str.zfill(2).replace("0K", "K").alias("Grade Level"),
        pl.col("entry_date").alias("Date Enrolled in District"),
        pl.col("exit_date").alias("Date Exited from District"),
        pl.lit("98000").alias("Zip Code"),
    )


def ssid(column: str) -> pl.Expr:
    """A made-up state id of a student."""
    return pl.lit("9-") + pl.col(column)


def _spells(enrollments: pl.DataFrame) -> pl.DataFrame:
    return enrollments.select(
        pl.col("school_year").alias("School Year"),
        pl.col("student_id").alias("District Student Code"),
        ssid("student_id").alias("SSID"),
        pl.col("school_id").alias("Location ID"),
        pl.col("entry_date").alias("Date Enrolled in School"),
        pl.col("exit_date").alias("Date Exited from School"),
        pl.col("exit_type").cast(pl.String).replace(WITHDRAWALS).alias("Withdrawal Code"),
        pl.lit("Y").alias("Primarily Responsible"),
    )


def _absences(events: pl.DataFrame) -> pl.DataFrame:
    absences = events.filter(pl.col("status").cast(pl.String).is_in(["excused", "unexcused"]))
    excuse = pl.when(pl.col("status").cast(pl.String) == "excused").then(pl.lit("E")).otherwise(pl.lit("U"))
    length = pl.when(pl.col("fraction_absent") >= 0.5).then(pl.lit("F")).otherwise(pl.lit("P"))
    return absences.select(
        _year_of("date").alias("School Year"),
        pl.col("student_id").alias("District Student ID"),
        ssid("student_id").alias("SSID"),
        pl.col("school_id").alias("Location ID"),
        pl.col("date").alias("Absence Date"),
        (excuse + length).alias("Absence Code"),
    )


def _origins(demographics: pl.DataFrame) -> Files:
    """Everybody has one race and no ethnicity, by codes that mean nothing."""
    columns = [
        pl.lit(2026).alias("School Year"),
        pl.col("student_id").alias("District Student ID"),
        ssid("student_id").alias("SSID"),
        pl.lit("0").alias("Ethnicity Code"),
        pl.lit("1").alias("Race Code"),
    ]
    return dict.fromkeys(("L", "M"), demographics.select(columns))


def _year_of(column: str) -> pl.Expr:
    day = pl.col(column)
    return day.dt.year() + (day.dt.month() >= 7).cast(pl.Int32)


def _exclusions(incidents: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    rows = actions.join(incidents, on=["incident_id", "student_id"], how="inner", maintain_order="left")
    return rows.select(
        _year_of("date").alias("School Year"),
        pl.col("student_id").alias("District Student ID"),
        ssid("student_id").alias("State Student ID"),
        pl.col("school_id").alias("Location ID"),
        pl.col("incident_id").alias("Incident ID"),
        pl.col("date").alias("Incident Date"),
        pl.col("behavior").alias("Behavior Code"),
        pl.col("action").cast(pl.String).replace(ACTION_CODES).alias("Action Applied"),
        pl.col("start_date").alias("Action Date"),
        pl.col("days").alias("Number of Days"),
    )


def _catalog(grades: pl.DataFrame) -> pl.DataFrame:
    return grades.unique(["school_year", "school_id", "course_id"], maintain_order=True).select(
        pl.col("school_year").alias("School Year"),
        pl.col("school_id").alias("Location ID"),
        pl.col("course_id").alias("Course ID"),
        pl.col("course_id").alias("Course Title"),
        pl.col("subject").cast(pl.String).replace(STATE_COURSES).alias("State Course Code"),
    )


def _schedule(grades: pl.DataFrame) -> pl.DataFrame:
    return grades.select(
        pl.col("school_year").alias("School Year"),
        pl.col("student_id").alias("Student Code"),
        pl.col("school_id").alias("Location ID"),
        pl.col("course_id").alias("Course ID"),
        pl.col("term").alias("Term"),
    )


def _history(grades: pl.DataFrame, enrollments: pl.DataFrame) -> pl.DataFrame:
    """Every mark, reported with the latest school year of its student, as CEDARS has it."""
    spells = enrollments.sort("school_year", "entry_date")
    grade = spells.group_by("student_id", "school_year", maintain_order=True).agg(pl.col("grade_level").last())
    latest = spells.group_by("student_id", maintain_order=True).agg(pl.col("school_year").last().alias("reported"))
    rows = grades.join(grade, on=["student_id", "school_year"], how="left", maintain_order="left")
    return rows.join(latest, on="student_id", how="left", maintain_order="left").select(
        pl.col("reported").alias("School Year"),
        pl.col("student_id").alias("District Student ID"),
        ssid("student_id").alias("SSID"),
        pl.col("course_id").alias("Course ID"),
        pl.col("course_id").alias("Course Title"),
        pl.col("grade_level").cast(pl.String).alias("Grade Level Code"),
        pl.col("mark").alias("Letter Grade"),
        pl.col("credits_attempted").alias("Credits Attempted"),
        pl.col("credits_earned").alias("Credits Earned"),
        pl.col("term").alias("Term"),
    )


def for_credit(grades: pl.DataFrame, enrollments: pl.DataFrame) -> pl.DataFrame:
    """Final marks of high school, and those below it that give credit."""
    is_high = pl.col("grade_level").cast(pl.String).is_in(["9", "10", "11", "12"])
    high = enrollments.filter(is_high).select("student_id", "school_year").unique().with_columns(high=True)
    known = grades.join(high, on=["student_id", "school_year"], how="left", maintain_order="left")
    counts = pl.col("high").fill_null(value=False) | pl.col("credits_attempted").is_not_null()
    return known.filter(pl.col("is_final") & counts).drop("high")


@cache
def clean_district() -> dict[str, pl.DataFrame]:
    """The district of `tests.lib.dirt`, in high school, so that CEDARS has its marks too."""
    tables = clean_frames()
    return tables | {"enrollments": tables["enrollments"].with_columns(pl.lit("9").cast(GRADES).alias("grade_level"))}


def carried(data: SchoolData) -> dict[str, pl.DataFrame]:
    """What of a district's tables CEDARS can say, with the calendar and the reporting beside."""
    majors = data.discipline_actions.select("incident_id", "student_id").unique()
    absences = data.attendance_events.filter(pl.col("status").cast(pl.String).is_in(["excused", "unexcused"]))
    whole = pl.when(pl.col("fraction_absent") >= 0.5).then(1.0).otherwise(PARTIAL)
    return {
        "calendar_days": data.calendar_days,
        "reporting": data.reporting,
        "students": data.students,
        "enrollments": data.enrollments,
        "attendance_events": absences.with_columns(whole.alias("fraction_absent")),
        "incidents": data.incidents.join(majors, on=["incident_id", "student_id"], how="semi").drop("severity"),
        "discipline_actions": data.discipline_actions,
        "course_grades": for_credit(data.course_grades, data.enrollments).drop("percent", "grade_points", "graded_on"),
    }
