"""A night in parts: any number of parts, any engine, killed or not, makes the same run."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from polars.testing import assert_frame_equal

from cis_ews import RiskModel, RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.engines.local import LocalEngine
from cis_ews.errors import ConfigError, ReadError, StorageError, StoreLockedError
from cis_ews.night.engine import InProcess
from cis_ews.schema.coded import CodedTable
from cis_ews.storage.database.blocks import PEOPLE
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.frames import SORT_KEYS
from cis_ews.storage.packing import unpacked
from cis_ews.storage.store import RunStore
from cis_ews.storage.workspace import WORK, Workspace
from cis_ews.synthetic import write_district
from tests.lib.children import child
from tests.lib.models import catalog_model

DAY = date(2026, 2, 27)
KILLS = 200 if os.environ.get("CIS_EWS_TEST_LONG") else 15
NIGHT = """
import sys
from datetime import date
from cis_ews import RulesModel, TierPolicy, score_night
from cis_ews.engines.local import LocalEngine
if __name__ == "__main__":
    engine = LocalEngine(int(sys.argv[3])) if int(sys.argv[3]) else None
    print("begins", flush=True)
    score_night(sys.argv[1], model=RulesModel(), policy=TierPolicy.load(), store=sys.argv[2],
                as_of=date(2026, 2, 27), engine=engine, students_a_part=90)
    print("ended", flush=True)
"""


@pytest.fixture(scope="module", params=["csv", "parquet"])
def extract(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up district with a few broken rows; the Parquet one is read in parts."""
    folder = tmp_path_factory.mktemp("parts") / "extract"
    write_district(folder, students=300, years=2, seed=11, format=request.param, through=DAY)
    return folder


@pytest.fixture(scope="module")
def night(extract: Path) -> ScoreRun:
    return _night(extract, extract.parent / "store")


def _night(extract: Path, store: Path, *, model: RulesModel | RiskModel | None = None, **options: Any) -> ScoreRun:
    judge = model or RulesModel()
    return score_night(extract, model=judge, policy=TierPolicy.load(), store=store, as_of=DAY, **options)


def _bytes(run: Path) -> dict[str, str]:
    files = (path for path in run.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _same(found: ScoreRun, expected: ScoreRun) -> None:
    assert found.run.run_id == expected.run.run_id
    assert _bytes(found.run.path) == _bytes(expected.run.path)


@pytest.mark.parametrize("students", [1_000, 200, 77])
def test_the_number_of_parts_changes_no_byte(extract: Path, night: ScoreRun, tmp_path: Path, students: int) -> None:
    _same(_night(extract, tmp_path / "store", students_a_part=students), night)
    assert not (tmp_path / "store" / WORK).exists()


def test_worker_processes_change_no_byte(extract: Path, night: ScoreRun, tmp_path: Path) -> None:
    with LocalEngine(2) as engine:
        _same(_night(extract, tmp_path / "store", engine=engine, students_a_part=150), night)


class Backwards(InProcess):
    """Tasks from the last to the first."""

    def run(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Future[Any]]]:
        """As `Engine.run`."""
        for place, future in super().run(work, list(reversed(tasks))):
            yield len(tasks) - 1 - place, future


def test_the_order_of_parts_changes_no_byte(extract: Path, night: ScoreRun, tmp_path: Path) -> None:
    _same(_night(extract, tmp_path / "store", engine=Backwards(), students_a_part=90), night)


class BeforePeople(InProcess):
    """Something happens to the reasons that a part was told before names and reasons are packed."""

    def __init__(self, happens: Callable[[Path], object]) -> None:
        self.happens = happens

    def run(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Future[Any]]]:
        """As `Engine.run`."""
        if work.__name__ == "pack_people":
            self.happens(tasks[0].records.workspace.folder / "judged-00000")
        return super().run(work, tasks)


def _people(store: Path) -> pl.DataFrame:
    """All names and reasons that are published."""
    query = "SELECT block FROM students ORDER BY district_id, school_id, part"
    with closing(sqlite3.connect(store / "cis_ews.db")) as database:
        blocks = [unpacked(block) for (block,) in database.execute(query)]
    return pl.concat([block.cast(pl.Schema(PEOPLE.schema)) for block in blocks])


def test_reasons_are_the_same_whether_the_night_was_just_judged_or_long_before(extract: Path, tmp_path: Path) -> None:
    model = catalog_model()
    told = _night(extract, tmp_path / "told", model=model, students_a_part=90).run
    _night(extract, tmp_path / "read", model=model, students_a_part=90, engine=BeforePeople(shutil.rmtree))

    people = _people(tmp_path / "told")

    assert people.equals(_people(tmp_path / "read"), null_equal=True)
    reasons = people.select("student_id", "reasons").explode("reasons").drop_nulls("reasons").unnest("reasons")
    assert_frame_equal(reasons.sort(SORT_KEYS["reasons"]), told.table("reasons"), check_column_order=False)


def test_reasons_other_than_those_of_the_run_are_refused(extract: Path, tmp_path: Path) -> None:
    def lose_one(piece: Path) -> None:
        workspace = Workspace(piece.parent)
        told = workspace.coded(piece.name, "reasons")
        with workspace.piece(piece.name) as judged:
            judged.keep("reasons", CodedTable(told.rows[1:], told.said))

    with pytest.raises(StorageError, match="are of scored students, and its manifest says"):
        _night(extract, tmp_path / "store", engine=BeforePeople(lose_one), students_a_part=90)


class OneFails(InProcess):
    """The second task of the last pass fails, once."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or StorageError("the disk is full")
        self.fails = True

    def run(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Future[Any]]]:
        """As `Engine.run`."""
        for place, future in super().run(work, tasks):
            failed: Future[Any] = Future()
            if self.fails and work.__name__ == "judge_part" and place == 1:
                failed.set_exception(self.error)
                yield place, failed
            else:
                yield place, future


def test_a_part_that_fails_lets_the_others_end_and_nothing_is_published(
    extract: Path, night: ScoreRun, tmp_path: Path
) -> None:
    engine = OneFails()
    with pytest.raises(StorageError, match=r"1 part of \d of the night failed \(2\): the disk is full"):
        _night(extract, tmp_path / "store", engine=engine, students_a_part=90)
    assert not (tmp_path / "store" / "runs").exists()
    (work,) = (tmp_path / "store" / WORK).iterdir()
    assert len(list(work.glob("judged-*"))) >= 3
    engine.fails = False
    _same(_night(extract, tmp_path / "store", engine=engine, students_a_part=90), night)


@pytest.mark.parametrize(
    ("error", "hint"), [(MemoryError(), "give it more memory"), (KeyError("a value"), "this is a fault of the program")]
)
def test_what_is_no_error_of_ours_is_told_by_its_kind_alone(
    extract: Path, tmp_path: Path, error: Exception, hint: str
) -> None:
    with pytest.raises(StorageError, match=f"ended with {type(error).__name__};") as told:
        _night(extract, tmp_path / "store", engine=OneFails(error), students_a_part=90)
    assert str(told.value.hint).startswith(hint)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_any_moment_the_next_night_ends_with_the_same_bytes(
    extract: Path, night: ScoreRun, tmp_path: Path, workers: int
) -> None:
    rng = random.Random(workers)
    store = tmp_path / "store"
    for _ in range(KILLS // 4 + 1):
        with child(NIGHT, str(extract), str(store), str(workers)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            time.sleep(rng.uniform(0.0, 4.0))
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive
        if list(store.glob("runs/*/*")):
            break
    _same(_night(extract, store, students_a_part=90), night)


def test_a_worker_that_dies_is_said_and_the_next_night_goes_on(extract: Path, night: ScoreRun, tmp_path: Path) -> None:
    with child(NIGHT, str(extract), str(tmp_path / "store"), "2") as process:
        assert process.stdout is not None
        process.stdout.readline()
        _first_worker(process.pid).kill()
        _, said = process.communicate()
    assert process.returncode != 0
    assert "a worker process died" in said
    _same(_night(extract, tmp_path / "store", students_a_part=90), night)


def _first_worker(pid: int) -> psutil.Process:
    """The first process that a night has started to work on parts."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for process in psutil.Process(pid).children():
            if any("spawn_main" in word for word in process.cmdline()):
                return process
        time.sleep(0.01)
    raise AssertionError("no worker was started")


def test_a_second_night_at_the_same_time_is_told_so(extract: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    with store.lock(), pytest.raises(StoreLockedError, match="another process is writing"):
        _night(extract, tmp_path / "store")


class Changes(InProcess):
    """A source that is written to while its parts are read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def run(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Future[Any]]]:
        """As `Engine.run`."""
        self.file.write_bytes(self.file.read_bytes())
        yield from super().run(work, tasks)


def test_a_source_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "extract"
    write_district(folder, students=300, years=1, seed=3, format="parquet", through=DAY)
    with pytest.raises(
        ReadError, match=r"1 file changed while they were read, the first is extract/incidents\.parquet"
    ):
        _night(folder, tmp_path / "store", engine=Changes(folder / "incidents.parquet"), students_a_part=100)
    assert not (tmp_path / "store" / "runs").exists()
    assert not (tmp_path / "store" / WORK).exists()


def test_no_part_without_a_student(extract: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="students_a_part is 0"):
        _night(extract, tmp_path / "store", students_a_part=0)


def test_a_night_after_students_were_forgotten_remembers_nothing_of_the_attempt_before(
    extract: Path, night: ScoreRun, tmp_path: Path
) -> None:
    """In one process, as in the service: school sums of the attempt that failed would still count them."""
    children, model = night.scores.get_column("student_id").gather_every(3).to_list(), catalog_model()
    engine = OneFails()
    with pytest.raises(StorageError):
        _night(extract, tmp_path / "store", engine=engine, students_a_part=90, model=model)
    _forget(RunStore(tmp_path / "store"), children)
    found = _night(extract, tmp_path / "store", students_a_part=90, model=model)
    other = RunStore(tmp_path / "other")
    _forget(other, children)
    expected = _night(extract, other.root, students_a_part=1_000, model=model)
    assert _bytes(found.run.path) == _bytes(expected.run.path)
    assert not set(children) & set(found.scores.get_column("student_id"))


def _forget(store: RunStore, students: list[str]) -> None:
    for student in students:
        forget_student(store, None, student, today=DAY)


def test_work_of_a_night_that_did_not_end_is_gone_when_a_student_is_forgotten(extract: Path, tmp_path: Path) -> None:
    engine = OneFails()
    with pytest.raises(StorageError):
        _night(extract, tmp_path / "store", engine=engine, students_a_part=90)
    store = RunStore(tmp_path / "store")
    forget_student(store, None, "nobody", today=DAY)
    assert not (store.root / WORK).exists()
