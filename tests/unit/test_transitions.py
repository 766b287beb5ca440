"""The table of what may become of a case: complete, without a dead end, and the same as what the docs show."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from cis_ews.enums import (
    CaseAction,
    CaseState,
    ContactKind,
    DisciplineActionType,
    Domain,
    Progress,
    Role,
    Subject,
    SupportArea,
)
from cis_ews.errors import DecisionRefusedError, NotAllowedError
from cis_ews.storage.cases import Plan, Seen
from cis_ews.support import plans, words
from cis_ews.support.reviews import Decision, after_night, check_action, decide, offers, state_of, why_not
from cis_ews.support.transitions import CARRIED, NIGHTLY, OPEN_STATES, SET_ASIDE, TRANSITIONS, WAYS, who_may
from tests.lib.support_page import PAGE, page

TODAY = date(2026, 3, 2)
COORDINATOR = frozenset({Role.COORDINATOR})
GROUPS = (OPEN_STATES, SET_ASIDE, CARRIED, {CaseState.EXITED}, {CaseState.NOT_FLAGGED})


def decision(action: CaseAction, **values: object) -> Decision:
    complete: dict[str, object] = {
        "reason": "a reason",
        "until": TODAY + timedelta(days=14),
        "subject": Domain.ATTENDANCE,
        "contact": ContactKind.FAMILY,
        "plan": plan(),
    }
    return Decision(action=action, **complete | values)  # type: ignore[arg-type]


def plan() -> Plan:
    goal = plans.new_goal(
        area=SupportArea.ACADEMICS, goal="No missing work in math", owner="Ms. Lee", due_on=None, today=TODAY
    )
    return plans.new_plan(consent_on=TODAY, needs="Math", assets="Likes to draw", first_goal=goal, today=TODAY)


def test_the_docs_show_the_table() -> None:
    path = Path(__file__).parents[2] / PAGE
    assert path.read_text(encoding="utf-8") == page(path.read_text(encoding="utf-8")), (
        "make it anew: python -m tests.lib.support_page"
    )


def test_the_groups_of_states_are_complete_and_apart() -> None:
    assert sorted(state for group in GROUPS for state in group) == sorted(CaseState)


def test_every_action_and_state_has_a_way_and_words() -> None:
    assert {row.action for row in TRANSITIONS} == set(CaseAction) == set(words.DONE_WORDS)
    assert set(words.STATE_WORDS) == set(CaseState)
    people = set(CaseAction) - set(NIGHTLY)
    assert set(words.ACTION_WORDS) == set(words.ONLY_WORDS) == people
    everywhere = {action for action in people if all((state, action) in WAYS for state in CaseState)}
    assert set(words.NOT_FROM_HERE_WORDS) == people - everywhere
    assert set(words.CONTACT_WORDS) == set(ContactKind)
    assert set(words.AREA_WORDS) == set(SupportArea)
    assert set(words.PROGRESS_WORDS) == set(Progress)
    assert set(words.DOMAIN_WORDS) == set(Domain)
    assert set(words.DISCIPLINE_WORDS) == set(DisciplineActionType)
    assert set(words.SUBJECT_WORDS) == set(Subject)


def test_from_every_state_a_coordinator_can_go_on() -> None:
    reached = {CaseState.NOT_FLAGGED}
    while (
        more := {row.target for row in TRANSITIONS for state in row.sources if state in reached and row.target}
        - reached
    ):
        reached |= more
    assert reached == set(CaseState)
    for state in CaseState:
        moving = [row for (source, _), row in WAYS.items() if source == state and row.target is not None]
        assert any(Role.COORDINATOR in row.who for row in moving), state


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", CaseState)
def test_a_disabled_button_shows_the_reason_that_the_check_raises(state: CaseState, role: Role) -> None:
    for offer in offers(state, roles={role}):
        if offer.why_not is None:
            check_action(offer.action, state, roles={role})
            assert decide(decision(offer.action), state, roles={role}, today=TODAY).before is state
            continue
        with pytest.raises((DecisionRefusedError, NotAllowedError)) as refused:
            check_action(offer.action, state, roles={role})
        assert offer.why_not == refused.value.message
        with pytest.raises(type(refused.value)):
            decide(decision(offer.action), state, roles={role}, today=TODAY)


def test_who_may_do_what() -> None:
    nobody = {Role.STATE, Role.ADMINISTRATOR}
    assert all(who_may(action).isdisjoint(nobody) for action in CaseAction)
    assert who_may(CaseAction.ANSWER) == {Role.DATA_STEWARD}
    assert who_may(CaseAction.ACCEPT) == COORDINATOR
    assert who_may(CaseAction.CONTACT) == {Role.COORDINATOR, Role.SCHOOL_STAFF}
    assert all(not who_may(action) for action in NIGHTLY)


@pytest.mark.parametrize(
    ("action", "missing", "field"),
    [
        (CaseAction.ALREADY_KNOWN, {"reason": " \n"}, "reason"),
        (CaseAction.NO_ACTION, {"reason": ""}, "reason"),
        (CaseAction.NO_ACTION, {"reason": "x" * 4001}, "reason"),
        (CaseAction.NOT_NOW, {"until": None}, "until"),
        (CaseAction.NOT_NOW, {"until": TODAY}, "until"),
        (CaseAction.NOT_NOW, {"until": TODAY + timedelta(days=181)}, "until"),
        (CaseAction.QUESTION_DATA, {"subject": None}, "subject"),
        (CaseAction.CONTACT, {"contact": None}, "contact"),
        (CaseAction.CONTACT, {"on": TODAY + timedelta(days=1)}, "on"),
    ],
)
def test_what_is_missing_is_named(action: CaseAction, missing: dict[str, object], field: str) -> None:
    with pytest.raises(DecisionRefusedError) as refused:
        decide(decision(action, **missing), CaseState.WAITING, roles=COORDINATOR, today=TODAY)
    assert refused.value.details["field"] == field


def test_only_what_an_action_needs_is_kept() -> None:
    move = decide(decision(CaseAction.ACCEPT, reason=""), CaseState.WAITING, roles=COORDINATOR, today=TODAY)
    assert (move.after, move.until, move.subject, move.contact, move.plan) == (CaseState.ACCEPTED, *[None] * 4)
    text = "  Oma\r\nsays\x00 \u202eno\x07  "
    assert (
        decide(decision(CaseAction.NO_ACTION, reason=text), CaseState.WAITING, roles=COORDINATOR, today=TODAY).reason
        == "Oma\nsays \u202eno"
    )


def test_contact_takes_the_student_off_the_worklist_and_changes_no_decision() -> None:
    for state in CaseState:
        after = decide(decision(CaseAction.CONTACT), state, roles=COORDINATOR, today=TODAY).after
        assert after is (CaseState.IN_TOUCH if state is CaseState.WAITING else state)


def test_a_plan_needs_consent_needs_and_a_goal_of_thirty_days() -> None:
    with pytest.raises(DecisionRefusedError, match="consented"):
        plans.new_plan(consent_on=None, needs="n", assets="", first_goal=plan().first_goal, today=TODAY)
    with pytest.raises(DecisionRefusedError, match="within 30 days"):
        plans.new_goal(area=SupportArea.ACADEMICS, goal="g", owner="o", due_on=TODAY + timedelta(days=31), today=TODAY)
    assert plan().first_goal.due_on - TODAY == timedelta(days=30)
    move = decide(decision(CaseAction.OPEN_PLAN), CaseState.ACCEPTED, roles=COORDINATOR, today=TODAY)
    assert (move.after, move.plan) == (CaseState.CASE_MANAGED, plan())
    with pytest.raises(DecisionRefusedError, match="no support plan"):
        plans.check_goals(CaseState.ACCEPTED, roles=COORDINATOR)
    with pytest.raises(NotAllowedError, match="Only a coordinator"):
        plans.check_goals(CaseState.CASE_MANAGED, roles=frozenset({Role.SCHOOL_STAFF}))


def seen(state: CaseState, *, then: int | None = 2, now: int | None = 2, until: date | None = None) -> Seen:
    return Seen(state=state, tier_then=then, tier_now=now, is_known=True, until=until)


@pytest.mark.parametrize("state", [*sorted(SET_ASIDE), CaseState.IN_TOUCH, CaseState.EXITED])
def test_a_flag_comes_back_when_its_tier_rises(state: CaseState) -> None:
    assert after_night(seen(state, now=3), TODAY) == (CaseAction.TIER_ROSE, CaseState.WAITING)
    assert after_night(seen(state, then=3, now=2), TODAY) is None
    assert after_night(seen(state), TODAY) is None


def test_a_flag_comes_back_on_its_day() -> None:
    until = TODAY + timedelta(days=1)
    assert after_night(seen(CaseState.NOT_NOW, until=until), TODAY) is None
    assert after_night(seen(CaseState.NOT_NOW, until=TODAY), TODAY) == (CaseAction.DATE_CAME, CaseState.WAITING)


@pytest.mark.parametrize("state", CaseState)
def test_a_flag_that_the_records_ask_for_no_longer_is_resolved(state: CaseState) -> None:
    outcome = after_night(seen(state, now=1), TODAY)
    if state in {*CARRIED, CaseState.NOT_FLAGGED}:
        assert outcome is None
    else:
        assert outcome == (CaseAction.RESOLVE, CaseState.NOT_FLAGGED)


@pytest.mark.parametrize("state", CaseState)
def test_a_night_without_enough_data_says_nothing(state: CaseState) -> None:
    nothing = Seen(state=state, tier_then=3, tier_now=None, is_known=False, until=TODAY)
    assert after_night(nothing, TODAY) is None


def test_resolved_and_flagged_again() -> None:
    assert after_night(seen(CaseState.NOT_FLAGGED, then=1), TODAY) == (CaseAction.FLAG_AGAIN, CaseState.WAITING)
    assert state_of(None, is_flagged=True) is CaseState.WAITING
    assert state_of(None, is_flagged=False) is CaseState.NOT_FLAGGED
    assert state_of(CaseState.ACCEPTED, is_flagged=False) is CaseState.ACCEPTED


def test_a_manager_may_only_open_again() -> None:
    manager = frozenset({Role.DISTRICT_MANAGER})
    assert why_not(CaseAction.REOPEN, CaseState.NOT_NOW, roles=manager) is None
    assert why_not(CaseAction.ACCEPT, CaseState.WAITING, roles=manager) == words.ONLY_WORDS[CaseAction.ACCEPT]
