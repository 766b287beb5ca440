"""The worklist, whole: who is flagged and waits; and the questions about the data, for who can mend them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import AuditAction, CaseAction, Role
from cis_ews.errors import CaseMovedError, DecisionRefusedError
from cis_ews.storage.access import Scope
from cis_ews.storage.cases import CasePerson, Ticket, WorklistLine
from cis_ews.storage.database import By, Event
from cis_ews.storage.database.database import Database
from cis_ews.support import words
from cis_ews.support.permissions import May, Viewer, check, scope_of
from cis_ews.support.reviews import Decision, decide
from serving.backend import of
from serving.console.case_view import WORDS, state_now, today
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)


@routes.get("/worklist")
def worklist(request: Request) -> Response:
    """Flagged, and nobody has been in touch."""
    database, viewer = of(request).database, viewer_of(request)
    why = check(viewer, May.SEE_STUDENTS)
    lines = database.cases.worklist(scope_of(viewer))
    for district in sorted({line.district_id for line in lines}):
        seen = sum(line.district_id == district for line in lines)
        event = Event(
            action=AuditAction.LIST_SEEN,
            why_allowed=why,
            district_id=district,
            person_id=viewer.person_id,
            detail={"students": seen},
        )
        database.audit.record(event)
    return render(request, "worklist.html", lines=with_names(database, lines), words=WORDS)


def with_names(database: Database, lines: tuple[WorklistLine, ...]) -> list[tuple[WorklistLine, CasePerson]]:
    """The lines beside the names and reasons of their students, for `_worklist.html`."""
    people = database.cases.people(lines)
    return [(line, people.get(line.ref, CasePerson(name=""))) for line in lines]


@routes.get("/tickets")
def tickets(request: Request) -> Response:
    """Questions about the data; without names."""
    database, viewer = of(request).database, viewer_of(request)
    check(viewer, May.MEND_DATA)
    found = database.cases.tickets(_districts(viewer))
    return render(
        request, "tickets.html", tickets=found, words=WORDS, problem=None, kept={"ticket_id": "", "answer": ""}
    )


@routes.post("/tickets/{ticket_id}")
async def answer(request: Request, ticket_id: str) -> Response:
    """Take the answer to a question; the flag then waits for a decision again."""
    form = await form_of(request)
    database, viewer = of(request).database, viewer_of(request)
    check(viewer, May.MEND_DATA)
    found = await run_in_threadpool(database.cases.tickets, _districts(viewer))
    ticket = next((one for one in found if one.ticket_id == ticket_id), None)
    if ticket is None:
        raise ApiError(404)
    try:
        await run_in_threadpool(_answer, database, viewer, ticket=ticket, form=form)
    except (DecisionRefusedError, CaseMovedError) as refused:
        kept = {"ticket_id": ticket_id, "answer": form.get("answer", "")}
        return render(
            request,
            "tickets.html",
            status_code=refused.http_status,
            tickets=found,
            words=WORDS,
            problem=refused.message,
            kept=kept,
        )
    return RedirectResponse("/tickets", status_code=303)


def _answer(database: Database, viewer: Viewer, *, ticket: Ticket, form: Mapping[str, str]) -> None:
    why = check(viewer, May.MEND_DATA, district_id=ticket.district_id)
    case = database.cases.find(Scope(districts=frozenset({ticket.district_id})), ticket.ref)
    if case is None:
        raise DecisionRefusedError(words.LEFT)
    decision = Decision(action=CaseAction.ANSWER, reason=form.get("answer", ""))
    move = decide(decision, state_now(case), roles={Role.DATA_STEWARD}, today=today())
    database.cases.answer(ticket, move, case=case, by=By(person_id=viewer.person_id, why_allowed=why))


def _districts(viewer: Viewer) -> frozenset[str]:
    named = {grant.district_id for grant in viewer.grants if grant.role is Role.DATA_STEWARD and grant.district_id}
    return frozenset(named)
