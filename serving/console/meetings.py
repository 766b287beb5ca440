"""Meetings: a student after the other, with notes and goals, and the recap that makes itself."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import AuditAction
from cis_ews.storage.cases import CasePerson, Meeting
from cis_ews.storage.database import By, Event
from cis_ews.storage.database.database import Database
from cis_ews.support.permissions import May, Viewer, check, scope_of, why_seen
from cis_ews.support.texts import LONGEST_TEXT
from serving.backend import of
from serving.console.case_view import WORDS, case_view, record_seen
from serving.console.clock import today
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.console.paging import number_of
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)
MEETINGS = 20
"""Meetings on a page."""
ABOUT = ("flagged", "waiting", "case_managed")


@routes.get("/meetings")
def meetings(request: Request, page: str = "1") -> Response:
    """The meetings, the newest first, a page at a time; and the form for another one."""
    check(viewer_of(request), May.SEE_STUDENTS)
    return _meetings_page(request, number=number_of(page))


@routes.post("/meetings")
async def begin(request: Request) -> Response:
    """A new meeting about students of a school; its first student comes next."""
    form = await form_of(request)
    database, viewer = of(request).database, viewer_of(request)
    check(viewer, May.SEE_STUDENTS)
    schools = await run_in_threadpool(_schools, database, viewer)
    chosen = next((school for school in schools if f"{school[0]}/{school[1]}" == form.get("school")), None)
    about = form.get("about", "flagged")
    if chosen is None or about not in ABOUT:
        raise ApiError(422)
    district_id, school_id, _ = chosen
    by = By(person_id=viewer.person_id, why_allowed=why_seen(viewer, district_id=district_id, school_id=school_id))
    meeting_id = await run_in_threadpool(
        database.meetings.begin,
        scope_of(viewer),
        (district_id, school_id),
        about=about,
        held_on=today(request),
        by=by,
    )
    if meeting_id is None:
        return await run_in_threadpool(_meetings_page, request, is_about_nobody=True)
    return RedirectResponse(f"/meetings/{meeting_id}/1", status_code=303)


@routes.get("/meetings/{meeting_id}/recap")
def recap(request: Request, meeting_id: str) -> Response:
    """What the meeting came to, on one page to print."""
    database, viewer = of(request).database, viewer_of(request)
    meeting = _found(database, viewer, meeting_id)
    recaps = database.meetings.recaps(meeting)
    cases = database.cases.find_all(scope_of(viewer), meeting.refs)
    people = database.cases.people(list(cases.values()))
    database.audit.record(
        Event(
            action=AuditAction.LIST_SEEN,
            why_allowed=_why(viewer, meeting),
            district_id=meeting.district_id,
            person_id=viewer.person_id,
            detail={"meeting": meeting.meeting_id},
            refs=[one.ref for one in recaps],
        )
    )
    return render(request, "recap.html", meeting=meeting, recaps=recaps, cases=cases, people=people, words=WORDS)


@routes.get("/meetings/{meeting_id}/{place}")
def student(request: Request, meeting_id: str, place: int) -> Response:
    """One student of a meeting, with the way to the next."""
    database, viewer = of(request).database, viewer_of(request)
    meeting = _found(database, viewer, meeting_id)
    if not 1 <= place <= len(meeting.refs):
        raise ApiError(404)
    ref = meeting.refs[place - 1]
    view = replace(case_view(database, viewer, ref), meeting_id=meeting.meeting_id, place=place)
    record_seen(request, view.case)
    person = database.cases.people([view.case]).get(ref, CasePerson(name=""))
    said = database.meetings.recap(meeting, ref)
    return render(
        request,
        "meeting.html",
        meeting=meeting,
        place=place,
        person=person,
        view=view,
        said=said,
        words=WORDS,
        longest=LONGEST_TEXT,
    )


def _meetings_page(request: Request, *, number: int = 1, is_about_nobody: bool = False) -> Response:
    database, viewer = of(request).database, viewer_of(request)
    # One more than there is room for tells whether there is an older page; to count all would read the whole year.
    found = database.meetings.latest(scope_of(viewer), limit=MEETINGS + 1, offset=(number - 1) * MEETINGS)
    return render(
        request,
        "meetings.html",
        meetings=found[:MEETINGS],
        number=number,
        has_older=len(found) > MEETINGS,
        schools=_schools(database, viewer),
        nobody=is_about_nobody,
    )


def _found(database: Database, viewer: Viewer, meeting_id: str) -> Meeting:
    meeting = database.meetings.find(scope_of(viewer), meeting_id)
    if meeting is None:
        raise ApiError(404)
    return meeting


def _why(viewer: Viewer, meeting: Meeting) -> str:
    return why_seen(viewer, district_id=meeting.district_id, school_id=meeting.school_id)


def _schools(database: Database, viewer: Viewer) -> list[tuple[str, str, str]]:
    """The schools of which somebody may hold a meeting, those of the own caseload too: district_id, school_id, name."""
    found = database.pages.schools(scope_of(viewer))
    return [(school.district_id, school.school_id, school.name or school.school_id) for school in found]
