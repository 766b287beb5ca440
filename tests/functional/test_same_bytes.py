"""The same night is the same bytes, whoever runs it; the order of rows and the future change no score."""

from __future__ import annotations

import hashlib
import random
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.synthetic import write_district
from tests.lib.command import process

DAY = date(2026, 2, 27)
TABLES = ("scores", "reasons", "rules", "indicators")
DATES = {
    "attendance_events": "date",
    "incidents": "date",
    "discipline_actions": "start_date",
    "course_grades": "graded_on",
    "supports": "date",
}


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up district with a whole school year, so that there is a future."""
    folder = tmp_path_factory.mktemp("same") / "extract"
    write_district(folder, students=300, years=2, seed=11)
    return folder


@pytest.fixture(scope="module")
def night(extract: Path) -> ScoreRun:
    return _night(extract, extract.parent / "store")


def _night(extract: Path, store: Path) -> ScoreRun:
    return score_night(extract, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=DAY)


def _hashes(run: Path) -> dict[str, str]:
    files = (path for path in run.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _rewritten(extract: Path, folder: Path, change) -> Path:
    folder.mkdir()
    for path in sorted(extract.glob("*.csv")):
        table = pl.read_csv(path, infer_schema=False)
        change(path.stem, table).write_csv(folder / path.name)
    return folder


@pytest.mark.parametrize(("seed", "threads"), [("0", "1"), ("4242", "4")])
def test_another_process_writes_the_same_bytes(
    extract: Path, night: ScoreRun, tmp_path: Path, seed: str, threads: str
) -> None:
    environment = {"PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    store = tmp_path / "store"
    done = process("score", extract, "--as-of", DAY.isoformat(), "--out", store, environment=environment)
    assert done.code == 0, done.err
    (run,) = (store / "runs" / DAY.isoformat()).iterdir()
    assert run.name == night.run.run_id
    assert _hashes(run) == _hashes(night.run.path)


def test_shuffled_rows_give_the_same_scores(extract: Path, night: ScoreRun, tmp_path: Path) -> None:
    order = random.Random(5)
    shuffled = _rewritten(
        extract,
        tmp_path / "shuffled",
        lambda _, table: table.sample(fraction=1.0, shuffle=True, seed=order.randrange(99)),
    )
    again = _night(shuffled, tmp_path / "store")
    assert again.run.run_id != night.run.run_id
    for name in TABLES:
        assert again.run.table(name).equals(night.run.table(name)), name


def test_rows_after_the_as_of_date_change_nothing(extract: Path, night: ScoreRun, tmp_path: Path) -> None:
    def without_the_future(name: str, table: pl.DataFrame) -> pl.DataFrame:
        if name not in DATES:
            return table
        is_later = (pl.col(DATES[name]) > DAY.isoformat()).fill_null(value=False)
        return table.filter(~is_later)

    later = night.coverage["rows_after_as_of"]
    assert {"attendance_events", "incidents", "course_grades"} <= set(later)
    cut = _night(_rewritten(extract, tmp_path / "cut", without_the_future), tmp_path / "store")
    left = cut.coverage["rows_after_as_of"]  # plans: entries to come, and marks of a term that has not ended
    assert set(left) <= {"enrollments", "course_grades"}
    assert left.get("course_grades", 0) < later["course_grades"]
    for name in TABLES:
        assert cut.run.table(name).equals(night.run.table(name)), name
