"""What a family may ask of the database, and what age does: rows about a student, given out or gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, insert, select, text, update

from cis_ews.errors import StorageError
from cis_ews.storage.database import tables
from cis_ews.storage.database.blocks import PEOPLE, STUDENT_RECORDS
from cis_ews.storage.database.records import parts_of, records_of_student
from cis_ews.storage.database.refs import refs_in_districts
from cis_ews.storage.runs import Run

_OF_DISTRICTS = (tables.schools, tables.students, tables.student_records, tables.scores, tables.group_counts)
_BY_REF = (tables.caseloads, tables.tier_changes)
"""Tables that know a student by the ref. The audit is none of them: it keeps that somebody looked, under the ref."""
_OF_CASES = (
    tables.cases,
    tables.reviews,
    tables.contacts,
    tables.tickets,
    tables.plans,
    tables.meeting_students,
    tables.goals,
    tables.check_ins,
)
"""What people did, under the case of the student; each after the table that it goes with."""
_OF_PERSON = ("student_id", "first_name", "last_name", "reasons", "before")
_NOT_KEPT = {
    "what": "the records behind the reasons: attendance, incidents, marks, enrollments, supports",
    "why": "the current night was published without them, or before the database was last upgraded",
    "hint": "export once more after the next night, which brings them; until then they are in the source alone",
}
ERASURES = "erasures"
_CHUNK = 500
"""Ids in one statement: far below what either database takes."""


def export_student(connection: Connection, student_id: str) -> dict[str, list[dict[str, object]]]:
    """Every row about a student, with dates as ISO text: scores, and from the blocks names, reasons and
    the records behind them. Where the current night kept no records, `not_kept` says so."""
    rows = connection.execute(select(tables.scores).where(tables.scores.c.student_id == student_id)).mappings()
    exported: dict[str, list[dict[str, object]]] = {"students": [], "scores": [], "reasons": [], "not_kept": []}
    for row in sorted(rows, key=lambda row: (row["district_id"], row["ref"])):
        exported["scores"].append({name: _plain(value) for name, value in row.items() if name != "publication"})
        key = {"district_id": row["district_id"], "ref": row["ref"]}
        place = (row["district_id"], row["school_id"])
        people = PEOPLE.students(connection, place, columns=_OF_PERSON, only=[student_id])
        for person in people.iter_rows(named=True):
            reasons, before = person.pop("reasons"), person.pop("before") or ()
            sentences: list[object] = [one["sentence"] for one in before]
            exported["students"].append({**key, **person, "reasons_before": sentences})
            exported["reasons"] += [key | reason for reason in reasons]
        behind = records_of_student(connection, place, student_id)
        if not behind:
            exported["not_kept"].append({**key, **_NOT_KEPT})
        for table, found in behind.items():
            of_table = exported.setdefault(table, [])
            of_table += [key | {name: _plain(value) for name, value in record.items()} for record in found]
    exported |= {table.name: _of_refs(connection, student_id, table=table) for table in _BY_REF}
    exported |= {table.name: _of_case(connection, student_id, table=table) for table in _OF_CASES}
    return exported


def _of_refs(connection: Connection, student_id: str, *, table: Table) -> list[dict[str, object]]:
    districts = connection.scalars(select(table.c.district_id).distinct()).all()
    refs = refs_in_districts(connection, [student_id], districts)
    rows = connection.execute(select(table).where(table.c.ref.in_(refs)).order_by(*table.primary_key)).mappings()
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _of_case(connection: Connection, student_id: str, *, table: Table) -> list[dict[str, object]]:
    query = select(table).where(_is_of_cases(table, [student_id])).order_by(*table.primary_key)
    return [{name: _plain(value) for name, value in row.items()} for row in connection.execute(query).mappings()]


def _is_of_cases(table: Table, student_ids: Collection[str]) -> ColumnElement[bool]:
    cases, plans, goals = tables.cases, tables.plans, tables.goals
    if table is cases:
        return cases.c.student_id.in_(student_ids)
    if table is goals:
        return goals.c.plan_id.in_(select(plans.c.plan_id).where(_is_of_cases(plans, student_ids)))
    if table is tables.check_ins:
        return table.c.goal_id.in_(select(goals.c.goal_id).where(_is_of_cases(goals, student_ids)))
    same = (cases.c.district_id == table.c.district_id, cases.c.ref == table.c.ref)
    return exists().where(*same, cases.c.student_id.in_(student_ids))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else value


def all_student_ids(connection: Connection) -> list[str]:
    """Every student of whom there is a row."""
    of_scores, *others = (select(table.c.student_id) for table in (tables.scores, tables.tier_changes, tables.cases))
    return list(connection.scalars(of_scores.union(*others)))


def forget_students(connection: Connection, student_ids: Collection[str]) -> int:
    """Delete every row about the students and count their districts anew; returns the number of rows."""
    ids = sorted(student_ids)
    deleted = sum(_forget(connection, ids[start : start + _CHUNK]) for start in range(0, len(ids), _CHUNK))
    if deleted:
        _recount(connection)
    return deleted


def _forget(connection: Connection, student_ids: Sequence[str]) -> int:
    scores = tables.scores
    is_of_them = scores.c.student_id.in_(student_ids)
    by_school: dict[tuple[str, str], list[str]] = {}
    found = select(scores.c.district_id, scores.c.school_id, scores.c.student_id).where(is_of_them)
    for district, school, student in connection.execute(found):
        by_school.setdefault((district, school), []).append(student)
    # Nobody knows here in which groups they were: what was told of their districts goes, until the next night.
    sums = tables.group_counts
    connection.execute(delete(sums).where(sums.c.district_id.in_({district for district, _ in by_school})))
    in_blocks = sum(_forget_in_blocks(connection, school, students) for school, students in by_school.items())
    by_ref = sum(_forget_refs(connection, student_ids, table=table) for table in _BY_REF)
    by_ref += sum(
        connection.execute(delete(table).where(_is_of_cases(table, student_ids))).rowcount
        for table in reversed(_OF_CASES)
    )
    return in_blocks + by_ref + connection.execute(delete(scores).where(is_of_them)).rowcount


def _forget_in_blocks(connection: Connection, school: tuple[str, str], students: Sequence[str]) -> int:
    # First where their records are, since their names say it.
    parts = sorted(set(parts_of(connection, school, students).values()))
    gone = sum(STUDENT_RECORDS.without(connection, (school[0], part), students) for part in parts)
    return gone + PEOPLE.without(connection, school, students)


def _forget_refs(connection: Connection, student_ids: Sequence[str], *, table: Table) -> int:
    """What stands under a ref may outlive the score of a student who has left: it is found by the refs themselves."""
    districts = connection.scalars(select(table.c.district_id).distinct()).all()
    refs = refs_in_districts(connection, student_ids, districts)
    chunks = [refs[start : start + _CHUNK] for start in range(0, len(refs), _CHUNK)]
    return sum(connection.execute(delete(table).where(table.c.ref.in_(chunk))).rowcount for chunk in chunks)


def _recount(connection: Connection) -> None:
    """The counts of every district's current run, from its rows."""
    scores, districts = tables.scores, tables.run_districts

    def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
        of_district = select(func.count()).where(scores.c.district_id == districts.c.district_id, condition)
        return of_district.scalar_subquery()

    tiers = {f"tier_{tier}": number(scores.c.tier == tier) for tier in (1, 2, 3)}
    everyone = number(scores.c.student_id.is_not(None))
    counts = {"students": everyone, **tiers, "not_enough_data": number(scores.c.abstained)}
    connection.execute(update(districts).where(tables.IS_CURRENT).values(counts))


def record_rewritten(connection: Connection, run: Run) -> None:
    """The new hash and counts of a run whose files erasure has rewritten; a run not published has no row."""
    values = {"manifest_sha256": run.manifest_sha256, **run.manifest["counts"]}
    connection.execute(update(tables.runs).where(tables.runs.c.run_id == run.run_id).values(values))


def drop_runs(connection: Connection, run_ids: Collection[str]) -> int:
    """Delete runs, and the flags of each district whose current run is among them."""
    ids = sorted(run_ids)
    districts = tables.run_districts
    orphaned = select(districts.c.district_id).where(districts.c.run_id.in_(ids), tables.IS_CURRENT)
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
    told = (tables.students, tables.student_records, tables.scores, tables.tier_changes, tables.group_counts)
    for table in (*told, *_OF_CASES):
        connection.execute(text(f"VACUUM FULL {table.name}"))
