"""The worklist, whole: who is flagged and waits; and the questions about the data, for who can mend them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import AuditAction, CaseAction, CaseState, Role
from cis_ews.errors import CaseMovedError, DecisionRefusedError, EwsError
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import CasePerson, Ticket, WorklistLine
from cis_ews.storage.database import By, Event
from cis_ews.storage.database.database import Database
from cis_ews.support import words
from cis_ews.support.permissions import May, Viewer, check, roles_at, scope_of, why_seen
from cis_ews.support.reviews import Decision, decide, why_not
from serving.backend import of
from serving.console.case_view import WORDS, CaseView, Problem, record_seen, state_now
from serving.console.clock import today
from serving.console.context import as_part, render, viewer_of
from serving.console.forms import form_of
from serving.console.paging import number_of, part_of
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A student who waits, as a line tells it. `may`: what can be done about the flag right here.

    `problem`, `kept`: why a form of this line was refused, and what was typed into it.
    """

    ref: str
    name: str
    grade_level: str | None
    tier: int
    since: datetime
    reasons: Sequence[str]
    strengths: Sequence[str]
    last_contact: date | None
    version: int
    may: frozenset[CaseAction]
    problem: Problem | None = None
    kept: Mapping[str, str] = field(default_factory=dict[str, str])


LINES = 200
"""Lines that the page shows; it says where there are more."""
TICKETS = 50
"""Questions about the data on a page."""
IN_A_LINE = (CaseAction.CONTACT, CaseAction.NO_ACTION)
"""What takes a student off the list without a look at the page: any contact, or a reason why no action is needed."""


@routes.get("/worklist")
def worklist(request: Request) -> Response:
    """Flagged, and nobody has been in touch."""
    database, viewer = of(request).database, viewer_of(request)
    check(viewer, May.SEE_STUDENTS)
    found = database.cases.worklist(scope_of(viewer), limit=LINES + 1)
    shown = found[:LINES]
    by_school: dict[tuple[str, str], list[str]] = {}
    for line in shown:
        by_school.setdefault((line.district_id, line.school_id), []).append(line.ref)
    for (district, school), refs in sorted(by_school.items()):
        event = Event(
            action=AuditAction.LIST_SEEN,
            why_allowed=why_seen(viewer, district_id=district, school_id=school),
            district_id=district,
            person_id=viewer.person_id,
            detail={"kind": "worklist", "school_id": school},
            refs=refs,
        )
        database.audit.record(event)
    lines = lines_of(database, viewer, shown)
    return render(request, "worklist.html", lines=lines, most=LINES if len(found) > LINES else None, words=WORDS)


def lines_of(
    database: Database, viewer: Viewer, found: Sequence[WorklistLine], *, people: Mapping[str, CasePerson] | None = None
) -> list[Line]:
    """The lines of students who were found within the viewer's scope, with names, reasons and the last contact.

    `people`: names and reasons by ref, of whoever has read them already; to read a school's again costs most of a page.
    """
    people = people or database.cases.people(found)
    contacts = {
        ref: day
        for district in {line.district_id for line in found}
        for ref, day in database.cases.last_contacts(
            district, [line.ref for line in found if line.district_id == district]
        ).items()
    }
    return [
        _line(viewer, line, people.get(line.ref, CasePerson(name="")), last_contact=contacts.get(line.ref))
        for line in found
    ]


def _line(viewer: Viewer, line: WorklistLine, person: CasePerson, *, last_contact: date | None) -> Line:
    roles = roles_at(viewer, line.district_id, line.school_id, is_own=line.is_own)
    return Line(
        ref=line.ref,
        name=person.name,
        grade_level=line.grade_level,
        tier=line.tier,
        since=line.since,
        reasons=person.reasons,
        strengths=person.strengths,
        last_contact=last_contact,
        version=line.version,
        may=frozenset(action for action in IN_A_LINE if why_not(action, CaseState.WAITING, roles=roles) is None),
    )


def render_line(request: Request, view: CaseView, *, status_code: int = 200) -> Response:
    """The line of a student after a form of it was sent: as it was, with the reason, or what has become of the flag."""
    database, viewer = of(request).database, viewer_of(request)
    if view.problem is not None:
        record_seen(request, view.case)
    found = database.cases.worklist(scope_of(viewer), ref=view.case.ref)
    lines = [replace(line, problem=view.problem, kept=view.kept) for line in lines_of(database, viewer, found)]
    person = database.cases.people([view.case]).get(view.case.ref, CasePerson(name=""))
    values = {"line": lines[0] if lines else None, "person": person, "view": view, "words": WORDS}
    return as_part(render(request, "_line.html", status_code=status_code, **values))


@routes.get("/tickets")
def tickets(request: Request, page: str = "1") -> Response:
    """Questions about the data, a page at a time; without names."""
    check(viewer_of(request), May.MEND_DATA)
    return _tickets_page(request, page=page)


@routes.post("/tickets/{ticket_id}")
async def answer(request: Request, ticket_id: str) -> Response:
    """Take the answer to a question; the flag then waits for a decision again."""
    form = await form_of(request)
    database, viewer = of(request).database, viewer_of(request)
    check(viewer, May.MEND_DATA)
    page = form.get("page", "1")
    ticket = await run_in_threadpool(database.cases.ticket, _districts(viewer), ticket_id)
    if ticket is None:
        raise ApiError(404)
    try:
        await run_in_threadpool(_answer, database, viewer, ticket=ticket, form=form, today=today(request))
    except (DecisionRefusedError, CaseMovedError) as refused:
        kept = Refused(ticket, refused, answer=form.get("answer", ""))
        return await run_in_threadpool(_tickets_page, request, page=page, kept=kept)
    number = number_of(page)
    return RedirectResponse("/tickets" if number == 1 else f"/tickets?page={number}", status_code=303)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that was not taken, and why."""

    ticket: Ticket
    why: EwsError
    answer: str


def _tickets_page(request: Request, *, page: str, kept: Refused | None = None) -> Response:
    """Questions, those that are on the page in the audit district by district; first the one with a refused answer."""
    database, viewer = of(request).database, viewer_of(request)
    districts = _districts(viewer)
    part = part_of(page, total=database.cases.count_tickets(districts), size=TICKETS)
    shown = database.cases.tickets(districts, limit=TICKETS, offset=part.first)
    if kept is not None and kept.ticket.ticket_id not in {ticket.ticket_id for ticket in shown}:
        shown = (kept.ticket, *shown)
    for district in sorted({ticket.district_id for ticket in shown}):
        event = Event(
            action=AuditAction.LIST_SEEN,
            why_allowed=check(viewer, May.MEND_DATA, district_id=district),
            district_id=district,
            person_id=viewer.person_id,
            detail={"kind": "questions"},
            refs=[ticket.ref for ticket in shown if ticket.district_id == district],
        )
        database.audit.record(event)
    status = kept.why.http_status if kept else 200
    return render(request, "tickets.html", status_code=status, tickets=shown, part=part, words=WORDS, kept=kept)


def _answer(database: Database, viewer: Viewer, *, ticket: Ticket, form: Mapping[str, str], today: date) -> None:
    why = check(viewer, May.MEND_DATA, district_id=ticket.district_id)
    case = database.cases.find(Scope(districts=frozenset({ticket.district_id})), ticket.ref)
    if case is None:
        raise DecisionRefusedError(words.LEFT)
    decision = Decision(action=CaseAction.ANSWER, reason=form.get("answer", ""))
    move = decide(decision, state_now(case), roles={Role.DATA_STEWARD}, today=today)
    database.cases.answer(ticket, move, case=case, by=By(person_id=viewer.person_id, why_allowed=why))


def _districts(viewer: Viewer) -> frozenset[str]:
    named = {grant.district_id for grant in viewer.grants if grant.role is Role.DATA_STEWARD and grant.district_id}
    return frozenset(named)
