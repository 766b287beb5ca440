"""A backup: one zip file with `backup.json` (step, counts) and one `<table>.jsonl` a table, one row a line.

It does not depend on the kind of database, and an old one goes into today's tables: it is restored at the step at which
it was made, and the steps since then are run on it.
"""

from __future__ import annotations

import base64
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Date, DateTime, LargeBinary, MetaData, Table, select

from cis_ews.errors import StorageError
from cis_ews.storage.database import migrating, tables
from cis_ews.storage.database.bulk import insert_rows
from cis_ews.storage.files import disk_errors, leftover_beside, sync

FORMAT = 1
STATEMENT = "backup.json"
_PRIVATE = 0o600
_ROWS_AT_ONCE = 5_000


def write_backup(connection: Connection, path: Path) -> dict[str, int]:
    """Write every table of ours as it is in the caller's snapshot; returns the rows by table."""
    revision = migrating.current_revision(connection)
    if revision is None:
        raise StorageError("the database has no tables yet", hint="there is nothing to back up")
    migrating.refuse_later(connection)
    found = tables_there(connection).values()
    with disk_errors(path, "write the backup"):
        beside = leftover_beside(path)
        try:
            beside.touch(mode=_PRIVATE)
            with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
                rows = {table.name: _write_rows(connection, table, archive) for table in found}
                archive.writestr(STATEMENT, json.dumps(_statement(revision, rows), indent=2, sort_keys=True))
            sync(beside)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    return rows


def restore_backup(connection: Connection, path: Path) -> dict[str, int]:
    """Replace all tables of ours by those of a backup, at the backup's step, inside the caller's transaction."""
    try:
        with disk_errors(path, "read the backup"), zipfile.ZipFile(path) as archive:
            statement = _read_statement(archive, path)
            _drop_all(connection)
            migrating.migrate(connection, statement["revision"])
            rows = {table.name: _read_rows(connection, table, archive) for table in tables_there(connection).values()}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError):
        raise _damaged(path) from None
    if rows != statement["rows"]:
        raise _damaged(path)
    return rows


def _statement(revision: str, rows: dict[str, int]) -> dict[str, object]:
    return {
        "format": FORMAT,
        "revision": revision,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cis_ews": version("cis_ews"),
        "rows": rows,
    }


def tables_there(connection: Connection) -> dict[str, Table]:
    """Our tables as they are in the database, which may be at an older step; each after those that it refers to."""
    there = MetaData()
    there.reflect(connection, only=lambda name, _: name in tables.metadata.tables)
    return {table.name: table for table in there.sorted_tables}


def _drop_all(connection: Connection) -> None:
    there = MetaData()
    ours = {*tables.metadata.tables, migrating.VERSION_TABLE}
    there.reflect(connection, only=lambda name, _: name in ours)
    there.drop_all(connection)


def _write_rows(connection: Connection, table: Table, archive: zipfile.ZipFile) -> int:
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=_ROWS_AT_ONCE)
    names = table.columns.keys()
    number = 0
    with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as member, TextIOWrapper(member, "utf-8") as lines:
        for row in connection.execute(query):
            values = {name: _plain(value) for name, value in zip(names, row, strict=True)}
            lines.write(json.dumps(values, ensure_ascii=False) + "\n")
            number += 1
    return number


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # SQLite gives the UTC clock without saying so.
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else value


def _read_rows(connection: Connection, table: Table, archive: zipfile.ZipFile) -> int:
    restorers = [_restorer(connection, column) for column in table.columns]
    with archive.open(f"{table.name}.jsonl") as member, TextIOWrapper(member, "utf-8") as lines:
        return insert_rows(connection, table, _parsed(lines, table.columns.keys(), restorers))


_Restorer = Callable[[Any], Any]


def _parsed(lines: TextIOWrapper, names: list[str], restorers: list[_Restorer]) -> Iterator[list[Any]]:
    for line in lines:
        row = json.loads(line)
        yield [
            None if row[name] is None else restore(row[name]) for name, restore in zip(names, restorers, strict=True)
        ]


def _restorer(connection: Connection, column: Column[Any]) -> _Restorer:
    """JSON back to what the column holds."""
    if column.name == "publication":
        return lambda _: 0  # the partitions of another database are not here
    if isinstance(column.type, LargeBinary):
        return base64.b64decode
    if isinstance(column.type, DateTime):
        if connection.dialect.name == "sqlite":
            return lambda value: datetime.fromisoformat(value).replace(tzinfo=None)
        return datetime.fromisoformat
    if isinstance(column.type, Date):
        return date.fromisoformat
    return lambda value: value


def _read_statement(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    statement = json.loads(archive.read(STATEMENT))
    if statement["format"] != FORMAT or not migrating.is_known(statement["revision"]):
        raise StorageError(f"the backup {path} was made by a newer cis_ews", hint="update cis_ews, then restore")
    return statement


def _damaged(path: Path) -> StorageError:
    return StorageError(f"{path} is not a whole backup", hint="use another backup; nothing was changed")
