"""Support plans: what a plan and a goal of 30 days need, and how a goal goes."""

from __future__ import annotations

from datetime import date, timedelta

from cis_ews.enums import CaseState, Progress, Role, SupportArea
from cis_ews.errors import DecisionRefusedError, NotAllowedError
from cis_ews.storage.cases import CheckIn, Goal, Plan
from cis_ews.support.texts import LONGEST_NAME, checked_text, optional_text
from cis_ews.support.words import marked

GOAL_DAYS = 30
"""A goal is looked at again after 30 days at the latest; the next one follows it."""


def check_goals(state: CaseState, *, roles: frozenset[Role]) -> None:
    """Raise the reason, NotAllowedError or DecisionRefusedError, where goals and check-ins cannot be written."""
    if Role.COORDINATOR not in roles:
        raise NotAllowedError(marked("Only a coordinator of the school can work on a support plan."))
    if state is not CaseState.CASE_MANAGED:
        raise DecisionRefusedError(marked("The student has no support plan."))


def new_goal(*, area: SupportArea | None, goal: str, owner: str, due_on: date | None, today: date) -> Goal:
    """A goal that starts today. Raises DecisionRefusedError where something is missing or lasts too long."""
    if area is None:
        raise DecisionRefusedError(marked("Say what kind of support it is."), field="area")
    due = due_on or today + timedelta(days=GOAL_DAYS)
    if not today < due <= today + timedelta(days=GOAL_DAYS):
        raise DecisionRefusedError(marked("A goal ends after today, within 30 days; then look again."), field="due_on")
    return Goal(
        area=area,
        goal=checked_text(goal, field="goal", missing=marked("Say what is to be reached.")),
        owner=checked_text(owner, field="owner", missing=marked("Name who sees to it."), longest=LONGEST_NAME),
        starts_on=today,
        due_on=due,
    )


def new_plan(*, consent_on: date | None, needs: str, assets: str, first_goal: Goal, today: date) -> Plan:
    """A plan that begins today. Raises DecisionRefusedError without the family's consent or the needs assessment."""
    if consent_on is None:
        raise DecisionRefusedError(
            marked("Name the day on which the parent or guardian consented: support begins after it."),
            field="consent_on",
        )
    if not today - timedelta(days=366) <= consent_on <= today:
        raise DecisionRefusedError(marked("Name a day of the past year, or today."), field="consent_on")
    return Plan(
        consent_on=consent_on,
        needs=checked_text(needs, field="needs", missing=marked("Write what the needs assessment found.")),
        assets=optional_text(assets, field="assets"),
        first_goal=first_goal,
    )


def new_check_in(*, progress: Progress | None, note: str, on: date | None, today: date) -> CheckIn:
    """A check-in. Raises DecisionRefusedError where the progress is not said or the day has not come."""
    if progress is None:
        raise DecisionRefusedError(marked("Say how the goal goes."), field="progress")
    day = on or today
    if not today - timedelta(days=366) <= day <= today:
        raise DecisionRefusedError(marked("Name a day of the past year, or today."), field="on")
    return CheckIn(on=day, progress=progress, note=optional_text(note, field="note"))
