"""Many students in one cell: names and reasons of a school in the table `students`, records in another.

A page reads one school at a time, and a reason is never asked for by itself: so a state's six million reasons are some
thousands of cells, a tenth in size (docs/adr/0013-publishing-in-bulk.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from cis_ews.errors import StorageError
from cis_ews.schema.student_records import RECORDS, RECORDS_SCHEMA
from cis_ews.storage.database import tables
from cis_ews.storage.packing import batch_of, packed, unpacked
from cis_ews.storage.people_blocks import SCHEMA

_DAMAGED = (
    *(OSError, ValueError, TypeError, LookupError, NotImplementedError, MemoryError),  # what pyarrow's errors are
    *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
)
"""What is raised where a block that is damaged is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A table of blocks. `schema`: the columns of a block, `student_id` among them; `lists`: those that hold a list a
    student; `what`: what it holds, in words.

    A place is what the first columns of the table's key are: a district and a school, or a district and a part.
    """

    table: Table
    schema: Mapping[str, pl.DataType]
    lists: Sequence[str]
    what: str

    def students(
        self,
        connection: Connection,
        place: tuple[str, str | int],
        *,
        columns: Sequence[str],
        only: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """The students of a place, or those of some ids, with some of their columns; null where a block lacks one."""
        table = self.table
        query = select(table.c.block).where(*self._is_at(place)).order_by(*table.primary_key)
        schema = {name: self.schema[name] for name in columns}
        frames = [self._read(block, schema, only=only) for block in connection.scalars(query)]
        return pl.concat([pl.DataFrame(schema=schema), *frames])

    def without(self, connection: Connection, place: tuple[str, str | int], student_ids: Collection[str]) -> int:
        """Take students out of the blocks of a place; returns how many rows (a student, each of a list) that were."""
        table, gone = self.table, 0
        for row in connection.execute(select(table).where(*self._is_at(place))).all():
            students = self._read(row.block, self.schema)
            is_gone = pl.col("student_id").is_in(list(student_ids))
            taken, rest = students.filter(is_gone), students.filter(~is_gone)
            gone += taken.height + sum(int(taken[name].list.len().sum()) for name in self.lists)
            here = [column == getattr(row, column.name) for column in table.primary_key]
            if rest.is_empty():
                connection.execute(delete(table).where(*here))
            elif taken.height:
                connection.execute(update(table).where(*here).values(block=packed(batch_of(rest))))
        return gone

    def _is_at(self, place: tuple[str, str | int]) -> list[ColumnElement[bool]]:
        key: list[Any] = list(self.table.primary_key)
        return [column == value for column, value in zip(key, place, strict=False)]

    def _read(
        self, block: bytes, schema: Mapping[str, pl.DataType], *, only: Collection[str] | None = None
    ) -> pl.DataFrame:
        """The columns of a schema, null where the block lacks one; of some students `only`."""
        try:
            rows = unpacked(block, list(schema))
            some = rows if only is None else rows.filter(pl.col("student_id").is_in(list(only)))
            return some.select(_as_now(name, some.schema.get(name), dtype) for name, dtype in schema.items())
        except _DAMAGED:
            # `from None`: the text of such an error can carry cell values.
            raise StorageError(f"the database holds {self.what} that are damaged", hint="restore a backup") from None


def _as_now(name: str, there: pl.DataType | None, dtype: pl.DataType) -> pl.Expr:
    """A column of a block as it is now; null where the block has none, as are fields that its records had not yet."""
    if there is None:
        return pl.lit(None, dtype).alias(name)
    if isinstance(there, pl.List) and isinstance(dtype, pl.List):
        then, now = there.inner, dtype.inner
        if isinstance(then, pl.Struct) and isinstance(now, pl.Struct) and len(then.fields) != len(now.fields):
            had = {field.name for field in then.fields}
            fields = [
                (pl.element().struct.field(field.name) if field.name in had else pl.lit(None)).alias(field.name)
                for field in now.fields
            ]
            return pl.col(name).list.eval(pl.struct(fields)).cast(dtype)
    return pl.col(name).cast(dtype)


PEOPLE = Blocks(table=tables.students, schema=SCHEMA, lists=("reasons", "before"), what="names and reasons")
STUDENT_RECORDS = Blocks(
    table=tables.student_records, schema=RECORDS_SCHEMA, lists=tuple(RECORDS), what="records behind reasons"
)
