"""The scores of a night made ready before its publish, while the database is free for those who work with it.

What a student keeps is looked up, and SQLite's rows are put into a file aside, from which the publish copies them
as they are: a quarter of the time for which it would have kept everybody else from writing. PostgreSQL copies into a
partition of its own, which is in nobody's way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, select

from cis_ews.errors import StorageError
from cis_ews.storage.database import tables
from cis_ews.storage.database.bulk import insert_sqlite
from cis_ews.storage.database.carried import carried_over
from cis_ews.storage.database.engine import ASIDE
from cis_ews.storage.database.refs import ref_secret
from cis_ews.storage.database.replacing import rows_of_table, wants_bulk

Current = Mapping[str, tuple[str, date]]
"""District -> the run that is current in it, and its as-of date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The scores of the districts in which a run becomes current.

    `scores`: with `district_id`, `ref` and `changed_at`, by their key. `moment`: what `changed_at` says of those that
    changed, and the run of when it was published, which is some seconds before the commit. `current`, `secret`: what
    they were made from. `aside`: the SQLite file that has them as rows, if any.
    """

    scores: pl.DataFrame
    moment: datetime
    current: Current
    secret: bytes
    aside: Path | None = None

    def holds(self, connection: Connection) -> bool:
        """Whether the database stands as it stood: nobody else has published, or put a backup in its place."""
        return self.current == current_runs(connection) and self.secret == ref_secret(connection)


def current_runs(connection: Connection) -> Current:
    """The current run of every district."""
    joined = tables.runs.join(tables.run_districts)
    query = select(tables.run_districts.c.district_id, tables.runs.c.run_id, tables.runs.c.as_of).select_from(joined)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query.where(tables.IS_CURRENT))}


def stage(
    connection: Connection, scores: pl.DataFrame, *, districts: Collection[str], folder: Path | None = None
) -> Staged:
    """Make the scores of districts (with `district_id`) ready. `folder`: where a file aside may lie, until the publish.

    Raises StorageError where the file cannot be written.
    """
    moment = datetime.now(UTC)
    published = scores.filter(pl.col("district_id").is_in(list(districts)))
    ready = carried_over(connection, published, now=moment)
    aside = None
    if folder is not None and connection.dialect.name == "sqlite" and wants_bulk(ready):
        aside = folder / f"{ASIDE}.db"
        _write_aside(connection, ready, aside)
    return Staged(
        scores=ready,
        moment=moment,
        current=current_runs(connection),
        secret=ref_secret(connection),
        aside=aside,
    )


def _write_aside(connection: Connection, scores: pl.DataFrame, path: Path) -> None:
    """The table of scores with its indexes, as the database has it, in a new file."""
    of_scores = "SELECT sql FROM sqlite_master WHERE tbl_name = 'scores' AND sql IS NOT NULL ORDER BY type = 'index'"
    table, *indexes = [row[0] for row in connection.exec_driver_sql(of_scores)]
    try:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as aside:
            # Nobody reads it before it is whole, and a night that was killed makes it anew.
            # Large pages take a fifth less time.
            for pragma in ("page_size = 16384", "cache_size = -65536", "journal_mode = OFF", "synchronous = OFF"):
                aside.execute(f"PRAGMA {pragma}")
            aside.execute("BEGIN")
            aside.execute(table)
            insert_sqlite(aside, tables.scores.name, rows_of_table(scores))
            for index in indexes:
                aside.execute(index)
            aside.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        # `from None`: a driver's error can carry the values of a row.
        raise StorageError(
            f"cannot write {path}: {type(error).__name__}", hint="see to the space on the disk and run again"
        ) from None
