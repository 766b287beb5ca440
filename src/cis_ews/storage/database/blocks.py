"""The students of a school with their names and reasons as one Parquet in one cell of the table `students`.

A page reads one school at a time, and a reason is never asked for by itself: so a state's six million reasons are some
thousands of cells, a tenth in size (docs/adr/0013-publishing-in-bulk.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from io import BytesIO

import polars as pl
from sqlalchemy import Connection, delete, select, update

from cis_ews.enums import Direction, Domain
from cis_ews.errors import StorageError
from cis_ews.storage.database import tables

REASON = pl.Struct(
    {
        "direction": pl.Enum(Direction),
        "rank": pl.Int16(),
        "domain": pl.Enum(Domain),
        "indicator": pl.String(),
        "value": pl.Float64(),
        "sentence": pl.String(),
    }
)
SCHEMA = {
    "student_id": pl.String(),
    "first_name": pl.String(),
    "last_name": pl.String(),
    "reasons": pl.List(REASON),
}
_PLACE = ("district_id", "school_id", "part")


def packed(students: pl.DataFrame) -> bytes:
    """The block of some students of one school."""
    block = BytesIO()
    students.write_parquet(block, compression="zstd", compression_level=1, statistics=False)
    return block.getvalue()


def unpacked(block: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The students of a block. Raises StorageError if it cannot be read."""
    try:
        return pl.read_parquet(BytesIO(block), columns=None if columns is None else list(columns))
    except (OSError, pl.exceptions.PolarsError):
        # `from None`: the text of a polars error can carry cell values.
        raise StorageError("the database holds names and reasons that are damaged", hint="restore a backup") from None


def students_of_school(
    connection: Connection, district_id: str, school_id: str, *, columns: Sequence[str]
) -> pl.DataFrame:
    """The students of a school with some of their columns."""
    table = tables.students
    query = select(table.c.block).where(table.c.district_id == district_id, table.c.school_id == school_id)
    frames = [unpacked(block, columns) for block in connection.scalars(query)]
    return pl.concat([pl.DataFrame(schema={name: SCHEMA[name] for name in columns}), *frames])


def without(connection: Connection, school: tuple[str, str], student_ids: Collection[str]) -> int:
    """Take students out of the blocks of a school; returns how many rows (a student, a reason) that were."""
    gone = 0
    for place, students in _blocks_of(connection, school):
        is_gone = pl.col("student_id").is_in(list(student_ids))
        taken, rest = students.filter(is_gone), students.filter(~is_gone)
        gone += taken.height + int(taken["reasons"].list.len().sum())
        here = [tables.students.c[name] == value for name, value in zip(_PLACE, place, strict=True)]
        if rest.is_empty():
            connection.execute(delete(tables.students).where(*here))
        elif taken.height:
            connection.execute(update(tables.students).where(*here).values(block=packed(rest)))
    return gone


def _blocks_of(connection: Connection, school: tuple[str, str]) -> Iterator[tuple[tuple[str, str, int], pl.DataFrame]]:
    table = tables.students
    query = select(table).where(table.c.district_id == school[0], table.c.school_id == school[1])
    for row in connection.execute(query).all():
        yield (row.district_id, row.school_id, row.part), unpacked(row.block)
