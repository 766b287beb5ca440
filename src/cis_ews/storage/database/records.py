"""The records behind the reasons, published beside the names: a block holds some students of one school.

Slices of a run are blocks of their own, so that neither a publish nor a page holds more than a little at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import polars as pl
from sqlalchemy import Connection

from cis_ews.enums import AttendanceStatus
from cis_ews.schema.student_records import RECORDS
from cis_ews.storage.database.blocks import STUDENT_RECORDS

SLICE_STUDENTS = 200_000
"""Students whose records are in memory at once."""
_PACKERS = 2
RecordBlock = tuple[str, str, int, bytes]
"""A row of `student_records`: district, school, part, block."""
Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table -> the records of one student in it, by `cis_ews.schema.student_records.RECORDS`."""


class RecordSource(Protocol):
    """Where a publish finds the records of students."""

    def between(self, first: str, last: str) -> pl.DataFrame:
        """The records of the students from one id to another, both included, by `RECORDS_SCHEMA`."""
        ...


def record_blocks(people: pl.DataFrame, source: RecordSource) -> Iterator[RecordBlock]:
    """The blocks of the students of a frame, by id, with district and school; asks the database nothing."""
    for part, some in enumerate(people.iter_slices(SLICE_STUDENTS)):
        found = source.between(some["student_id"][0], some["student_id"][-1])
        rows = some.join(found, on="student_id", how="inner", maintain_order="left")
        schools = rows.partition_by("district_id", "school_id", maintain_order=True, as_dict=True)
        del found, rows
        with ThreadPoolExecutor(_PACKERS) as pool:
            blocks = pool.map(STUDENT_RECORDS.packed, schools.values())
            for (district, school), block in zip(schools, blocks, strict=True):
                yield district, school, part, block


def records_of_student(connection: Connection, school: tuple[str, str], student_id: str) -> Records:
    """The records of one student of a school (district_id, school_id); no table where the night kept none."""
    for block in STUDENT_RECORDS.of_school(connection, school):
        # The ids alone first: most blocks of a big school are of others.
        if student_id in STUDENT_RECORDS.unpacked(block, ["student_id"])["student_id"]:
            rows = STUDENT_RECORDS.unpacked(block).filter(pl.col("student_id") == student_id)
            return {table: rows[table].to_list()[0] for table in RECORDS}
    return {}


def days_absent_of_school(
    connection: Connection, district_id: str, school_id: str, *, only: Collection[str] | None = None
) -> dict[str, float]:
    """Student -> days absent this school year, parts of days added up.

    Empty where the night kept no records, and for a school of which no absence is known at all: that is silence, and
    not perfect attendance.
    """
    read = ["student_id", "attendance_events"]
    rows = STUDENT_RECORDS.students(connection, (district_id, school_id), columns=read)
    if rows["attendance_events"].list.len().sum() == 0:
        return {}
    event = pl.element().struct
    missed = event.field("fraction_absent").filter(event.field("status") != AttendanceStatus.TARDY)
    asked = rows if only is None else rows.filter(pl.col("student_id").is_in(list(only)))
    days = pl.col("attendance_events").list.eval(missed).list.sum().round(2)
    return dict(asked.select("student_id", days).iter_rows())
