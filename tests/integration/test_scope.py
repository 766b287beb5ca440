"""The condition that every query about students has: what it lets through, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from cis_ews.storage.access import Scope
from cis_ews.storage.database import By, Database, tables
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.database.scope import visible_students
from tests.lib.people import add_person

STUDENTS = [("d1", "north", 1), ("d1", "north", 2), ("d1", "south", 3), ("d2", "north", 4), ("d2", "east", 3)]


@pytest.fixture
def connections(database: Database, url: str) -> Iterator[Connections]:
    """A database with a few scores."""
    connections = Connections(url)
    with connections.writing() as connection:
        for district, school, number in STUDENTS:
            row = {
                "district_id": district,
                "ref": f"{number:032}",
                "student_id": str(number),
                "school_id": school,
                "tier_reason": "a rule",
                "days_enrolled": 9,
                "abstained": False,
                "model_version": "rules",
                "changed_at": datetime.now(UTC),
            }
            connection.execute(insert(tables.scores).values(row))
    yield connections
    connections.close()


def _seen(connections: Connections, scope: Scope) -> set[tuple[str, str, int]]:
    scores = tables.scores
    with connections.reading() as connection:
        query = select(scores.c.district_id, scores.c.school_id, scores.c.ref).where(visible_students(scope))
        return {(row.district_id, row.school_id, int(row.ref)) for row in connection.execute(query)}


def test_a_scope_lets_through_what_it_names(database: Database, connections: Connections) -> None:
    person_id = add_person(database, "ana@example.org")
    database.people.add_to_caseload(person_id, "d1", ref=f"{3:032}", by=By())
    assert _seen(connections, Scope()) == set()
    assert _seen(connections, Scope(districts=frozenset({"d2"}))) == set(STUDENTS[3:])
    assert _seen(connections, Scope(schools=frozenset({("d1", "north")}))) == set(STUDENTS[:2])
    both = Scope(schools=frozenset({("d1", "south"), ("d2", "east"), ("d1", "east")}))
    assert _seen(connections, both) == {STUDENTS[2], STUDENTS[4]}
    # The ref of a caseload is one of its own district: the same letters elsewhere are another student.
    assert _seen(connections, Scope(caseload_of=person_id)) == {STUDENTS[2]}
    assert _seen(connections, Scope(caseload_of="0" * 32)) == set()
    assert _seen(connections, Scope(schools=frozenset({("d1", "north")}), caseload_of=person_id)) == set(STUDENTS[:3])
    everything = Scope(districts=frozenset({"d1", "d2"}), schools=frozenset({("d1", "north")}), caseload_of=person_id)
    assert _seen(connections, everything) == set(STUDENTS)
