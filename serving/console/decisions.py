"""Deciding about a student: the buttons with what each needs, what was done so far, and the plan with its goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import AuditAction, CaseAction, CaseState, ContactKind, Domain, Progress, SupportArea
from cis_ews.errors import CaseMovedError, DecisionRefusedError, EwsError, NotAllowedError
from cis_ews.storage.cases import Case, CaseHistory, CasePerson, Move, Plan
from cis_ews.storage.database import By, Event
from cis_ews.storage.database.database import Database
from cis_ews.support import plans, words
from cis_ews.support.permissions import May, Viewer, check, roles_at, scope_of
from cis_ews.support.reviews import Decision, Offer, decide, offers, state_of
from cis_ews.support.texts import LONGEST_TEXT
from cis_ews.support.transitions import WAYS, Need
from serving.backend import of
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)
PAGE = "/students/{ref}/support"
Named = TypeVar("Named", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why nothing was written; `field` names the input, `first` whoever was there first."""

    message: str
    field: str | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """What the templates of decisions are given."""

    case: Case
    state: CaseState
    person: CasePerson
    history: CaseHistory
    offers: tuple[Offer, ...]
    plan_why_not: str | None
    meeting_id: str = ""
    problem: Problem | None = None
    kept: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def tier(self) -> int | None:
        """The tier of tonight; None without enough data."""
        return self.case.tier_now

    def needs(self, action: CaseAction) -> frozenset[Need]:
        """What the form of an action asks for."""
        return WAYS[self.state, action].needs

    def text(self, name: str, action: CaseAction | str) -> str:
        """What was typed into a field of a form that was refused."""
        return self.kept.get(name, "") if self.kept.get("action") == action else ""

    def is_open(self, action: CaseAction | str) -> bool:
        """Whether the form of an action was refused just now, and stays open with its text."""
        return self.problem is not None and self.kept.get("action") == action


WORDS = {
    "states": words.STATE_WORDS,
    "actions": words.ACTION_WORDS,
    "done": words.DONE_WORDS,
    "contacts": words.CONTACT_WORDS,
    "domains": words.DOMAIN_WORDS,
    "areas": words.AREA_WORDS,
    "progress": words.PROGRESS_WORDS,
    "tiers": words.TIER_WORDS,
}


def case_view(database: Database, viewer: Viewer, ref: str) -> CaseView:
    """Everything about deciding on one student. Raises ApiError where the viewer has no such student."""
    case = found_case(database, viewer, ref)
    state = state_now(case)
    roles = roles_at(viewer, case.district_id, case.school_id, is_own=case.is_own)
    person = database.cases.people([case]).get(ref, CasePerson(name=""))
    return CaseView(
        case=case,
        state=state,
        person=person,
        history=database.cases.history(case),
        offers=offers(state, roles=roles),
        plan_why_not=_reason(lambda: plans.check_goals(state, roles=roles)),
    )


def found_case(database: Database, viewer: Viewer, ref: str) -> Case:
    """The case of a student. Raises ApiError: 404 where the viewer has no such student."""
    case = database.cases.find(scope_of(viewer), ref)
    if case is None:
        raise ApiError(404)
    return case


def state_now(case: Case) -> CaseState:
    """Where a case stands."""
    return state_of(case.state, is_flagged=(case.tier_now or 1) > 1)


def today() -> date:
    """The day where the service runs."""
    return datetime.now(UTC).astimezone().date()


def by_viewer(viewer: Viewer, case: Case) -> By:
    """Who does it, and why that is allowed, for the audit."""
    why = check(viewer, May.SEE_STUDENTS, district_id=case.district_id, school_id=case.school_id, is_own=case.is_own)
    return By(person_id=viewer.person_id, why_allowed=why)


def _reason(checked: Any) -> str | None:
    try:
        checked()
    except (DecisionRefusedError, NotAllowedError) as refused:
        return refused.message
    return None


@routes.get(PAGE)
def support(request: Request, ref: str) -> Response:
    """What was done about a student, and what can be done."""
    backend, viewer = of(request), viewer_of(request)
    view = case_view(backend.database, viewer, ref)
    by = by_viewer(viewer, view.case)
    backend.database.audit.record(_seen(view.case, by))
    return render_support(request, view)


def render_support(request: Request, view: CaseView, *, status_code: int = 200) -> Response:
    """The page of one student's support."""
    return render(request, "support.html", status_code=status_code, view=view, words=WORDS, longest=LONGEST_TEXT)


def _seen(case: Case, by: By) -> Event:
    return Event(
        action=AuditAction.STUDENT_SEEN,
        why_allowed=by.why_allowed,
        district_id=case.district_id,
        person_id=by.person_id,
        ref=case.ref,
    )


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


async def _written(request: Request, ref: str, write: Any) -> Response:
    """Write what a form says, or show the page again with the reason and everything that was typed."""
    form = await form_of(request)
    database, viewer = of(request).database, viewer_of(request)
    try:
        await run_in_threadpool(write, database, viewer, ref=ref, form=form)
    except (DecisionRefusedError, NotAllowedError, CaseMovedError) as refused:
        view = await run_in_threadpool(case_view, database, viewer, ref)
        view = replace(view, problem=_problem(refused), kept=form, meeting_id=form.get("meeting", ""))
        return render_support(request, view, status_code=refused.http_status)
    return RedirectResponse(_back(form, ref), status_code=303)


def _problem(refused: EwsError) -> Problem:
    named_field = refused.details.get("field")
    return Problem(
        message=refused.message,
        field=str(named_field) if named_field else None,
        moved=isinstance(refused, CaseMovedError),
    )


def _back(form: Mapping[str, str], ref: str) -> str:
    meeting, place = form.get("meeting", ""), form.get("place", "")
    is_of_meeting = len(meeting) == _HEX and meeting.isalnum() and meeting.isascii() and place.isdecimal()
    return f"/meetings/{meeting}/{place}" if is_of_meeting else PAGE.replace("{ref}", ref)


_HEX = 32


def _decide(database: Database, viewer: Viewer, *, ref: str, form: Mapping[str, str]) -> None:
    case = found_case(database, viewer, ref)
    _check_version(case, form)
    move = _move(viewer, case, form)
    database.cases.record(case, move, by=by_viewer(viewer, case), meeting_id=_meeting(database, viewer, form))


def _check_version(case: Case, form: Mapping[str, str]) -> None:
    if form.get("version") != str(case.version):
        raise CaseMovedError(words.MOVED)


def _move(viewer: Viewer, case: Case, form: Mapping[str, str]) -> Move:
    action = named(CaseAction, form.get("action", ""))
    if action is None or action not in words.ACTION_WORDS:
        raise ApiError(422)
    decision = Decision(
        action=action,
        reason=form.get("reason", ""),
        until=day_of(form, "until"),
        subject=named(Domain, form.get("subject", "")),
        contact=named(ContactKind, form.get("contact", "")),
        on=day_of(form, "on"),
        plan=_plan(form) if action is CaseAction.OPEN_PLAN else None,
    )
    roles = roles_at(viewer, case.district_id, case.school_id, is_own=case.is_own)
    return decide(decision, state_now(case), roles=roles, today=today())


def _plan(form: Mapping[str, str]) -> Plan:
    return plans.new_plan(
        consent_on=day_of(form, "consent_on"),
        needs=form.get("needs", ""),
        assets=form.get("assets", ""),
        first_goal=_goal(form),
        today=today(),
    )


def _goal(form: Mapping[str, str]) -> Any:
    return plans.new_goal(
        area=named(SupportArea, form.get("area", "")),
        goal=form.get("goal", ""),
        owner=form.get("owner", ""),
        due_on=day_of(form, "due_on"),
        today=today(),
    )


def _add_goal(database: Database, viewer: Viewer, *, ref: str, form: Mapping[str, str]) -> None:
    case = _checked_for_goals(database, viewer, ref)
    plan = database.cases.history(case).plan
    goal = _goal(form)
    if plan is None:
        raise CaseMovedError(words.MOVED)
    meeting = _meeting(database, viewer, form)
    database.cases.add_goal(case, plan.plan_id, goal, by=by_viewer(viewer, case), meeting_id=meeting)


def _add_check_in(database: Database, viewer: Viewer, *, ref: str, form: Mapping[str, str]) -> None:
    case = _checked_for_goals(database, viewer, ref)
    progress = named(Progress, form.get("progress", ""))
    check_in = plans.new_check_in(progress=progress, note=form.get("note", ""), on=day_of(form, "on"), today=today())
    database.cases.add_check_in(case, form.get("goal_id", ""), check_in, by=by_viewer(viewer, case))


def _checked_for_goals(database: Database, viewer: Viewer, ref: str) -> Case:
    case = found_case(database, viewer, ref)
    roles = roles_at(viewer, case.district_id, case.school_id, is_own=case.is_own)
    plans.check_goals(state_now(case), roles=roles)
    return case


def _meeting(database: Database, viewer: Viewer, form: Mapping[str, str]) -> str | None:
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


def day_of(form: Mapping[str, str], field: str) -> date | None:
    """The day that a field holds; None where it is empty. Raises DecisionRefusedError where it is none."""
    text = form.get(field, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise DecisionRefusedError(words.NO_DAY, field=field) from None
