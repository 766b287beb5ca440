"""No query of a page grows with the state: each finds its rows by a key or an index, on both databases.

The statements are those that pages really send, asked for their plan once more. On PostgreSQL a plan that reads a table
from end to end is forbidden first: what is still read so has no index that could serve it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from cis_ews.enums import AuditAction, Role
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.cases import Case
from cis_ews.storage.database import By, Database, Limits, tables
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.pages import SchoolPlace
from cis_ews.storage.store import RunStore
from tests.lib.people import add_person
from tests.lib.stored_nights import contents, roster

SMALL = {"secrets", "runs", "off_switch", "people", "grants", "emergencies", "api_keys"}
"""Tables that do not grow with the students of a state, nor with its days."""
LARGE = {table.name for table in tables.metadata.tables.values()} - SMALL
PLACE = ("d1", "north")
LIMITS = Limits(idle=timedelta(minutes=30), absolute=timedelta(hours=8))
Read = Callable[[Database, Scope, Case, SchoolPlace], object]
READS: dict[str, Read] = {
    "worklist": lambda database, scope, _, __: database.cases.worklist(scope),
    "worklist of a school": lambda database, scope, _, __: database.cases.worklist(scope, school=PLACE),
    "worklist of a student": lambda database, scope, case, _: database.cases.worklist(scope, ref=case.ref),
    "case": lambda database, scope, case, _: database.cases.find(scope, case.ref),
    "history": lambda database, _, case, __: database.cases.history(case),
    "people": lambda database, _, case, __: database.cases.people([case]),
    "contacts": lambda database, _, case, __: database.cases.last_contacts("d1", [case.ref]),
    "meetings": lambda database, scope, _, __: database.meetings.latest(scope),
    "schools": lambda database, scope, _, __: database.pages.schools(scope),
    "roster": lambda database, scope, _, school: database.pages.roster(scope, school),
    "changes": lambda database, scope, _, school: database.pages.changes_of_tonight(scope, school),
    "student": lambda database, scope, case, _: database.pages.student(scope, case.ref),
    "groups": lambda database, _, __, ___: database.pages.group_counts("d1"),
    "school days": lambda database, _, __, ___: database.pages.school_days("d1", school_id="north"),
    "school days of a district": lambda database, _, __, ___: database.pages.school_days("d1"),
    "who sees": lambda database, _, case, __: database.people.seeing_besides(PLACE, case.ref),
    "views": lambda database, _, __, school: database.pages.views("0" * 32, school),
    "first night": lambda database, _, __, school: [database.pages.is_first_night(school)],
    "cases of a meeting": lambda database, scope, case, _: database.cases.find_all(scope, [case.ref]),
    "meeting": lambda database, scope, _, __: [database.meetings.find(scope, _meeting(database))],
    "recaps": lambda database, scope, _, __: [
        database.meetings.recaps(each) for each in database.meetings.latest(scope)
    ],
    "questions": lambda database, _, __, ___: database.cases.tickets({"d1"}, limit=50, offset=50),
    "number of questions": lambda database, _, __, ___: [database.cases.count_tickets({"d1"})],
    "question": lambda database, _, __, ___: [database.cases.ticket({"d1"}, "0" * 32)],
    "districts": lambda database, _, __, ___: database.pages.districts(only={"d1"}),
    "sums of districts": lambda database, _, __, ___: database.pages.district_sums(only={"d1"}),
    "groups told": lambda database, _, __, ___: database.pages.groups("d1"),
    "counts": lambda database, _, __, ___: database.pages.counts(districts={"d1"}),
    "data health": lambda database, _, __, ___: (database.runs_of("d1"), database.schools_of("d1")),
    "somebody": lambda database, _, __, ___: [database.people.find("0" * 32)],
    "caseload": lambda database, _, __, ___: database.people.caseload("0" * 32),
    "student of a ref": lambda database, _, case, __: [database.student_reasons("d1", case.ref)],
    "signed in": lambda database, _, __, ___: [database.sessions.find("none", LIMITS)],
}
"""What pages read: Today, the worklist, a student, a school, meetings, questions, the network, administration."""
DAY = datetime(2026, 2, 1, tzinfo=UTC)
SEARCHES: dict[str, dict[str, Any]] = {
    "all": {},
    "of districts": {"district_ids": ["d1", "d2"]},
    "of no district": {"district_id": ""},
    "by day": {"since": DAY},
    "by person": {"person_id": "0" * 32},
    "by student": {"ref": "0" * 32},
    "by action": {"action": AuditAction.STUDENT_SEEN},
    "by action and day": {"action": AuditAction.STUDENT_SEEN, "since": DAY},
    "by person and action of districts": {
        "person_id": "0" * 32,
        "action": AuditAction.STUDENT_SEEN,
        "district_ids": ["d1", "d2"],
    },
    "by all": {"person_id": "0" * 32, "ref": "0" * 32, "action": AuditAction.LIST_SEEN, "since": DAY},
}
"""What the form of the audit can ask for."""


def _meeting(database: Database) -> str:
    (one,) = database.meetings.latest(Scope(districts=frozenset({"d1"})))
    return one.meeting_id


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        sent.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def read_whole(connections: Connections, sent: list[tuple[str, Any]]) -> set[str]:
    """The large tables that some statement reads from end to end."""
    return {table for plan in plans(connections, sent) for table in _scanned(plan)} & LARGE


def plans(
    connections: Connections, sent: list[tuple[str, Any]], *, without: Collection[str] = ("seqscan",)
) -> list[list[str]]:
    """How the database goes about each question; `without`: what PostgreSQL does where nothing else is possible."""
    explain = "EXPLAIN " if connections.file is None else "EXPLAIN QUERY PLAN "
    with connections.writing() as connection:
        for one in without if connections.file is None else ():
            connection.exec_driver_sql(f"SET LOCAL enable_{one} = off")
        asked = [one for one in sent if one[0].lstrip().upper().startswith("SELECT")]
        found = [connection.exec_driver_sql(explain + statement, parameters).all() for statement, parameters in asked]
    return [[str(row[-1]) for row in plan] for plan in found]


def _scanned(plan: list[str]) -> set[str]:
    """The tables that a plan reads whole: by a scan, or by an index of which it does not look anything up."""
    found: set[str] = set()
    for line, following in zip(plan, [*plan[1:], ""], strict=True):
        scan = re.search(r"^SCAN (\w+)|Seq Scan on (\w+)", line)
        by_index = re.search(r"Index (?:Only )?Scan using \w+ on (\w+)", line)
        if scan:
            found.add(re.sub(r"_\d+$", "", scan[1] or scan[2]))
        if by_index and "Index Cond" not in following:
            found.add(re.sub(r"_\d+$", "", by_index[1]))
    return found


@pytest.fixture
def connections(url: str) -> Iterator[Connections]:
    """A second way into the test's database."""
    connections = Connections(url)
    yield connections
    connections.close()


def test_no_query_of_a_page_reads_a_table_of_students_whole(
    database: Database, connections: Connections, tmp_path: Path
) -> None:
    database.publish(RunStore(tmp_path / "store").write(contents()), **roster())
    place = Scope(schools=frozenset({PLACE}))
    case = database.cases.find(place, next(row.ref for row in database.current_scores("d1").rows if row.tier == 3))
    assert case is not None
    person_id = add_person(database, "ana@example.org", Grant(Role.COORDINATOR, *PLACE))
    database.people.add_to_caseload(person_id, "d1", ref=case.ref, by=By())
    database.meetings.begin(place, PLACE, about="flagged", held_on=date(2026, 3, 2), by=By(person_id=person_id))
    (school,) = database.pages.schools(place)
    scopes = {
        "coordinator": Scope(schools=frozenset({PLACE}), caseload_of=person_id),
        "caseload alone": Scope(caseload_of=person_id),
        "manager": Scope(districts=frozenset({"d1"})),
    }
    whole: dict[str, set[str]] = {}
    for name, read in READS.items():
        for who, scope in scopes.items():
            with statements() as sent:
                assert read(database, scope, case, school) is not None
            assert sent
            whole[f"{name}, {who}"] = read_whole(connections, sent)
    assert {name: found for name, found in whole.items() if found} == {}


def test_the_worklist_has_an_index_of_its_own(database: Database, connections: Connections, tmp_path: Path) -> None:
    database.publish(RunStore(tmp_path / "store").write(contents()), **roster())
    with statements() as sent:
        database.cases.worklist(Scope(districts=frozenset({"d1"})))
    statement, parameters = sent[-1]
    (plan,) = plans(connections, [(statement, parameters)])
    assert "scores_on_list" in str(plan) or "scores_0_district_id_tier_list_place_idx" in str(plan)


def test_the_newest_of_the_audit_are_found_without_reading_or_sorting_the_rest(
    database: Database, connections: Connections
) -> None:
    """Each way of searching has an index that is sorted as the page is, so that the question ends with the page. What
    is of one student is sorted: there is as much of it as people have looked."""
    database.audit.search()  # so that none of the questions below is about the tables' step
    whole, is_sorted = (
        re.compile(r"Seq Scan on audit|SCAN audit(?:_lists)?$", re.MULTILINE),
        re.compile(r"Sort Key|USE TEMP B-TREE"),
    )
    for name, search in SEARCHES.items():
        with statements() as sent:
            database.audit.search(**search)
        told = "\n".join(line for plan in plans(connections, sent, without=("seqscan", "sort")) for line in plan)
        assert "audit" in told
        assert not whole.search(told), name
        assert not is_sorted.search(told) or "ref" in search, name


def test_the_plan_of_a_search_without_its_index_is_seen(database: Database, connections: Connections) -> None:
    database.audit.search()
    with connections.writing() as connection:
        for index in ("audit_by_time", "audit_by_district", "audit_by_action"):
            connection.exec_driver_sql(f"DROP INDEX {index}")
    with statements() as sent:
        database.audit.search(since=DAY)
    (plan,) = plans(connections, sent)
    assert re.search(r"Sort Key|USE TEMP B-TREE", " ".join(plan))
