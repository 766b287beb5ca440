"""Meetings about students of a school: who is talked about, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from secrets import token_hex
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, insert, or_, select, union

from cis_ews.enums import AuditAction, CaseState
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import Meeting, Recap
from cis_ews.storage.database import audit, tables
from cis_ews.storage.database.case_history import contacts_of, goals_of, reviews_of
from cis_ews.storage.database.cases import is_flagged, is_waiting, make_case
from cis_ews.storage.database.people import By
from cis_ews.storage.database.scope import in_places, visible_students
from cis_ews.storage.database.transactions import Transactions

About = Literal["waiting", "flagged", "case_managed"]
MOST_STUDENTS = 100
"""More than that is no meeting; for how many there is no place is kept with it."""


class Meetings:
    """The door to meetings. A meeting is found by whoever sees a student of it."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def begin(self, scope: Scope, school: tuple[str, str], *, about: About, held_on: date, by: By) -> str | None:
        """A new meeting; returns its id, None where the scope has no such student in the school."""
        meeting_id = token_hex(16)
        district_id, school_id = school
        with self._transactions.writing() as connection:
            every = _students(connection, scope, school, about=about)
            students = every[:MOST_STUDENTS]
            if not students:
                return None
            values = {"district_id": district_id, "school_id": school_id, "held_on": held_on}
            begun = {"person_id": by.person_id, "begun_at": datetime.now(UTC), "left_out": len(every) - len(students)}
            connection.execute(insert(tables.meetings).values(meeting_id=meeting_id, **values, **begun))
            _make_cases(connection, students)
            rows = [
                {"meeting_id": meeting_id, "place": place, "district_id": district_id, "ref": student["ref"]}
                for place, student in enumerate(students, 1)
            ]
            connection.execute(insert(tables.meeting_students), rows)
            audit.record(
                connection,
                audit.Event(
                    action=AuditAction.MEETING_BEGUN,
                    why_allowed=by.why_allowed,
                    district_id=district_id,
                    person_id=by.person_id,
                    detail={"students": len(rows)},
                ),
            )
        return meeting_id

    def find(self, scope: Scope, meeting_id: str) -> Meeting | None:
        """A meeting with those of its students whom the scope has; None where there are none."""
        with self._transactions.reading() as connection:
            return next(iter(_found(connection, scope, tables.meetings.c.meeting_id == meeting_id)), None)

    def latest(self, scope: Scope, *, limit: int = 20, offset: int = 0) -> Sequence[Meeting]:
        """The newest meetings about students whom the scope has; `offset`: how many to pass over."""
        reached = list(_reached(scope))
        if not reached:
            return []
        every = union(*reached).subquery()
        newest = select(every.c.meeting_id).order_by(every.c.begun_at.desc(), every.c.meeting_id)
        with self._transactions.reading() as connection:
            ids = connection.scalars(newest.limit(limit).offset(offset)).all()
            found = _found(connection, scope, tables.meetings.c.meeting_id.in_(ids))
        return sorted(found, key=lambda meeting: ids.index(meeting.meeting_id))

    def recaps(self, meeting: Meeting) -> tuple[Recap, ...]:
        """What the meeting came to, a student after the other, those without a word left out."""
        with self._transactions.reading() as connection:
            recaps = [recap(connection, meeting, ref) for ref in meeting.refs]
        return tuple(one for one in recaps if one.notes or one.goals or one.reviews)

    def recap(self, meeting: Meeting, ref: str) -> Recap:
        """What the meeting came to for one student."""
        with self._transactions.reading() as connection:
            return recap(connection, meeting, ref)


def recap(connection: Connection, meeting: Meeting, ref: str) -> Recap:
    """Notes, goals and decisions that a meeting wrote about one student, the oldest first."""
    contacts, goals, reviews = tables.contacts, tables.goals, tables.reviews
    of_student = [reviews.c.district_id == meeting.district_id, reviews.c.ref == ref]
    plans = select(tables.plans.c.plan_id).where(
        tables.plans.c.district_id == meeting.district_id, tables.plans.c.ref == ref
    )
    of_case = [contacts.c.district_id == meeting.district_id, contacts.c.ref == ref]
    noted = [*of_case, contacts.c.meeting_id == meeting.meeting_id]
    agreed = [goals.c.meeting_id == meeting.meeting_id, goals.c.plan_id.in_(plans)]
    return Recap(
        ref=ref,
        notes=contacts_of(connection, noted)[::-1],
        goals=tuple(goal for _, goal in goals_of(connection, agreed)),
        reviews=reviews_of(connection, [*of_student, reviews.c.meeting_id == meeting.meeting_id])[::-1],
    )


def _students(connection: Connection, scope: Scope, school: tuple[str, str], *, about: About) -> Sequence[Any]:
    scores, cases = tables.scores, tables.cases
    same = and_(cases.c.district_id == scores.c.district_id, cases.c.ref == scores.c.ref)
    chosen: dict[About, ColumnElement[bool]] = {
        "waiting": and_(is_flagged(), is_waiting()),
        "flagged": or_(is_flagged(), cases.c.state == CaseState.CASE_MANAGED),
        "case_managed": cases.c.state == CaseState.CASE_MANAGED,
    }
    query = select(scores.c.district_id, scores.c.ref, scores.c.student_id, scores.c.tier)
    of_school = (scores.c.district_id == school[0], scores.c.school_id == school[1])
    order = (scores.c.list_place.is_(None), scores.c.list_place, scores.c.ref)
    found = query.select_from(scores.outerjoin(cases, same)).where(visible_students(scope), *of_school, chosen[about])
    return connection.execute(found.order_by(*order)).mappings().all()


def _make_cases(connection: Connection, students: Sequence[Any]) -> None:
    """To be talked about is no decision: a student without a case gets one in which nothing has happened."""
    now = datetime.now(UTC)
    for student in students:
        state = CaseState.WAITING if (student["tier"] or 0) >= 2 else CaseState.NOT_FLAGGED
        make_case(connection, {**student, "state": state}, now)


def _reached(scope: Scope) -> Iterator[Select[Any, Any]]:
    """Meetings with a student whom the scope has, by the place and by the caseload.

    Two questions, each with an index of its own: as alternatives in one, every meeting of the district is looked into.
    """
    meetings, members, scores = tables.meetings, tables.meeting_students, tables.scores
    caseloads = tables.caseloads
    same = and_(scores.c.district_id == members.c.district_id, scores.c.ref == members.c.ref)
    asked = select(meetings.c.meeting_id, meetings.c.begun_at)
    if here := list(in_places(meetings, scope)):
        # One inside the other: it begins with the members of the meeting, and not with the scores of a district.
        is_seen = exists().where(same, or_(*in_places(scores, scope)))
        yield asked.where(or_(*here), exists().where(members.c.meeting_id == meetings.c.meeting_id, is_seen))
    if scope.caseload_of is not None:
        own = and_(caseloads.c.district_id == members.c.district_id, caseloads.c.ref == members.c.ref)
        joined = meetings.join(members).join(caseloads, own).join(scores, same)
        yield asked.select_from(joined).where(caseloads.c.person_id == scope.caseload_of).distinct()


def _found(connection: Connection, scope: Scope, condition: ColumnElement[bool]) -> list[Meeting]:
    meetings, members, scores, people = tables.meetings, tables.meeting_students, tables.scores, tables.people
    same = and_(scores.c.district_id == members.c.district_id, scores.c.ref == members.c.ref)
    names = ("meeting_id", "district_id", "school_id", "held_on", "left_out")
    query = (
        select(*(meetings.c[name] for name in names), people.c.name.label("by"), members.c.ref)
        .select_from(meetings.join(members).join(scores, same).join(people))
        .where(condition, visible_students(scope))
        .order_by(meetings.c.meeting_id, members.c.place)
    )
    refs: dict[str, list[str]] = {}
    known: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query).mappings():
        refs.setdefault(row["meeting_id"], []).append(row["ref"])
        known[row["meeting_id"]] = {name: row[name] for name in (*names, "by")}
    return [Meeting(refs=tuple(refs[meeting_id]), **values) for meeting_id, values in known.items()]
