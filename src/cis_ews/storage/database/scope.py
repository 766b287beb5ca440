"""Row-level access as a condition of the query itself: what a person may not see never leaves the database."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, false, or_, select

from cis_ews.storage.access import Scope
from cis_ews.storage.database import tables


def visible_students(scope: Scope) -> ColumnElement[bool]:
    """The condition on `scores` that every query has that gives rows of students."""
    return or_(false(), *_conditions(scope))


def in_places(table: Table, scope: Scope) -> Iterator[ColumnElement[bool]]:
    """The conditions, each of which suffices, that a row of a school lies in a place of the scope; none by caseload."""
    if scope.districts:
        yield table.c.district_id.in_(sorted(scope.districts))
    for district, schools in groupby(sorted(scope.schools), key=itemgetter(0)):
        yield and_(table.c.district_id == district, table.c.school_id.in_([school for _, school in schools]))


def districts_of(connection: Connection, scope: Scope) -> list[str]:
    """The districts that a scope reaches. Named in a query beside the scope, the keys and indexes that begin with the
    district find its rows: an alternative of places and caseload alone would have the database read the whole state."""
    found = {*scope.districts, *(district for district, _ in scope.schools)}
    if scope.caseload_of is not None:
        caseloads = tables.caseloads
        query = select(caseloads.c.district_id).where(caseloads.c.person_id == scope.caseload_of)
        found |= set(connection.scalars(query.distinct()))
    return sorted(found)


def _conditions(scope: Scope) -> Iterator[ColumnElement[bool]]:
    scores, caseloads = tables.scores, tables.caseloads
    yield from in_places(scores, scope)
    if scope.caseload_of is not None:
        same_student = (caseloads.c.district_id == scores.c.district_id, caseloads.c.ref == scores.c.ref)
        yield exists().where(caseloads.c.person_id == scope.caseload_of, *same_student)
