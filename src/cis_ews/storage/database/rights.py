"""What a family may ask of the database, and what age does: rows about a student, given out or gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select, text, tuple_, update

from cis_ews.errors import StorageError
from cis_ews.storage.database import tables
from cis_ews.storage.runs import Run

_ABOUT_STUDENTS = (tables.reasons, tables.scores, tables.students)
"""Every score has a row of students, which ties the id to the refs; so that one goes last."""
_OF_DISTRICTS = (tables.schools, *_ABOUT_STUDENTS)
ERASURES = "erasures"
_CHUNK = 500
"""Ids in one statement: far below what either database takes."""


def _about(table: Table, student_ids: Sequence[str]) -> ColumnElement[bool]:
    students = tables.students
    refs = select(students.c.district_id, students.c.ref).where(students.c.student_id.in_(student_ids))
    return tuple_(table.c.district_id, table.c.ref).in_(refs)


def export_student(connection: Connection, student_id: str) -> dict[str, list[dict[str, object]]]:
    """Every row about a student, by table, with dates as ISO text."""
    return {table.name: _exported(connection, table, student_id) for table in _ABOUT_STUDENTS}


def _exported(connection: Connection, table: Table, student_id: str) -> list[dict[str, object]]:
    query = select(table).where(_about(table, [student_id])).order_by(*table.primary_key)
    return [{name: _plain(value) for name, value in row.items()} for row in connection.execute(query).mappings()]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else value


def all_student_ids(connection: Connection) -> list[str]:
    """Every student of whom there is a row."""
    return list(connection.scalars(select(tables.students.c.student_id).distinct()))


def forget_students(connection: Connection, student_ids: Collection[str]) -> int:
    """Delete every row about the students and count their districts anew; returns the number of rows."""
    ids = sorted(student_ids)
    deleted = 0
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        for table in _ABOUT_STUDENTS:
            deleted += connection.execute(delete(table).where(_about(table, some))).rowcount
    if deleted:
        _recount(connection)
    return deleted


def _recount(connection: Connection) -> None:
    """The counts of every district's current run, from its rows."""
    scores, districts = tables.scores, tables.run_districts

    def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
        of_district = select(func.count()).where(scores.c.district_id == districts.c.district_id, condition)
        return of_district.scalar_subquery()

    tiers = {f"tier_{tier}": number(scores.c.tier == tier) for tier in (1, 2, 3)}
    everyone = number(scores.c.student_id.is_not(None))
    counts = {"students": everyone, **tiers, "not_enough_data": number(scores.c.abstained)}
    connection.execute(update(districts).where(districts.c.is_current).values(counts))


def record_rewritten(connection: Connection, run: Run) -> None:
    """The new hash and counts of a run whose files erasure has rewritten; a run not published has no row."""
    values = {"manifest_sha256": run.manifest_sha256, **run.manifest["counts"]}
    connection.execute(update(tables.runs).where(tables.runs.c.run_id == run.run_id).values(values))


def drop_runs(connection: Connection, run_ids: Collection[str]) -> int:
    """Delete runs, and the flags of each district whose current run is among them."""
    ids = sorted(run_ids)
    districts = tables.run_districts
    orphaned = select(districts.c.district_id).where(districts.c.run_id.in_(ids), districts.c.is_current)
    for district in connection.scalars(orphaned).all():
        for table in _OF_DISTRICTS:
            connection.execute(delete(table).where(table.c.district_id == district))
    return connection.execute(delete(tables.runs).where(tables.runs.c.run_id.in_(ids))).rowcount


def has_erasures(connection: Connection) -> bool:
    """Whether a student was ever forgotten in this database."""
    known = select(tables.secrets.c.name).where(tables.secrets.c.name == ERASURES)
    return connection.scalar(known) is not None


def mark_erasures(connection: Connection) -> None:
    """Remember that a student was forgotten, not who: no night may then do without the store's list."""
    if not has_erasures(connection):
        connection.execute(insert(tables.secrets).values(name=ERASURES, value="1"))


def purge(connection: Connection) -> None:
    """Overwrite what deleted rows left behind in the files of the database. Outside of any transaction."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("VACUUM"))
        busy, *_ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
        if busy:
            raise StorageError(
                "deleted rows are still in the database's log, because somebody is reading",
                hint="run the same command again when the service is quiet",
            )
        return
    for table in _ABOUT_STUDENTS:
        connection.execute(text(f"VACUUM FULL {table.name}"))
