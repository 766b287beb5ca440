"""The kept state, night by night: whatever came late, was corrected or withdrawn, the bytes are the whole year's."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.errors import StorageError, StoreLockedError
from cis_ews.night.engine import InProcess
from cis_ews.night.extract import Crew
from cis_ews.night.kept_state import How, load_state
from cis_ews.progress import Stopwatch
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder import read_tables
from cis_ews.storage.state import STATE, piece_notes, read_state, replace_state
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.children import ROOT, child
from tests.lib.deltas import Tables, write_delta

DAY = date(2026, 2, 27)
DATED = {"attendance_events": "date", "incidents": "date", "discipline_actions": "start_date"}
Layout = Literal["csv", "parquet"]
EXAMPLES = 40 if os.environ.get("CIS_EWS_TEST_LONG") else 2
WAITS = """
import sys
from contextlib import contextmanager
from datetime import date
from cis_ews import RulesModel, TierPolicy, score_night


class Waiting:
    @contextmanager
    def step(self, name, *, total=None):
        if name == "load":
            print("loads", flush=True)
            sys.stdin.readline()
        yield

    def advance(self, amount=1):
        pass


score_night(sys.argv[1], model=RulesModel(), policy=TierPolicy.load(), store=sys.argv[2], as_of=date(2026, 2, 27),
            students_a_part=45, state="add", progress=Waiting())
"""


@pytest.fixture(scope="module", params=["exceptions", "positive"])
def year(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """A small district's year."""
    place = tmp_path_factory.mktemp("year")
    write_district(
        place, students=100, years=1, seed=8, format="parquet", through=DAY, attendance=request.param, dirt=False
    )
    return {table: read.frame.drop("file", "row_number") for table, read in read_tables(place, ReadOptions()).items()}


def _write(tables: Tables, folder: Path, layout: Layout = "parquet") -> Path:
    folder.mkdir(parents=True)
    for table, rows in tables.items():
        _write_table(rows, folder / f"{table}.{layout}")
    return folder


def _write_table(rows: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        rows.write_csv(path)
    else:
        rows.write_parquet(path)


def _load(source: Path, store: Path, how: How) -> None:
    """Load an extract as a night does, and score nobody."""
    runs = RunStore(store)
    with runs.lock():
        draft = load_state(source, how=how, runs=runs, crew=Crew(InProcess(), students_a_part=45, watch=Stopwatch()))
        replace_state(store, draft.state)


def _night(source: Path, store: Path, state: How) -> ScoreRun:
    policy = TierPolicy.load()
    return score_night(
        source,
        model=RulesModel(),
        policy=policy,
        store=store,
        as_of=DAY,
        students_a_part=45,
        state=state,
        tolerance=1.0,
    )


def _as_known(tables: Tables, through: date, rng: random.Random) -> Tables:
    """What was known through a day: some rows not yet, some otherwise than at last, some that are withdrawn later."""
    known = dict(tables)
    for table, day in DATED.items():
        rows = tables[table]
        later, wrong, extra = (
            pl.Series([rng.random() < 0.05 for _ in range(rows.height)], dtype=pl.Boolean) for _ in "123"
        )
        rows = rows.filter((pl.col(day) <= through) & ~later)
        if table == "attendance_events":
            rows = rows.with_columns(
                fraction_absent=pl.when(wrong.head(rows.height)).then(0.5).otherwise("fraction_absent")
            )
            moved = rows.filter(extra.head(rows.height)).with_columns(pl.col("date").dt.offset_by("-1d"))
            rows = pl.concat([rows, moved.join(rows, on=["student_id", "school_id", "date"], how="anti")])
        known[table] = rows
    grades, students = tables["course_grades"], tables["students"]
    known["course_grades"] = grades.filter(pl.Series([rng.random() < 0.9 for _ in range(grades.height)]))
    if rng.random() < 0.3:
        known["students"] = students.filter(pl.Series([rng.random() < 0.9 for _ in range(students.height)]))
    return known


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.dates(date(2025, 9, 20), DAY), min_size=1, max_size=3, unique=True).map(sorted),
    layout=st.sampled_from(["csv", "parquet"]),
    seed=st.integers(0, 2**16),
)
def test_days_that_come_one_by_one_end_as_the_whole_year(
    year: Tables, tmp_path_factory: pytest.TempPathFactory, cuts: list[date], layout: Layout, seed: int
) -> None:
    place, rng = tmp_path_factory.mktemp("days"), random.Random(seed)
    nights = [*(_as_known(year, cut, rng) for cut in cuts), year]
    _load(_write(nights[0], place / "0", layout), place / "store", "keep")
    for number in range(1, len(nights)):
        write_delta(nights[number - 1], nights[number], place / str(number))
        for path in (place / str(number)).rglob("*.parquet"):
            if layout == "csv":
                _write_table(pl.read_parquet(path), path.with_suffix(".csv"))
                path.unlink()
        if number < len(nights) - 1:
            _load(place / str(number), place / "store", "add")
    found = _night(place / str(len(nights) - 1), place / "store", "add")
    expected = _night(_write(year, place / "year", layout), place / "other", "keep")
    assert _hashes(found) == _hashes(expected)
    shutil.rmtree(place)


def _hashes(night: ScoreRun) -> dict[str, str]:
    files = (path for path in night.run.path.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _without_last_day(year: Tables) -> Tables:
    return {
        table: rows.filter(pl.col(DATED[table]) < date(2026, 2, 20)) if table in DATED else rows
        for table, rows in year.items()
    }


@pytest.fixture
def kept(year: Tables, tmp_path: Path) -> Path:
    """A store with the state of some days ago, and beside it what came since."""
    before = _without_last_day(year)
    _load(_write(before, tmp_path / "before"), tmp_path / "store", "keep")
    write_delta(before, year, tmp_path / "day")
    return tmp_path


@contextmanager
def _files_of_at_most(size: int) -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [100, 6_000])
def test_a_disk_that_is_full_leaves_the_state_as_it_was(kept: Path, year: Tables, size: int) -> None:
    before = read_state(kept / "store")
    assert before is not None
    with _files_of_at_most(size), pytest.raises(StorageError):
        _night(kept / "day", kept / "store", "add")
    assert read_state(kept / "store") == before
    found = _night(kept / "day", kept / "store", "add")
    assert _hashes(found) == _hashes(_night(_write(year, kept / "year"), kept / "other", "keep"))
    state = read_state(kept / "store")
    assert state is not None
    assert {path.name for path in (kept / "store" / STATE).iterdir()} == {*state.pieces, "current.json"}


def _rows(store: Path) -> list[dict[str, object]]:
    """What a state notes of its rows: how many, and sums of their hashes."""
    state = read_state(store)
    assert state is not None
    return [{name: piece_notes(store, piece)[name] for name in ("sums", "rejected")} for piece in state.parts]


def test_of_two_nights_over_one_state_the_second_leaves(kept: Path, year: Tables) -> None:
    before = read_state(kept / "store")
    with child(WAITS, str(kept / "day"), str(kept / "store")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loads\n"
        with pytest.raises(StoreLockedError):
            _night(kept / "day", kept / "store", "add")
        assert read_state(kept / "store") == before
        _, err = process.communicate("go on\n", timeout=120)
    assert process.returncode == 0, err[-2000:]
    _load(_write(year, kept / "year"), kept / "other", "keep")
    assert read_state(kept / "store") != before
    rows = [_rows(kept / name) for name in ("store", "other")]
    assert rows[0] == rows[1]


def test_a_correction_of_a_row_that_is_not_there_is_a_new_row(kept: Path, year: Tables) -> None:
    events = year["attendance_events"].filter(pl.col("status").cast(pl.String) != "present")
    late = events.head(1)
    key = ["student_id", "school_id", "date"]
    others = {**_without_last_day(year), "attendance_events": year["attendance_events"].join(late, on=key, how="anti")}
    _load(_write(others, kept / "others"), kept / "store", "keep")
    found = _night(_write({"attendance_events": late}, kept / "late"), kept / "store", "add")
    assert found.loaded is not None
    assert found.loaded.rows.brought == {"attendance_events": 1}
    assert not found.loaded.rows.unknown
    whole = {**others, "attendance_events": pl.concat([others["attendance_events"], late])}
    assert _hashes(found) == _hashes(_night(_write(whole, kept / "year"), kept / "other", "keep"))


def test_the_benchmark_of_a_day_runs(tmp_path: Path) -> None:
    options = ["--students", "1500", "--workers", "1", "--students-a-part", "1000", "--data", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.delta", *options], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("changes") == 3
    assert "cpu: the day's night costs" in done.stdout
