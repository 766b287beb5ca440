"""Who sees a student besides the people of the school and the managers of its district: by name, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, exists, func, select

from cis_ews.enums import Role
from cis_ews.storage.database import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeing:
    """Somebody who sees a student. `until`: of access in an emergency, its end; None: by the own caseload."""

    person_id: str
    name: str
    until: datetime | None = None


def seeing_besides(connection: Connection, place: tuple[str, str], ref: str) -> Sequence[Seeing]:
    """Who has the student in the caseload, then who has emergency access to the school now; by name.

    `place`: district_id and school_id. A caseload opens a page for a coordinator alone (`permissions.scope_of`), and an
    account that is closed opens none.
    """
    return [*_of_caseloads(connection, place[0], ref), *_of_emergencies(connection, *place)]


def _of_caseloads(connection: Connection, district_id: str, ref: str) -> list[Seeing]:
    caseloads, people, grants = tables.caseloads, tables.people, tables.grants
    is_coordinator = exists().where(grants.c.person_id == people.c.person_id, grants.c.role == Role.COORDINATOR.value)
    query = (
        select(people.c.person_id, people.c.name)
        .join_from(caseloads, people, people.c.person_id == caseloads.c.person_id)
        .where(caseloads.c.district_id == district_id, caseloads.c.ref == ref)
        .where(people.c.disabled_at.is_(None), is_coordinator)
    )
    return _by_name([Seeing(person_id=row.person_id, name=row.name) for row in connection.execute(query)])


def _of_emergencies(connection: Connection, district_id: str, school_id: str) -> list[Seeing]:
    table, people = tables.emergencies, tables.people
    until = func.max(table.c.until)
    query = (
        select(people.c.person_id, people.c.name, until.label("until"))
        .join_from(table, people, people.c.person_id == table.c.person_id)
        .where(table.c.district_id == district_id, table.c.school_id == school_id, table.c.until > datetime.now(UTC))
        .where(people.c.disabled_at.is_(None))
        .group_by(people.c.person_id, people.c.name)
    )
    rows = connection.execute(query)
    return _by_name([Seeing(person_id=row.person_id, name=row.name, until=row.until) for row in rows])


def _by_name(found: list[Seeing]) -> list[Seeing]:
    return sorted(found, key=lambda one: (one.name.casefold(), one.person_id))
