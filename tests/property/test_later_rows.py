"""Rows dated after the as-of date, right or wrong, however many: no table is left out or kept because of them."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cis_ews import RulesModel, ScoreRun, TierPolicy, score_night
from cis_ews.errors import ToleranceError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder import read_tables
from cis_ews.schema.school_data import EVENT_DATES, TABLES
from cis_ews.synthetic import write_district
from cis_ews.synthetic.plan import Attendance
from tests.lib.deltas import Tables, write_delta

DAY = date(2026, 2, 27)
STUDENTS = 120
WAYS: Mapping[str, Mapping[str, Any]] = {
    "whole": {"students_a_part": 10_000},
    "parts": {"students_a_part": 50},
    "kept state": {"students_a_part": 50, "state": "keep"},
    "delta": {"students_a_part": 50, "state": "add"},
}
UNIQUE = {"incidents": "incident_id", "course_grades": "course_id"}
"""What tells a later row from those of before in tables whose key has no date."""
WRONG: Mapping[str, Mapping[str, Any]] = {
    "enrollments": {"school_id": "nowhere", "exit_date": date(2026, 1, 5), "grade_level": "27"},
    "attendance_events": {"status": "gone", "fraction_absent": 7.0, "school_id": "nowhere", "student_id": "nobody"},
    "incidents": {"severity": "awful", "school_id": None, "student_id": "nobody"},
    "discipline_actions": {"action": "shouting", "days": -1.0, "incident_id": "unheard of"},
    "course_grades": {"percent": -4.0, "subject": "magic", "school_id": "nowhere", "graded_on": None},
    "supports": {"tier": 9, "category": None, "student_id": "nobody"},
    "student_years": {"days_enrolled": 400, "student_id": "nobody"},
}
"""Cells that break a rule, or (a grade without a date) leave it to the calendar when the row is known."""


def _tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {table: read.frame.drop("file", "row_number") for table, read in read_tables(folder, ReadOptions()).items()}


def _extract(folder: Path, *, attendance: Attendance, wrong: float) -> Tables:
    """A district with rows of every table that has dates; so many of the optional ones' rows are `wrong`."""
    write_district(folder, students=STUDENTS, years=2, seed=4, format="parquet", through=DAY, attendance=attendance)
    tables, rng = _tables(folder), random.Random(1)
    current = tables["enrollments"].filter(pl.col("exit_date").is_null()).unique("student_id", maintain_order=True)
    of_students = current.select("student_id")
    tables["supports"] = of_students.select(
        "student_id", date=pl.lit(date(2026, 1, 9)), category=pl.lit("tutoring"), tier=2, minutes=30, provider=None
    ).cast(dict(tables["supports"].schema))
    schema = {name: column.dtype for name, column in TABLES["student_years"].columns().items()}
    years = of_students.with_columns(school_year=pl.lit(2024), days_enrolled=pl.lit(170), days_absent=pl.lit(9.0))
    tables["student_years"] = years.cast({name: schema[name] for name in years.columns})
    for table in (table for table in EVENT_DATES if table != "enrollments"):
        tables[table] = _spoiled(table, tables[table], share=wrong, rng=rng).sort("student_id", maintain_order=True)
    return tables


def _spoiled(table: str, rows: pl.DataFrame, *, share: float, rng: random.Random) -> pl.DataFrame:
    names = [name for name in WRONG[table] if name != "graded_on"]
    chosen = pl.Series([rng.choice(names) if rng.random() < share else "" for _ in range(rows.height)], dtype=pl.String)
    return rows.with_columns(
        pl.when(chosen == name).then(pl.lit(WRONG[table][name], dtype=rows.schema[name])).otherwise(name).alias(name)
        for name in names
    )


def _later(tables: Tables, table: str, count: int, *, share: float, rng: random.Random) -> pl.DataFrame:
    """So many rows like those of a table, dated after the day."""
    if table == "student_years":
        ids = [rng.choice(tables["students"]["student_id"]) for _ in range(count)]
        rows = pl.DataFrame({"student_id": ids}).with_columns(school_year=2026, days_enrolled=100, days_absent=3.0)
        rows = rows.cast(dict(tables[table].schema)).unique(maintain_order=True)
        return _spoiled(table, rows, share=share, rng=rng)
    current = tables[table]
    if table == "enrollments":
        # Who is enrolled nowhere yet is not told of here.
        current = current.filter(pl.col("exit_date").is_null()).with_columns(school_year=pl.lit(2026, pl.Int16))
    rows = current[[rng.randrange(current.height) for _ in range(count)]]
    days = [DAY + timedelta(days=rng.choice([1, 3, 30, 110, 500])) for _ in range(count)]
    rows = rows.with_columns(pl.Series(EVENT_DATES[table], days, dtype=pl.Date))
    if table in UNIQUE:
        rows = rows.with_columns(pl.Series(UNIQUE[table], [f"later {at}" for at in range(count)], dtype=pl.String))
    rows = _spoiled(table, rows, share=share, rng=rng)
    if table == "course_grades":
        # Known when the last term of this year is over.
        undated = pl.Series([rng.random() < 0.3 for _ in range(count)], dtype=pl.Boolean)
        rows = rows.with_columns(
            graded_on=pl.when(~undated).then("graded_on"), term=pl.lit("later"), school_year=pl.lit(2026, pl.Int16)
        )
    return rows


def _write(tables: Tables, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for table, rows in tables.items():
        rows.write_parquet(folder / f"{table}.parquet")
    return folder


def _night(tables: Tables, before: Tables, place: Path, *, way: str) -> ScoreRun:
    source = _write(tables, place / "source")
    if way == "delta":
        _score(_write(before, place / "before"), place / "store", **{**WAYS[way], "state": "keep"})
        source = place / "delta"
        write_delta(before, tables, source)
    return _score(source, place / "store", **WAYS[way])


def _score(source: Path, store: Path, **options: Any) -> ScoreRun:
    return score_night(source, model=RulesModel(), policy=TierPolicy.load(), store=store, as_of=DAY, **options)


@pytest.fixture(scope="module", params=[("positive", 0.01), ("exceptions", 0.09)], ids=["within", "past it"])
def before(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    attendance, wrong = request.param
    return _extract(tmp_path_factory.mktemp("later") / "district", attendance=attendance, wrong=wrong)


@pytest.fixture(scope="module")
def night(before: Tables, tmp_path_factory: pytest.TempPathFactory) -> ScoreRun:
    return _night(before, before, tmp_path_factory.mktemp("later"), way="whole")


LATER = st.lists(
    st.tuples(st.sampled_from(sorted(EVENT_DATES)), st.integers(1, 4_000), st.sampled_from([0.0, 0.1, 1.0])),
    min_size=1,
    max_size=5,
    unique_by=lambda each: each[0],
)
"""Table, how many later rows it gets, and the share of them that break a rule."""
ALL = {share: [(table, 900, share) for table in EVENT_DATES] for share in (0.0, 1.0)}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20 if os.environ.get("CIS_EWS_TEST_LONG") else 1, deadline=None)
@example(later=ALL[0.0], seed=1)
@example(later=ALL[1.0], seed=1)
@given(later=LATER, seed=st.integers(0, 2**32))
def test_later_rows_change_no_score_and_no_table_that_is_used(
    before: Tables, night: ScoreRun, way: str, later: list[tuple[str, int, float]], seed: int
) -> None:
    rng, tables = random.Random(seed), dict(before)
    for table, count, share in later:
        more = _later(before, table, count, share=share, rng=rng)
        tables[table] = pl.concat([before[table], more]).sort("student_id", maintain_order=True)
    with TemporaryDirectory() as place:
        found = _night(tables, before, Path(place), way=way)
        for table in set(night.run.tables) - {"rejections"}:
            assert found.run.table(table).equals(night.run.table(table)), table
        assert found.coverage["rows_read"] == {name: rows.height for name, rows in tables.items()}
        assert _decided(found) == _decided(night)
        assert found.cohort_flow == night.cohort_flow


def _decided(night: ScoreRun) -> dict[str, Any]:
    names = ("level", "reason", "missing_tables")
    used = {domain: [night.coverage[domain][name] for name in names] for domain in ("attendance", "behavior")}
    return used | {"coursework": [night.coverage["coursework"][name] for name in names[:2]]}


def test_without_later_rows_the_second_district_loses_tables(before: Tables, night: ScoreRun) -> None:
    levels = {night.coverage[domain]["level"] for domain in ("attendance", "behavior", "coursework")}
    rejected = night.rejections.filter(pl.col("table") == "course_grades").height
    assert ("none" in levels) == (rejected > 0.05 * before["course_grades"].height)


@pytest.mark.parametrize("way", ["whole", "parts", "kept state"])
def test_wrong_rows_of_the_day_itself_and_rows_without_a_day_count(before: Tables, tmp_path: Path, way: str) -> None:
    wrong = before["enrollments"].unique("student_id", maintain_order=True).head(40)
    wrong = wrong.with_columns(school_id=pl.lit("nowhere"), exit_date=pl.lit(None, dtype=pl.Date))
    for name, day in (("the day", DAY), ("no day", None)):
        dated = wrong.with_columns(entry_date=pl.lit(day, dtype=pl.Date))
        tables = {**before, "enrollments": pl.concat([before["enrollments"], dated]).sort("student_id")}
        with pytest.raises(ToleranceError, match=r"enrollments: 4\d of 277 rows"):
            _night(tables, before, tmp_path / name, way=way)
