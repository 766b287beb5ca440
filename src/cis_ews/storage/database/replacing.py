"""The rows of districts in place of those that they had, inside the publish's transaction.

On PostgreSQL the scores of many students go into a partition of their own, which has its key built at the end and is
attached whole; the partition that it replaces is dropped. `Connections.reading` has the other half: who reads holds the
table, so that nothing is dropped under a snapshot that still needs it. Few students are replaced row by row, in the
partition 0. SQLite keeps all rows in one table: it reads old pages for whoever began before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import polars as pl
from sqlalchemy import Connection, Table, bindparam, delete, text
from sqlalchemy.exc import OperationalError

from cis_ews.errors import StorageError
from cis_ews.schema.rows import sorted_by
from cis_ews.storage.database import tables
from cis_ews.storage.database.before import reasons_before
from cis_ews.storage.database.blocks import REASON, SCHEMA
from cis_ews.storage.database.bulk import insert_frame
from cis_ews.storage.database.records import RecordSource
from cis_ews.storage.packing import packed, with_lists
from cis_ews.storage.runs import Run

PARTITION_FROM = 20_000
"""Scores that are worth a partition of their own."""
SLICE_STUDENTS = 400_000
"""Students whose reasons are in memory at once."""
LOCK_MILLISECONDS = 500
"""How long the drop of a partition waits for readers, and lets new ones wait behind it."""
Block = tuple[str, str, int, bytes]
"""A row of `students`: district, school, part, block."""


def clear(connection: Connection, table: Table, districts: Collection[str], *, is_everyone: bool) -> None:
    """Delete the rows of districts; all rows at once, page by page, where no other district has any."""
    if is_everyone:
        connection.execute(delete(table))
    else:
        among = table.c.district_id.in_(bindparam("districts", expanding=True))
        connection.execute(delete(table).where(among), {"districts": list(districts)})


def replace_scores(
    connection: Connection, scores: pl.DataFrame, *, districts: Collection[str], is_everyone: bool
) -> list[str]:
    """Put scores, sorted by their key, in place of those of the districts; returns what `retire` has to take away."""
    rows = scores.select([column.name for column in tables.scores.columns if column.name != "publication"])
    if connection.dialect.name == "postgresql" and rows.height >= PARTITION_FROM:
        return _attach(connection, rows)
    clear(connection, tables.scores, districts, is_everyone=is_everyone)
    insert_frame(connection, tables.scores, rows)
    return []


def _attach(connection: Connection, rows: pl.DataFrame) -> list[str]:
    old = _partitions(connection)
    number = max(old.values()) + 1
    fresh = f"scores_{number}"
    connection.exec_driver_sql(f"CREATE TABLE {fresh} (LIKE scores INCLUDING DEFAULTS)")
    insert_frame(connection, tables.scores, rows.with_columns(publication=pl.lit(number)), into=fresh)
    connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
    connection.exec_driver_sql(f"ALTER TABLE {fresh} ADD PRIMARY KEY (district_id, ref, publication)")
    connection.exec_driver_sql(f"ALTER TABLE scores ATTACH PARTITION {fresh} FOR VALUES IN ({number})")
    return list(old)


def _partitions(connection: Connection) -> dict[str, int]:
    query = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'scores'::regclass"
    return {name: int(name.rpartition("_")[2]) for name in connection.scalars(text(query))}


def retire(connection: Connection, partitions: Collection[str], districts: Collection[str]) -> None:
    """Take the districts out of partitions, and the partitions away in which nobody else is.

    The last thing before the commit: from the first drop on, new readers wait.
    """
    drops: list[str] = []
    for name in partitions:
        others = text(f"SELECT EXISTS (SELECT FROM {name} WHERE district_id <> ALL(:districts))")  # noqa: S608 - our own names
        has_others = connection.scalar(others, {"districts": list(districts)})
        if has_others or name == tables.SHARED_PARTITION:
            _empty(connection, name, districts)
        else:
            drops.append(name)
    for name in drops:
        if not _drop(connection, name):
            _empty(connection, name, districts)


def _empty(connection: Connection, name: str, districts: Collection[str]) -> None:
    gone = text(f"DELETE FROM {name} WHERE district_id = ANY(:districts)")  # noqa: S608 - our own names
    connection.execute(gone, {"districts": list(districts)})


def _drop(connection: Connection, name: str) -> bool:
    """Whether the partition could be dropped: not while somebody reads for long. The next big publish then drops it."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
            connection.exec_driver_sql(f"DROP TABLE {name}")
            connection.exec_driver_sql("SET LOCAL lock_timeout = DEFAULT")
    except OperationalError:
        return False
    return True


def blocks_of(
    run: Run,
    people: pl.DataFrame,
    students: pl.DataFrame | pl.LazyFrame,
    *,
    districts: Collection[str],
    records: RecordSource | None = None,
) -> list[Block]:
    """The names and reasons of the districts' students, slice by slice; asks the database nothing.

    `people`: everyone in the run with district and school, by id. Raises StorageError if the run has other reasons than
    its manifest says.
    """
    told = 0
    blocks: list[Block] = []
    before = reasons_before(run)
    behind = _NOTHING_BEHIND if records is None else records.behind()
    for part, some in enumerate(people.iter_slices(SLICE_STUDENTS)):
        reasons = run.rows_between("reasons", some["student_id"][0], some["student_id"][-1])
        told += _rows_of(reasons, some)
        published = sorted_by(some.filter(pl.col("district_id").is_in(districts)), ("district_id", "school_id"))
        named = _with_names(published, students).join(behind, on="student_id", how="left", maintain_order="left")
        blocks += _packed(named, {"reasons": reasons, "before": before}, part)
    if told != run.manifest["rows"]["reasons"]:
        raise StorageError(
            f"the reasons of run {run.run_id} were refused: {told} are of scored students, "
            f"and its manifest says {run.manifest['rows']['reasons']}",
            hint="restore the run from a backup, or move it away and score the night again",
        )
    return blocks


def _rows_of(rows: pl.DataFrame, students: pl.DataFrame) -> int:
    """How many rows are of these students; each is looked up once for the rows that stand together."""
    runs = rows["student_id"].rle().struct.unnest()
    return int(runs.join(students, left_on="value", right_on="student_id", how="semi")["len"].sum())


_NOTHING_BEHIND = pl.DataFrame(schema={name: SCHEMA[name] for name in ("student_id", "days_absent", "records")})


def _with_names(rows: pl.DataFrame, students: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    names = students.lazy().select("student_id", "first_name", "last_name")
    named = names.join(rows.lazy().select("student_id"), on="student_id", how="semi").collect()
    return rows.join(named, on="student_id", how="left", maintain_order="left")


def _packed(people: pl.DataFrame, lists: Mapping[str, pl.DataFrame], part: int) -> Iterator[Block]:
    """A block for each school; people are in the order of schools."""
    if people.is_empty():
        return
    told = lists["reasons"].select("student_id", *(field.name for field in REASON.fields))
    rows = with_lists(people.drop("district_id", "school_id"), {**lists, "reasons": told})
    first = 0
    for district, school, number in people.group_by("district_id", "school_id", maintain_order=True).len().iter_rows():
        yield district, school, part, packed(rows.slice(first, number))
        first += number
