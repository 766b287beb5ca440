"""One made-up district told by five systems, as its tables would be exported by each, and the TOML that combines them.

sis/      OneRoster: rosters              state/    CEDARS, by state ids: absences
conduct/  Ed-Fi: discipline               marks/    a CSV through a mapping: marks, which name no school
office/   the plain format: the calendar, and through which day the schools have reported
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl

from tests.lib import cedars, edfi, oneroster
from tests.lib.extracts import write_extract
from tests.lib.toml import write_toml

ROSTER = ("schools", "students", "enrollments", "demographics")
SSID_TO_LOCAL = {"crosswalk": "state/B.txt", "from": "Element B05 - SSID", "to": "Element B04 - District Student ID"}
CEDARS_BY_SSID = {"config_version": 1, "reader": "cedars", "student_id": "ssid"}
MARKS: Mapping[str, Any] = {
    "config_version": 1,
    "name": "marks",
    "tables": {
        "course_grades": {
            "files": ["marks*.csv"],
            "school_from_enrollments": True,
            "columns": {
                "student_id": "Pupil",
                "course_id": "Course",
                "school_year": "Year",
                "term": "Term",
                "subject": "Subject",
                "is_core": "Core",
                "mark": "Mark",
                "percent": "Percent",
                "grade_points": "Points",
                "credits_attempted": "Attempted",
                "credits_earned": "Earned",
                "graded_on": "Posted",
                "is_final": "Final",
            },
        }
    },
}
CONFIG: Mapping[str, Any] = {
    "config_version": 1,
    "reader": "combine",
    "sources": {
        "sis": {"path": "sis", "format": "oneroster", "tables": list(ROSTER)},
        "state": {
            "path": "state",
            "format": "cedars.toml",
            "tables": ["attendance_events"],
            "ids": {"students": SSID_TO_LOCAL},
        },
        "conduct": {"path": "conduct", "format": "edfi", "tables": ["incidents", "discipline_actions"]},
        "marks": {"path": "marks", "format": "marks.toml", "tables": ["course_grades"]},
        "office": {"path": "office", "tables": ["calendar_days", "reporting"]},
    },
}


def config(**changed: Any) -> dict[str, Any]:
    """The combination, with other settings of some sources (a mapping, or None for no such source) by their names."""
    given = deepcopy(dict(CONFIG))
    for name, settings in changed.items():
        if settings is None:
            del given["sources"][name]
        else:
            given["sources"][name] = {**given["sources"].get(name, {}), **settings}
    return given


def marks_of(grades: pl.DataFrame) -> pl.DataFrame:
    """Marks as a gradebook exports them."""
    columns: Mapping[str, str] = MARKS["tables"]["course_grades"]["columns"]
    return grades.select(pl.col(column).alias(heading) for column, heading in columns.items())


def write_combined(
    folder: Path, tables: Mapping[str, pl.DataFrame], *, settings: Mapping[str, Any] = CONFIG, name: str = "all.toml"
) -> Path:
    """The five sources of a district in a folder; the path of the TOML."""
    oneroster.write_package(folder / "sis", _roster_of(tables))
    beside = {"calendar_days": tables["calendar_days"]}
    cedars.write_cedars(folder / "state", cedars.cedars_of(tables), beside=beside)
    edfi.write_package(folder / "conduct", edfi.package_of(tables))
    (folder / "marks").mkdir(exist_ok=True)
    marks_of(tables["course_grades"]).write_csv(folder / "marks" / "marks.csv")
    write_extract(folder / "office", {table: tables[table] for table in ("calendar_days", "reporting")})
    write_toml(folder / "cedars.toml", CEDARS_BY_SSID)
    write_toml(folder / "marks.toml", MARKS)
    return write_toml(folder / name, settings)


def _roster_of(tables: Mapping[str, pl.DataFrame]) -> oneroster.Package:
    return {file: frame for file, frame in oneroster.package_of(tables).items() if file not in ("results", "lineItems")}
