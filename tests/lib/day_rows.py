"""Days written in a row, as a coordinator would note them, and the school data that they stand for.

One mark a weekday from Monday, 1 September 2025; a bar between weeks is for the eye. What happened that day follows
after plus signs, a number after a star repeats the mark: "P A E1/2 T / H P+m P+M+S2 E E / P*20".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import (
    Row,
    absence,
    action,
    district,
    enrollment,
    grade,
    incident,
    instructional,
    reported,
    tardy,
)

LEGEND = {
    "P": "present",
    "A": "absent, no excuse (A1/2: half the day)",
    "E": "absent, excused (E1/3: a third of the day)",
    "T": "late",
    "H": "no school",
    "-": "not enrolled yet",
    ">": "the next day is the first one in another school",
    "?": "the school has not reported this day yet",
    ")": "the as-of date is the day before; what follows is not known yet",
    "+m, +M": "a minor, a major incident that day",
    "+C, +I, +S, +L, +X, +Y": "the incident led to a classroom exclusion, in-school suspension, short-term or "
    "long-term suspension, expulsion, emergency expulsion, of so many days (S2, C1/2)",
}
MONDAY = date(2025, 9, 1)
SEVERITIES = {"m": "minor", "M": "major"}
ACTIONS = {
    "C": "classroom_exclusion",
    "I": "in_school_suspension",
    "S": "short_term_suspension",
    "L": "long_term_suspension",
    "X": "expulsion",
    "Y": "emergency_expulsion",
}
STUDENT = "ann"
SCHOOLS = ("north", "south", "west")


@dataclass(slots=True)
class Noted:
    """School data while a row of days is read."""

    as_of: date | None = None
    reported_through: date | None = None
    schools: int = 0
    school_days: list[date] = field(default_factory=list[date])
    entries: list[date] = field(default_factory=list[date])
    attendance: list[Row] = field(default_factory=list[Row])
    incidents: list[Row] = field(default_factory=list[Row])
    actions: list[Row] = field(default_factory=list[Row])

    @property
    def school(self) -> str:
        return SCHOOLS[max(len(self.entries) - 1, 0)]


def read_days(days: str, *, grade_level: str = "5") -> tuple[SchoolData, date]:
    """The school data of one student's row of days, and the as-of date."""
    noted, on, moves = Noted(), MONDAY, True
    for mark in _marks(days):
        if mark == ")":
            noted.as_of = noted.as_of or _weekday_before(on)
        elif mark == ">":
            moves = True
        else:
            if moves and mark != "-":
                noted.entries.append(on)
                moves = False
            _note(noted, on, mark)
            on = _next_weekday(on)
    return _school_data(noted, grade_level), noted.as_of or _weekday_before(on)


def _marks(days: str) -> Iterator[str]:
    for mark in days.replace(" / ", " ").split():
        name, _, times = mark.partition("*")
        yield from [name] * int(times or 1)


def _next_weekday(on: date) -> date:
    return on + timedelta(days=3 if on.weekday() == 4 else 1)


def _weekday_before(on: date) -> date:
    return on - timedelta(days=3 if on.weekday() == 0 else 1)


def _note(noted: Noted, on: date, mark: str) -> None:
    attended, *happened = mark.split("+")
    if attended == "H":
        return
    noted.school_days.append(on)
    if attended == "?":
        noted.reported_through = noted.reported_through or _weekday_before(on)
    elif attended == "T":
        noted.attendance.append(tardy(STUDENT, on, noted.school))
    elif attended[0] in "AE":
        status = "excused" if attended[0] == "E" else "unexcused"
        fraction = _number(attended[1:])
        noted.attendance.append(absence(STUDENT, on, noted.school, status=status, fraction=fraction))
    _note_behavior(noted, on, happened)


def _note_behavior(noted: Noted, on: date, happened: list[str]) -> None:
    for number, event in enumerate(happened):
        if event in SEVERITIES:
            name = f"{on}-{number}"
            noted.incidents.append(incident(STUDENT, on, noted.school, incident_id=name, severity=SEVERITIES[event]))
        else:
            found = re.fullmatch(r"([CISLXY])(.*)", event)
            assert found is not None
            kind, days = ACTIONS[found[1]], _number(found[2])
            last = noted.incidents[-1]["incident_id"]
            noted.actions.append(action(STUDENT, on, incident_id=last, kind=kind, days=days))


def _number(text: str) -> float:
    return float(Fraction(text)) if text else 1.0


def _school_data(noted: Noted, grade_level: str) -> SchoolData:
    exits = [*(entry - timedelta(days=1) for entry in noted.entries[1:]), None]
    spells = [
        enrollment(STUDENT, school_id, entry, exit=leaves, grade=grade_level)
        for school_id, entry, leaves in zip(SCHOOLS, noted.entries, exits, strict=False)
    ]
    through = noted.reported_through
    return district(
        calendar=instructional(noted.school_days),
        enrollments=spells,
        attendance=noted.attendance,
        incidents=noted.incidents,
        actions=noted.actions,
        reporting=[] if through is None else [reported(through, spells[-1]["school_id"])],
    )


def read_marks(table: str) -> list[Row]:
    """Marks from the rows of a table: course | subject | term | mark | percent | points | credits | graded on, and
    perhaps assignments that are missing or late: "3 of 12".

    An empty cell is not known, credits are "earned of attempted", a term in brackets is no final mark, and a term with
    a year ("2025 S1") is of that school year.
    """
    return [_mark([cell.strip() for cell in line.split("|")]) for line in table.strip().splitlines()]


def _mark(cells: list[str]) -> Row:
    course, subject, term, mark, percent, points, credit, graded_on, *work = cells
    *year, term = term.split(" ")
    earned, _, attempted = credit.partition(" of ")
    flagged, _, assigned = "".join(work).partition(" of ")
    return grade(
        STUDENT,
        course,
        term.strip("()"),
        school_year=int(year[0]) if year else 2026,
        subject=subject.replace(" ", "_"),
        mark=mark or None,
        percent=float(percent) if percent else None,
        points=float(points) if points else None,
        credits=(float(attempted), float(earned)) if credit else (None, None),
        graded_on=graded_on or None,
        final=not term.startswith("("),
        assignments=(int(assigned), int(flagged)) if assigned else (None, None),
    )
