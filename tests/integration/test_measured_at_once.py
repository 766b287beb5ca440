"""Parts of a large folder are measured as soon as they are checked: the run is that of a night read whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.errors import DataError
from cis_ews.night.engine import InProcess
from cis_ews.synthetic import write_district

DAY = date(2026, 2, 27)
THIS_YEAR = date(2025, 8, 1)


@dataclass
class Watching(InProcess):
    """Notes what each pass was asked, and what it gave."""

    asked: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    given: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def run(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Future[Any]]]:
        """As `Engine.run`."""
        self.asked.setdefault(work.__name__, []).extend(tasks)
        for place, future in super().run(work, tasks):
            self.given.setdefault(work.__name__, []).append(future.result())
            yield place, future

    @property
    def measured_later(self) -> int:
        """How many parts the pass of its own has measured."""
        return sum(bool(measured.costs) for measured in self.given["measure_part"])


def _district(folder: Path) -> Path:
    write_district(folder, students=300, years=2, seed=11, format="parquet", through=DAY)
    return folder


def _night(extract: Path, store: Path, *, students: int, engine: InProcess | None = None, day: date = DAY) -> ScoreRun:
    return score_night(
        extract,
        model=RulesModel(),
        policy=TierPolicy.load(),
        store=store,
        as_of=day,
        engine=engine,
        students_a_part=students,
    )


def _bytes(run: Path) -> dict[str, str]:
    files = (path for path in run.iterdir() if path.name != "timings.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _rewritten(extract: Path, table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path = extract / f"{table}.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


def test_no_part_is_measured_twice(tmp_path: Path) -> None:
    extract, engine = _district(tmp_path / "extract"), Watching()
    _night(extract, tmp_path / "store", students=90, engine=engine)
    assert len(engine.given["measure_part"]) >= 3
    assert engine.measured_later == 0


def test_a_part_whose_records_begin_later_than_those_of_the_whole_is_measured_by_what_the_whole_says(
    tmp_path: Path,
) -> None:
    """Last year is covered where anybody has a record of it: that of one part alone would be unknown, and not zero."""
    extract, engine = _district(tmp_path / "extract"), Watching()
    first = pl.read_parquet(extract / "students.parquet")["student_id"].sort()[80]
    for table in ("attendance_events", "incidents"):
        _rewritten(
            extract, table, lambda rows: rows.filter((pl.col("student_id") < first) | (pl.col("date") >= THIS_YEAR))
        )
    parted = _night(extract, tmp_path / "parted", students=90, engine=engine)
    assert 0 < engine.measured_later < len(engine.given["measure_part"])
    assert _bytes(parted.run.path) == _bytes(_night(extract, tmp_path / "whole", students=1_000).run.path)
    last_year = parted.run.table("indicators").filter(pl.col("student_id") >= first)["absent_parts_last_year"]
    assert last_year.drop_nulls().unique().to_list() == [0]


def test_a_table_that_is_left_out_of_all_parts_counts_in_none(tmp_path: Path) -> None:
    """The parts were measured with it before all of them told that too many of its rows are broken."""
    extract, engine = _district(tmp_path / "extract"), Watching()
    unknown = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("nowhere")).otherwise("school_id")
    _rewritten(extract, "incidents", lambda rows: rows.with_columns(school_id=unknown))
    parted = _night(extract, tmp_path / "parted", students=90, engine=engine)
    assert any(note.startswith("incidents was left out whole") for note in parted.coverage["notes"])
    assert len(engine.given["check_task"]) > len(engine.given["measure_part"])
    assert parted.run.table("indicators")["incidents_ytd"].is_null().all()
    assert _bytes(parted.run.path) == _bytes(_night(extract, tmp_path / "whole", students=1_000).run.path)


@pytest.mark.parametrize("day", [date(2020, 1, 1), date(2031, 1, 1)])
def test_a_day_that_the_calendar_does_not_reach_is_refused_as_of_a_folder_read_whole(tmp_path: Path, day: date) -> None:
    extract, said = _district(tmp_path / "extract"), set[str]()
    for students in (90, 1_000):
        with pytest.raises(DataError) as refused:
            _night(extract, tmp_path / f"store-{students}", students=students, day=day)
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_night_that_is_done_is_only_checked_again(tmp_path: Path) -> None:
    extract, engine = _district(tmp_path / "extract"), Watching()
    _night(extract, tmp_path / "store", students=90)
    again = _night(extract, tmp_path / "store", students=90, engine=engine)
    assert not again.is_new
    assert [task.measuring for task in engine.asked["check_task"]] == [None] * len(engine.asked["check_task"])
