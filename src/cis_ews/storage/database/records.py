"""The records behind the reasons: a block holds some students of one district, and a student's row says which."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import polars as pl
from sqlalchemy import Connection

from cis_ews.schema.student_records import RECORDS
from cis_ews.storage.database.blocks import PEOPLE, STUDENT_RECORDS

RecordBlock = tuple[str, int, bytes]
"""A row of `student_records`: district, part, block."""
Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table -> the records of one student in it, by `cis_ews.schema.student_records.RECORDS`."""


class RecordSource(Protocol):
    """Where a publish finds the records of students, packed already."""

    def behind(self) -> pl.DataFrame:
        """`student_id`, `days_absent` and `records`, the part that the student is in, of everyone with records."""
        ...

    def blocks(self, districts: Collection[str]) -> Iterator[RecordBlock]:
        """The blocks of districts."""
        ...


def records_of_student(connection: Connection, school: tuple[str, str], student_id: str) -> Records:
    """The records of one student of a school (district_id, school_id); no table where the night kept none."""
    part = parts_of(connection, school, [student_id]).get(student_id)
    if part is None:
        return {}
    columns = ["student_id", *RECORDS]
    rows = STUDENT_RECORDS.students(connection, (school[0], part), columns=columns, only=[student_id])
    return {table: rows[table].to_list()[0] for table in RECORDS} if rows.height else {}


def parts_of(connection: Connection, school: tuple[str, str], student_ids: Collection[str]) -> dict[str, int]:
    """Student -> the part of the district's records, of those students of a school who have any."""
    rows = PEOPLE.students(connection, school, columns=("student_id", "records"), only=student_ids)
    return dict(rows.drop_nulls().iter_rows())


def known_days(rows: pl.DataFrame) -> pl.DataFrame:
    """The students of a school with `days_absent` that say something.

    Of whom nothing is recorded, nothing was missed; where that is so of everyone in the school it is silence, and not
    perfect attendance.
    """
    days = pl.col("days_absent")
    is_told = days.is_not_null().any() & pl.col("records").is_not_null()
    return rows.with_columns(days_absent=pl.when(is_told).then(days.fill_null(0.0)))
