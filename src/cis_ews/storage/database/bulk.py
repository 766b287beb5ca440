"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from typing import Any

import polars as pl
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from cis_ews.errors import StorageError

CHUNK_ROWS = 20_000
_HINT = "a text with a NUL byte, or a value out of range: check the extract"


def insert_frame(connection: Connection, table: Table, frame: pl.DataFrame, *, into: str | None = None) -> None:
    """Insert a frame that has columns of the table, in the order of its rows; the others get their defaults.

    `into`: the partition that takes them. Whole slices at once: on PostgreSQL, polars writes the CSV that COPY reads.
    """
    target = _quoted(connection, into or table.name)
    names = ", ".join(_quoted(connection, name) for name in frame.columns)
    if connection.dialect.name == "postgresql":
        with _copying(connection, table, f"COPY {target} ({names}) FROM STDIN (FORMAT csv)") as to:
            for part in frame.iter_slices(CHUNK_ROWS):
                to.write(_csv(part))
        return
    driver: Any = connection.connection.driver_connection
    try:
        insert_sqlite(driver, table.name, frame)
    except driver.Error as error:
        # As SQLAlchemy would have said it: `Connections` tells by its kind what to do.
        raise DBAPIError.instance(f"INSERT INTO {target}", None, error, driver.Error, hide_parameters=True) from None


def insert_sqlite(driver: sqlite3.Connection, table: str, frame: pl.DataFrame) -> None:
    """Insert a frame by the driver, which takes a row at a time: SQLAlchemy wants all of them as tuples first.

    Raises what the driver raises.
    """
    names, marks = ", ".join(f'"{name}"' for name in frame.columns), ", ".join("?" * frame.width)
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    for part in frame.iter_slices(CHUNK_ROWS):
        columns = (column.to_list() for column in part.with_columns(_SQLITE_MOMENTS, _SQLITE_DATES))
        driver.executemany(statement, zip(*columns, strict=True)).close()


_SQLITE_MOMENTS = pl.selectors.datetime().dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%d %H:%M:%S.%6f")
_SQLITE_DATES = pl.selectors.date().dt.to_string("%Y-%m-%d")


def _csv(frame: pl.DataFrame) -> bytes:
    """Every text in quotes, so that an empty one is none that is missing."""
    content = BytesIO()
    frame.write_csv(content, include_header=False, quote_style="non_numeric")
    return content.getvalue()


def insert_rows(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows that have the table's columns in the table's order; returns their number."""
    prepared = _prepared(connection, table, rows)
    target = _quoted(connection, table.name)
    names = ", ".join(_quoted(connection, column.name) for column in table.columns)
    if connection.dialect.name == "postgresql":
        return _copy_rows(connection, table, prepared)
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {target} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    inserted = 0
    while chunk := list(islice(prepared, CHUNK_ROWS)):
        connection.exec_driver_sql(statement, chunk)
        inserted += len(chunk)
    return inserted


def _copy_rows(connection: Connection, table: Table, rows: Iterator[tuple[Any, ...]]) -> int:
    names = ", ".join(_quoted(connection, column.name) for column in table.columns)
    inserted = 0
    with _copying(connection, table, f"COPY {_quoted(connection, table.name)} ({names}) FROM STDIN") as to:
        for row in rows:
            to.write_row(row)
            inserted += 1
    return inserted


@contextmanager
def _copying(connection: Connection, table: Table, statement: str) -> Generator[Any]:
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as to:
            yield to
    except connection.dialect.loaded_dbapi.Error as error:
        # `from None`: the driver's own error is not under SQLAlchemy's care here, and it quotes the row.
        kind = type(error).__name__
        raise StorageError(f"the rows for the table {table.name} were refused: {kind}", hint=_HINT) from None


def _prepared(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """The rows as the driver wants them: only few columns (moments, dates) differ from what Python holds."""
    dialect = connection.dialect
    found = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns]
    processors = [(place, process) for place, process in enumerate(found) if process is not None]
    for row in rows:
        values = list(row)
        for place, process in processors:
            values[place] = process(values[place])
        yield tuple(values)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
