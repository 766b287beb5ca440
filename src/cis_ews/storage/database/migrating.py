"""Which step the tables stand at, and bringing them to the newest one."""

from __future__ import annotations

import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select

from cis_ews.errors import StorageError
from cis_ews.storage.database import tables
from cis_ews.storage.database.refs import REF_SECRET

# Not alembic's usual name: other programs that share the database use that one.
VERSION_TABLE = "cis_ews_revision"
_UPGRADE = "run `cis-ews db upgrade`"


def current_revision(connection: Connection) -> str | None:
    """The step that the tables stand at; None if there are none of ours."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


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
    refuse_later(connection)
    raise StorageError(f"the database is at step {found}, not at {newest_revision()}", hint=_UPGRADE)


def refuse_later(connection: Connection) -> None:
    """Raises StorageError where a later version of cis_ews has made the tables."""
    found = current_revision(connection)
    if found is not None and not is_known(found):
        raise StorageError(f"the database is at step {found}, which this version does not know", hint="update cis_ews")


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest step, inside the caller's transaction, and see that there is a secret for refs."""
    refuse_later(connection)
    migrate(connection, "head")
    _keep_secret(connection)


def migrate(connection: Connection, revision: str) -> None:
    """Run the steps up to a revision, inside the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, revision)


def _keep_secret(connection: Connection) -> None:
    known = select(tables.secrets.c.name).where(tables.secrets.c.name == REF_SECRET)
    if connection.scalar(known) is None:
        connection.execute(insert(tables.secrets).values(name=REF_SECRET, value=secrets.token_hex(32)))


def is_known(revision: str) -> bool:
    """Whether this version of cis_ews has the step."""
    return revision in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be read as a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
