"""A family's rights: all that is held about a student is given out, or is gone from every file and table."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from random import Random

import polars as pl
import pyarrow
import pytest

from cis_ews.errors import ConfigError, RunDamagedError, StorageError
from cis_ews.storage.database import Database
from cis_ews.storage.erased import ErasedStudents
from cis_ews.storage.erasure import export_student, forget_student, reapply_erasures
from cis_ews.storage.runs import verify_run
from cis_ews.storage.store import RunStore
from tests.lib.children import child
from tests.lib.stored_nights import DISTRICT, contents, roster, score

TODAY = date(2026, 3, 2)
CHILD = "anneliese-4711-marker"
NAME = "Marker-Name-Quixote"
ZSTD = b"\x28\xb5\x2f\xfd"
"""How a block begins."""


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Two nights, published, with corrections: the child is in all of it."""
    store = RunStore(tmp_path / "out")
    rows = [score(CHILD, tier=3, reason=f"absent: {CHILD}"), score("bob"), score("eve", tier=None)]
    with Database(store.database_url) as database:
        database.upgrade()
        for day in (26, 27):
            run = store.write(contents(rows, as_of=date(2026, 2, day), contributions=_margins()))
            database.publish(run, **roster([CHILD, "bob", "eve"], last_names={CHILD: NAME}))
    folder = store.student_folder(CHILD)
    folder.mkdir(parents=True)
    (folder / "attendance_events.csv").write_text(f"student_id,date\n{CHILD},2026-01-08\n")
    return store


@pytest.fixture
def database(store: RunStore) -> Iterator[Database]:
    with Database(store.database_url) as database:
        yield database


def _margins() -> pl.DataFrame:
    return pl.DataFrame({"student_id": [CHILD, "bob", "eve"], "base_value": [-1.0] * 3, "margin": [2.0, -1.0, 0.0]})


def _places_of(word: str, root: Path) -> list[str]:
    """Files below a folder that hold a word: in their bytes, in what is packed there, or in a cell of their table."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and _holds(path, word))


def _holds(path: Path, word: str) -> bool:
    if path.suffix == ".parquet":
        return word in pl.read_parquet(path).write_json()
    content = path.read_bytes()
    return word.encode() in content or any(word.encode() in block for block in _blocks_in(content))


def _blocks_in(content: bytes) -> Iterator[bytes]:
    """What every block says that begins somewhere in the bytes of a database, in rows that are deleted too."""
    begins = content.find(ZSTD)
    while begins >= 0:
        said = bytearray()
        # What follows a block in the file is none: the end is where no more can be read.
        with suppress(OSError), pyarrow.CompressedInputStream(pyarrow.BufferReader(content[begins:]), "zstd") as block:
            while some := block.read(64):
                said += some
        yield bytes(said)
        begins = content.find(ZSTD, begins + 1)


def test_the_marker_is_found_where_it_is(store: RunStore, database: Database) -> None:
    """The search itself is tried: it finds the child in every file that must be cleaned."""
    assert database.districts() == [DISTRICT]
    places = _places_of(CHILD, store.root)
    assert {Path(place).name for place in places} >= {
        "attendance_events.csv",
        "contributions.parquet",
        "indicators.parquet",
        "reasons.parquet",
        "rules.parquet",
        "scores.parquet",
    }
    for word in (CHILD, NAME):
        assert any(Path(place).name.startswith("cis_ews.db") for place in _places_of(word, store.root))


def test_a_forgotten_student_is_in_no_byte_of_the_store(store: RunStore, database: Database) -> None:
    assert _places_of(NAME, store.root) != []
    report = forget_student(store, database, CHILD, today=TODAY)
    assert _places_of(CHILD, store.root) == _places_of(NAME, store.root) == []
    assert len(report.runs_rewritten) == 2
    assert (report.database_rows, report.corrections) == (4, 1)
    for run in store.runs():
        verify_run(run)
        assert run.table("scores")["student_id"].to_list() == ["bob", "eve"]


def test_the_manifest_says_that_a_run_was_rewritten_and_not_who(store: RunStore, database: Database) -> None:
    before = store.latest()
    forget_student(store, database, CHILD, today=TODAY)
    after = store.latest()
    assert after.manifest["rewritten"] == [{"on": "2026-03-02", "why": "erasure"}]
    assert after.manifest["counts"] == {"students": 2, "tier_1": 1, "tier_2": 0, "tier_3": 0, "not_enough_data": 1}
    assert after.manifest["rows"]["contributions"] == 2
    assert after.run_id == before.run_id
    assert after.manifest["files"]["rejections.parquet"] == before.manifest["files"]["rejections.parquet"]
    assert after.statement("timings") == before.statement("timings")


def test_the_database_agrees_with_the_rewritten_run(store: RunStore, database: Database) -> None:
    forget_student(store, database, CHILD, today=TODAY)
    current = database.runs_of(DISTRICT)[0]
    assert (current.students, current.tier_3) == (2, 0)
    assert [row.student_id for row in database.current_scores(DISTRICT).rows if row.student_id == CHILD] == []
    assert database.publish(store.latest(), **roster(["bob", "eve"])).unchanged == (DISTRICT,)


def test_runs_without_the_student_are_left_alone(store: RunStore, database: Database) -> None:
    other = store.write(contents([score("zoe")], as_of=date(2026, 2, 25)))
    before = {path: path.stat().st_mtime_ns for path in other.path.iterdir()}
    assert other.run_id not in forget_student(store, database, CHILD, today=TODAY).runs_rewritten
    assert {path: path.stat().st_mtime_ns for path in other.path.iterdir()} == before


def test_later_nights_leave_the_student_out(store: RunStore) -> None:
    forget_student(store, None, CHILD, today=TODAY)
    assert store.erased().among(["bob", CHILD]) == {CHILD}
    assert CHILD in store.erased()
    assert "bob" not in store.erased()


def test_a_student_of_whom_nothing_is_held_is_remembered_as_forgotten(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    report = forget_student(store, None, CHILD, today=TODAY)
    assert (report.runs_rewritten, report.database_rows, report.corrections) == ((), 0, 0)
    assert CHILD in store.erased()


def test_without_its_list_a_store_that_forgot_somebody_lets_nobody_write(store: RunStore) -> None:
    forget_student(store, None, CHILD, today=TODAY)
    (store.root / "erased.json").unlink()
    with pytest.raises(StorageError, match=r"students were forgotten in this store.*restore erased\.json"):
        store.write(contents([score(CHILD)], as_of=date(2026, 2, 28)))
    assert not (store.root / "erased.json").exists()


def test_a_store_that_forgot_nobody_gets_a_new_list(store: RunStore) -> None:
    (store.root / "erased.json").unlink()
    with store.lock():
        assert store.erased().digests == frozenset()


def test_the_database_knows_that_somebody_was_forgotten(store: RunStore, database: Database, tmp_path: Path) -> None:
    forget_student(store, database, "held-nowhere", today=TODAY)
    database.check_erasures(store.erased())
    database.backup(tmp_path / "backup.zip")
    nobody = ErasedStudents("00")
    with pytest.raises(StorageError, match=r"restore erased\.json"):
        database.check_erasures(nobody)
    with Database(f"sqlite:///{tmp_path}/other.db") as other:
        with pytest.raises(StorageError, match=r"restore erased\.json"):
            other.restore(tmp_path / "backup.zip", erased=nobody)
        other.upgrade()
        other.check_erasures(nobody)
        other.check_erasures(store.erased())
        with pytest.raises(StorageError, match=r"restore erased\.json"):
            other.check_erasures(nobody)


def test_forgetting_another_does_not_make_up_for_a_lost_list(store: RunStore, database: Database) -> None:
    forget_student(store, database, "held-nowhere", today=TODAY)
    (store.root / "erased.json").unlink()
    with pytest.raises(StorageError, match=r"restore erased\.json"):
        forget_student(store, database, CHILD, today=TODAY)
    assert store.erased().digests == frozenset()


@pytest.mark.parametrize("nobody", ["", "  "])
def test_an_empty_id_is_refused(tmp_path: Path, nobody: str) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(ConfigError, match="id is empty"):
        forget_student(store, None, nobody, today=TODAY)
    assert store.erased().digests == frozenset()


@pytest.mark.parametrize(("given", "similar"), [("007Ab", 2), (" 7 AB", 2), ("7b", 0), ("7ab", 0)])
def test_ids_that_are_almost_the_one_are_counted(tmp_path: Path, given: str, similar: int) -> None:
    store = RunStore(tmp_path)
    store.write(contents([score("7ab"), score("07AB"), score("zoe")]))
    assert forget_student(store, None, given, today=TODAY).similar == similar


def test_forgetting_twice_changes_nothing_more(store: RunStore, database: Database) -> None:
    forget_student(store, database, CHILD, today=TODAY)
    manifest = store.latest().manifest
    again = forget_student(store, database, CHILD, today=TODAY)
    assert (again.runs_rewritten, again.database_rows) == ((), 0)
    assert store.latest().manifest == manifest
    assert len(store.erased().digests) == 1


def test_a_damaged_run_is_named_and_the_others_are_cleaned(store: RunStore, database: Database) -> None:
    damaged, whole = store.runs()
    (damaged.path / "coverage.json").write_text("{}")
    with pytest.raises(RunDamagedError, match=f"1 damaged run was left as found: runs/2026-02-26/{damaged.run_id}"):
        forget_student(store, database, CHILD, today=TODAY)
    assert CHILD not in store.latest().table("scores")["student_id"]
    assert _places_of(CHILD, whole.path) == []
    assert not any(database.export_student(CHILD).values())


def test_an_unreadable_table_counts_as_damage(store: RunStore) -> None:
    damaged = store.runs()[0]
    (damaged.path / "scores.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(RunDamagedError, match=damaged.run_id):
        forget_student(store, None, CHILD, today=TODAY)


def test_runs_that_come_back_from_a_file_backup_are_cleaned_again(store: RunStore, database: Database) -> None:
    run = store.latest()
    saved = {path.name: path.read_bytes() for path in run.path.iterdir()}
    forget_student(store, database, CHILD, today=TODAY)
    for name, content in saved.items():
        (run.path / name).write_bytes(content)
    assert reapply_erasures(store, database, today=TODAY).runs_rewritten == (run.run_id,)
    assert _places_of(CHILD, store.root) == []
    verify_run(store.latest())


FORGET = """
import sys
from datetime import date
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.store import RunStore
forget_student(RunStore(sys.argv[1]), None, sys.argv[2], today=date(2026, 3, 2))
"""


def _runs_rewritten(root: Path) -> int:
    done = 0
    for path in root.glob("runs/*/[0-9a-f]*/manifest.json"):
        with suppress(FileNotFoundError):  # its run is being exchanged just now
            done += b'"erasure"' in path.read_bytes()
    return done


@pytest.mark.parametrize("after", [0, 2, 4, 6])
def test_killed_while_forgetting_no_run_is_lost_and_doing_it_again_finishes(tmp_path: Path, after: int) -> None:
    """Killed at a random moment when some of ten runs were rewritten."""
    store = RunStore(tmp_path)
    rows = [score(CHILD, tier=2), *(score(f"s{number}") for number in range(2000))]
    for day in range(1, 11):
        store.write(contents(rows, as_of=date(2026, 2, day)))
    with child(FORGET, str(tmp_path), CHILD) as process:
        while process.poll() is None and (CHILD not in store.erased() or _runs_rewritten(tmp_path) < after):
            time.sleep(0.001)
        time.sleep(Random(after).uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
    assert _runs_rewritten(tmp_path) >= after
    with store.lock():
        assert [verify_run(run).as_of.day for run in store.runs()] == list(range(1, 11))
    forget_student(store, None, CHILD, today=TODAY)
    assert _places_of(CHILD, tmp_path) == []
    assert [len(run.manifest["rewritten"]) for run in store.runs()] == [1] * 10


def test_an_export_holds_every_row_about_the_student_and_of_nobody_else(store: RunStore, database: Database) -> None:
    held = export_student(store, database, CHILD)
    assert [run["as_of"] for run in held["runs"]] == ["2026-02-26", "2026-02-27"]
    tables = held["runs"][0]["tables"]
    assert set(tables) == {"scores", "reasons", "rules", "indicators", "contributions"}
    assert tables["scores"][0]["tier"] == 3
    assert tables["indicators"][0]["absence_rate_ytd"] == 0.125
    assert held["corrections"] == {"attendance_events.csv": [{"student_id": CHILD, "date": "2026-01-08"}]}
    assert held["database"]["students"][0]["last_name"] == NAME
    assert len(held["database"]["reasons"]) == 2
    text = json.dumps(held)
    assert '"bob"' not in text
    assert '"eve"' not in text


def test_an_export_after_forgetting_is_empty(store: RunStore, database: Database) -> None:
    forget_student(store, database, CHILD, today=TODAY)
    held = export_student(store, database, CHILD)
    assert not any(held.pop("database").values())
    assert held == {"student_id": CHILD, "runs": [], "corrections": {}, "state": {}}
