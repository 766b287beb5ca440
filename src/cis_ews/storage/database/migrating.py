"""Which step the tables stand at, and bringing them to the newest one."""

from __future__ import annotations

import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select

from cis_ews.errors import StorageError
from cis_ews.storage.database import tables
from cis_ews.storage.database.publishing import REF_SECRET

_UPGRADE = "run `cis-ews db upgrade`"


def current_revision(connection: Connection) -> str | None:
    """The step that the tables stand at; None if there are none of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The step that this version of cis_ews works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def check_revision(connection: Connection) -> None:
    """Raises StorageError unless the tables stand at the newest step."""
    found = current_revision(connection)
    if found == newest_revision():
        return
    if found is None:
        raise StorageError("the database has no tables yet", hint=_UPGRADE)
    if found in _known_revisions():
        raise StorageError(f"the database is at step {found}, not at {newest_revision()}", hint=_UPGRADE)
    raise StorageError(f"the database is at step {found}, which this version does not know", hint="update cis_ews")


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to a step, inside the caller's transaction."""
    found = current_revision(connection)
    if found is not None and found not in _known_revisions():
        check_revision(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if inspect(connection).has_table(tables.secrets.name):
        _keep_secret(connection)


def _keep_secret(connection: Connection) -> None:
    known = select(tables.secrets.c.name).where(tables.secrets.c.name == REF_SECRET)
    if connection.scalar(known) is None:
        connection.execute(insert(tables.secrets).values(name=REF_SECRET, value=secrets.token_hex(32)))


def known_revision(revision: str) -> bool:
    """Whether this version of cis_ews has the step."""
    return revision in _known_revisions()


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be read as a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
