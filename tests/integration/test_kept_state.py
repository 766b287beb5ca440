"""The kept state: whichever way the same records were loaded, the night is the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.errors import ConfigError, DataError, ReadError, SchemaError, StorageError, ToleranceError
from cis_ews.night.engine import InProcess
from cis_ews.night.extract import Crew
from cis_ews.night.state_check import compare_state
from cis_ews.progress import Stopwatch
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder import read_tables
from cis_ews.schema.school_data import TABLES
from cis_ews.storage.erasure import forget_student
from cis_ews.storage.state import STATE, read_state, rows_of_student
from cis_ews.storage.store import RunStore
from cis_ews.synthetic import write_district
from tests.lib.children import child
from tests.lib.deltas import Tables, write_delta

BEFORE, DAY = date(2026, 2, 20), date(2026, 2, 27)
ROUNDS = 60 if os.environ.get("CIS_EWS_TEST_LONG") else 3
KILLS = 60 if os.environ.get("CIS_EWS_TEST_LONG") else 4
DELTA = """
import sys
from datetime import date
from cis_ews import RulesModel, TierPolicy, score_night
if __name__ == "__main__":
    print("begins", flush=True)
    score_night(sys.argv[1], model=RulesModel(), policy=TierPolicy.load(), store=sys.argv[2],
                as_of=date(2026, 2, 27), students_a_part=90, state="add")
"""


@pytest.fixture(scope="module", params=["exceptions", "positive"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extracts of two days, and what lies between them."""
    place = tmp_path_factory.mktemp("state")
    for name, day in (("before", BEFORE), ("whole", DAY)):
        write_district(
            place / name, students=200, years=1, seed=4, format="parquet", through=day, attendance=request.param
        )
    write_delta(_tables(place / "before"), _tables(place / "whole"), place / "day")
    return place


@pytest.fixture(scope="module")
def whole(place: Path) -> ScoreRun:
    return _night(place / "whole", place / "store", state="keep")


def _tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {table: read.frame.drop("file", "row_number") for table, read in read_tables(folder, ReadOptions()).items()}


def _write(tables: Tables, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for table, rows in tables.items():
        rows.write_parquet(folder / f"{table}.parquet")
    return folder


def _night(source: Path, store: Path, **options: Any) -> ScoreRun:
    given = {"students_a_part": 70, **options}
    return score_night(source, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=DAY, **given)


def _bytes(night: ScoreRun) -> dict[str, str]:
    files = (path for path in night.run.path.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _pieces(store: Path) -> tuple[str, ...]:
    state = read_state(store)
    assert state is not None
    return state.pieces


def _same(found: ScoreRun, expected: ScoreRun) -> None:
    assert found.run.run_id == expected.run.run_id
    assert _bytes(found) == _bytes(expected)


def test_a_delta_ends_as_the_whole_extract(place: Path, whole: ScoreRun, tmp_path: Path) -> None:
    _night(place / "before", tmp_path, state="keep", students_a_part=120)
    found = _night(place / "day", tmp_path, state="add")
    _same(found, whole)
    again = _night(place / "day", tmp_path, state="add")
    assert not again.is_new
    assert again.loaded is not None
    assert again.loaded.was_loaded


def test_a_state_changes_no_score(place: Path, whole: ScoreRun, tmp_path: Path) -> None:
    plain = _night(place / "whole", tmp_path)
    for table in set(plain.run.tables) - {"rejections"}:
        assert whole.run.table(table).equals(plain.run.table(table)), table
    counted = ["table", "rule", "column"]
    by_rule = [night.rejections.group_by(counted).len().sort(counted) for night in (whole, plain)]
    assert by_rule[0].equals(by_rule[1])
    assert whole.cohort_flow == plain.cohort_flow
    assert whole.coverage == plain.coverage


def test_every_row_is_kept_reduced_or_rejected(place: Path, whole: ScoreRun) -> None:
    assert whole.loaded is not None
    read = whole.coverage["rows_read"]
    assert {table: rows for table, rows in whole.loaded.rows.brought.items() if rows} == {
        table: rows for table, rows in read.items() if rows
    }
    assert {table: rows.height for table, rows in _tables(place / "whole").items()} == read


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_any_way_to_the_same_records_is_the_same_bytes(place: Path, tmp_path: Path, seed: int) -> None:
    """Random rows are lost, doubled, damaged and moved, over several deltas; then all is loaded at once."""
    rng = random.Random(seed)
    tables = _tables(place / "before")
    _night(_write(tables, tmp_path / "0"), tmp_path / "store", state="keep", tolerance=1.0)
    for number in range(1, 4):
        after = _changed(tables if number > 1 else _tables(place / "whole"), rng)
        write_delta(tables, after, tmp_path / str(number))
        found = _night(tmp_path / str(number), tmp_path / "store", state="add", tolerance=1.0)
        tables = after
    expected = _night(_write(tables, tmp_path / "all"), tmp_path / "other", state="keep", tolerance=1.0)
    _same(found, expected)


def _changed(tables: Tables, rng: random.Random) -> dict[str, pl.DataFrame]:
    changed = dict(tables)
    for table in rng.sample(sorted(tables), 6):
        rows, columns = tables[table], list(TABLES[table].columns())
        if table in ("schools", "reporting") or rows.is_empty():
            continue
        rows = rows.filter(pl.Series([rng.random() > 0.01 for _ in range(rows.height)]))
        twice = rows.filter(pl.Series([rng.random() < 0.01 for _ in range(rows.height)]))
        texts = [name for name in rows.columns if rows.schema[name] == pl.String and name != "student_id"]
        if texts and columns:
            name = rng.choice(texts)
            other = rng.choice([None, "elsewhere", rows[name].drop_nulls().first()])
            is_hit = pl.Series([rng.random() < 0.01 for _ in range(rows.height)])
            rows = rows.with_columns(pl.when(is_hit).then(pl.lit(other)).otherwise(name).alias(name))
        changed[table] = pl.concat([rows, twice])
    return changed


def test_killed_at_any_moment_the_state_is_the_old_or_the_new(place: Path, whole: ScoreRun, tmp_path: Path) -> None:
    _night(place / "before", tmp_path, state="keep")
    states = {_pieces(tmp_path)}
    rng = random.Random(1)
    for _ in range(KILLS):
        with child(DELTA, str(place / "day"), str(tmp_path)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            time.sleep(rng.uniform(0.0, 3.0))
            process.send_signal(signal.SIGKILL)
        states.add(_pieces(tmp_path))
    assert len(states) <= 2
    _same(_night(place / "day", tmp_path, state="add"), whole)
    assert {path.name for path in (tmp_path / STATE).iterdir()} == {*_pieces(tmp_path), "current.json"}


def test_a_delta_without_a_state_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="keeps no state"):
        _night(place / "day", tmp_path, state="add")


def test_what_cannot_be_added_leaves_the_state_as_it_was(place: Path, tmp_path: Path) -> None:
    _night(place / "before", tmp_path / "store", state="keep")
    before = read_state(tmp_path / "store")
    events = _tables(place / "day")["attendance_events"]
    lacking = {"course_grades": _tables(place / "whole")["course_grades"].drop("percent")}
    wrong = {"students": _tables(place / "whole")["students"].with_columns(student_id=pl.lit(" "))}
    other_year = {
        "calendar_days": _tables(place / "whole")["calendar_days"]
        .head(1)
        .with_columns(pl.lit(2031).alias("school_year"))
    }
    cases: list[tuple[Tables, type[DataError]]] = [
        (lacking, SchemaError),
        (wrong, ToleranceError),
        (other_year, DataError),
        ({"removed_not": events}, ReadError),
    ]
    for number, (tables, error) in enumerate(cases):
        with pytest.raises(error):
            _night(_write(tables, tmp_path / str(number)), tmp_path / "store", state="add")
        assert read_state(tmp_path / "store") == before
    assert before is not None
    assert {path.name for path in (tmp_path / "store" / STATE).iterdir()} == {*before.pieces, "current.json"}


def test_a_whole_extract_withdraws_nothing(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="withdraws nothing"):
        _night(place / "day", tmp_path, state="keep")
    with pytest.raises(ConfigError, match="plain format"):
        _night(place / "day", tmp_path, state="keep", format="other.toml")


def test_a_key_that_is_not_there_is_counted(place: Path, tmp_path: Path) -> None:
    _night(place / "before", tmp_path / "store", state="keep")
    gone = _tables(place / "before")["incidents"].select("incident_id", "student_id").head(2)
    none = gone.head(1).with_columns(incident_id=pl.lit("none"))
    folder = tmp_path / "delta" / "removed"
    folder.mkdir(parents=True)
    pl.concat([gone, none]).write_csv(folder / "incidents.csv")
    night = _night(tmp_path / "delta", tmp_path / "store", state="add")
    assert night.loaded is not None
    assert night.loaded.rows.withdrawn == {"incidents": 3}
    assert night.loaded.rows.unknown == {"incidents": 1}


def test_a_forgotten_student_leaves_the_state_and_does_not_come_back(
    place: Path, whole: ScoreRun, tmp_path: Path
) -> None:
    student = str(whole.scores["student_id"][5])
    _night(place / "before", tmp_path, state="keep")
    store = RunStore(tmp_path)
    assert forget_student(store, None, student, today=DAY).state_rows > 0
    assert rows_of_student(tmp_path, student) == {}
    night = _night(place / "whole", tmp_path, state="keep")
    assert rows_of_student(tmp_path, student) == {}
    assert student not in set(night.scores["student_id"])
    assert night.loaded is not None
    assert sum(night.loaded.rows.forgotten.values()) > 0
    forget_student(store, None, str(whole.scores["student_id"][7]), today=DAY)
    other = _night(place / "whole", tmp_path / "again", state="keep")
    assert other.scores.height == whole.scores.height
    assert _night(place / "whole", tmp_path, state="keep").scores.height == night.scores.height - 1


def test_the_state_is_compared_with_a_whole_extract(place: Path, tmp_path: Path) -> None:
    _night(place / "before", tmp_path / "store", state="keep")
    store, crew = RunStore(tmp_path / "store"), Crew(InProcess(), students_a_part=50, watch=Stopwatch())
    assert compare_state(place / "before", runs=store, crew=crew).is_same
    _night(place / "day", tmp_path / "store", state="add")
    before = read_state(store.root)
    assert compare_state(place / "whole", runs=store, crew=crew).is_same
    tables = _tables(place / "whole")
    incidents = tables["incidents"]
    tables["incidents"] = pl.concat(
        [incidents.slice(2), incidents.slice(1, 1).with_columns(behavior=pl.lit("another"))]
    )
    found = compare_state(_write(tables, tmp_path / "other"), runs=store, crew=crew)
    assert set(found.rows["table"]) == {"incidents"}
    assert found.rows.select(pl.col("missing", "extra", "different").sum()).row(0) == (0, 1, 1)
    assert read_state(store.root) == before
    assert {path.name for path in (store.root / STATE).iterdir()} == {*_pieces(store.root), "current.json"}
