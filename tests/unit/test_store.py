"""The store: finding runs, one writer at a time, and clearing up after a writer that died."""

from __future__ import annotations

import shutil
import signal
import stat
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cis_ews.errors import RunNotFoundError, StorageError, StoreLockedError
from cis_ews.storage.files import LEFTOVER
from cis_ews.storage.runs import verify_run
from cis_ews.storage.store import REPLACEMENT, RunStore
from tests.lib.children import child
from tests.lib.stored_nights import contents

HOLD_THE_LOCK = """
import sys
from cis_ews.storage.store import RunStore
with RunStore(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "out")


def test_an_unused_store_is_empty_and_untouched(store: RunStore) -> None:
    assert store.runs() == []
    assert store.find("0" * 16) is None
    assert not store.root.exists()
    with pytest.raises(RunNotFoundError, match="holds no run; score a night"):
        store.latest()


def test_runs_are_listed_by_date_and_found_by_id(store: RunStore) -> None:
    later = store.write(contents(as_of=date(2026, 3, 2)))
    earlier = store.write(contents(as_of=date(2026, 2, 27)))
    assert [run.run_id for run in store.runs()] == [earlier.run_id, later.run_id]
    assert store.find(earlier.run_id) == earlier
    assert store.latest() == later
    assert store.latest(date(2026, 2, 27)) == earlier
    with pytest.raises(RunNotFoundError, match="no run for 2026-02-28"):
        store.latest(date(2026, 2, 28))


def test_of_two_runs_of_a_day_the_one_written_last_is_the_latest(store: RunStore) -> None:
    for configuration in ("1", "2", "3"):
        last = store.write(contents(config_hash=configuration))
        assert store.latest() == last


def test_other_folders_beside_the_runs_are_no_runs(store: RunStore) -> None:
    run = store.write(contents())
    (run.path.parent / "notes").mkdir()
    (store.root / "runs" / "archive" / ("0" * 16)).mkdir(parents=True)
    assert store.runs() == [run]


def test_a_second_process_is_told_that_the_store_is_locked(store: RunStore) -> None:
    with child(HOLD_THE_LOCK, str(store.root)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreLockedError, match=r"another process is writing to .*; wait"):
            store.write(contents())
        process.communicate("\n")
    assert store.write(contents()).manifest["counts"]["students"] == 3


def test_a_lock_that_is_held_for_a_moment_is_waited_for(store: RunStore) -> None:
    with child(HOLD_THE_LOCK, str(store.root)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        ends = threading.Timer(0.2, process.communicate, args=("\n",))
        ends.start()
        assert store.write(contents()).run_id
        ends.join()


def test_a_run_that_cannot_be_opened_hides_no_other(store: RunStore) -> None:
    kept, *torn = [store.write(contents(as_of=date(2026, 2, day))) for day in (3, 4, 5, 6)]
    (torn[0].path / "manifest.json").write_text("{", encoding="utf-8")
    (torn[1].path / "manifest.json").write_text('{"format": 1}', encoding="utf-8")
    (torn[2].path / "manifest.json").write_text('{"format": 99}', encoding="utf-8")
    opened = store.opened()
    assert opened.runs == (kept,)
    assert list(opened.refused) == [run.path for run in torn]
    assert all(str(folder) in error.message and error.hint for folder, error in opened.refused.items())
    assert store.latest(date(2026, 2, 3)) == kept
    with pytest.raises(StorageError, match=r"format 99"):  # an older night is not taken for the newest
        store.latest()


def test_a_killed_process_holds_no_lock(store: RunStore) -> None:
    with child(HOLD_THE_LOCK, str(store.root)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    with store.lock():
        assert store.erased().digests == frozenset()


def test_the_holder_may_take_the_lock_again(store: RunStore) -> None:
    with store.lock(), store.lock():
        assert store.write(contents()).run_id
    with store.lock():
        pass


def test_another_thread_is_told_that_the_store_is_locked(store: RunStore) -> None:
    told: list[bool] = []

    def try_it() -> None:
        try:
            with store.lock():
                told.append(False)
        except StoreLockedError:
            told.append(True)

    with store.lock():
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert told == [True]


def test_leftovers_of_a_killed_night_are_cleared_by_the_next(store: RunStore) -> None:
    run = store.write(contents())
    left = [
        run.path.parent / f"{LEFTOVER}abc",
        store.root / f"{LEFTOVER}erased.json-1",
        store.root / "runs" / f"{LEFTOVER}x",
    ]
    left[0].mkdir()
    (left[0] / "scores.parquet").write_bytes(b"half")
    left[1].write_bytes(b"half")
    left[2].mkdir()
    with store.lock():
        assert [path for path in left if path.exists()] == []
    assert store.runs() == [run]


def _rename_old_away(place: Path) -> None:
    place.rename(place.with_name(f"{LEFTOVER}{place.name}"))


@pytest.mark.parametrize("before_the_kill", [lambda _: None, _rename_old_away], ids=["old still there", "old away"])
def test_a_replacement_that_was_whole_is_finished(store: RunStore, before_the_kill: Callable[[Path], None]) -> None:
    """Killed between the renames of a replacement, no run is lost: the next lock puts the new one in its place."""
    run = store.write(contents())
    whole = run.path.with_name(f"{REPLACEMENT}{run.path.name}")
    shutil.copytree(run.path, whole)
    before_the_kill(run.path)
    (whole / "mark").touch()
    with store.lock():
        assert verify_run(store.runs()[0]) == run
    assert (run.path / "mark").exists()
    assert [path.name for path in run.path.parent.iterdir()] == [run.run_id]


def test_a_run_is_not_replaced_without_the_lock(store: RunStore) -> None:
    run = store.write(contents())
    with pytest.raises(StorageError, match="without the lock"):
        store.replace(run, run.path)


def test_removing_the_last_run_of_a_day_removes_the_day(store: RunStore) -> None:
    one, two = store.write(contents(config_hash="1")), store.write(contents(config_hash="2"))
    store.remove(one.path)
    assert store.runs() == [two]
    store.remove(two.path)
    assert list((store.root / "runs").iterdir()) == []


def test_the_list_of_forgotten_students_is_made_once_and_for_the_owner_alone(store: RunStore) -> None:
    with store.lock():
        salt = store.erased().salt
    store.write(contents())
    assert store.erased().salt == salt
    assert len(salt) == 64
    assert stat.S_IMODE((store.root / "erased.json").stat().st_mode) == 0o600


def test_a_new_store_is_for_its_owner_alone_and_one_that_is_there_stays(store: RunStore, tmp_path: Path) -> None:
    store.write(contents())
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    RunStore(shared).write(contents())
    assert stat.S_IMODE(shared.stat().st_mode) == 0o750


def test_a_damaged_list_of_forgotten_students_stops_everything(store: RunStore) -> None:
    store.write(contents())
    (store.root / "erased.json").write_text("{")
    with pytest.raises(StorageError, match=r"erased\.json is damaged; restore it"):
        store.write(contents(config_hash="2"))


def test_the_folder_of_a_students_corrections_does_not_tell_who_it_is(store: RunStore) -> None:
    folder = store.student_folder("ann-4711")
    assert folder.parent == store.corrections
    assert "4711" not in folder.name
    assert store.student_folder("ann-4711") == folder != store.student_folder("bob")
