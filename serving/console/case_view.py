"""Where one student's case stands, for the pages that let people decide: the buttons, what was done, the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import Request

from cis_ews.enums import AuditAction, CaseAction, CaseState
from cis_ews.errors import DecisionRefusedError, NotAllowedError
from cis_ews.storage.cases import Case, CaseHistory
from cis_ews.storage.database import By, Event
from cis_ews.storage.database.database import Database
from cis_ews.support import plans, words
from cis_ews.support.permissions import May, Viewer, check, roles_at, scope_of
from cis_ews.support.reviews import Offer, offers, state_of
from cis_ews.support.transitions import WAYS, Need
from serving.backend import of
from serving.console.context import viewer_of
from serving.errors import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why nothing was written; `field` names the input, `moved`: somebody else was there first."""

    message: str
    field: str | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """What the templates of decisions are given."""

    case: Case
    state: CaseState
    history: CaseHistory
    offers: tuple[Offer, ...]
    plan_why_not: str | None
    meeting_id: str = ""
    place: int = 1
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
    "discipline": words.DISCIPLINE_WORDS,
    "subjects": words.SUBJECT_WORDS,
}


def case_view(database: Database, viewer: Viewer, ref: str) -> CaseView:
    """Everything about deciding on one student. Raises ApiError where the viewer has no such student."""
    case = found_case(database, viewer, ref)
    state = state_now(case)
    roles = roles_at(viewer, case.district_id, case.school_id, is_own=case.is_own)
    return CaseView(
        case=case,
        state=state,
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


def by_viewer(viewer: Viewer, case: Case) -> By:
    """Who does it, and why that is allowed, for the audit."""
    why = check(viewer, May.SEE_STUDENTS, district_id=case.district_id, school_id=case.school_id, is_own=case.is_own)
    return By(person_id=viewer.person_id, why_allowed=why)


def record_seen(request: Request, case: Case) -> str:
    """Keep in the audit that a student was seen; returns why that is allowed."""
    by = by_viewer(viewer_of(request), case)
    event = Event(
        action=AuditAction.STUDENT_SEEN,
        why_allowed=by.why_allowed,
        district_id=case.district_id,
        person_id=by.person_id,
        ref=case.ref,
    )
    of(request).database.audit.record(event)
    return by.why_allowed


def _reason(checked: Callable[[], None]) -> str | None:
    try:
        checked()
    except (DecisionRefusedError, NotAllowedError) as refused:
        return refused.message
    return None
