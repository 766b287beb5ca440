"""Transactions on a database that is there and at this version's step: what every door opens."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from cis_ews.errors import StorageError
from cis_ews.storage.database import migrating
from cis_ews.storage.database.engine import Connections

HELD = "scores"
"""The table whose partitions a publish drops."""


class Transactions:
    """Checked once that the tables stand at the newest step, from then on plain transactions."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._is_checked = False

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """One snapshot of everything."""
        self.check_file()
        if not self._is_checked:
            with self._connections.reading() as connection:
                self._check(connection)
        with self._connections.reading(holding=HELD) as connection:
            yield connection

    @contextmanager
    def writing(self, *, alone: bool = False, aside: Path | None = None) -> Generator[Connection]:
        """All of it or nothing. `alone`, `aside`: as for `Connections.writing`."""
        self.check_file()
        with self._connections.writing(alone=alone, aside=aside) as connection:
            self._check(connection)
            yield connection

    def check_file(self) -> None:
        """Raises StorageError where there is no file: SQLite would quietly make an empty one at a mistyped path."""
        if self.is_missing:
            raise StorageError(
                f"there is no database at {self._connections.label}", hint="make it with `cis-ews db upgrade`"
            )

    @property
    def is_missing(self) -> bool:
        """Whether the database is a file that is not there."""
        file = self._connections.file
        return file is not None and not file.exists()

    def _check(self, connection: Connection) -> None:
        if not self._is_checked:
            migrating.check_revision(connection)
            self._is_checked = True
