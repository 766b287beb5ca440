"""A writer of OneRoster 1.2.1 packages from tables of the contract: what another system would export of a district."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.readers.oneroster_tables import ID, KNOWN, RACES

Package = dict[str, pl.DataFrame]
CODES = {"english": "01001", "math": "02052", "science": "03001", "social_studies": "04001", "other": "22001"}
FINAL, HOMEWORK = "cat-final", "cat-homework"
TIME = "2026-02-01T00:00:00.000Z"


def rows(file: str, cells: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of a file of the standard, every column of it, as text."""
    columns = KNOWN[file]
    text = [{name: None if row.get(name) is None else str(row[name]) for name in columns} for row in cells]
    return pl.DataFrame(text, schema=dict.fromkeys(columns, pl.String()))


def package_of(tables: Mapping[str, pl.DataFrame]) -> Package:
    """Every file of a bulk package; grades are report card grades, enrollments those of a homeroom."""
    schools, grades = tables["schools"], tables["course_grades"]
    courses = grades.select("school_id", "course_id", "subject").unique(maintain_order=True)
    items = grades.select("school_id", "course_id", "school_year", "term").unique(maintain_order=True)
    return {
        "orgs": rows("orgs", _orgs(schools)),
        "academicSessions": rows("academicSessions", _sessions(tables["calendar_days"])),
        "users": rows("users", _users(tables["students"], tables["enrollments"])),
        "roles": rows("roles", _roles(tables["enrollments"])),
        "demographics": rows("demographics", _demographics(tables["students"])),
        "courses": rows(
            "courses",
            (
                {ID: course, "title": course, "subjectCodes": CODES[subject]}
                for course, subject in courses.select("course_id", "subject").unique(maintain_order=True).iter_rows()
            ),
        ),
        "classes": rows("classes", _classes(courses, tables["calendar_days"])),
        "enrollments": rows("enrollments", _enrollments(tables["enrollments"])),
        "categories": rows("categories", [{ID: FINAL, "title": "Final Grade"}, {ID: HOMEWORK, "title": "Homework"}]),
        "lineItems": rows("lineItems", _line_items(items)),
        "results": rows("results", _results(grades)),
    }


def _orgs(schools: pl.DataFrame) -> list[dict[str, Any]]:
    districts = [{ID: each, "name": each, "type": "district"} for each in schools["district_id"].unique().sort()]
    return districts + [
        {ID: row["school_id"], "name": row["name"], "type": "school", "parentSourcedId": row["district_id"]}
        for row in schools.iter_rows(named=True)
    ]


def _sessions(calendar: pl.DataFrame) -> list[dict[str, Any]]:
    spans = calendar.group_by("school_year", "term").agg(start=pl.col("date").min(), end=pl.col("date").max())
    return [
        {
            ID: f"{row['school_year']}-{row['term']}",
            "title": row["term"],
            "type": "term",
            "startDate": row["start"],
            "endDate": row["end"],
            "schoolYear": row["school_year"],
        }
        for row in spans.sort("start").iter_rows(named=True)
    ]


def _users(students: pl.DataFrame, enrollments: pl.DataFrame) -> list[dict[str, Any]]:
    grade = dict(enrollments.sort("school_year").select("student_id", "grade_level").iter_rows())
    people = [
        {
            ID: row["student_id"],
            "enabledUser": "true",
            "givenName": row["first_name"],
            "familyName": row["last_name"],
            "grades": f"{grade[row['student_id']]:0>2}",
        }
        for row in students.iter_rows(named=True)
    ]
    return [*people, {ID: "teacher", "enabledUser": "true"}]


def _roles(enrollments: pl.DataFrame) -> list[dict[str, Any]]:
    people = enrollments.unique("student_id", maintain_order=True).iter_rows(named=True)
    return [
        *(
            {
                ID: f"role-{row['student_id']}",
                "userSourcedId": row["student_id"],
                "roleType": "primary",
                "role": "student",
                "orgSourcedId": row["school_id"],
            }
            for row in people
        ),
        {ID: "role-teacher", "userSourcedId": "teacher", "roleType": "primary", "role": "teacher"},
    ]


def _demographics(students: pl.DataFrame) -> list[dict[str, Any]]:
    races = dict.fromkeys(RACES, "false") | {"asian": "true"}
    return [
        {ID: row["student_id"], "birthDate": row["birth_date"], "sex": "female", **races}
        for row in students.iter_rows(named=True)
    ]


def _classes(courses: pl.DataFrame, calendar: pl.DataFrame) -> list[dict[str, Any]]:
    terms = {
        school: ",".join(f"{year}-{term}" for year, term in rows.unique(maintain_order=True).iter_rows())
        for (school,), rows in calendar.sort("date")
        .select("school_id", "school_year", "term")
        .partition_by("school_id", as_dict=True, include_key=False)
        .items()
    }
    homerooms = [{ID: f"{school}:home", "schoolSourcedId": school, "title": "Home"} for school in terms]
    taught = [
        {ID: f"{school}:{course}", "schoolSourcedId": school, "courseSourcedId": course}
        for school, course in courses.select("school_id", "course_id").unique(maintain_order=True).iter_rows()
    ]
    return [{**each, "termSourcedIds": terms[each["schoolSourcedId"]]} for each in [*homerooms, *taught]]


def _enrollments(enrollments: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            ID: f"enrollment-{at}",
            "classSourcedId": f"{row['school_id']}:home",
            "schoolSourcedId": row["school_id"],
            "userSourcedId": row["student_id"],
            "role": "student",
            "beginDate": row["entry_date"],
            "endDate": row["exit_date"],
        }
        for at, row in enumerate(enrollments.iter_rows(named=True))
    ]


def _line_items(items: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            ID: f"{school}:{course}:{year}:{term}",
            "classSourcedId": f"{school}:{course}",
            "categorySourcedId": FINAL,
            "academicSessionSourcedId": f"{year}-{term}",
            "resultValueMin": 0,
            "resultValueMax": 100,
        }
        for school, course, year, term in items.iter_rows()
    ]


def _results(grades: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            ID: f"result-{at}",
            "lineItemSourcedId": f"{row['school_id']}:{row['course_id']}:{row['school_year']}:{row['term']}",
            "studentSourcedId": row["student_id"],
            "scoreStatus": "fully graded",
            "score": row["percent"],
            "scoreDate": row["graded_on"],
            "textScore": row["mark"],
        }
        for at, row in enumerate(grades.iter_rows(named=True))
    ]


def write_package(folder: Path, package: Mapping[str, pl.DataFrame], *, mode: str = "bulk") -> Path:
    """The files of a package with their manifest; files that it does not have are absent."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {"manifest.version": "1.0", "oneroster.version": "1.2"}
    said |= {f"file.{file}": mode if file in package else "absent" for file in KNOWN}
    manifest = [{"propertyName": name, "value": value} for name, value in said.items()]
    pl.DataFrame(manifest).write_csv(folder / "manifest.csv")
    for file, frame in package.items():
        frame.write_csv(folder / f"{file}.csv")
    return folder


def changed(frame: pl.DataFrame, ids: Iterable[str], *, status: str = "active", **cells: str | None) -> pl.DataFrame:
    """Rows of a file as a delta has them: with `status`, a later `dateLastModified`, and some cells changed."""
    return frame.filter(pl.col(ID).is_in(list(ids))).with_columns(
        pl.lit(status).alias("status"),
        pl.lit(TIME).alias("dateLastModified"),
        *(pl.lit(value, dtype=pl.String).alias(name) for name, value in cells.items()),
    )
