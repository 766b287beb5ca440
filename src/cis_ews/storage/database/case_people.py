"""The names and reasons of students whose cases somebody may see."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import polars as pl
from sqlalchemy import Connection

from cis_ews.enums import Direction
from cis_ews.storage.cases import Case, CasePerson, WorklistLine
from cis_ews.storage.database.blocks import PEOPLE

_COLUMNS = ("student_id", "first_name", "last_name", "reasons")


def people_of(connection: Connection, students: Sequence[Case | WorklistLine]) -> dict[str, CasePerson]:
    """Names and reasons by ref; one read a school, however many of its students are asked for."""
    found: dict[str, CasePerson] = {}
    by_school = attrgetter("district_id", "school_id")
    for (district, school), some in groupby(sorted(students, key=by_school), key=by_school):
        refs = {student.student_id: student.ref for student in some}
        block = PEOPLE.students(connection, (district, school), columns=_COLUMNS)
        for student_id, first, last, reasons in block.filter(pl.col("student_id").is_in(list(refs))).iter_rows():
            found[refs[student_id]] = _person(first, last, reasons)
    return found


def _person(first: str | None, last: str | None, reasons: Sequence[dict[str, Any]]) -> CasePerson:
    def having(direction: Direction) -> tuple[str, ...]:
        rows = sorted((one for one in reasons if one["direction"] == direction), key=lambda one: one["rank"])
        return tuple(row["sentence"] for row in rows)

    return CasePerson(
        name=" ".join(part for part in (first, last) if part),
        reasons=having(Direction.RISK),
        strengths=having(Direction.STRENGTH),
        unknown=having(Direction.UNKNOWN),
    )
