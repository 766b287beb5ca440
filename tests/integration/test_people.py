"""Accounts, sessions and the audit, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from cis_ews.enums import AuditAction, Role
from cis_ews.errors import ConfigError, RunNotFoundError, StorageError
from cis_ews.storage.access import Grant
from cis_ews.storage.database import By, Database, Event, Limits
from cis_ews.storage.database.audit import record
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.database.refs import refs_in_districts
from tests.lib.databases import PostgresqlServer
from tests.lib.people import add_person

LONG = Limits(idle=timedelta(minutes=30), absolute=timedelta(hours=8))
ADMIN = By(person_id="a" * 32, why_allowed="administrator")
NORTH = Grant(Role.COORDINATOR, "d1", "north")


def _run(url: str, *statements: str) -> None:
    connections = Connections(url)
    with connections.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))
    connections.close()


def test_a_person_is_found_with_every_role(database: Database) -> None:
    person_id = add_person(database, " Ana@Example.org ", NORTH)
    database.people.grant(person_id, Grant(Role.DATA_STEWARD, "d2"), by=ADMIN)
    database.people.grant(person_id, Grant(Role.DATA_STEWARD, "d2"), by=ADMIN)
    person = database.people.by_email("ANA@example.org")
    assert person is not None
    assert (person.person_id, person.email) == (person_id, "ana@example.org")
    assert person.grants == (NORTH, Grant(Role.DATA_STEWARD, "d2"))
    assert database.people.find(person_id) == person
    assert [one.email for one in database.people.list(district_id="d2")] == ["ana@example.org"]
    assert database.people.list(district_id="d3") == []
    assert database.people.revoke(person_id, NORTH)
    assert not database.people.revoke(person_id, NORTH)


def test_an_email_address_belongs_to_one_person(database: Database) -> None:
    add_person(database, "ana@example.org")
    with pytest.raises(ConfigError, match="There is an account"):
        add_person(database, "ANA@example.org")


@pytest.mark.parametrize(
    "email", ["", "ana", "@example.org", "ana@", "a b@example.org", "a\x00@b", "a" * 250 + "@x.org"]
)
def test_what_is_no_email_address_is_refused(database: Database, email: str) -> None:
    with pytest.raises(ConfigError, match="no e-mail address"):
        add_person(database, email)


def test_nobody_unknown_is_changed(database: Database) -> None:
    for change in (database.people.disable, database.people.enable, database.people.unlock):
        with pytest.raises(RunNotFoundError, match="no such person"):
            change("0" * 32)
    with pytest.raises(RunNotFoundError, match="no such person"):
        database.people.grant("0" * 32, NORTH)


def test_a_session_ends_by_being_idle_and_by_its_age(database: Database, url: str) -> None:
    person_id = add_person(database, "ana@example.org", NORTH)
    token = database.sessions.start(person_id, how="password")
    found = database.sessions.find(token, LONG)
    assert found is not None
    assert (found.person_id, found.grants) == (person_id, (NORTH,))
    for limits in (Limits(idle=timedelta(0), absolute=LONG.absolute), Limits(idle=LONG.idle, absolute=timedelta(0))):
        assert database.sessions.find(token, limits) is None
    assert database.sessions.find(token + "x", LONG) is None
    assert database.sessions.find("", LONG) is None
    # A page keeps it from being idle, and never from its age.
    _run(url, "UPDATE sessions SET seen_at = '2020-01-01 00:00:00'")
    assert database.sessions.find(token, LONG) is None
    long_idle = Limits(idle=timedelta(days=10_000), absolute=LONG.absolute)
    assert database.sessions.find(token, long_idle) is not None
    assert database.sessions.find(token, LONG) is not None
    _run(url, "UPDATE sessions SET created_at = '2020-01-01 00:00:00'")
    assert database.sessions.find(token, long_idle) is None
    assert database.sessions.drop_ended(LONG) == 1


def test_the_tenth_wrong_password_locks_and_the_wait_has_an_end(database: Database, url: str) -> None:
    person_id = add_person(database, "ana@example.org")

    def is_open() -> bool:
        known = database.people.credentials("ana@example.org")
        assert known is not None
        return known.is_open

    for _ in range(9):
        database.people.refused(person_id)
    assert is_open()
    database.people.refused(person_id)
    assert not is_open()
    # Whoever goes on guessing does not make the wait longer.
    before = database.people.find(person_id)
    for _ in range(30):
        database.people.refused(person_id)
    assert database.people.find(person_id) == before
    _run(url, "UPDATE people SET locked_until = '2020-01-01 00:00:00'")
    assert is_open()
    database.people.refused(None)


def test_a_sign_in_forgets_the_wrong_passwords_before(database: Database) -> None:
    person_id = add_person(database, "ana@example.org")
    for _ in range(3):
        for _ in range(9):
            database.people.refused(person_id)
        database.sessions.start(person_id, how="password")
    known = database.people.credentials("ana@example.org")
    assert known is not None
    assert known.is_open


def _some_events(database: Database) -> None:
    for number in range(6):
        for district in ("d1", "d2"):
            event = Event(
                action=AuditAction.STUDENT_SEEN,
                why_allowed="site coordinator of this school",
                district_id=district,
                person_id="a" * 32,
                ref=f"{number:032}",
                detail={"page": "student", "öß": number},
            )
            database.audit.record(event)


def _list_of(*refs: str, district: str = "d1") -> Event:
    said = {"action": AuditAction.LIST_SEEN, "why_allowed": "site coordinator of this school"}
    return Event(**said, district_id=district, detail={"kind": "roster"}, refs=refs)


def test_a_list_is_found_by_whom_it_showed(database: Database) -> None:
    _some_events(database)
    for refs in (("a", "b"), ("b", "a", "b"), ("c",)):
        database.audit.record(_list_of(*refs))
    found = database.audit.search(ref="b")
    assert [(row.number, row.ref, row.students) for row in found] == [(8, None, 2), (7, None, 2)]
    assert database.audit.search(ref="b", district_id="d2") == []
    assert [row.number for row in database.audit.search(ref="c", district_ids=["d2", "d1"])] == [9]
    assert database.audit.search(ref="c", district_ids=[]) == []
    assert database.audit.verify().faults == ()


def test_the_newest_of_several_districts_come_first(database: Database) -> None:
    _some_events(database)
    database.audit.record(_list_of("a"))
    found = database.audit.search(district_ids=["d1", "d2"], limit=3)
    assert [(row.district_id, row.number) for row in found] == [("d1", 7), ("d2", 6), ("d1", 6)]
    both = database.audit.search(district_ids=["d1", "d2"], district_id="d2", limit=1)
    assert [(row.district_id, row.number) for row in both] == [("d2", 6)]
    assert database.audit.search(district_ids=["d1"], district_id="d2") == []


def test_the_audit_holds_and_is_found_again(database: Database) -> None:
    _some_events(database)
    report = database.audit.verify()
    assert report.faults == ()
    assert report.entries == {"d1": 6, "d2": 6}
    found = database.audit.search(district_id="d1", ref=f"{3:032}")
    assert [(row.number, row.action, row.person_id) for row in found] == [(4, "student_seen", "a" * 32)]
    assert [row.number for row in database.audit.search(district_id="d2", limit=2)] == [6, 5]


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("UPDATE audit SET ref = NULL WHERE district_id = 'd1' AND number = 3", [("d1", 3, "changed")]),
        ("UPDATE audit SET detail = '{}' WHERE district_id = 'd1' AND number = 6", [("d1", 6, "changed")]),
        ("UPDATE audit SET at = '2020-01-01 00:00:00' WHERE district_id = 'd2' AND number = 1", [("d2", 1, "changed")]),
        ("DELETE FROM audit WHERE district_id = 'd1' AND number = 1", [("d1", 1, "missing")]),
        ("DELETE FROM audit WHERE district_id = 'd1' AND number IN (3, 4)", [("d1", 3, "missing up to 4")]),
        ("DELETE FROM audit WHERE district_id = 'd1' AND number = 6", [("d1", 6, "missing up to 6")]),
        ("DELETE FROM audit WHERE district_id = 'd2'", [("d2", 1, "missing up to 6")]),
        ("DELETE FROM audit_heads WHERE district_id = 'd2'", [("d2", 6, "the head of the chain is missing")]),
        ("UPDATE audit_heads SET hash = 'x' WHERE district_id = 'd2'", [("d2", 6, "changed at the end")]),
        ("UPDATE audit SET person_id = 'x' WHERE number = 2", [("d1", 2, "changed"), ("d2", 2, "changed")]),
        ("DELETE FROM audit_lists WHERE ref = 'b'", [("d3", 1, "whom the list showed was changed")]),
        ("DELETE FROM audit_lists", [("d3", 1, "whom the list showed was changed")]),
        ("UPDATE audit_lists SET ref = 'x' WHERE ref = 'a'", [("d3", 1, "whom the list showed was changed")]),
        ("INSERT INTO audit_lists VALUES ('d3', 1, 'c')", [("d3", 1, "whom the list showed was changed")]),
        ("INSERT INTO audit_lists VALUES ('d2', 3, 'c')", [("d2", 3, "whom the list showed was changed")]),
    ],
)
def test_a_changed_or_missing_entry_is_found(
    database: Database, url: str, statement: str, faults: list[tuple[str, int, str]]
) -> None:
    _some_events(database)
    database.audit.record(_list_of("b", "a", district="d3"))
    _run(url, statement)
    found = database.audit.verify().faults
    assert [(fault.district_id, fault.number, fault.found) for fault in found] == faults


def test_two_refs_of_a_list_in_one_row_are_found(database: Database, url: str) -> None:
    """As one row they are the same text, and whoever looks for either finds no list."""
    database.audit.record(_list_of("a", "b"))
    _run(url, "DELETE FROM audit_lists WHERE ref = 'b'")
    _run(url, "UPDATE audit_lists SET ref = 'a\nb'")
    (fault,) = database.audit.verify().faults
    assert (fault.number, fault.found) == (1, "whom the list showed was changed")


def test_many_at_once_make_one_chain(database: Database) -> None:
    """Threads of one process here, and the same locks hold between processes."""
    failures: list[BaseException] = []

    def many() -> None:
        try:
            _some_events(database)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    report = database.audit.verify()
    assert report.faults == ()
    assert report.entries == {"d1": 24, "d2": 24}


def test_the_chains_of_two_districts_do_not_wait_for_each_other(postgresql: PostgresqlServer) -> None:
    """While a transaction holds the chain of one district, another writer appends to the other, and ends; a second one
    of the same district waits. Two connections, on PostgreSQL: SQLite has one writer at a time."""
    url, said = postgresql.new_url(), {"action": AuditAction.STUDENT_SEEN, "why_allowed": "site coordinator"}
    with Database(url) as database, closing(Connections(url)) as connections:
        database.upgrade()

        def append_soon(district: str) -> None:
            with connections.writing() as second:
                second.exec_driver_sql("SET LOCAL lock_timeout = '500ms'")
                record(second, Event(district_id=district, **said))

        for district in ("d1", "d2"):
            database.audit.record(Event(district_id=district, **said))
        with connections.writing() as first:
            record(first, Event(district_id="d1", **said))
            append_soon("d2")
            assert database.audit.search(district_id="d2")[0].number == 2
            # Of the same district the lock of the chain is in the way: PostgreSQL ends the wait.
            with pytest.raises(StorageError):
                append_soon("d1")
        report = database.audit.verify()
        assert (report.entries, report.faults) == ({"d1": 2, "d2": 2}, ())


def test_a_change_and_its_entry_are_one_transaction(database: Database, url: str) -> None:
    person_id = add_person(database, "ana@example.org", NORTH)
    _run(url, "ALTER TABLE audit RENAME TO audit_away")
    with pytest.raises(Exception, match="database"):
        database.people.revoke(person_id, NORTH, by=ADMIN)
    _run(url, "ALTER TABLE audit_away RENAME TO audit")
    person = database.people.find(person_id)
    assert person is not None
    assert person.grants == (NORTH,)


def test_a_restore_signs_everybody_out_and_opens_no_account_that_was_closed_since(
    database: Database, tmp_path: Path
) -> None:
    person_id = add_person(database, "ana@example.org", NORTH)
    token = database.sessions.start(person_id, how="password")
    database.backup(tmp_path / "backup.zip")
    database.people.disable(person_id)
    database.restore(tmp_path / "backup.zip")
    person = database.people.find(person_id)
    assert person is not None
    assert person.disabled_at is not None
    assert database.sessions.find(token, LONG) is None
    assert database.audit.verify().faults == ()


def test_a_backup_with_people_goes_from_one_kind_of_database_to_the_other(
    database: Database, new_url: Callable[[], str], tmp_path: Path
) -> None:
    add_person(database, "ana@example.org", NORTH)
    _some_events(database)
    database.backup(tmp_path / "backup.zip")
    with Database(f"sqlite:///{tmp_path}/other/cis_ews.db") as other:
        other.restore(tmp_path / "backup.zip")
        assert other.audit.verify() == database.audit.verify()
        assert other.people.list() == database.people.list()


def test_a_student_who_is_forgotten_leaves_every_caseload_even_after_the_score_is_gone(
    database: Database, url: str
) -> None:
    connections = Connections(url)
    with connections.reading() as connection:
        (ref,) = refs_in_districts(connection, ["s1"], ["d1"])
    connections.close()
    person_id = add_person(database, "ana@example.org", NORTH)
    for each in (ref, "f" * 32):
        database.people.add_to_caseload(person_id, "d1", ref=each, by=ADMIN)
        database.people.add_to_caseload(person_id, "d1", ref=each, by=ADMIN)
    assert [row["person_id"] for row in database.export_student("s1")["caseloads"]] == [person_id]
    assert database.forget_student("s1") == 1
    assert database.people.caseload(person_id) == {("d1", "f" * 32)}
    database.people.remove_from_caseload(person_id, "d1", ref="f" * 32, by=ADMIN)
    assert database.people.caseload(person_id) == frozenset()
