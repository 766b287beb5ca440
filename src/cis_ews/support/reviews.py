"""What happens when somebody decides about a flag, and what a night does to what was decided.

`check_action` raises the very sentence that the disabled button shows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from cis_ews.enums import CaseAction, CaseState, ContactKind, Domain, Role
from cis_ews.errors import DecisionRefusedError, NotAllowedError
from cis_ews.storage.cases import Move, NightRule, Plan, Seen
from cis_ews.support.texts import checked_text, optional_text
from cis_ews.support.transitions import CARRIED, NIGHTLY, WAYS, Need, next_state, who_may
from cis_ews.support.words import NOT_FROM_HERE_WORDS, ONLY_WORDS, marked

LONGEST_WAIT = timedelta(days=180)
"""`Not now` ends within half a year: a longer one is forgotten."""

OFFERED = tuple(action for action in CaseAction if action not in (*NIGHTLY, CaseAction.ANSWER))
"""What the page of a student offers, in this order. Questions about the data are answered on a page of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody wants to do, as the form says it; not checked yet."""

    action: CaseAction
    reason: str = ""
    until: date | None = None
    subject: Domain | None = None
    contact: ContactKind | None = None
    on: date | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One button: what it does and, where it cannot be used, why not."""

    action: CaseAction
    why_not: str | None


def state_of(stored: CaseState | None, *, is_flagged: bool) -> CaseState:
    """The state of a case: what was stored, or for a student about whom nobody did anything, what the night says."""
    if stored is not None:
        return stored
    return CaseState.WAITING if is_flagged else CaseState.NOT_FLAGGED


def check_action(action: CaseAction, state: CaseState, *, roles: Collection[Role]) -> None:
    """Raise the reason: NotAllowedError where it is not for these roles, DecisionRefusedError not from this state.

    `roles`: what the person is with regard to this student.
    """
    if who_may(action).isdisjoint(roles):
        raise NotAllowedError(ONLY_WORDS[action])
    way = WAYS.get((state, action))
    if way is None:
        raise DecisionRefusedError(NOT_FROM_HERE_WORDS[action])
    if way.who.isdisjoint(roles):
        raise NotAllowedError(ONLY_WORDS[action])


def why_not(action: CaseAction, state: CaseState, *, roles: Collection[Role]) -> str | None:
    """The reason that `check_action` raises; None where it raises none."""
    try:
        check_action(action, state, roles=roles)
    except (DecisionRefusedError, NotAllowedError) as refused:
        return refused.message
    return None


def offers(state: CaseState, *, roles: Collection[Role]) -> tuple[Offer, ...]:
    """Every button of a student's page."""
    return tuple(Offer(action, why_not(action, state, roles=roles)) for action in OFFERED)


def decide(decision: Decision, state: CaseState, *, roles: Collection[Role], today: date) -> Move:
    """What a decision comes to. Raises DecisionRefusedError: not possible, not allowed, or not complete."""
    check_action(decision.action, state, roles=roles)
    needs = WAYS[state, decision.action].needs
    reason = optional_text(decision.reason, field="reason")
    if Need.REASON in needs:
        reason = checked_text(reason, field="reason", missing=marked("Write a reason: whoever comes next needs it."))
    return Move(
        action=decision.action,
        before=state,
        after=next_state(state, decision.action),
        reason=reason,
        until=_until(decision.until, today) if Need.UNTIL in needs else None,
        subject=_subject(decision.subject) if Need.SUBJECT in needs else None,
        contact=_contact(decision.contact) if Need.CONTACT in needs else None,
        on=_on(decision.on or today, today) if Need.CONTACT in needs else None,
        plan=_plan(decision.plan) if Need.PLAN in needs else None,
    )


def _until(until: date | None, today: date) -> date:
    if until is None:
        raise DecisionRefusedError(marked("Name the day on which the student comes back to the list."), field="until")
    if not today < until <= today + LONGEST_WAIT:
        raise DecisionRefusedError(marked("Name a day after today, at most 180 days from now."), field="until")
    return until


def _subject(subject: Domain | None) -> Domain:
    if subject is None:
        raise DecisionRefusedError(marked("Say which records are wrong."), field="subject")
    return subject


def _contact(contact: ContactKind | None) -> ContactKind:
    if contact is None:
        raise DecisionRefusedError(marked("Say with whom the contact was."), field="contact")
    return contact


def _plan(plan: Plan | None) -> Plan:
    if plan is None:
        raise DecisionRefusedError(marked("Write the support plan."), field="plan")
    return plan


def _on(day: date, today: date) -> date:
    if not today - timedelta(days=366) <= day <= today:
        raise DecisionRefusedError(marked("Name a day of the past year, or today."), field="on")
    return day


def night_rule(zone: tzinfo) -> NightRule:
    """What nights do to cases, each by the day on which it is published in a time zone."""
    return lambda seen, moment: after_night(seen, moment.astimezone(zone).date())


def after_night(seen: Seen, today: date) -> tuple[CaseAction, CaseState] | None:
    """What a night does to a case, and the state that follows; None where it leaves the case as it is.

    A night without enough data about a student changes nothing: it does not say that the flag is resolved.
    """
    if not seen.is_known or seen.state in CARRIED:
        return None
    return next(((action, next_state(seen.state, action)) for action in _due(seen, today)), None)


def _due(seen: Seen, today: date) -> Iterator[CaseAction]:
    is_flagged = (seen.tier_now or 1) >= FLAGGED_FROM
    due = {
        CaseAction.RESOLVE: not is_flagged,
        CaseAction.FLAG_AGAIN: is_flagged,
        CaseAction.TIER_ROSE: is_flagged and (seen.tier_now or 1) > (seen.tier_then or 1),
        CaseAction.DATE_CAME: is_flagged and seen.until is not None and seen.until <= today,
    }
    return (action for action, is_due in due.items() if is_due and (seen.state, action) in WAYS)


FLAGGED_FROM = 2
