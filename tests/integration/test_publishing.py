"""Publishing while others read, publishes that are cut off, and many students at once; on both databases.

Every night here has one tier and one sentence for all, so that a mix of two nights is seen in any two rows.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import text

from cis_ews.errors import StorageError
from cis_ews.storage import people_blocks
from cis_ews.storage.database import Database, replacing
from cis_ews.storage.database.engine import Connections
from cis_ews.storage.database.refs import refs_of
from cis_ews.storage.packing import batch_of, packed
from cis_ews.storage.runs import Run
from cis_ews.storage.store import RunStore
from tests.lib.children import child
from tests.lib.stored_nights import DISTRICT, SCHOOL, contents, listed, reason, roster, score

STUDENTS = [f"s{number:04}" for number in range(600)]
TWO_SCHOOLS = {"north": "d1", "south": "d2"}
IS_LONG = "CIS_EWS_TEST_LONG" in os.environ


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


@pytest.fixture
def partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every publish is big enough for a partition of its own."""
    monkeypatch.setattr(replacing, "PARTITION_FROM", 1)


@pytest.fixture
def connections(database: Database) -> Iterator[Connections]:
    """Another way into the test's database, at the level of transactions."""
    connections = Connections(database._connections.url.render_as_string(hide_password=False))
    yield connections
    connections.close()


def _night(store: RunStore, tier: int, *, schools: dict[str, str] | None = None) -> Run:
    """Everyone of these schools in this tier, and told so."""
    places = list(schools or {SCHOOL: DISTRICT})
    rows = [
        score(f"{place}-{one}", tier=tier, school=place) | {"list_place": 1} for place in places for one in STUDENTS
    ]
    told = [reason(row["student_id"], sentence=f"Tier {tier} it is") for row in rows]
    reasons = pl.DataFrame(told, schema=contents().tables["reasons"].lazy().collect_schema())
    return store.write(contents(rows, reasons=reasons, config_hash=str(len(store.runs()))))


def _people(schools: dict[str, str] | None = None) -> dict[str, pl.DataFrame]:
    places = schools or {SCHOOL: DISTRICT}
    return roster([f"{place}-{one}" for place in places for one in STUDENTS], schools=places)


def _seen(database: Database, district: str = DISTRICT, school: str = SCHOOL) -> tuple[str | None, set[int | None]]:
    """The run that is current and the tiers of its page, which has to be whole."""
    page = database.current_scores(district, school_id=school, limit=5000)
    assert len(page.rows) == len(STUDENTS)
    return page.run_id, {row.tier for row in page.rows}


def _said(database: Database, district: str = DISTRICT, school: str = SCHOOL) -> set[tuple[int | None, str]]:
    """Tier and sentence of each student on a school's page."""
    return {(row.tier, one.sentence) for row in listed(database, district, school) for one in row.having("risk")}


# Readers


READ = """
import sys
from cis_ews.storage.access import Scope
from cis_ews.storage.database import Database
url, *runs = sys.argv[1:]
scope = Scope(schools=frozenset({("d1", "north")}))
tier_of = {run: tier for run, tier in zip(runs, (2, 3, 2, 3))}
looks = 0
with Database(url) as database:
    print("reading", flush=True)
    while not looks or database.list_keys("stop") == []:
        page = database.current_scores("d1", limit=5000)
        rows = [row for place in database.pages.schools(scope) for row in database.pages.roster(scope, place)]
        one = database.student_reasons("d1", page.rows[0].ref)
        assert (len(page.rows), len(rows)) == (600, 600), (len(page.rows), len(rows))
        assert {row.tier for row in page.rows} == {tier_of[page.run_id]}, "scores of two nights"
        tiers = {row.tier for row in rows}
        assert len(tiers) == 1, "a roster of two nights"
        said = {reason.sentence for row in rows for reason in row.having("risk")}
        assert said == {f"Tier {tiers.pop()} it is"}, "a roster of one night with reasons of another"
        assert one.reasons[0].sentence == f"Tier {tier_of[one.run_id]} it is", "reasons of another night"
        assert [school.students for school in database.schools_of("d1")] == [600], "schools of two nights"
        looks += 1
print(looks)
"""


@pytest.mark.usefixtures("partitions")
def test_a_process_that_reads_all_the_time_sees_no_night_mixed(database: Database, store: RunStore) -> None:
    nights = [_night(store, tier) for tier in (2, 3, 2, 3)]
    database.publish(nights[0], **_people())
    url = database._connections.url.render_as_string(hide_password=False)
    reader = child(READ, url, *(night.run_id for night in nights))
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    for night in (nights * 5)[1:]:
        database.publish(night, **_people())
    database.create_key("stop", "stop")
    out, err = reader.communicate()
    assert reader.returncode == 0, err
    assert int(out) > 0


_CURRENT = text("SELECT run_id FROM run_districts WHERE is_current AND district_id = 'd1'")
_TIERS = text("SELECT tier, count(*) FROM scores WHERE district_id = 'd1' GROUP BY tier")


@pytest.mark.usefixtures("partitions")
def test_who_began_to_read_before_a_publish_reads_on_in_the_night_before(
    database: Database, connections: Connections, store: RunStore
) -> None:
    nights = [_night(store, tier) for tier in (2, 3, 1)]
    database.publish(nights[0], **_people())
    with connections.reading(holding="scores") as reader:
        assert reader.scalar(_CURRENT) == nights[0].run_id
        database.publish(nights[1], **_people())  # does not wait for the reader
        assert _seen(database) == (nights[1].run_id, {3})
        assert [tuple(row) for row in reader.execute(_TIERS)] == [(2, 600)]
    database.publish(nights[2], **_people())
    assert _seen(database) == (nights[2].run_id, {1})


@pytest.mark.usefixtures("partitions")
def test_without_holding_the_table_a_reader_would_lose_its_rows(
    database: Database, connections: Connections, store: RunStore
) -> None:
    """What `holding` is for: PostgreSQL drops a partition that an older snapshot has not touched yet."""
    nights = [_night(store, tier) for tier in (2, 3)]
    database.publish(nights[0], **_people())
    with connections.reading() as reader:
        assert reader.scalar(_CURRENT) == nights[0].run_id
        database.publish(nights[1], **_people())
        left = [] if database.label.startswith("postgresql") else [(2, 600)]
        assert [tuple(row) for row in reader.execute(_TIERS)] == left


# Partitions


def _scores_by_partition(connections: Connections) -> dict[str, int]:
    names = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'scores'::regclass"
    with connections.reading() as connection:
        found = sorted(connection.scalars(text(names)))
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in found}  # noqa: S608


@pytest.mark.usefixtures("partitions")
def test_partitions_go_when_nobody_is_in_them(database: Database, connections: Connections, store: RunStore) -> None:
    if database.label.startswith("sqlite"):
        pytest.skip("SQLite has one table")
    for tier, district, expected in (
        (2, "both", {"scores_1": 1200}),
        (3, "north", {"scores_1": 600, "scores_2": 600}),
        (2, "south", {"scores_2": 600, "scores_3": 600}),
        (3, "both", {"scores_4": 1200}),
    ):
        schools = TWO_SCHOOLS if district == "both" else {district: TWO_SCHOOLS[district]}
        run = _night(store, tier, schools=schools)
        database.publish(run, **_people(schools))
        assert _scores_by_partition(connections) == {"scores_0": 0, **expected}
        for school in schools:
            assert _seen(database, TWO_SCHOOLS[school], school) == (run.run_id, {tier})
            assert _said(database, TWO_SCHOOLS[school], school) == {(tier, f"Tier {tier} it is")}


def test_a_small_publish_after_a_big_one_takes_its_rows_out_of_the_partition(
    database: Database, connections: Connections, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "PARTITION_FROM", 1000)
    both, one = _night(store, 2, schools=TWO_SCHOOLS), _night(store, 3)
    again = _night(store, 1, schools=TWO_SCHOOLS)
    database.publish(both, **_people(TWO_SCHOOLS))
    database.publish(one, **_people())
    assert (_seen(database), _seen(database, "d2", "south")) == ((one.run_id, {3}), (both.run_id, {2}))
    if database.label.startswith("postgresql"):
        assert _scores_by_partition(connections) == {"scores_0": 600, "scores_1": 600}
    database.publish(again, **_people(TWO_SCHOOLS))
    assert (_seen(database), _seen(database, "d2", "south")) == ((again.run_id, {1}), (again.run_id, {1}))


@pytest.mark.usefixtures("partitions")
def test_rights_and_backups_see_every_partition(
    database: Database, store: RunStore, new_url: Callable[[], str], tmp_path: Path
) -> None:
    database.publish(_night(store, 2, schools=TWO_SCHOOLS), **_people(TWO_SCHOOLS))
    database.publish(_night(store, 3), **_people())
    assert len(database.export_student("south-s0001")["scores"]) == 1
    assert database.forget_student("south-s0001") == 3
    assert database.forget_student("north-s0001") == 3
    assert len(database.student_ids()) == 1198
    database.backup(tmp_path / "one.zip")
    with Database(new_url()) as other:
        other.restore(tmp_path / "one.zip")
        for district in ("d1", "d2"):
            assert other.current_scores(district, limit=5000) == database.current_scores(district, limit=5000)
        night = _night(store, 1, schools=TWO_SCHOOLS)
        other.publish(night, **_people(TWO_SCHOOLS))
        assert _seen(other) == (night.run_id, {1})


# What a student keeps


def test_a_ref_is_the_hmac_of_district_and_student() -> None:
    students = pl.DataFrame({"district_id": ["d1", "ñ"], "student_id": ["ann", "李"]})
    expected = [
        hmac.new(b"secret", message.encode(), hashlib.sha256).hexdigest()[:32] for message in ("2:d1ann", "1:ñ李")
    ]
    assert refs_of(b"secret", students).to_list() == expected


@pytest.mark.parametrize("microseconds", [0, 500_000, 55_340, 1])
def test_a_moment_is_carried_over_whatever_its_digits(
    database: Database, connections: Connections, store: RunStore, microseconds: int
) -> None:
    nights = [_night(store, 2) for _ in range(2)]
    database.publish(nights[0], **_people())
    page = database.current_scores(DISTRICT)
    assert page.published_at is not None
    moment = page.published_at.replace(microsecond=microseconds) - timedelta(days=1)
    said = moment.strftime("%Y-%m-%d %H:%M:%S.%f") + ("+00" if database.label.startswith("postgresql") else "")
    with connections.writing() as connection:
        connection.execute(text("UPDATE scores SET changed_at = :said"), {"said": said})
    database.publish(nights[1], **_people())
    assert {row.changed_at for row in database.current_scores(DISTRICT).rows} == {moment}


# Slices


def test_a_night_in_slices_is_the_same_night(
    database: Database, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    night, people = _night(store, 2, schools=TWO_SCHOOLS), _people(TWO_SCHOOLS)
    database.publish(night, **people)
    whole = listed(database, "d2", "south")
    monkeypatch.setattr(people_blocks, "SLICE_STUDENTS", 250)
    again = _night(store, 2, schools=TWO_SCHOOLS)
    database.publish(again, schools=people["schools"], students=people["students"].lazy())
    assert listed(database, "d2", "south") == whole
    ref = database.current_scores("d2", limit=1).rows[0].ref
    told = database.student_reasons("d2", ref)
    assert told is not None
    assert [one.sentence for one in told.reasons] == ["Tier 2 it is"]
    assert database.forget_student("south-s0599") == 3
    assert len(listed(database, "d2", "south")) == 599


def test_reasons_of_nobody_who_is_scored_are_refused_and_counted(database: Database, store: RunStore) -> None:
    night = _night(store, 2)
    reasons = night.table("reasons").with_columns(student_id=pl.col("student_id").replace("north-s0003", "nobody"))
    reasons.sort("student_id").write_parquet(night.path / "reasons.parquet")
    with pytest.raises(StorageError, match="599 are of scored students, and its manifest says 600"):
        database.publish(night, **_people())
    assert database.districts() == []


def test_a_damaged_block_is_said_without_what_is_in_it(
    database: Database, connections: Connections, store: RunStore
) -> None:
    database.publish(_night(store, 2), **_people())
    with connections.writing() as connection:
        connection.execute(text("UPDATE students SET block = :block"), {"block": b"Marker Quixote"})
    with pytest.raises(StorageError, match="names and reasons that are damaged; restore a backup") as caught:
        listed(database)
    assert "Quixote" not in f"{caught.value!r} {caught.value.__cause__}"
    assert _seen(database)[1] == {2}
    # A block of another version, whose words this one does not know.
    reason = {"direction": "Marker Quixote", "rank": 1, "domain": "attendance", "sentence": "x"}
    foreign = packed(batch_of(pl.DataFrame({"student_id": ["north-s0001"], "reasons": [[reason]]})))
    with connections.writing() as connection:
        connection.execute(text("UPDATE students SET block = :block"), {"block": foreign})
    with pytest.raises(StorageError, match="names and reasons that are damaged; restore a backup") as caught:
        listed(database)
    assert "Quixote" not in f"{caught.value!r} {caught.value.__cause__}"


# Cut off


PUBLISH = """
import sys
import polars as pl
from cis_ews.storage import people_blocks
from cis_ews.storage.database import Database, replacing
from cis_ews.storage.runs import open_run
replacing.PARTITION_FROM = 1
url, folder, *runs = sys.argv[1:]
people = {name: pl.read_parquet(f"{folder}/{name}.parquet") for name in ("schools", "students")}
nights = [open_run(run) for run in runs]
with Database(url) as database:
    print("publishing", flush=True)
    while True:
        for night in nights:
            database.publish(night, **people)
"""


@pytest.mark.usefixtures("partitions")
def test_a_publish_that_is_killed_leaves_one_whole_night(database: Database, store: RunStore, tmp_path: Path) -> None:
    nights = {night.run_id: (night, tier) for tier in (2, 3) for night in [_night(store, tier)]}
    people = _people()
    for name, frame in people.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    url = database._connections.url.render_as_string(hide_password=False)
    paths = [str(night.path) for night, _ in nights.values()]
    database.publish(nights[next(iter(nights))][0], **people)
    chance = random.Random(4)
    for _ in range(30 if IS_LONG else 3):
        with child(PUBLISH, url, str(tmp_path), *paths) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "publishing\n"
            time.sleep(0.02 + 0.3 * chance.random())
            process.kill()
        run_id, tiers = _seen(database)
        assert run_id is not None
        assert tiers == {nights[run_id][1]}
        assert _said(database) == {(tier, f"Tier {tier} it is") for tier in tiers}
    last = _night(store, 1)
    database.publish(last, **people)
    assert _seen(database) == (last.run_id, {1})


FULL = """
import resource, signal, sys
import polars as pl
from cis_ews.errors import StorageError
from cis_ews.storage.database import Database
from cis_ews.storage.runs import open_run
url, folder, run = sys.argv[1:]
people = {name: pl.read_parquet(f"{folder}/{name}.parquet") for name in ("schools", "students")}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with Database(url) as database:
    try:
        database.publish(open_run(run), **people)
    except StorageError as error:
        print(error)
"""


def test_a_disk_that_is_full_leaves_the_night_before(store: RunStore, tmp_path: Path) -> None:
    """The log of an SQLite database may not grow: what a full disk does."""
    people = _people()
    for name, frame in people.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    with Database(store.database_url) as database:
        database.upgrade()
        before, after = _night(store, 2), _night(store, 3)
        database.publish(before, **people)
        with child(FULL, store.database_url, str(tmp_path), str(after.path)) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        assert "cannot be used" in out
        assert "the space on the disk" in out
        assert _seen(database) == (before.run_id, {2})
        database.publish(after, **people)
        assert _seen(database) == (after.run_id, {3})
