"""Deciding about a student: what the forms of the buttons, of the plan and of its goals send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import CaseAction, ContactKind, Domain, Progress, SupportArea
from cis_ews.errors import CaseMovedError, DecisionRefusedError, EwsError, NotAllowedError
from cis_ews.storage.cases import Case, Goal, Move, Plan
from cis_ews.storage.database.database import Database
from cis_ews.support import plans, words
from cis_ews.support.permissions import Viewer, roles_at, scope_of
from cis_ews.support.reviews import Decision, check_action, decide
from serving.backend import of
from serving.console.case_view import CaseView, Problem, by_viewer, case_view, found_case, state_now
from serving.console.clock import today
from serving.console.context import is_for_part, viewer_of
from serving.console.forms import form_of
from serving.console.students import render_case, render_student
from serving.console.worklist import render_line
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)
Named = TypeVar("Named", bound=StrEnum)
Form = Mapping[str, str]


LINES_ON = ("today", "worklist")
"""The pages with lines that can be decided on as they stand."""


@routes.post("/students/{ref}/decisions")
async def record_decision(request: Request, ref: str) -> Response:
    """Take one decision; back to the page that it came from."""
    return await _written(request, ref, _decide)


@routes.post("/students/{ref}/goals")
async def add_goal(request: Request, ref: str) -> Response:
    """Take a goal of the plan."""
    return await _written(request, ref, _add_goal)


@routes.post("/students/{ref}/check-ins")
async def add_check_in(request: Request, ref: str) -> Response:
    """Take a check-in of a goal."""
    return await _written(request, ref, _add_check_in)


async def _written(request: Request, ref: str, write: Callable[..., None]) -> Response:
    """Write what a form says; then the part of the page anew for htmx, or the page that the form came from.

    Refused, the part or the page comes back with the reason and everything that was typed.
    """
    form = await form_of(request)
    database, viewer = of(request).database, viewer_of(request)
    refused: EwsError | None = None
    try:
        await run_in_threadpool(write, database, viewer, ref=ref, form=form, today=today(request))
    except (DecisionRefusedError, NotAllowedError, CaseMovedError) as error:
        refused = error
    if refused is None and not is_for_part(request):
        return RedirectResponse(_back(form, ref), status_code=303)
    view = await run_in_threadpool(case_view, database, viewer, ref)
    meeting, place = _meeting_of(form)
    view = replace(view, meeting_id=meeting, place=place)
    if refused is not None:
        view = replace(view, problem=problem_of(refused, view, viewer), kept=form)
    status = refused.http_status if refused else 200
    return await run_in_threadpool(_rendered(request, form), request, view, status_code=status)


def _rendered(request: Request, form: Form) -> Callable[..., Response]:
    """What shows how it went: the part that the form is in, or without scripts the student's page."""
    if not is_for_part(request):
        return render_student
    return render_line if form.get("line") else render_case


def problem_of(refused: EwsError, view: CaseView, viewer: Viewer) -> Problem:
    """What the page says of it, beside the case as it stands now."""
    named_field = refused.details.get("field")
    moved = isinstance(refused, CaseMovedError)
    newest = next(iter(view.history.reviews), None)
    is_own = moved and newest is not None and newest.person_id == viewer.person_id
    return Problem(
        message=words.MOVED_BY_YOU if is_own else refused.message,
        field=str(named_field) if named_field else None,
        moved=moved,
    )


def _back(form: Form, ref: str) -> str:
    if form.get("line") in LINES_ON:
        return f"/{form['line']}"
    meeting, place = _meeting_of(form)
    return f"/meetings/{meeting}/{place}" if meeting else f"/students/{ref}#case"


def _meeting_of(form: Form) -> tuple[str, int]:
    """The meeting that a form was sent from and the student's place in it; none where there is no such text."""
    meeting, place = form.get("meeting", ""), form.get("place", "")
    is_one = len(meeting) == _HEX and meeting.isalnum() and meeting.isascii() and place.isdecimal() and place.isascii()
    return (meeting, int(place[:4])) if is_one else ("", 1)


_HEX = 32


def _decide(database: Database, viewer: Viewer, *, ref: str, form: Form, today: date) -> None:
    case = found_case(database, viewer, ref)
    _check_version(case, form)
    move = _move(viewer, case, form, today=today)
    database.cases.record(case, move, by=by_viewer(viewer, case), meeting_id=_meeting(database, viewer, form))


def _check_version(case: Case, form: Form) -> None:
    if form.get("version") != str(case.version):
        raise CaseMovedError(words.MOVED)


def _move(viewer: Viewer, case: Case, form: Form, *, today: date) -> Move:
    action = named(CaseAction, form.get("action", ""))
    if action is None or action not in words.ACTION_WORDS:
        raise ApiError(422)
    roles = roles_at(viewer, case.district_id, case.school_id, is_own=case.is_own)
    # Before anything is read of the form: whoever may not do it at all is not told what is missing in it.
    check_action(action, state_now(case), roles=roles)
    decision = Decision(
        action=action,
        reason=form.get("reason", ""),
        until=day_of(form, "until"),
        subject=named(Domain, form.get("subject", "")),
        contact=named(ContactKind, form.get("contact", "")),
        on=day_of(form, "on"),
        plan=_plan(form, today) if action is CaseAction.OPEN_PLAN else None,
    )
    return decide(decision, state_now(case), roles=roles, today=today)


def _plan(form: Form, today: date) -> Plan:
    return plans.new_plan(
        consent_on=day_of(form, "consent_on"),
        needs=form.get("needs", ""),
        assets=form.get("assets", ""),
        first_goal=_goal(form, today),
        today=today,
    )


def _goal(form: Form, today: date) -> Goal:
    return plans.new_goal(
        area=named(SupportArea, form.get("area", "")),
        goal=form.get("goal", ""),
        owner=form.get("owner", ""),
        due_on=day_of(form, "due_on"),
        today=today,
    )


def _add_goal(database: Database, viewer: Viewer, *, ref: str, form: Form, today: date) -> None:
    case = _checked_for_goals(database, viewer, ref)
    plan = database.cases.history(case).plan
    goal = _goal(form, today)
    if plan is None:
        raise CaseMovedError(words.MOVED)
    meeting = _meeting(database, viewer, form)
    database.cases.add_goal(case, plan.plan_id, goal, by=by_viewer(viewer, case), meeting_id=meeting)


def _add_check_in(database: Database, viewer: Viewer, *, ref: str, form: Form, today: date) -> None:
    case = _checked_for_goals(database, viewer, ref)
    progress = named(Progress, form.get("progress", ""))
    check_in = plans.new_check_in(progress=progress, note=form.get("note", ""), on=day_of(form, "on"), today=today)
    database.cases.add_check_in(case, form.get("goal_id", ""), check_in, by=by_viewer(viewer, case))


def _checked_for_goals(database: Database, viewer: Viewer, ref: str) -> Case:
    case = found_case(database, viewer, ref)
    roles = roles_at(viewer, case.district_id, case.school_id, is_own=case.is_own)
    plans.check_goals(state_now(case), roles=roles)
    return case


def _meeting(database: Database, viewer: Viewer, form: Form) -> str | None:
    """The meeting that a form was sent from, where the viewer may see it."""
    meeting_id = form.get("meeting", "")
    meeting = database.meetings.find(scope_of(viewer), meeting_id) if meeting_id else None
    return None if meeting is None else meeting.meeting_id


def named(kind: type[Named], text: str) -> Named | None:
    """The member of a closed vocabulary that a field holds."""
    try:
        return kind(text)
    except ValueError:
        return None


def day_of(form: Form, field: str) -> date | None:
    """The day that a field holds; None where it is empty. Raises DecisionRefusedError where it is none."""
    text = form.get(field, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise DecisionRefusedError(words.NO_DAY, field=field) from None
