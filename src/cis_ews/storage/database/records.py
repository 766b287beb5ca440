"""The records behind the reasons, published beside the names: a block holds some students of one school.

Slices of a run are blocks of their own, so that neither a publish nor a page holds more than a little at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, Protocol

import polars as pl
from sqlalchemy import Connection, delete, select, update

from cis_ews.enums import AttendanceStatus
from cis_ews.errors import StorageError
from cis_ews.schema.student_records import RECORDS, RECORDS_SCHEMA
from cis_ews.storage.database import tables

SLICE_STUDENTS = 200_000
"""Students whose records are in memory at once."""
_PACKERS = 2
_PLACE = ("district_id", "school_id", "part")
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
            blocks = pool.map(_packed, schools.values())
            for (district, school), block in zip(schools, blocks, strict=True):
                yield district, school, part, block


def records_of_student(connection: Connection, school: tuple[str, str], student_id: str) -> Records:
    """The records of one student of a school (district_id, school_id); no table where the night kept none."""
    for _, block in _blocks_of(connection, school):
        # The ids alone first: most blocks of a big school are of others.
        if student_id in _read(block, ["student_id"])["student_id"]:
            rows = _read(block).filter(pl.col("student_id") == student_id)
            return {table: rows[table].to_list()[0] for table in RECORDS}
    return {}


def days_absent_of_school(
    connection: Connection, district_id: str, school_id: str, *, only: Collection[str] | None = None
) -> dict[str, float]:
    """Student -> days absent this school year, parts of days added up; empty where the night kept no records."""
    found: dict[str, float] = {}
    for _, block in _blocks_of(connection, (district_id, school_id)):
        rows = _read(block, ["student_id", "attendance_events"])
        rows = rows if only is None else rows.filter(pl.col("student_id").is_in(list(only)))
        events = rows.explode("attendance_events").unnest("attendance_events")
        missed = pl.col("fraction_absent").filter(pl.col("status") != AttendanceStatus.TARDY).sum().round(2)
        found |= dict(events.group_by("student_id").agg(missed).iter_rows())
    return found


def records_without(connection: Connection, school: tuple[str, str], student_ids: Collection[str]) -> int:
    """Take students out of the blocks of a school; returns how many rows (a student, a record) that were."""
    gone = 0
    for place, block in _blocks_of(connection, school):
        students = _read(block)
        is_gone = pl.col("student_id").is_in(list(student_ids))
        taken, rest = students.filter(is_gone), students.filter(~is_gone)
        gone += taken.height + sum(int(taken[table].list.len().sum()) for table in RECORDS)
        here = [tables.student_records.c[name] == value for name, value in zip(_PLACE, place, strict=True)]
        if rest.is_empty():
            connection.execute(delete(tables.student_records).where(*here))
        elif taken.height:
            connection.execute(update(tables.student_records).where(*here).values(block=_packed(rest)))
    return gone


def _blocks_of(connection: Connection, school: tuple[str, str]) -> list[tuple[tuple[str, str, int], bytes]]:
    table = tables.student_records
    query = select(table).where(table.c.district_id == school[0], table.c.school_id == school[1])
    rows = connection.execute(query.order_by(table.c.part)).all()
    return [((row.district_id, row.school_id, row.part), row.block) for row in rows]


def _packed(students: pl.DataFrame) -> bytes:
    block = BytesIO()
    rows = students.select(*RECORDS_SCHEMA)
    rows.write_parquet(block, compression="zstd", compression_level=1, statistics=False)
    return block.getvalue()


def _read(block: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    try:
        return pl.read_parquet(BytesIO(block), columns=None if columns is None else list(columns))
    except (OSError, pl.exceptions.PolarsError):
        # `from None`: the text of a polars error can carry cell values.
        raise StorageError("the database holds records that are damaged", hint="restore a backup") from None
