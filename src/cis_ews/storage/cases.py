"""What is written and read of what people do about students. Plain values: no SQL, no web, no rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from cis_ews.enums import CaseAction, CaseState, ContactKind, Domain, Progress, SupportArea


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to be reached, by which kind of support, who sees to it, from when to when."""

    area: SupportArea
    goal: str
    owner: str
    starts_on: date
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A support plan as it begins: consent before services, what the needs assessment found, a first goal."""

    consent_on: date
    needs: str
    assets: str
    first_goal: Goal


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckIn:
    """How a goal goes on a day."""

    on: date
    progress: Progress
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is written when a decision stands: one review with what belongs to it, and the state that follows."""

    action: CaseAction
    before: CaseState
    after: CaseState
    reason: str = ""
    until: date | None = None
    subject: Domain | None = None
    contact: ContactKind | None = None
    on: date | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A case beside the scores of a new night. `tier_then`: the tier when the last review was made.

    `is_known`: whether the night could say anything; False where the data of the student do not suffice.
    """

    state: CaseState
    tier_then: int | None
    tier_now: int | None
    is_known: bool
    until: date | None


NightRule = Callable[[Seen, datetime], tuple[CaseAction, CaseState] | None]
"""What a night, published at a moment, does to a case; None: nothing (`cis_ews.support.reviews.night_rule`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A student as decisions need it: the current score, and where the case stands.

    `state` None and `version` 0: nobody has done anything yet. `is_own`: in the caseload of whoever asks.
    """

    district_id: str
    ref: str
    student_id: str
    school_id: str
    grade_level: str | None
    tier_now: int | None
    abstained: bool
    state: CaseState | None
    version: int
    until: date | None
    is_own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One thing that was decided or happened. `by` None: a night did it."""

    version: int
    action: CaseAction
    before: CaseState
    after: CaseState
    tier: int | None
    reason: str
    until: date | None
    by: str | None
    person_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """That somebody was in touch, and the note of it."""

    kind: ContactKind
    on: date
    note: str
    meeting_id: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A question about the data; not answered yet where `answer` is None."""

    ticket_id: str
    district_id: str
    ref: str
    student_id: str
    subject: Domain
    question: str
    asked_at: datetime
    answer: str | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckIn:
    """A check-in with who wrote it."""

    on: date
    progress: Progress
    note: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptGoal:
    """A goal with its check-ins, the oldest first."""

    goal_id: str
    area: SupportArea
    goal: str
    owner: str
    starts_on: date
    due_on: date
    meeting_id: str | None
    by: str
    check_ins: tuple[KeptCheckIn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A support plan with its goals, the oldest first. `ended_at` None: it goes on."""

    plan_id: str
    consent_on: date
    needs: str
    assets: str
    by: str
    opened_at: datetime
    ended_at: datetime | None
    goals: tuple[KeptGoal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHistory:
    """Everything that was done about a student, the newest first; plans the newest first too."""

    reviews: tuple[Review, ...] = ()
    contacts: tuple[Contact, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    plans: tuple[KeptPlan, ...] = ()

    @property
    def plan(self) -> KeptPlan | None:
        """The plan that goes on."""
        return next((plan for plan in self.plans if plan.ended_at is None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistLine:
    """A flagged student with whom nobody has been in touch. `since`: when it came to the list. `version`, `is_own`: as
    of a `Case`."""

    district_id: str
    ref: str
    student_id: str
    school_id: str
    grade_level: str | None
    tier: int
    list_place: int | None
    since: datetime
    version: int
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A meeting about students of a school. `refs`: in the order in which they are talked about. `left_out`: for
    how many more there was no place; None where nobody counted."""

    meeting_id: str
    district_id: str
    school_id: str
    held_on: date
    by: str
    left_out: int | None
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recap:
    """What a meeting came to for one student: notes, decisions and goals, the oldest first."""

    ref: str
    notes: tuple[Contact, ...]
    goals: tuple[KeptGoal, ...]
    reviews: tuple[Review, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePerson:
    """A student's name, empty where the source has none, and what the night says in words."""

    name: str
    reasons: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
