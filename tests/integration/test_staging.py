"""Scores made ready before their publish: the same rows as without, and made again where the database has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from cis_ews.errors import StorageError
from cis_ews.storage.database import Database, Staged, replacing
from cis_ews.storage.runs import Run
from cis_ews.storage.store import RunStore
from tests.lib.stored_nights import DISTRICT, contents, roster, score

TIERS = {"ann": 1, "bob": 2, "eve": 3, "zoë 'quoted', \"twice\"": 2}
PLACES = {"north": "d1", "south": "d2"}


@pytest.fixture(autouse=True)
def bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every night is big enough."""
    monkeypatch.setattr(replacing, "PARTITION_FROM", 1)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


def _night(store: RunStore, tiers: dict[str, int], *, school: str = "north") -> Run:
    rows = [score(one, tier=tier, school=school) for one, tier in tiers.items()]
    return store.write(contents(rows, config_hash=str(len(store.runs()))))


def _people(tiers: dict[str, int]) -> dict[str, pl.DataFrame]:
    return roster(list(tiers), schools=PLACES)


def _staged(database: Database, run: Run, folder: Path) -> Staged:
    schools = _people(TIERS)["schools"]
    return database.stage(run.table("scores"), run_id=run.run_id, as_of=run.as_of, schools=schools, folder=folder)


def _rows(database: Database) -> list[Sequence[Any]]:
    """Everything in the table but the number of its partition."""
    columns = ", ".join(column.name for column in replacing.tables.scores.columns if column.name != "publication")
    with database._connections.reading() as connection:
        query = text(f"SELECT {columns} FROM scores ORDER BY district_id, ref")  # noqa: S608 - our own names
        return [tuple(row) for row in connection.execute(query)]


def _without_moment(rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    return [row[:-1] for row in rows]


def test_the_rows_are_those_of_a_publish_that_had_nothing_ready(
    database: Database, store: RunStore, tmp_path: Path
) -> None:
    first, second = _night(store, TIERS), _night(store, TIERS | {"ann": 3})
    database.publish(first, **_people(TIERS), staged=_staged(database, first, tmp_path))
    before = _rows(database)
    assert len(before) == len(TIERS)
    database.publish(second, **_people(TIERS), staged=_staged(database, second, tmp_path))
    after = _rows(database)
    assert sum(row not in before for row in after) == 1, "one has another tier, the others keep all they had"
    database.publish(first, **_people(TIERS))
    database.publish(second, **_people(TIERS))
    assert _without_moment(_rows(database)) == _without_moment(after)
    page = database.current_scores(DISTRICT)
    assert max(row.changed_at for row in page.rows) == page.published_at


def test_indexes_are_whole_and_used(tmp_path: Path, store: RunStore) -> None:
    night = _night(store, TIERS)
    with Database(store.database_url) as database:
        database.upgrade()
        database.publish(night, **_people(TIERS), staged=_staged(database, night, tmp_path))
        assert [school.students for school in database.schools_of(DISTRICT)] == [len(TIERS)]
    with closing(sqlite3.connect(tmp_path / "out" / "cis_ews.db")) as plain:
        # SQLite 3.40 takes columns of such a table for null that are not; what it says of indexes is right.
        assert not [said for (said,) in plain.execute("PRAGMA integrity_check") if "index" in said]
        query = "SELECT count(*) FROM scores INDEXED BY scores_on_list WHERE district_id = 'd1' AND tier >= 2"
        assert plain.execute(query).fetchone() == (3,)


def test_what_another_has_published_since_is_what_counts(database: Database, store: RunStore, tmp_path: Path) -> None:
    first, second, third = (_night(store, TIERS | {"ann": tier}) for tier in (1, 2, 2))
    database.publish(first, **_people(TIERS))
    staged = _staged(database, third, tmp_path)
    database.publish(second, **_people(TIERS))
    between = _rows(database)
    database.publish(third, **_people(TIERS), staged=staged)
    assert _rows(database) == between, "what was ready said that ann had moved since the first night"


def test_a_district_that_has_a_newer_run_by_now_keeps_it(database: Database, store: RunStore, tmp_path: Path) -> None:
    ours = _night(store, TIERS)
    staged = _staged(database, ours, tmp_path)
    rows = [score(one, tier=1, school="north") for one in TIERS]
    newer = store.write(contents(rows, as_of=date(2026, 6, 1), config_hash="newer"))
    database.publish(newer, **_people(TIERS))
    report = database.publish(ours, **_people(TIERS), staged=staged)
    assert report.kept_newer == (DISTRICT,)
    assert {row.tier for row in database.current_scores(DISTRICT).rows} == {1}


def test_other_districts_keep_their_scores(database: Database, store: RunStore, tmp_path: Path) -> None:
    north, south = _night(store, TIERS), _night(store, {"kim": 2}, school="south")
    for night in (north, south):
        database.publish(night, **_people(TIERS | {"kim": 2}), staged=_staged(database, night, tmp_path))
    assert len(database.current_scores("d1").rows) == len(TIERS)
    assert len(database.current_scores("d2").rows) == 1


def test_a_file_that_cannot_be_written_is_said_without_a_student(store: RunStore, tmp_path: Path) -> None:
    night, folder = _night(store, TIERS), tmp_path / "gone"
    with Database(store.database_url) as database:
        database.upgrade()
        with pytest.raises(StorageError, match=r"cannot write .*aside\.db: OperationalError") as caught:
            _staged(database, night, folder)
        assert "space on the disk" in str(caught.value)
        assert "zoë" not in f"{caught.value!r} {caught.value.__cause__}"
        database.publish(night, **_people(TIERS))


def test_a_file_that_cannot_be_let_go_fails_no_publish_and_is_in_no_later_one(store: RunStore, tmp_path: Path) -> None:
    """A statement that still reads it keeps SQLite from letting it go."""
    night = _night(store, TIERS)
    with Database(store.database_url) as database:
        database.upgrade()
        staged = _staged(database, night, tmp_path)
        with database._connections.writing(aside=staged.aside) as connection:
            driver: Any = connection.connection.driver_connection
            reading = driver.execute("SELECT * FROM aside.scores")
            assert reading.fetchone()
        del reading, driver  # as whoever forgot it would: what it reads ends with it
        database.publish(night, **_people(TIERS), staged=staged)
        assert len(database.current_scores(DISTRICT).rows) == len(TIERS)


def test_others_write_while_the_scores_are_made_ready(store: RunStore, tmp_path: Path) -> None:
    """And a file that an earlier attempt has left is in nobody's way."""
    night = _night(store, TIERS)
    (tmp_path / "aside.db").write_bytes(b"cut off")
    with Database(store.database_url) as database:
        database.upgrade()
        staged = _staged(database, night, tmp_path)
        database.create_key(DISTRICT, "meanwhile")
        database.publish(night, **_people(TIERS), staged=staged)
        assert len(database.current_scores(DISTRICT).rows) == len(TIERS)
        database.create_key(DISTRICT, "afterwards")  # the connection has let the file go
        database.publish(_night(store, TIERS | {"bob": 1}), **_people(TIERS))
