"""Backups: what comes back is what went in, in another database, in another kind of it, and across a schema change."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cis_ews.errors import StorageError
from cis_ews.storage.database import Database, migrating
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.store import RunStore
from tests.integration.test_migrations import at_first_step
from tests.lib.stored_nights import AS_OF, DISTRICT, contents, listed, roster, score


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


@pytest.fixture
def key(database: Database, store: RunStore) -> str:
    """A key of the district, in a database with a night, keys and jobs in it."""
    rows = [
        score("ann", tier=3, reason='O\'Brien \u2028 "quoted"\nline'),
        score("bob", tier=2),
        score("eve", tier=None),
    ]
    database.publish(store.write(contents(rows)), **roster(last_names={"ann": "Ñandú 李"}))
    revoked, _ = database.create_key("d2", "revoked")
    database.revoke_key(revoked)
    job = database.create_job(DISTRICT, kind="night", source="main", as_of=AS_OF)
    database.finish_job(job, run_id="f" * 16)
    return database.create_key(DISTRICT, "the SIS")[1]


def _members(path: Path) -> dict[str, object]:
    """The content of a backup but for when it was made."""
    with zipfile.ZipFile(path) as archive:
        members: dict[str, object] = {name: archive.read(name) for name in archive.namelist()}
        statement = json.loads(archive.read("backup.json"))
    del statement["created_at"]
    return members | {"backup.json": statement}


def _rewritten(path: Path, **changes: bytes | None) -> None:
    """The backup with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {name.replace("__", "."): change for name, change in changes.items()}).items():
            if content is not None:
                archive.writestr(name, content)


def test_what_comes_back_is_what_went_in(
    database: Database, key: str, new_url: Callable[[], str], tmp_path: Path
) -> None:
    rows = database.backup(tmp_path / "one.zip")
    assert {table: number for table, number in rows.items() if number} == {
        "api_keys": 2,
        "audit": 3,
        "audit_heads": 2,
        "jobs": 1,
        "run_districts": 1,
        "runs": 1,
        "schools": 1,
        "scores": 3,
        "secrets": 1,
        "students": 1,
    }
    with Database(new_url()) as other:
        assert other.restore(tmp_path / "one.zip") == rows
        other.backup(tmp_path / "two.zip")
        assert other.current_scores(DISTRICT) == database.current_scores(DISTRICT)
        assert listed(other) == listed(database) != []
        assert other.runs_of(DISTRICT) == database.runs_of(DISTRICT)
        assert other.list_keys() == database.list_keys()
        assert other.check_key(key) is not None
    assert _members(tmp_path / "one.zip") == _members(tmp_path / "two.zip")


def test_refs_stay_the_same_in_nights_after_a_restore(
    database: Database, key: str, store: RunStore, new_url: Callable[[], str], tmp_path: Path
) -> None:
    database.backup(tmp_path / "one.zip")
    before = {row.student_id: row.ref for row in database.current_scores(DISTRICT).rows}
    with Database(new_url()) as other:
        other.restore(tmp_path / "one.zip")
        other.publish(store.write(contents(config_hash="next")), **roster())
        assert {row.student_id: row.ref for row in other.current_scores(DISTRICT).rows} == before


def test_a_backup_goes_from_one_kind_of_database_to_the_other(
    database: Database, key: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database.backup(tmp_path / "one.zip")
    to_sqlite = database.label.startswith("postgresql")
    url = f"sqlite:///{tmp_path}/other.db" if to_sqlite else request.getfixturevalue("postgresql").new_url()
    with Database(url) as other:
        other.restore(tmp_path / "one.zip")
        other.backup(tmp_path / "two.zip")
        assert other.current_scores(DISTRICT) == database.current_scores(DISTRICT)
    assert _members(tmp_path / "one.zip") == _members(tmp_path / "two.zip")


def test_an_old_backup_goes_into_todays_tables(new_url: Callable[[], str], tmp_path: Path) -> None:
    """Made by the first release, restored over a database of today that holds something else."""
    old_url = new_url()
    connections = Connections(old_url)
    if connections.file is not None:
        connections.file.parent.mkdir()
    with connections.writing() as connection:
        at_first_step(connection)
    connections.close()
    with Database(old_url) as old:
        assert "jobs" not in old.backup(tmp_path / "old.zip")
    with Database(new_url()) as database:
        database.upgrade()
        database.create_key("d9", "gone after the restore")
        database.restore(tmp_path / "old.zip")
        assert database.revision == database.newest_revision
        assert [run.run_id for run in database.runs_of("d1")] == ["0123456789abcdef"]
        assert database.list_keys() == []
        assert database.create_job("d1", kind="night", source="main")


def test_a_restore_leaves_forgotten_students_out(database: Database, key: str, store: RunStore, tmp_path: Path) -> None:
    database.backup(tmp_path / "before.zip")
    forget_student(store, database, "ann", today=date(2026, 3, 2))
    database.restore(tmp_path / "before.zip", erased=store.erased())
    assert not any(database.export_student("ann").values())
    assert {row.student_id for row in database.current_scores(DISTRICT).rows} == {"bob", "eve"}
    assert database.runs_of(DISTRICT)[0].tier_3 == 0


def test_a_restore_gives_no_life_to_a_key_that_was_revoked_since(database: Database, key: str, tmp_path: Path) -> None:
    leaked_id, leaked = database.create_key(DISTRICT, "leaked later")
    database.backup(tmp_path / "before.zip")
    database.revoke_key(leaked_id)
    database.restore(tmp_path / "before.zip")
    assert database.check_key(leaked) is None
    assert database.check_key(key) is not None


def test_a_backup_is_for_its_owner_alone(database: Database, key: str, tmp_path: Path) -> None:
    database.backup(tmp_path / "one.zip")
    assert stat.S_IMODE((tmp_path / "one.zip").stat().st_mode) == 0o600


def test_a_backup_that_cannot_be_written_leaves_nothing(database: Database, key: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="cannot write the backup"):
        database.backup(tmp_path / "taken")
    with pytest.raises(StorageError, match=r"cannot write the backup .* it is not there"):
        database.backup(tmp_path / "nowhere" / "one.zip")
    assert [path.name for path in tmp_path.iterdir() if "leftover" in path.name] == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b"not a zip"),
        lambda path: path.write_bytes(path.read_bytes().replace(b"PK\x03\x04", b"PK\x03\x05", 1)),
        lambda path: _rewritten(path, scores__jsonl=None),
        lambda path: _rewritten(path, backup__json=None),
        lambda path: _rewritten(path, backup__json=b"{}"),
        lambda path: _rewritten(path, students__jsonl=b""),
        lambda path: _rewritten(path, scores__jsonl=b'{"district_id": "d1"}\n'),
        lambda path: _rewritten(path, scores__jsonl=b"\xff\xfe\n"),
    ],
    ids=["cut off", "no zip", "bad member", "no scores", "no statement", "empty statement", "rows", "columns", "bytes"],
)
def test_a_damaged_backup_changes_nothing(
    database: Database, key: str, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    database.backup(tmp_path / "one.zip")
    before = database.current_scores(DISTRICT)
    damage(tmp_path / "one.zip")
    with pytest.raises(StorageError, match=r"one\.zip is not a whole backup; use another backup; nothing was changed"):
        database.restore(tmp_path / "one.zip")
    assert database.current_scores(DISTRICT) == before
    assert database.check_key(key) is not None


def test_a_missing_backup_is_said(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read the backup .* it is not there"):
        database.restore(tmp_path / "none.zip")


def test_a_backup_of_a_later_version_is_refused(database: Database, key: str, tmp_path: Path) -> None:
    database.backup(tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        statement = json.loads(archive.read("backup.json"))
    _rewritten(tmp_path / "one.zip", backup__json=json.dumps({**statement, "revision": "9999"}).encode())
    assert not migrating.is_known("9999")
    with pytest.raises(StorageError, match="made by a newer cis_ews; update cis_ews"):
        database.restore(tmp_path / "one.zip")
    assert database.check_key(key) is not None


def test_a_database_without_tables_has_nothing_to_back_up(new_url: Callable[[], str], tmp_path: Path) -> None:
    with Database(new_url()) as database, pytest.raises(StorageError, match=r"no tables yet|there is no database"):
        database.backup(tmp_path / "one.zip")
