"""The rows of districts in place of those that they had, inside the publish's transaction.

On PostgreSQL the scores of many students go into a partition of their own, which has its key built at the end and is
attached whole; the partition that it replaces is dropped. `Connections.reading` has the other half: who reads holds the
table, so that nothing is dropped under a snapshot that still needs it. Few students are replaced row by row, in the
partition 0. SQLite keeps all rows in one table: it reads old pages for whoever began before.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from sqlalchemy import Connection, Table, bindparam, delete, text
from sqlalchemy.exc import OperationalError

from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_frame
from cis_ews.storage.database.engine import ASIDE

PARTITION_FROM = 20_000
"""Scores that are worth a partition of their own, or on SQLite a file aside."""
LOCK_MILLISECONDS = 500
"""How long the drop of a partition waits for readers, and lets new ones wait behind it."""


def clear(connection: Connection, table: Table, districts: Collection[str], *, is_everyone: bool) -> None:
    """Delete the rows of districts; all rows at once, page by page, where no other district has any."""
    if is_everyone:
        connection.execute(delete(table))
    else:
        among = table.c.district_id.in_(bindparam("districts", expanding=True))
        connection.execute(delete(table).where(among), {"districts": list(districts)})


def replace_scores(
    connection: Connection,
    scores: pl.DataFrame,
    *,
    districts: Collection[str],
    is_everyone: bool,
    is_aside: bool = False,
) -> list[str]:
    """Put scores, sorted by their key, in place of those of the districts; returns what `retire` has to take away.

    `is_aside`: whether they are rows already, of the database that is attached as `ASIDE`.
    """
    rows = rows_of_table(scores)
    if connection.dialect.name == "postgresql" and wants_bulk(rows):
        return _attach(connection, rows)
    clear(connection, tables.scores, districts, is_everyone=is_everyone)
    if is_aside:
        # Of tables that are alike, SQLite copies rows and entries of indexes as they are.
        connection.exec_driver_sql(f"INSERT INTO main.scores SELECT * FROM {ASIDE}.scores")  # noqa: S608 - our own names
    else:
        insert_frame(connection, tables.scores, rows)
    return []


def wants_bulk(scores: pl.DataFrame) -> bool:
    """Whether scores are worth more than being put in row by row."""
    return scores.height >= PARTITION_FROM


def rows_of_table(scores: pl.DataFrame) -> pl.DataFrame:
    """The columns that the table has."""
    return scores.select([column.name for column in tables.scores.columns if column.name != "publication"])


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
