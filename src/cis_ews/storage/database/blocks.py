"""Students of a school as one Parquet in one cell: names and reasons in the table `students`, records in another.

A page reads one school at a time, and a reason is never asked for by itself: so a state's six million reasons are some
thousands of cells, a tenth in size (docs/adr/0013-publishing-in-bulk.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import polars as pl
from sqlalchemy import Connection, Table, delete, select, update

from cis_ews.enums import Direction, Domain
from cis_ews.errors import StorageError
from cis_ews.schema.student_records import RECORDS, RECORDS_SCHEMA
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A table of blocks. `schema`: the columns of a block, `student_id` among them; `lists`: those that hold a list a
    student; `what`: what it holds, in words."""

    table: Table
    schema: Mapping[str, pl.DataType]
    lists: Sequence[str]
    what: str

    def packed(self, students: pl.DataFrame) -> bytes:
        """The block of some students of one school."""
        block = BytesIO()
        rows = students.select(*self.schema)
        rows.write_parquet(block, compression="zstd", compression_level=1, statistics=False)
        return block.getvalue()

    def unpacked(self, block: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The students of a block. Raises StorageError if it cannot be read."""
        try:
            return pl.read_parquet(BytesIO(block), columns=None if columns is None else list(columns))
        except (OSError, pl.exceptions.PolarsError):
            # `from None`: the text of a polars error can carry cell values.
            raise StorageError(f"the database holds {self.what} that are damaged", hint="restore a backup") from None

    def of_school(self, connection: Connection, school: tuple[str, str]) -> Iterator[bytes]:
        """The blocks of a school (district_id, school_id), part by part."""
        table = self.table
        query = select(table.c.block).where(table.c.district_id == school[0], table.c.school_id == school[1])
        yield from connection.scalars(query.order_by(table.c.part))

    def students(self, connection: Connection, school: tuple[str, str], *, columns: Sequence[str]) -> pl.DataFrame:
        """The students of a school with some of their columns."""
        frames = [self.unpacked(block, columns) for block in self.of_school(connection, school)]
        return pl.concat([pl.DataFrame(schema={name: self.schema[name] for name in columns}), *frames])

    def without(self, connection: Connection, school: tuple[str, str], student_ids: Collection[str]) -> int:
        """Take students out of the blocks of a school; returns how many rows (a student, each of a list) that were."""
        table, gone = self.table, 0
        query = select(table).where(table.c.district_id == school[0], table.c.school_id == school[1])
        for row in connection.execute(query).all():
            students = self.unpacked(row.block)
            is_gone = pl.col("student_id").is_in(list(student_ids))
            taken, rest = students.filter(is_gone), students.filter(~is_gone)
            gone += taken.height + sum(int(taken[name].list.len().sum()) for name in self.lists)
            here = [table.c[name] == getattr(row, name) for name in _PLACE]
            if rest.is_empty():
                connection.execute(delete(table).where(*here))
            elif taken.height:
                connection.execute(update(table).where(*here).values(block=self.packed(rest)))
        return gone


PEOPLE = Blocks(table=tables.students, schema=SCHEMA, lists=("reasons",), what="names and reasons")
STUDENT_RECORDS = Blocks(
    table=tables.student_records, schema=RECORDS_SCHEMA, lists=tuple(RECORDS), what="records behind reasons"
)
