"""Connections and transactions, the same for SQLite and PostgreSQL; one error for whatever a database refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from cis_ews.errors import StorageError

BUSY_SECONDS = 60
CONNECT_SECONDS = 10
ASIDE = "aside"
"""What an SQLite file is called in statements that is attached to another one."""
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# One number of our own, so that two publishes to one PostgreSQL wait for each other ("cis_ews" as ASCII).
_WRITERS = 0x6369735F657773


class Connections:
    """An engine, and the three ways in: `reading`, `writing`, `outside` (of any transaction)."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url)

    @property
    def label(self) -> str:
        """The address as it may be shown: without the password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(str(self.url.database)) if self.is_sqlite else None

    @contextmanager
    def reading(self, *, holding: str | None = None) -> Generator[Connection]:
        """One snapshot: a publish that ends meanwhile is not seen.

        `holding`: a table that nobody takes away while this reads. PostgreSQL drops a table under a snapshot that has
        not touched it yet: its rows would be gone, and those of its successor not be seen.
        """
        with self._errors(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                if holding and not self.is_sqlite:
                    # The first statement, because only the one after it takes the snapshot.
                    connection.exec_driver_sql(f"LOCK TABLE {holding} IN ACCESS SHARE MODE")
                yield connection

    @contextmanager
    def writing(self, *, alone: bool = False, aside: Path | None = None) -> Generator[Connection]:
        """One transaction: all of it or nothing. `alone`: no other `alone` writer at the same time.

        `aside`: another SQLite file, which statements know as `ASIDE`.
        """
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(cis_ews_writes=True)
            with _attached(connection, aside), connection.begin():
                if alone and not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})
                yield connection

    @contextmanager
    def outside(self) -> Generator[Connection]:
        """No transaction at all, for VACUUM."""
        with self._errors(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.execution_options(cis_ews_outside=True)
            else:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    @contextmanager
    def _errors(self) -> Generator[None]:
        # `from None`: a driver's error can carry the values of a row, and a URL a password.
        try:
            yield
        except DBAPIError as error:
            raise self._storage_error(error) from None
        except SQLAlchemyError as error:
            kind = type(error).__name__
            raise StorageError(f"the database {self.label} cannot be used: {kind}", hint=_UPGRADE) from None

    def _storage_error(self, error: DBAPIError) -> StorageError:
        if self.file is not None and getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
            return StorageError(f"the database file {self.file} is damaged", hint=_way_out(self.file.name))
        if isinstance(error, OperationalError):
            return StorageError(
                f"the database {self.label} cannot be used: {self._said(error)}",
                hint=_SERVER if self.file is None else _FILE,
            )
        kind = type(error).__name__
        return StorageError(f"the database {self.label} refused a statement: {kind}", hint=_UPGRADE)

    def _said(self, error: OperationalError) -> str:
        first = (str(error.orig).splitlines() or [""])[0].strip()
        return first.replace(str(self.url.password), "***") if self.url.password else first


_UPGRADE = "run `cis-ews db upgrade`; if that does not help, restore a backup"
_SERVER = "check the address, that the server runs, the rights of this account and the space on the disk"
_FILE = "check that its folder is there and may be written to, and the space on the disk"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _way_out(name: str) -> str:
    """A file that SQLite cannot open stands in the way of a restore too."""
    return (
        f"stop the service, move {name}, {name}-wal and {name}-shm away, then run `cis-ews db restore BACKUP`; "
        "without a backup, score again and make new keys"
    )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    driver = _DRIVERS.get(parsed.drivername) if parsed else None
    if parsed is None or driver is None:
        raise StorageError(
            "the address of the database is none that can be used",
            hint="write sqlite:///path/cis_ews.db or postgresql+psycopg://user:password@host/database",
        )
    if driver == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StorageError("an SQLite database needs a file", hint="write sqlite:///path/cis_ews.db")
    return parsed.set(drivername=driver)


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS}
    )


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver opens no transaction of its own: `_begin_sqlite` does
    cursor = connection.cursor()
    # What is deleted is overwritten with zeros, and not only unlinked.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def _attached(connection: Connection, aside: Path | None) -> Generator[None]:
    """Outside of the transaction: within one, SQLite attaches and detaches nothing."""
    if aside is None:
        yield
        return
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute(f"ATTACH DATABASE ? AS {ASIDE}", (str(aside),)).close()
    except driver.Error as error:
        raise DBAPIError.instance("ATTACH", None, error, driver.Error, hide_parameters=True) from None
    try:
        yield
    finally:
        try:
            driver.execute(f"DETACH DATABASE {ASIDE}").close()
        except driver.Error:
            connection.invalidate()  # the file goes with it; what was committed, or refused before, stands


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("cis_ews_outside"):
        # A writer takes its lock at once, so that it waits here and never fails half-way.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("cis_ews_writes") else "BEGIN")
