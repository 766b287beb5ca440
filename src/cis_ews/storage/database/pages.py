"""What the pages of students and schools read; every query that gives students has the scope in it.

No query reads more than the schools that are asked for: the state may be as large as it is.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select

from cis_ews.enums import CaseState, Direction
from cis_ews.storage.access import Scope
from cis_ews.storage.database import tables
from cis_ews.storage.database.blocks import PEOPLE
from cis_ews.storage.database.groups import groups_told, sums_told
from cis_ews.storage.database.records import known_days, records_of_student
from cis_ews.storage.database.refs import REF_LENGTH, ref_secret
from cis_ews.storage.database.scope import districts_of, visible_students
from cis_ews.storage.database.transactions import Transactions
from cis_ews.storage.pages import (
    DistrictCounts,
    GroupCount,
    GroupTold,
    Reason,
    RosterRow,
    SavedView,
    SchoolCounts,
    SchoolPlace,
    StudentPage,
    TierChange,
)

_OF_SCORE = (
    "district_id",
    "ref",
    "school_id",
    "grade_level",
    "tier",
    "tier_reason",
    "list_place",
    "changed_at",
    "days_enrolled",
    "risk",
    "risk_low",
    "risk_high",
)
_TOLD = ("direction", "rank", "domain", "indicator", "sentence")
_CHANGE = [tables.tier_changes.c[field.name] for field in fields(TierChange)]
VIEWS_AT_MOST = 20
"""Saved views of one person in one school."""


class Pages:
    """The door for pages of people: `database.pages`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def schools(self, scope: Scope) -> list[SchoolPlace]:
        """The schools whose students a viewer may see, by name; of a caseload alone, those of its students."""
        with self._transactions.reading() as connection:
            return _schools(connection, _of_scope(connection, scope))

    def school_days(self, district_id: str, *, school_id: str | None = None) -> pl.DataFrame:
        """The instructional days of the year: `school_id`, `date`; no row of a school of which the night kept none.

        Of all schools of a district, where none is named.
        """
        schools = tables.schools
        here = schools.c.district_id == district_id
        here = here if school_id is None else and_(here, schools.c.school_id == school_id)
        with self._transactions.reading() as connection:
            found = connection.execute(select(schools.c.school_id, schools.c.school_days).where(here)).all()
        days = [(school, day) for school, said in found for day in _days(said)]
        return pl.DataFrame(days, schema={"school_id": pl.String, "date": pl.Date}, orient="row")

    def roster(self, scope: Scope, school: SchoolPlace, *, told_of: Collection[str] = ()) -> list[RosterRow]:
        """The students of a school whom a viewer may see, by their place on the list, then by name.

        `told_of`: refs of students whose reasons are wanted in words, wherever they are.
        """
        with self._transactions.reading() as connection:
            return _roster(connection, scope, school, told_of=told_of)

    def changes_of_tonight(self, scope: Scope, school: SchoolPlace) -> list[TierChange]:
        """Who entered or moved in the school on the night that is current and may be seen."""
        with self._transactions.reading() as connection:
            return _changes_tonight(connection, scope, school)

    def student(self, scope: Scope, ref: str) -> StudentPage | None:
        """One student; None where there is no such student or the viewer may not see this one."""
        with self._transactions.reading() as connection:
            return _student(connection, scope, ref)

    def counts(self, *, districts: Collection[str] | None) -> list[SchoolCounts]:
        """The schools of districts, or of all, with the numbers of their students: no student is in it."""
        with self._transactions.reading() as connection:
            return _counts(connection, districts)

    def group_counts(self, district_id: str) -> list[GroupCount]:
        """The students of a district, counted by school, grade, tier and state of the case: no student is in it."""
        with self._transactions.reading() as connection:
            return _group_counts(connection, district_id)

    def groups(self, district_id: str) -> list[GroupTold]:
        """What the night told of groups of a district's students, by attribute and group."""
        with self._transactions.reading() as connection:
            return groups_told(connection, district_id)

    def district_sums(self, *, only: Collection[str] | None) -> list[GroupTold]:
        """What the night told of all students of each district, or of some: a row a district, however large it is."""
        with self._transactions.reading() as connection:
            return sums_told(connection, only)

    def districts(self, *, only: Collection[str] | None) -> list[DistrictCounts]:
        """The districts, or some of them, with the numbers of their current runs: no student is in it."""
        with self._transactions.reading() as connection:
            return _district_counts(connection, only)

    def is_first_night(self, school: SchoolPlace) -> bool:
        """Whether no earlier night of the school's district is known: nothing can have changed since."""
        with self._transactions.reading() as connection:
            return _first_night(connection, school.district_id) == school.as_of

    def views(self, person_id: str, school: SchoolPlace) -> list[SavedView]:
        """What a person saved for a school, by name."""
        with self._transactions.reading() as connection:
            table = tables.saved_views
            query = select(table.c.name, table.c.filters).where(*_views_of(person_id, school)).order_by(table.c.name)
            return [SavedView(name=name, filters=filters) for name, filters in connection.execute(query)]

    def save_view(self, person_id: str, school: SchoolPlace, view: SavedView) -> bool:
        """Save filters, in place of those of the same name; False where the person has too many already."""
        table = tables.saved_views
        with self._transactions.writing() as connection:
            connection.execute(delete(table).where(*_views_of(person_id, school), table.c.name == view.name))
            there = connection.scalar(select(func.count()).select_from(table).where(*_views_of(person_id, school)))
            if there and there >= VIEWS_AT_MOST:
                return False
            connection.execute(
                insert(table).values(
                    person_id=person_id,
                    district_id=school.district_id,
                    school_id=school.school_id,
                    name=view.name,
                    filters=view.filters,
                    saved_at=datetime.now(UTC),
                )
            )
            return True

    def drop_view(self, person_id: str, school: SchoolPlace, name: str) -> None:
        """Forget a saved view."""
        with self._transactions.writing() as connection:
            table = tables.saved_views
            connection.execute(delete(table).where(*_views_of(person_id, school), table.c.name == name))


def _views_of(person_id: str, school: SchoolPlace) -> tuple[ColumnElement[bool], ...]:
    table = tables.saved_views
    return (
        table.c.person_id == person_id,
        table.c.district_id == school.district_id,
        table.c.school_id == school.school_id,
    )


def school_ref(secret: bytes, district_id: str, school_id: str) -> str:
    """The opaque id of a school: an HMAC that no student's ref can be."""
    message = json.dumps(["school", district_id, school_id]).encode()
    return hmac.digest(secret, message, "sha256").hex()[:REF_LENGTH]


def _of_scope(connection: Connection, scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on `schools`, one of which has to hold."""
    schools, scores, caseloads = tables.schools, tables.scores, tables.caseloads
    pairs = set(scope.schools)
    if scope.caseload_of is not None:
        same = and_(scores.c.district_id == caseloads.c.district_id, scores.c.ref == caseloads.c.ref)
        query = select(scores.c.district_id, scores.c.school_id).join_from(caseloads, scores, same).distinct()
        found = connection.execute(query.where(caseloads.c.person_id == scope.caseload_of))
        pairs |= {(district, school) for district, school in found}
    some = [schools.c.district_id.in_(sorted(scope.districts))] if scope.districts else []
    return some + [and_(schools.c.district_id == one, schools.c.school_id == other) for one, other in sorted(pairs)]


def _schools(connection: Connection, some: Sequence[ColumnElement[bool]] | None) -> list[SchoolPlace]:
    if some is not None and not some:
        return []
    schools, runs, districts = tables.schools, tables.runs, tables.run_districts
    names = ("district_id", "school_id", "name", "level", "capacity", "reported_through")
    current = and_(districts.c.district_id == schools.c.district_id, tables.IS_CURRENT)
    query = (
        select(*(schools.c[name] for name in names), runs.c.as_of, runs.c.run_id, districts.c.published_at)
        .join_from(schools, districts, current)
        .join(runs, runs.c.run_id == districts.c.run_id)
    )
    secret = ref_secret(connection)
    rows = connection.execute(query if some is None else query.where(or_(*some))).mappings()
    places = [SchoolPlace(**row, ref=school_ref(secret, row["district_id"], row["school_id"])) for row in rows]
    return sorted(places, key=lambda place: ((place.name or "").casefold(), place.school_id))


def _roster(
    connection: Connection,
    scope: Scope,
    school: SchoolPlace,
    *,
    only: str | None = None,
    told_of: Collection[str] = (),
) -> list[RosterRow]:
    scores = tables.scores
    of_school = (scores.c.district_id == school.district_id, scores.c.school_id == school.school_id)
    query = select(*(scores.c[name] for name in _OF_SCORE), scores.c.student_id).where(
        *of_school, visible_students(scope)
    )
    found = connection.execute(query if only is None else query.where(scores.c.ref == only)).mappings().all()
    ids = [row["student_id"] for row in found]
    people = PEOPLE.students(connection, (school.district_id, school.school_id), columns=_PERSON)
    people = known_days(people).filter(pl.col("student_id").is_in(ids))
    # In words for few: to make Python's values of every reason takes longer than all else on the page.
    wanted = frozenset(told_of)
    shown = [row["student_id"] for row in found if only or row["tier"] != 1 or row["ref"] in wanted]
    few = people.filter(pl.col("student_id").is_in(shown)).select("student_id", "reasons", "before")
    told = {one: (reasons or (), before or ()) for one, reasons, before in few.iter_rows()}
    by_student = people.select("student_id", "first_name", "last_name", "days_absent", domains=_DOMAINS)
    known = {one[0]: one[1:] for one in by_student.iter_rows()}
    rows = [
        _row(row, known.get(row["student_id"], _NOBODY), told=told.get(row["student_id"], ((), ()))) for row in found
    ]
    return sorted(rows, key=_by_place_and_name)


_PERSON = ("student_id", "first_name", "last_name", "reasons", "before", "days_absent", "records")
_NOBODY: tuple[Any, ...] = (None, None, None, ())
_EACH = pl.element().struct
_RISKS = pl.col("reasons").list.eval(_EACH.field("domain").filter(_EACH.field("direction") == Direction.RISK))
_DOMAINS = _RISKS.list.unique().cast(pl.List(pl.String))


def _row(
    row: Mapping[Any, Any], person: tuple[Any, ...], *, told: tuple[Sequence[Mapping[str, Any]], ...]
) -> RosterRow:
    first, last, days_absent, domains = person
    reasons, before = told
    return RosterRow(
        **{name: row[name] for name in _OF_SCORE},
        first_name=first,
        last_name=last,
        days_absent=days_absent,
        domains=frozenset(domains or ()),
        told=tuple(Reason(**{name: one[name] for name in _TOLD}) for one in reasons),
        before=tuple(one["sentence"] for one in before),
    )


def _by_place_and_name(row: RosterRow) -> tuple[object, ...]:
    # Sorted here and not by the database: two databases order letters in two ways.
    place = row.list_place
    return (place is None, place or 0, (row.last_name or "").casefold(), (row.first_name or "").casefold(), row.ref)


def _changes_tonight(connection: Connection, scope: Scope, school: SchoolPlace) -> list[TierChange]:
    changes, scores = tables.tier_changes, tables.scores
    same = and_(scores.c.district_id == changes.c.district_id, scores.c.ref == changes.c.ref)
    query = (
        select(*_CHANGE)
        .join_from(changes, scores, same)
        .where(
            changes.c.district_id == school.district_id,
            changes.c.school_id == school.school_id,
            changes.c.run_id == school.run_id,
            visible_students(scope),
        )
    )
    # Sorted here: to have them in the order of the key, SQLite reads all changes of the district.
    return sorted((TierChange(**row) for row in connection.execute(query).mappings()), key=attrgetter("ref"))


def _student(connection: Connection, scope: Scope, ref: str) -> StudentPage | None:
    scores = tables.scores
    wanted = select(scores.c.district_id, scores.c.school_id, scores.c.student_id).where(
        scores.c.district_id.in_(districts_of(connection, scope)), scores.c.ref == ref, visible_students(scope)
    )
    found = connection.execute(wanted).one_or_none()
    if found is None:
        return None
    district, school_id, student_id = found
    schools = tables.schools
    here = and_(schools.c.district_id == district, schools.c.school_id == school_id)
    school = _schools(connection, [here])[0]
    (row,) = _roster(connection, scope, school, only=ref)
    names = select(schools.c.school_id, schools.c.name).where(schools.c.district_id == district)
    return StudentPage(
        row=row,
        school=school,
        records=records_of_student(connection, (district, school_id), student_id),
        history=_history(connection, district, ref),
        school_days=_days(connection.scalar(select(schools.c.school_days).where(here))),
        schools={one: name or one for one, name in connection.execute(names)},
        first_night=_first_night(connection, district),
    )


def _history(connection: Connection, district_id: str, ref: str) -> list[TierChange]:
    changes = tables.tier_changes
    query = select(*_CHANGE).where(changes.c.district_id == district_id, changes.c.ref == ref)
    return [TierChange(**row) for row in connection.execute(query.order_by(changes.c.as_of.desc())).mappings()]


def _days(said: str | None) -> list[date]:
    return [date.fromisoformat(day) for day in json.loads(said)] if said else []


def _first_night(connection: Connection, district_id: str) -> date:
    runs, districts = tables.runs, tables.run_districts
    # Run by run, the oldest first: a year has some hundred, but as many rows of districts as districts times runs.
    has_district = exists().where(districts.c.run_id == runs.c.run_id, districts.c.district_id == district_id)
    return connection.execute(select(runs.c.as_of).where(has_district).order_by(runs.c.as_of).limit(1)).scalar_one()


def _counts(connection: Connection, districts: Collection[str] | None) -> list[SchoolCounts]:
    scores = tables.scores
    some = None if districts is None else [tables.schools.c.district_id.in_(sorted(districts))]
    tiers = {f"tier_{tier}": func.count().filter(scores.c.tier == tier) for tier in (1, 2, 3)}
    beyond = func.count().filter(scores.c.tier == 1, scores.c.list_place.is_not(None))
    query = select(
        scores.c.district_id,
        scores.c.school_id,
        func.count().label("students"),
        *(column.label(name) for name, column in tiers.items()),
        func.count().filter(scores.c.tier.is_(None)).label("not_enough_data"),
        beyond.label("beyond_list"),
    ).group_by(scores.c.district_id, scores.c.school_id)
    if districts is not None:
        query = query.where(scores.c.district_id.in_(sorted(districts)))
    counted = {
        (row.pop("district_id"), row.pop("school_id")): row for row in map(dict, connection.execute(query).mappings())
    }
    places = _schools(connection, some)
    return [
        SchoolCounts(school=place, **counted[place.district_id, place.school_id])
        for place in places
        if (place.district_id, place.school_id) in counted
    ]


def _group_counts(connection: Connection, district_id: str) -> list[GroupCount]:
    scores, cases = tables.scores, tables.cases
    same = and_(cases.c.district_id == scores.c.district_id, cases.c.ref == scores.c.ref)
    group = (scores.c.school_id, scores.c.grade_level, scores.c.tier, cases.c.state)
    beyond = func.count().filter(scores.c.tier == 1, scores.c.list_place.is_not(None))
    query = (
        select(*group, func.count().label("students"), beyond.label("beyond_list"))
        .select_from(scores.outerjoin(cases, same))
        .where(scores.c.district_id == district_id)
        .group_by(*group)
    )
    return [
        GroupCount(
            school_id=row["school_id"],
            grade_level=row["grade_level"],
            tier=row["tier"],
            state=CaseState(row["state"]) if row["state"] else None,
            students=row["students"],
            beyond_list=row["beyond_list"],
        )
        for row in connection.execute(query).mappings()
    ]


def _district_counts(connection: Connection, only: Collection[str] | None) -> list[DistrictCounts]:
    runs, districts = tables.runs, tables.run_districts
    names = ("district_id", "published_at", "students", "tier_1", "tier_2", "tier_3", "not_enough_data")
    query = select(*(districts.c[name] for name in names), runs.c.as_of).join_from(runs, districts)
    query = query.where(tables.IS_CURRENT).order_by(districts.c.district_id)
    if only is not None:
        query = query.where(districts.c.district_id.in_(sorted(only)))
    secret = ref_secret(connection)
    rows = connection.execute(query).mappings()
    return [DistrictCounts(**row, ref=school_ref(secret, row["district_id"], "")) for row in rows]
