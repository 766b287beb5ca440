"""What people do about students: read with the scope of who asks, written with its audit entry in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from cis_ews.enums import AuditAction, CaseAction, CaseState
from cis_ews.errors import CaseMovedError
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import Case, CaseHistory, CasePerson, CheckIn, Goal, Move, Plan, Ticket, WorklistLine
from cis_ews.storage.database import audit, tables
from cis_ews.storage.database.case_history import history_of, last_contacts, tickets_of
from cis_ews.storage.database.case_people import people_of
from cis_ews.storage.database.people import By
from cis_ews.storage.database.scope import districts_of, visible_students
from cis_ews.storage.database.transactions import Transactions

MOVED = "Somebody else, or the night, was there first. Nothing of yours was written."


class Cases:
    """The door to cases. Every student is looked for within a scope."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def find(self, scope: Scope, ref: str) -> Case | None:
        """The case of a student whom the scope has; None for everybody else."""
        with self._transactions.reading() as connection:
            return find_case(connection, scope, ref)

    def people(self, students: Sequence[Case | WorklistLine]) -> dict[str, CasePerson]:
        """Names and reasons, by ref, of students who were found within a scope."""
        with self._transactions.reading() as connection:
            return people_of(connection, students)

    def find_all(self, scope: Scope, refs: Collection[str]) -> dict[str, Case]:
        """The cases of those of the students whom the scope has, by ref."""
        with self._transactions.reading() as connection:
            return {case.ref: case for case in find_cases(connection, scope, refs)}

    def history(self, case: Case) -> CaseHistory:
        """Everything that was done about the student."""
        with self._transactions.reading() as connection:
            return history_of(connection, case.district_id, case.ref)

    def record(self, case: Case, move: Move, *, by: By, meeting_id: str | None = None) -> int:
        """Write a decision, its audit entry and the new state; returns the case's new version.

        Raises CaseMovedError where the case is no longer at `case.version`: nothing is then written.
        """
        with self._transactions.writing() as connection:
            version = move_case(connection, case, move=move, person_id=by.person_id, meeting_id=meeting_id)
            _write_contact(connection, case, move=move, by=by, meeting_id=meeting_id)
            _write_ticket(connection, case, move=move, by=by)
            _write_plan(connection, case, plan=move.plan, by=by, meeting_id=meeting_id)
            if move.action is CaseAction.EXIT:
                _end_plan(connection, case)
            detail = {"action": move.action.value, "after": move.after.value, "version": version}
            audit.record(connection, _event(AuditAction.CASE_MOVED, case, by=by, detail=detail))
            return version

    def add_goal(self, case: Case, plan_id: str, goal: Goal, *, by: By, meeting_id: str | None = None) -> None:
        """Write a goal of a support plan of this student; a form that was sent twice writes it once."""
        with self._transactions.writing() as connection:
            _check_plan(connection, case, plan_id)
            if not _is_there(connection, tables.goals, {"plan_id": plan_id, **_told(goal)}, by=by):
                _write_goal(connection, plan_id, goal, by=by, meeting_id=meeting_id)
                audit.record(connection, _event(AuditAction.GOAL_SET, case, by=by))

    def add_check_in(self, case: Case, goal_id: str, check_in: CheckIn, *, by: By) -> None:
        """Write how a goal of this student goes; a form that was sent twice writes it once. Raises CaseMovedError where
        the goal is none of theirs."""
        goals = tables.goals
        with self._transactions.writing() as connection:
            plan_id = connection.scalar(select(goals.c.plan_id).where(goals.c.goal_id == goal_id))
            _check_plan(connection, case, plan_id or "")
            values = {"goal_id": goal_id, "on": check_in.on, "progress": check_in.progress, "note": check_in.note}
            if not _is_there(connection, tables.check_ins, values, by=by):
                connection.execute(insert(tables.check_ins).values(check_in_id=token_hex(16), **values, **_by(by)))
                audit.record(connection, _event(AuditAction.CHECKED_IN, case, by=by))

    def tickets(self, districts: Collection[str], *, limit: int = 200, offset: int = 0) -> tuple[Ticket, ...]:
        """Questions about the data of districts, the open ones first; `offset`: how many to pass over. No names."""
        with self._transactions.reading() as connection:
            return tickets_of(connection, [_tickets_in(districts)], limit=limit, offset=offset)

    def ticket(self, districts: Collection[str], ticket_id: str) -> Ticket | None:
        """One question about the data of these districts."""
        is_it = tables.tickets.c.ticket_id == ticket_id
        with self._transactions.reading() as connection:
            return next(iter(tickets_of(connection, [_tickets_in(districts), is_it], limit=1)), None)

    def count_tickets(self, districts: Collection[str]) -> int:
        """How many questions about the data of these districts there are, answered or not."""
        query = select(func.count()).select_from(tables.tickets).where(_tickets_in(districts))
        with self._transactions.reading() as connection:
            return connection.execute(query).scalar_one()

    def answer(self, ticket: Ticket, move: Move, *, case: Case, by: By) -> int:
        """Write the answer to a question about the data, and the state that follows."""
        table = tables.tickets
        with self._transactions.writing() as connection:
            is_open = and_(table.c.ticket_id == ticket.ticket_id, table.c.answered_at.is_(None))
            values = {"answer": move.reason, "answered_by": by.person_id, "answered_at": datetime.now(UTC)}
            if connection.execute(update(table).where(is_open).values(values)).rowcount != 1:
                raise CaseMovedError(MOVED)
            version = move_case(connection, case, move=move, person_id=by.person_id)
            audit.record(connection, _event(AuditAction.TICKET_ANSWERED, case, by=by))
            return version

    def states(self, district_id: str, refs: Collection[str]) -> dict[str, CaseState]:
        """Where the cases of students stand who were found within a scope, by ref; without those never acted on."""
        table = tables.cases
        query = select(table.c.ref, table.c.state).where(table.c.district_id == district_id, table.c.ref.in_(refs))
        with self._transactions.reading() as connection:
            return {str(ref): CaseState(state) for ref, state in connection.execute(query).all()}

    def last_contacts(self, district_id: str, refs: Collection[str]) -> dict[str, date]:
        """The day of the last contact of students who were found within a scope, by ref."""
        with self._transactions.reading() as connection:
            return last_contacts(connection, district_id, refs)

    def worklist(
        self, scope: Scope, *, school: tuple[str, str] | None = None, ref: str | None = None, limit: int = 200
    ) -> tuple[WorklistLine, ...]:
        """Flagged, and nobody has been in touch or decided: Tier 3 first, then in the order of the school's list."""
        with self._transactions.reading() as connection:
            return worklist(connection, scope, school=school, ref=ref, limit=limit)


def _tickets_in(districts: Collection[str]) -> ColumnElement[bool]:
    return tables.tickets.c.district_id.in_(sorted(districts))


def find_case(connection: Connection, scope: Scope, ref: str) -> Case | None:
    """The case of a student whom the scope has."""
    return next(iter(find_cases(connection, scope, [ref])), None)


def find_cases(connection: Connection, scope: Scope, refs: Collection[str]) -> list[Case]:
    """The cases of those students whom the scope has."""
    scores = tables.scores
    query = (
        _with_cases()
        .add_columns(_is_own(scope).label("is_own"))
        .where(scores.c.district_id.in_(districts_of(connection, scope)))
        .where(visible_students(scope), scores.c.ref.in_(sorted(refs)))
    )
    return [_case(row) for row in connection.execute(query).mappings()]


_SCORE_COLUMNS = ("district_id", "ref", "student_id", "school_id", "grade_level", "abstained")


def _with_cases() -> Select[Any]:
    scores, cases = tables.scores, tables.cases
    same = and_(cases.c.district_id == scores.c.district_id, cases.c.ref == scores.c.ref)
    columns = [scores.c[name] for name in _SCORE_COLUMNS]
    kept = [cases.c.state, cases.c.version, cases.c.until]
    return select(*columns, scores.c.tier.label("tier_now"), *kept).select_from(scores.outerjoin(cases, same))


def _is_own(scope: Scope) -> ColumnElement[bool]:
    scores, caseloads = tables.scores, tables.caseloads
    same = (caseloads.c.district_id == scores.c.district_id, caseloads.c.ref == scores.c.ref)
    return exists().where(caseloads.c.person_id == (scope.caseload_of or ""), *same)


def _case(row: RowMapping) -> Case:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    state = values.pop("state")
    version = values.pop("version")
    return Case(state=CaseState(state) if state else None, version=version or 0, **values)


def move_case(
    connection: Connection, case: Case, *, move: Move, person_id: str | None, meeting_id: str | None = None
) -> int:
    """Compare and set: the case goes from the version that was seen to the next one, and the review says why."""
    cases = tables.cases
    now = datetime.now(UTC)
    key = {"district_id": case.district_id, "ref": case.ref}
    make_case(connection, key | {"student_id": case.student_id, "state": move.before, "tier": case.tier_now}, now)
    version = case.version + 1
    values = {"state": move.after, "version": version, "tier": case.tier_now, "until": move.until, "changed_at": now}
    is_as_seen = and_(cases.c.district_id == case.district_id, cases.c.ref == case.ref, cases.c.version == case.version)
    if connection.execute(update(cases).where(is_as_seen).values(values)).rowcount != 1:
        raise CaseMovedError(MOVED)
    said = {"action": move.action, "before": move.before, "after": move.after, "reason": move.reason}
    review = key | said | {"version": version, "tier": case.tier_now, "until": move.until, "at": now}
    connection.execute(insert(tables.reviews).values(person_id=person_id, meeting_id=meeting_id, **review))
    return version


def make_case(connection: Connection, values: dict[str, Any], now: datetime) -> None:
    """See that the case is there. Two may be the first at once: one of them makes the row, and both go on."""
    new = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    made = new(tables.cases).values(version=0, changed_at=now, **values)
    connection.execute(made.on_conflict_do_nothing())


def _write_contact(connection: Connection, case: Case, *, move: Move, by: By, meeting_id: str | None) -> None:
    if move.contact is not None:
        values = {"kind": move.contact, "on": move.on, "note": move.reason, "meeting_id": meeting_id}
        connection.execute(insert(tables.contacts).values(contact_id=token_hex(16), **_of(case), **values, **_by(by)))


def _write_ticket(connection: Connection, case: Case, *, move: Move, by: By) -> None:
    if move.subject is not None:
        values = {"subject": move.subject, "question": move.reason, "asked_by": by.person_id}
        asked = insert(tables.tickets).values(
            ticket_id=token_hex(16), asked_at=datetime.now(UTC), **_of(case), **values
        )
        connection.execute(asked)


def _write_plan(connection: Connection, case: Case, *, plan: Plan | None, by: By, meeting_id: str | None) -> None:
    if plan is None:
        return
    plan_id = token_hex(16)
    values = {"consent_on": plan.consent_on, "needs": plan.needs, "assets": plan.assets, "opened_by": by.person_id}
    opened = insert(tables.plans).values(plan_id=plan_id, opened_at=datetime.now(UTC), **_of(case), **values)
    connection.execute(opened)
    _write_goal(connection, plan_id, plan.first_goal, by=by, meeting_id=meeting_id)


def _write_goal(connection: Connection, plan_id: str, goal: Goal, *, by: By, meeting_id: str | None) -> None:
    values = {"goal_id": token_hex(16), "plan_id": plan_id, "meeting_id": meeting_id}
    connection.execute(insert(tables.goals).values(**values, **_told(goal), **_by(by)))


def _told(goal: Goal) -> dict[str, Any]:
    days = {"starts_on": goal.starts_on, "due_on": goal.due_on}
    return {"area": goal.area, "goal": goal.goal, "owner": goal.owner, **days}


def _is_there(connection: Connection, table: Table, values: Mapping[str, Any], *, by: By) -> bool:
    """Whether the same person has written the very same; `_check_plan` lets nobody in between."""
    same = [table.c[name] == value for name, value in values.items()]
    return bool(connection.scalar(select(exists().where(*same, table.c.person_id == by.person_id))))


def _end_plan(connection: Connection, case: Case) -> None:
    connection.execute(update(tables.plans).where(_goes_on(case)).values(ended_at=datetime.now(UTC)))


def _goes_on(case: Case) -> ColumnElement[bool]:
    plans = tables.plans
    return and_(plans.c.district_id == case.district_id, plans.c.ref == case.ref, plans.c.ended_at.is_(None))


def _check_plan(connection: Connection, case: Case, plan_id: str) -> None:
    """Raises CaseMovedError where the plan is none of theirs, or has ended. Who writes to it next waits."""
    query = select(tables.plans.c.plan_id).where(_goes_on(case), tables.plans.c.plan_id == plan_id)
    if connection.scalar(query.with_for_update()) is None:
        raise CaseMovedError(MOVED)


def _of(case: Case) -> dict[str, Any]:
    return {"district_id": case.district_id, "ref": case.ref}


def _by(by: By) -> dict[str, Any]:
    return {"person_id": by.person_id, "at": datetime.now(UTC)}


def _event(
    action: AuditAction, case: Case, *, by: By, detail: Mapping[str, str | int | None] | None = None
) -> audit.Event:
    return audit.Event(
        action=action,
        why_allowed=by.why_allowed,
        district_id=case.district_id,
        person_id=by.person_id,
        ref=case.ref,
        detail=detail or {},
    )


def worklist(
    connection: Connection, scope: Scope, *, school: tuple[str, str] | None, ref: str | None, limit: int
) -> tuple[WorklistLine, ...]:
    """The lines of the worklist; `school`: of one school alone, by district_id and school_id; `ref`: of one student."""
    found = connection.execute(worklist_query(connection, scope, school=school, ref=ref).limit(limit))
    return tuple(
        WorklistLine(
            **{name: row[name] for name in _LINE},
            since=row["back"] or row["changed_at"],
            version=row["version"] or 0,
            is_own=bool(row["is_own"]),
        )
        for row in found.mappings()
    )


_LINE = ("district_id", "ref", "student_id", "school_id", "grade_level", "tier", "list_place")


def worklist_query(
    connection: Connection, scope: Scope, *, school: tuple[str, str] | None = None, ref: str | None = None
) -> Select[Any]:
    """The query of the worklist; the index `scores_on_list` has its rows."""
    scores, cases = tables.scores, tables.cases
    same = and_(cases.c.district_id == scores.c.district_id, cases.c.ref == scores.c.ref)
    of_case = (cases.c.changed_at.label("back"), cases.c.version, _is_own(scope).label("is_own"))
    query = select(*(scores.c[name] for name in _LINE), scores.c.changed_at, *of_case)
    query = query.select_from(scores.outerjoin(cases, same))
    if school is None:
        query = query.where(scores.c.district_id.in_(districts_of(connection, scope)))
    else:
        query = query.where(scores.c.district_id == school[0], scores.c.school_id == school[1])
    if ref is not None:
        query = query.where(scores.c.ref == ref)
    return query.where(is_flagged(), is_waiting(), visible_students(scope)).order_by(
        scores.c.tier.desc(), scores.c.list_place, scores.c.ref
    )


def is_flagged() -> ColumnElement[bool]:
    """Of `scores`. Written out, and no parameter: SQLite takes an index of some rows for what is written out alone."""
    return tables.scores.c.tier >= literal_column(str(tables.ON_LIST_FROM))


def is_waiting() -> ColumnElement[bool]:
    """Of `scores` joined with `cases`: nobody has been in touch or decided since the flag came."""
    cases = tables.cases
    return or_(cases.c.state.is_(None), cases.c.state == CaseState.WAITING, cases.c.state == CaseState.NOT_FLAGGED)
