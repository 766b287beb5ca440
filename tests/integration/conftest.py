"""The databases that the same suite runs on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cis_ews.storage.database import Database
from tests.lib.databases import PostgresqlServer, postgresql_server

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql_process() -> Iterator[PostgresqlServer]:
    """One server for all tests of a process.

    Not below pytest's folder: another pytest that starts closes it to other accounts, and the server has its own.
    """
    with tempfile.TemporaryDirectory(prefix="cis_ews-pg-") as folder, postgresql_server(Path(folder)) as server:
        yield server


@pytest.fixture
def postgresql(postgresql_process: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """The server, whose databases are emptied after the test."""
    yield postgresql_process
    postgresql_process.empty_used()


@pytest.fixture(params=KINDS)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes URLs of new, empty databases; SQLite and PostgreSQL in turn."""
    if request.param == "sqlite":
        numbers = iter(range(100))
        return lambda: f"sqlite:///{tmp_path}/database-{next(numbers)}/cis_ews.db"
    return request.getfixturevalue("postgresql").new_url


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    """The URL of the test's database."""
    return new_url()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with today's tables."""
    with Database(url) as database:
        database.upgrade()
        yield database
