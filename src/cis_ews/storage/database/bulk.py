"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table

from cis_ews.errors import StorageError

CHUNK_ROWS = 20_000
_HINT = "a text with a NUL byte, or a value out of range: check the extract"


def insert_rows(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows that have the table's columns in the table's order; returns their number."""
    prepared = _prepared(connection, table, rows)
    if connection.dialect.name == "postgresql":
        return _copy(connection, table, prepared)
    names = ", ".join(_quoted(connection, column.name) for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {_quoted(connection, table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    inserted = 0
    while chunk := list(islice(prepared, CHUNK_ROWS)):
        connection.exec_driver_sql(statement, chunk)
        inserted += len(chunk)
    return inserted


def _copy(connection: Connection, table: Table, rows: Iterator[tuple[Any, ...]]) -> int:
    driver: Any = connection.connection.driver_connection
    names = ", ".join(_quoted(connection, column.name) for column in table.columns)
    inserted = 0
    try:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {_quoted(connection, table.name)} ({names}) FROM STDIN") as to,
        ):
            for row in rows:
                to.write_row(row)
                inserted += 1
    except connection.dialect.loaded_dbapi.Error as error:
        # `from None`: the driver's own error is not under SQLAlchemy's care here, and it quotes the row.
        kind = type(error).__name__
        raise StorageError(f"the rows for the table {table.name} were refused: {kind}", hint=_HINT) from None
    return inserted


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
