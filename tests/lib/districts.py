"""Two small districts in one extract, as files of the plain format: enough for every part of the service."""

from __future__ import annotations

from pathlib import Path

from tests.lib.builders import Row, absence, enrollment, frames, reported, school, student, weekdays

LAKEVIEW, HARBOR = "lakeview", "harbor"
AS_OF = "2026-02-27"
HOSTILE_GROUP = "<b>Lakes</b>"
FORMULAS = ("=", "+", "-", "@", "\t=", "\r=")
"""What the first and last names of some students of `east` begin with: a spreadsheet would run what follows."""
HOSTILE_FIRST, HOSTILE_LAST = "<script>alert(1)</script>", "O'Brien \"& Sons\u202e"


def write_extract(folder: Path, *, students: int = 12) -> Path:
    """District `lakeview` has the schools `north` and `south`, `harbor` has `east`; some of each miss many days."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {school_id: [f"{school_id}-{number:03}" for number in range(students)] for school_id in _SCHOOLS}
    tables = frames(
        calendar=weekdays("2025-09-03", "2026-06-12"),
        schools=[school(each, district=district, name=f"{each.title()} School") for each, district in _SCHOOLS.items()],
        students=[_student(each) for members in ids.values() for each in members],
        enrollments=[
            enrollment(each, school_id, _entry(number), grade=str(6 + number % 6))
            for school_id, members in ids.items()
            for number, each in enumerate(members)
        ],
        demographics=[_demographics(each, number) for members in ids.values() for number, each in enumerate(members)],
        attendance=[row for school_id, members in ids.items() for row in _absences(school_id, members)],
        reporting=[reported("2026-02-26", "north"), reported("2026-02-12", "south"), reported("2026-02-27", "east")],
    )
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")
    return folder


_SCHOOLS = {"north": LAKEVIEW, "south": LAKEVIEW, "east": HARBOR}


def _student(student_id: str) -> Row:
    if student_id == "north-000":
        return student(student_id, first=HOSTILE_FIRST, last=HOSTILE_LAST)
    school_id, number = student_id.split("-")
    formula = FORMULAS[int(number)] if school_id == "east" and int(number) < len(FORMULAS) else ""
    return student(student_id, first=f"{formula}First-{student_id}", last=f"{formula}Last-{student_id}")


def _demographics(student_id: str, number: int) -> Row:
    """Half have a low income; of the last of each dozen it is not known. Race is the same for everybody."""
    income = None if number % 12 == 11 else number % 2 == 0
    return {"student_id": student_id, "race_ethnicity": HOSTILE_GROUP, "low_income": income}


def _entry(number: int) -> str:
    """The last of each school has come a few days ago: nothing can be said of that student yet."""
    return "2026-02-23" if number % 12 == 11 else "2025-09-03"


def _absences(school_id: str, members: list[str]) -> list[Row]:
    """Students 0, 4 and 8 miss most Mondays and Tuesdays; 0 also misses the Wednesdays."""
    return [
        absence(each, row["date"], school_id)
        for number, each in enumerate(members)
        if number % 4 == 0
        for row in weekdays("2025-10-01", "2026-02-10")
        if row["is_instructional"] and row["date"].weekday() < (3 if number == 0 else 1)
    ]
