"""Extracts on disk, in the plain format, from the tables that the builders make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from tests.lib.builders import absence, action, enrollment, frames, grade, incident, reported, school, student, weekdays

AS_OF = "2026-02-27"
STUDENTS = 24
DAYS = [row["date"] for row in weekdays("2025-09-03", "2026-06-12") if row["is_instructional"]]


def write_extract(folder: Path, tables: Mapping[str, pl.DataFrame]) -> Path:
    """One CSV file a table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")
    return folder


def small_district(
    *, first_name: str = "Given", last_name: str = "Family", prefix: str = "s"
) -> dict[str, pl.DataFrame]:
    """Two schools, 24 students in grade 9: the first misses most, the last nothing; the eighth is suspended."""
    ids = [f"{prefix}{number:02}" for number in range(STUDENTS)]
    places = dict(zip(ids, ["north", "south"] * (STUDENTS // 2), strict=True))
    return frames(
        calendar=weekdays("2025-09-03", "2026-06-12", terms={"S1": "2026-01-30", "S2": "2026-06-12"}),
        schools=[school("north", level="high", name="North High"), school("south", level="high", name="South High")],
        students=[student(each, first=first_name, last=last_name, born="2011-03-01") for each in ids],
        enrollments=[enrollment(each, places[each], grade="9") for each in ids],
        attendance=[
            absence(each, day, places[each])
            for number, each in enumerate(ids)
            for day in DAYS[:: 3 + number]
            if number < STUDENTS - 4
        ],
        incidents=[incident(ids[7], "2025-11-12", places[ids[7]], severity="major")],
        actions=[action(ids[7], "2025-11-12", days=3)],
        grades=[
            grade(each, course, "S1", school_id=places[each], subject=course, mark="F" if number < 3 else "B")
            for number, each in enumerate(ids)
            for course in ("english", "math")
        ],
        reporting=[reported(AS_OF, each) for each in ("north", "south")],
    )
