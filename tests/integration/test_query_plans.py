"""No query of a page grows with the state: each finds its rows by a key or an index, on both databases.

The statements are those that pages really send, asked for their plan once more. On PostgreSQL a plan that reads a table
from end to end is forbidden first: what is still read so has no index that could serve it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from cis_ews.enums import Role
from cis_ews.storage.access import Grant, Scope
from cis_ews.storage.cases import Case
from cis_ews.storage.database import By, Database, tables
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.pages import SchoolPlace
from cis_ews.storage.store import RunStore
from tests.lib.people import add_person
from tests.lib.stored_nights import contents, roster

SMALL = {"secrets", "runs", "off_switch", "people", "grants", "emergencies"}
"""Tables that do not grow with the students or the schools of a state."""
LARGE = {table.name for table in tables.metadata.tables.values()} - SMALL
PLACE = ("d1", "north")
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
}


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
    is_sqlite = connections.file is not None
    found: set[str] = set()
    with connections.writing() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in sent:
            if statement.lstrip().upper().startswith("SELECT"):
                explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
                plan = connection.exec_driver_sql(explain + statement, parameters).all()
                found |= _scanned([str(row[-1]) for row in plan])
    return found & LARGE


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
    with connections.writing() as connection:
        if connections.file is None:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN " if connections.file else "EXPLAIN "
        plan = connection.exec_driver_sql(explain + statement, parameters).all()
    assert "scores_on_list" in str(plan) or "scores_0_district_id_tier_list_place_idx" in str(plan)
