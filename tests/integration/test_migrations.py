"""From no tables to today's, from an older step to today's, and never half-way."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text

from cis_ews.enums import AuditAction
from cis_ews.errors import StorageError
from cis_ews.storage.database import Database, Event, migrating, tables
from cis_ews.storage.database.audit import record
from cis_ews.storage.database.engine import Connections
from tests.lib.stored_nights import listed

NEWEST = "0012"


@pytest.fixture
def connections(url: str) -> Iterator[Connections]:
    """The test's database without today's tables."""
    connections = Connections(url)
    if connections.file is not None:
        connections.file.parent.mkdir(exist_ok=True)
    yield connections
    connections.close()


def at_first_step(connection: Connection) -> None:
    """The tables of the first release with one run in them."""
    migrating.migrate(connection, "0001")
    moment = {"now": "2026-02-28 05:00:00.000000"}
    if connection.dialect.name == "postgresql":
        moment = {"now": "2026-02-27 21:00:00-08"}
    run = "'0123456789abcdef', '2026-02-27', :now, 'rules-1', 'runs/x', 'hash', 3, 1, 1, 1, 0"
    connection.execute(text(f"INSERT INTO runs VALUES ({run})"), moment)  # noqa: S608 - written here
    district = "'0123456789abcdef', 'd1', true, :now, 3, 1, 1, 1, 0"
    connection.execute(text(f"INSERT INTO run_districts VALUES ({district})"), moment)  # noqa: S608 - written here
    connection.execute(text("INSERT INTO secrets VALUES ('ref_secret', :secret)"), {"secret": "ab" * 32})


PEOPLE = [("ann", "north", 3, "Ñandú 李"), ("bob", "north", None, None), ("eve", "south", 2, "O'Brien")]


def with_flags(connection: Connection) -> None:
    """Students of two schools with their scores, names and reasons, as the first two steps keep them."""
    for school in ("north", "south"):
        connection.execute(text("INSERT INTO schools (district_id, school_id) VALUES ('d1', :id)"), {"id": school})
    moment = "2026-02-28 05:00:00.500000" + ("+00" if connection.dialect.name == "postgresql" else "")
    for student, school, tier, name in PEOPLE:
        values = {"ref": student * 10, "id": student, "school": school, "tier": tier, "name": name, "now": moment}
        columns = "district_id, ref, student_id"
        score = ":school, '9', NULL, NULL, 0.25, :tier, 'a rule', :tier, 100, :tier IS NULL, 'rules-1', :now"
        if connection.dialect.name == "postgresql":
            score = score.replace(":tier", "CAST(:tier AS integer)").replace(":now", "CAST(:now AS timestamptz)")
        for statement in (
            f"INSERT INTO scores VALUES ('d1', :ref, :id, {score})",  # noqa: S608 - written here
            f"INSERT INTO students ({columns}, last_name) VALUES ('d1', :ref, :id, :name)",  # noqa: S608 - written here
        ):
            connection.execute(text(statement), values)
        for rank, direction in ((2, "risk"), (1, "risk"), (1, "strength")) if tier == 3 else ():
            said = f"'{direction}', {rank}, 'attendance', 'absence_rate_ytd', NULL, '{direction} {rank}'"
            connection.execute(text(f"INSERT INTO reasons VALUES ('d1', :ref, {said})"), values)  # noqa: S608


def test_scores_names_and_reasons_of_an_older_database_are_kept(url: str, connections: Connections) -> None:
    with connections.writing() as connection:
        at_first_step(connection)
        with_flags(connection)
    with Database(url) as database:
        database.upgrade()
        ann, bob = listed(database)
        assert (ann.tier, ann.last_name) == (3, "Ñandú 李")
        assert ([one.sentence for one in ann.having("risk")], [one.sentence for one in ann.having("strength")]) == (
            ["risk 1", "risk 2"],
            ["strength 1"],
        )
        assert (bob.tier, bob.last_name, bob.told) == (None, None, ())
        assert ann.changed_at == datetime(2026, 2, 28, 5, 0, 0, 500_000, UTC)
        assert [row.last_name for row in listed(database, "d1", "south")] == ["O'Brien"]
        assert len(database.export_student("ann")["reasons"]) == 3
        assert database.forget_student("ann") == 5
    assert _differences(connections) == []


def test_the_audit_and_meetings_of_an_older_database_are_kept(url: str, connections: Connections) -> None:
    """Entries of before say how many a list showed, and not whom: they hold, and each is found as it was."""
    meeting = {"meeting_id": "m" * 32, "school_id": "north", "held_on": date(2026, 2, 27), "person_id": "p" * 32}
    seen = Event(action=AuditAction.STUDENT_SEEN, why_allowed="somebody", district_id="d1", ref="r" * 32)
    listed = Event(
        action=AuditAction.LIST_SEEN, why_allowed="somebody", district_id="d1", detail={"kind": "today", "students": 7}
    )
    with connections.writing() as connection:
        migrating.migrate(connection, "0010")
        moment = datetime(2026, 2, 27, 5, tzinfo=UTC)
        person = {"email": "a@example.org", "name": "A", "locale": "en", "failed_attempts": 0, "created_at": moment}
        added = {"person_id": "p" * 32, "password_is_temporary": False, **person}
        connection.execute(insert(tables.people).values(added))
        connection.execute(insert(tables.meetings).values(district_id="d1", begun_at=moment, **meeting))
        for event in (seen, listed):
            record(connection, event)
    with Database(url) as database:
        database.upgrade()
        database.audit.record(Event(action=AuditAction.LIST_SEEN, why_allowed="x", district_id="d1", refs=["r" * 32]))
        report = database.audit.verify()
        assert (report.entries, report.faults) == ({"d1": 3}, ())
        assert [row.number for row in database.audit.search(ref="r" * 32)] == [3, 1]
        assert [row.students for row in database.audit.search(district_id="d1")] == [1, 7, None]
    with connections.reading() as connection:
        assert connection.execute(select(tables.meetings.c.left_out)).scalars().all() == [None]
    assert _differences(connections) == []


def _differences(connections: Connections) -> list[object]:
    """What the database has otherwise than the code says; the partitions of `scores` are no tables of their own."""

    def is_table(name: str | None, kind: str, _: object) -> bool:
        return not (kind == "table" and name and re.fullmatch(r"scores_\d+", name))

    with connections.reading() as connection:
        options = {"version_table": migrating.VERSION_TABLE, "include_name": is_table}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, tables.metadata))


def test_the_steps_make_exactly_the_tables_that_the_code_uses(database: Database, url: str) -> None:
    connections = Connections(url)
    assert _differences(connections) == []
    connections.close()
    assert database.revision == database.newest_revision == NEWEST


def test_the_comparison_sees_a_difference(database: Database, connections: Connections) -> None:
    with connections.writing() as connection:
        connection.execute(text("ALTER TABLE jobs ADD COLUMN extra VARCHAR"))
    assert _differences(connections) != []


def test_upgrading_again_changes_nothing(database: Database, connections: Connections) -> None:
    def secret() -> str:
        with connections.reading() as connection:
            return connection.execute(text("SELECT value FROM secrets")).scalar_one()

    before = secret()
    database.upgrade()
    assert secret() == before
    assert len(before) == 64


def test_an_older_database_is_refused_with_what_to_do_and_upgraded_with_its_rows(
    url: str, connections: Connections
) -> None:
    with connections.writing() as connection:
        at_first_step(connection)
    with Database(url) as database:
        assert database.revision == "0001"
        with pytest.raises(StorageError, match=f"at step 0001, not at {NEWEST}; run `cis-ews db upgrade`"):
            database.districts()
        database.upgrade()
        assert database.revision == NEWEST
        run = database.runs_of("d1")[0]
        assert (run.run_id, run.students) == ("0123456789abcdef", 3)
        assert run.created_at == datetime(2026, 2, 28, 5, tzinfo=UTC)
        _, key = database.create_key("d1", "made after the upgrade")
        assert database.check_key(key) is not None


def test_the_secret_for_refs_outlives_an_upgrade(url: str, connections: Connections) -> None:
    with connections.writing() as connection:
        at_first_step(connection)
    with Database(url) as database:
        database.upgrade()
    with connections.reading() as connection:
        assert connection.execute(text("SELECT value FROM secrets")).scalar_one() == "ab" * 32


def test_a_step_that_fails_leaves_the_database_as_it_was(url: str, connections: Connections) -> None:
    """The second step makes api_keys and then jobs; a table named jobs is in its way."""
    with connections.writing() as connection:
        at_first_step(connection)
        connection.execute(text("CREATE TABLE jobs (number INTEGER)"))
    with Database(url) as database:
        with pytest.raises(StorageError, match="database"):
            database.upgrade()
        assert database.revision == "0001"
    with connections.reading() as connection:
        assert not inspect(connection).has_table("api_keys")
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar_one() == 1


def test_a_database_of_a_later_version_is_left_alone(
    url: str, connections: Connections, database: Database, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.zip"
    database.backup(backup)
    with connections.writing() as connection:
        connection.execute(text("UPDATE cis_ews_revision SET version_num = '9999'"))
    with Database(url) as later:
        for attempt in (
            later.districts,
            later.upgrade,
            partial(later.backup, tmp_path / "later.zip"),
            partial(later.restore, backup),
        ):
            with pytest.raises(StorageError, match="step 9999, which this version does not know; update cis_ews"):
                attempt()
        assert later.revision == "9999"
    assert not (tmp_path / "later.zip").exists()


def test_two_upgrades_at_once_make_one_set_of_tables(new_url: Callable[[], str]) -> None:
    url = new_url()
    failures: list[StorageError] = []

    def upgrade() -> None:
        with Database(url) as database:
            try:
                database.upgrade()
            except StorageError as error:
                failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Database(url) as database:
        assert database.revision == NEWEST


def test_the_tables_of_another_program_in_the_same_database_are_left_alone(url: str, connections: Connections) -> None:
    with connections.writing() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    with Database(url) as database:
        database.upgrade()
        assert database.revision == NEWEST
    with connections.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "theirs"


def test_the_steps_are_part_of_the_package() -> None:
    steps = files("cis_ews.storage.database.migrations")
    assert steps.joinpath("env.py").is_file()
    assert len([step for step in steps.joinpath("versions").iterdir() if step.name.startswith("m0")]) == int(NEWEST)
