"""Reading what was done about a student."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, select

from cis_ews.enums import CaseAction, CaseState, ContactKind, Domain, Progress, SupportArea
from cis_ews.storage.cases import CaseHistory, Contact, KeptCheckIn, KeptGoal, KeptPlan, Review, Ticket
from cis_ews.storage.database import tables


def history_of(connection: Connection, district_id: str, ref: str) -> CaseHistory:
    """Everything that was done about one student, the newest first."""

    def of(table: Table) -> list[ColumnElement[bool]]:
        return [table.c.district_id == district_id, table.c.ref == ref]

    return CaseHistory(
        reviews=reviews_of(connection, of(tables.reviews)),
        contacts=contacts_of(connection, of(tables.contacts)),
        tickets=tickets_of(connection, of(tables.tickets), limit=100),
        plans=plans_of(connection, of(tables.plans)),
    )


def _named(table: Table, person: str = "person_id") -> Select[Any]:
    """The table's rows with the name of who did it as `by`."""
    people = tables.people
    same = people.c.person_id == table.c[person]
    return select(*table.c, people.c.name.label("by")).select_from(table.outerjoin(people, same))


def _rows(connection: Connection, query: Select[Any]) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def reviews_of(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> tuple[Review, ...]:
    """Reviews, the newest first."""
    table = tables.reviews
    rows = _rows(connection, _named(table).where(*conditions).order_by(table.c.at.desc(), table.c.version.desc()))
    return tuple(review(row) for row in rows)


def review(row: dict[str, Any]) -> Review:
    """A row of `reviews` with `by`."""
    kept = {name: row[name] for name in ("version", "tier", "reason", "until", "by", "person_id", "at")}
    states = {"before": CaseState(row["before"]), "after": CaseState(row["after"])}
    return Review(action=CaseAction(row["action"]), **states, **kept)


def contacts_of(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> tuple[Contact, ...]:
    """Contacts and notes, the newest first."""
    table = tables.contacts
    rows = _rows(connection, _named(table).where(*conditions).order_by(table.c.on.desc(), table.c.at.desc()))
    return tuple(contact(row) for row in rows)


def contact(row: dict[str, Any]) -> Contact:
    """A row of `contacts` with `by`."""
    kept = {name: row[name] for name in ("on", "note", "meeting_id", "by", "at")}
    return Contact(kind=ContactKind(row["kind"]), **kept)


def tickets_of(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], *, limit: int, offset: int = 0
) -> tuple[Ticket, ...]:
    """Questions about the data, the open ones first, then the newest."""
    table = tables.tickets
    order = (table.c.answered_at.is_not(None), table.c.asked_at.desc(), table.c.ticket_id)
    names = ("ticket_id", "district_id", "ref", "student_id", "question", "asked_at", "answer", "answered_at")
    rows = _rows(connection, _with_ids(table).where(*conditions).order_by(*order).limit(limit).offset(offset))
    return tuple(Ticket(subject=Domain(row["subject"]), **{name: row[name] for name in names}) for row in rows)


def _with_ids(table: Table) -> Select[Any]:
    cases = tables.cases
    same = and_(cases.c.district_id == table.c.district_id, cases.c.ref == table.c.ref)
    return select(*table.c, cases.c.student_id).select_from(table.join(cases, same))


def plans_of(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> tuple[KeptPlan, ...]:
    """Support plans with their goals and check-ins, the newest plan first."""
    table = tables.plans
    order = (table.c.opened_at.desc(), table.c.plan_id)
    rows = _rows(connection, _named(table, "opened_by").where(*conditions).order_by(*order))
    goals = goals_of(connection, [tables.goals.c.plan_id.in_([row["plan_id"] for row in rows])]) if rows else []
    names = ("plan_id", "consent_on", "needs", "assets", "by", "opened_at", "ended_at")

    def of_plan(plan_id: str) -> tuple[KeptGoal, ...]:
        return tuple(goal for of, goal in goals if of == plan_id)

    return tuple(KeptPlan(goals=of_plan(row["plan_id"]), **{name: row[name] for name in names}) for row in rows)


def goals_of(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[tuple[str, KeptGoal]]:
    """Goals with their check-ins, the oldest first, each beside the id of its plan."""
    table = tables.goals
    rows = _rows(connection, _named(table).where(*conditions).order_by(table.c.at, table.c.goal_id))
    check_ins = _check_ins(connection, [row["goal_id"] for row in rows])
    names = ("goal_id", "goal", "owner", "starts_on", "due_on", "meeting_id", "by")
    return [
        (
            row["plan_id"],
            KeptGoal(
                area=SupportArea(row["area"]),
                check_ins=tuple(one for of, one in check_ins if of == row["goal_id"]),
                **{name: row[name] for name in names},
            ),
        )
        for row in rows
    ]


def _check_ins(connection: Connection, goal_ids: Collection[str]) -> list[tuple[str, KeptCheckIn]]:
    if not goal_ids:
        return []
    table = tables.check_ins
    rows = _rows(connection, _named(table).where(table.c.goal_id.in_(goal_ids)).order_by(table.c.on, table.c.at))
    return [
        (
            row["goal_id"],
            KeptCheckIn(progress=Progress(row["progress"]), **{name: row[name] for name in ("on", "note", "by")}),
        )
        for row in rows
    ]


def last_contacts(connection: Connection, district_id: str, refs: Collection[str]) -> dict[str, date]:
    """The day of the last contact of each student who had one, by ref."""
    table = tables.contacts
    query = select(table.c.ref, func.max(table.c.on)).where(table.c.district_id == district_id, table.c.ref.in_(refs))
    found = connection.execute(query.group_by(table.c.ref)).all()
    return {str(ref): day for ref, day in found}
