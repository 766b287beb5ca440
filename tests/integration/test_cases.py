"""Cases in the database: who is first wins and the second sees it, what a night does, and what a family may ask."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cis_ews.enums import AuditAction, CaseAction, CaseState, ContactKind, Domain, Progress, Role, SupportArea
from cis_ews.errors import CaseMovedError
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.cases import Case, CheckIn, Move
from cis_ews.storage.database import By, Database
from cis_ews.storage.store import RunStore
from cis_ews.support import plans
from cis_ews.support.reviews import Decision, decide, night_rule, state_of
from tests.lib.people import add_person
from tests.lib.stored_nights import contents, roster, score

DISTRICT = Scope(districts=frozenset({"d1"}))
TODAY = date(2026, 3, 2)
COORDINATOR = frozenset({Role.COORDINATOR})


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A store for the nights of a test."""
    return RunStore(tmp_path / "store")


@pytest.fixture
def publish(database: Database, store: RunStore) -> Callable[..., None]:
    """Publishes a night with these tiers, as `score_night` does."""

    def night(zone: tzinfo = UTC, /, **tiers: int | None) -> None:
        rows = [score(student, tier=tier) for student, tier in sorted(tiers.items())]
        run = store.write(contents(rows, config_hash=str(sorted(tiers.items()))))
        database.publish(run, **roster(), rule=night_rule(zone))

    return night


@pytest.fixture
def by(database: Database) -> By:
    """A coordinator."""
    return By(person_id=add_person(database, "ana@example.org", Grant(Role.COORDINATOR, "d1", "north")))


def case_of(database: Database, student: str) -> Case:
    ref = next(row.ref for row in database.current_scores("d1").rows if row.student_id == student)
    found = database.cases.find(DISTRICT, ref)
    assert found is not None
    return found


def move_of(case: Case, action: CaseAction, **values: Any) -> Move:
    state = state_of(case.state, is_flagged=(case.tier_now or 1) >= 2)
    decision = Decision(action=action, **{"reason": "because", **values})
    roles = {Role.COORDINATOR, Role.DATA_STEWARD}
    return decide(decision, state, roles=roles, today=TODAY)


def act(database: Database, student: str, action: CaseAction, *, by: By, **values: Any) -> int:
    case = case_of(database, student)
    return database.cases.record(case, move_of(case, action, **values), by=by)


def a_plan() -> Any:
    goal = plans.new_goal(area=SupportArea.ACADEMICS, goal="No work missing", owner="Lee", due_on=None, today=TODAY)
    return plans.new_plan(consent_on=TODAY, needs="Math", assets="", first_goal=goal, today=TODAY)


def state(database: Database, student: str) -> CaseState | None:
    return case_of(database, student).state


def test_the_second_reviewer_changes_nothing(database: Database, publish: Callable[..., None], by: By) -> None:
    publish(ann=3)
    seen = case_of(database, "ann")
    database.cases.record(seen, move_of(seen, CaseAction.ACCEPT), by=by)
    with pytest.raises(CaseMovedError):
        database.cases.record(seen, move_of(seen, CaseAction.NO_ACTION), by=by)
    history = database.cases.history(seen)
    assert [(one.action, one.by) for one in history.reviews] == [(CaseAction.ACCEPT, "Person of ana")]
    assert len(database.audit.search(action=AuditAction.CASE_MOVED)) == 1
    assert not database.audit.verify().faults


@pytest.mark.parametrize("earlier", [False, True])
def test_reviewers_in_processes_of_their_own(
    *, database: Database, url: str, publish: Callable[..., None], by: By, earlier: bool
) -> None:
    """All have read the same version before one of them decides; `earlier`: there is a case to begin with."""
    publish(ann=3)
    if earlier:
        act(database, "ann", CaseAction.CONTACT, by=by, contact=ContactKind.FAMILY)
    ref, version = case_of(database, "ann").ref, case_of(database, "ann").version
    actions = [CaseAction.ACCEPT, CaseAction.NO_ACTION, CaseAction.ALREADY_KNOWN]
    command = [sys.executable, "-m", "tests.lib.race", url, ref, str(by.person_id)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    reviewers = [subprocess.Popen([*command, action], **pipes) for action in actions]
    for reviewer in reviewers:
        assert reviewer.stdout
        assert reviewer.stdout.readline() == "read\n"
    for reviewer in reviewers:
        assert reviewer.stdin
        reviewer.stdin.write("\n")
        reviewer.stdin.flush()
    said = [reviewer.communicate(timeout=60)[0].strip() for reviewer in reviewers]
    won = [action for action, line in zip(actions, said, strict=True) if line == f"version {version + 1}"]
    assert len(won) == 1
    lost = [line for line in said if not line.startswith("version")]
    assert lost == [f"moved by {won[0]}: said by {won[0]}"] * 2
    assert len(database.cases.history(case_of(database, "ann")).reviews) == version + 1
    assert not database.audit.verify().faults


def test_reviewers_in_threads(database: Database, publish: Callable[..., None], by: By) -> None:
    publish(ann=3)
    seen = case_of(database, "ann")
    start, outcomes = threading.Barrier(8), []

    def review() -> None:
        move = move_of(seen, CaseAction.ACCEPT)
        start.wait()
        try:
            outcomes.append(database.cases.record(seen, move, by=by))
        except CaseMovedError:
            outcomes.append(0)

    threads = [threading.Thread(target=review) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [0] * 7 + [1]


def test_a_decision_and_its_audit_entry_are_one(
    database: Database, publish: Callable[..., None], by: By, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(ann=3)

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("cis_ews.storage.database.audit.record", fails)
    with pytest.raises(OSError, match="full"):
        act(database, "ann", CaseAction.ACCEPT, by=by)
    assert (case_of(database, "ann").version, database.cases.history(case_of(database, "ann")).reviews) == (0, ())


def test_what_a_night_does(database: Database, publish: Callable[..., None], by: By) -> None:
    publish(ann=2, bob=2, eve=2, may=2, zoe=2)
    act(database, "ann", CaseAction.NO_ACTION, by=by)
    act(database, "bob", CaseAction.NO_ACTION, by=by)
    act(database, "eve", CaseAction.ACCEPT, by=by)
    act(database, "may", CaseAction.ALREADY_KNOWN, by=by)
    publish(ann=3, bob=2, eve=1, may=1, zoe=2)
    states = [state(database, student) for student in ("ann", "bob", "eve", "may", "zoe")]
    assert states == [CaseState.WAITING, CaseState.NO_ACTION, CaseState.ACCEPTED, CaseState.NOT_FLAGGED, None]
    last = database.cases.history(case_of(database, "ann")).reviews
    assert [(one.action, one.by, one.tier) for one in last] == [
        (CaseAction.TIER_ROSE, None, 3),
        (CaseAction.NO_ACTION, "Person of ana", 2),
    ]
    publish(ann=None, bob=2, eve=3, may=2)
    states = [state(database, student) for student in ("ann", "bob", "eve", "may")]
    assert states == [CaseState.WAITING, CaseState.NO_ACTION, CaseState.ACCEPTED, CaseState.WAITING]
    assert not database.audit.verify().faults


def test_a_night_without_a_student_says_nothing_of_the_case(
    database: Database, publish: Callable[..., None], by: By
) -> None:
    """A school whose file is missing for a night must not cost what was decided there."""
    publish(ann=2, bob=2)
    act(database, "ann", CaseAction.NO_ACTION, by=by)
    before = case_of(database, "ann")
    publish(bob=2)
    publish(ann=2, bob=2)
    assert case_of(database, "ann") == before


def test_not_now_ends_with_the_first_night_of_its_day(database: Database, publish: Callable[..., None], by: By) -> None:
    publish(ann=2)
    case = case_of(database, "ann")
    today = date.today()
    for days, bob, expected in ((2, 1, CaseState.NOT_NOW), (-1, 3, CaseState.WAITING)):
        move = Move(
            action=CaseAction.NOT_NOW,
            before=CaseState.WAITING,
            after=CaseState.NOT_NOW,
            reason="a trip",
            until=today + timedelta(days=days),
        )
        database.cases.record(case, move, by=by)
        publish(ann=2, bob=bob)
        assert state(database, "ann") is expected
        case = case_of(database, "ann")


def test_the_day_of_a_night_is_that_of_its_time_zone(database: Database, publish: Callable[..., None], by: By) -> None:
    """Wherever UTC stands, it is a later day in Kiritimati (UTC+14) than on Baker Island (UTC-12)."""
    early, late = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")
    publish(ann=2)
    move = Move(
        action=CaseAction.NOT_NOW,
        before=CaseState.WAITING,
        after=CaseState.NOT_NOW,
        reason="a trip",
        until=datetime.now(early).date(),
    )
    database.cases.record(case_of(database, "ann"), move, by=by)
    publish(late, ann=2, bob=1)
    assert state(database, "ann") is CaseState.NOT_NOW
    publish(early, ann=2, bob=3)
    assert state(database, "ann") is CaseState.WAITING


def test_a_reviewer_who_read_before_the_night_is_second(
    database: Database, publish: Callable[..., None], by: By
) -> None:
    publish(ann=2)
    act(database, "ann", CaseAction.NO_ACTION, by=by)
    seen = case_of(database, "ann")
    publish(ann=3)
    with pytest.raises(CaseMovedError):
        database.cases.record(seen, move_of(seen, CaseAction.REOPEN), by=by)


def test_the_worklist_is_who_waits(database: Database, publish: Callable[..., None], by: By) -> None:
    publish(ann=3, bob=2, eve=2, may=1, zoe=None)

    def waiting() -> list[str]:
        return [line.student_id for line in database.cases.worklist(DISTRICT)]

    assert waiting()[0] == "ann"
    assert set(waiting()) == {"ann", "bob", "eve"}
    act(database, "bob", CaseAction.CONTACT, by=by, contact=ContactKind.STAFF)
    act(database, "eve", CaseAction.NO_ACTION, by=by)
    assert waiting() == ["ann"]
    assert database.cases.worklist(Scope()) == ()
    assert database.cases.worklist(Scope(schools=frozenset({("d1", "south")}))) == ()
    bob = case_of(database, "bob")
    assert database.cases.last_contacts("d1", [bob.ref]) == {bob.ref: TODAY}
    assert database.cases.find(Scope(schools=frozenset({("d1", "south")})), bob.ref) is None


def test_a_question_about_the_data_goes_to_the_steward_and_back(
    database: Database, publish: Callable[..., None], by: By
) -> None:
    publish(ann=2)
    act(database, "ann", CaseAction.QUESTION_DATA, by=by, subject=Domain.ATTENDANCE, reason="She was here")
    (ticket,) = database.cases.tickets({"d1"})
    assert (ticket.subject, ticket.question, ticket.answer) == (Domain.ATTENDANCE, "She was here", None)
    assert database.cases.tickets({"d2"}) == ()
    case = case_of(database, "ann")
    move = move_of(case, CaseAction.ANSWER, reason="Mended")
    database.cases.answer(ticket, move, case=case, by=by)
    assert state(database, "ann") is CaseState.WAITING
    with pytest.raises(CaseMovedError):
        database.cases.answer(ticket, move, case=case_of(database, "ann"), by=by)


def test_a_plan_its_goals_and_the_recap_of_a_meeting(database: Database, publish: Callable[..., None], by: By) -> None:
    publish(ann=3, bob=2)
    meeting_id = database.meetings.begin(DISTRICT, ("d1", "north"), about="flagged", held_on=TODAY, by=by)
    meeting = database.meetings.find(DISTRICT, meeting_id or "")
    assert meeting is not None
    assert meeting.refs == (case_of(database, "ann").ref, case_of(database, "bob").ref)
    assert database.meetings.find(Scope(schools=frozenset({("d1", "south")})), meeting.meeting_id) is None
    assert state(database, "ann") is CaseState.WAITING
    act(database, "ann", CaseAction.ACCEPT, by=by)
    case = case_of(database, "ann")
    database.cases.record(
        case, move_of(case, CaseAction.OPEN_PLAN, plan=a_plan()), by=by, meeting_id=meeting.meeting_id
    )
    case = case_of(database, "ann")
    plan = database.cases.history(case).plan
    assert plan is not None
    check_in = CheckIn(on=TODAY, progress=Progress.PROGRESSING, note="well")
    database.cases.add_check_in(case, plan.goals[0].goal_id, check_in, by=by)
    with pytest.raises(CaseMovedError):
        database.cases.add_check_in(case_of(database, "bob"), plan.goals[0].goal_id, check_in, by=by)
    (recap,) = database.meetings.recaps(meeting)
    assert [(goal.owner, goal.check_ins[0].progress) for goal in recap.goals] == [("Lee", Progress.PROGRESSING)]
    assert [one.action for one in recap.reviews] == [CaseAction.OPEN_PLAN]
    assert [one.meeting_id for one in database.meetings.latest(DISTRICT)] == [meeting.meeting_id]
    case = case_of(database, "ann")
    database.cases.record(case, move_of(case, CaseAction.EXIT), by=by)
    assert database.cases.history(case_of(database, "ann")).plan is None


def test_a_family_gets_all_of_it_and_forgetting_takes_all_of_it(
    database: Database, publish: Callable[..., None], by: By, tmp_path: Path
) -> None:
    publish(ann=3, bob=2)
    database.meetings.begin(DISTRICT, ("d1", "north"), about="flagged", held_on=TODAY, by=by)
    act(database, "ann", CaseAction.QUESTION_DATA, by=by, subject=Domain.ATTENDANCE)
    act(database, "ann", CaseAction.CONTACT, by=by, contact=ContactKind.FAMILY)
    act(database, "ann", CaseAction.ACCEPT, by=by)
    act(database, "ann", CaseAction.OPEN_PLAN, by=by, plan=a_plan())
    plan = database.cases.history(case_of(database, "ann")).plan
    assert plan is not None
    check_in = CheckIn(on=TODAY, progress=Progress.DECLINE, note="")
    database.cases.add_check_in(case_of(database, "ann"), plan.goals[0].goal_id, check_in, by=by)
    tables = ("cases", "contacts", "tickets", "plans", "goals", "check_ins", "meeting_students")
    exported = database.export_student("ann")
    assert {name: len(exported[name]) for name in tables} == dict.fromkeys(tables, 1)
    assert len(exported["reviews"]) == 4
    # What was done outlives the flags: a restore and another night leave it there, forgetting takes it away.
    database.backup(tmp_path / "b.zip")
    database.restore(tmp_path / "b.zip")
    publish(bob=2)
    assert "ann" in database.student_ids()
    assert database.forget_student("ann") >= 11
    assert not any(database.export_student("ann").values())
    assert "ann" not in database.student_ids()
    assert state(database, "bob") is CaseState.WAITING


def test_older_meetings_about_the_own_students_come_behind_no_newer_ones_about_others(
    database: Database, publish: Callable[..., None], by: By
) -> None:
    """Whoever has a caseload alone sees the meetings about it, however many the school has had since."""
    publish(ann=2, bob=2)
    begin = partial(database.meetings.begin, DISTRICT, ("d1", "north"), about="waiting", held_on=TODAY, by=by)
    first, second = begin(), begin()
    ann = case_of(database, "ann")
    act(database, "ann", CaseAction.ALREADY_KNOWN, by=by)
    others = [begin() for _ in range(3)]
    assert by.person_id is not None
    database.people.add_to_caseload(by.person_id, "d1", ref=ann.ref, by=by)
    alone, both = Scope(caseload_of=by.person_id), Scope(schools=frozenset({("d1", "north")}), caseload_of=by.person_id)

    def latest(scope: Scope, **part: int) -> list[str]:
        return [one.meeting_id for one in database.meetings.latest(scope, **part)]

    assert latest(alone, limit=2) == [second, first]
    assert latest(alone, limit=1, offset=1) == [first]
    assert latest(both) == latest(DISTRICT) == [*others[::-1], second, first]
    assert latest(Scope()) == latest(Scope(schools=frozenset({("d1", "south")}))) == []
