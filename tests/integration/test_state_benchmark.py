"""The benchmark of a state runs and says what it found, and its tools agree; no times are judged here."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest

from benchmarks.state.duckdb_indicators import NAMES, differing, duckdb_indicators
from benchmarks.state.measuring import Cost
from benchmarks.state.report import STATE, Line, table
from benchmarks.state.usual_script import usual_script
from cis_ews import compute_indicators
from cis_ews.readers import read_school_data
from cis_ews.synthetic import write_state

ROOT = Path(__file__).parents[2]
AS_OF = date(2026, 6, 10)
STEPS = {"look", "read", "indicators", "schools", "rules, risk and reasons", "tiers", "write", "publish"}
STAGES = (
    "features",
    "exact SHAP, margin as its sum",
    "LightGBM predict alone",
    "rules",
    "rules, calibration, reasons in words",
    "tiers, run as Parquet",
    "published to SQLite",
    "published to PostgreSQL",
)


def _measured(data: Path, *options: str) -> dict[str, Any]:
    line = [sys.executable, "-m", "benchmarks.state", "--data", str(data), "--json", *options]
    done = subprocess.run(line, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_state_is_measured_beside_duckdb_which_agrees(tmp_path: Path) -> None:
    options = ("--students", "20000", "--students-a-part", "8000", "--attendance", "exceptions")
    record = _measured(tmp_path, *options, "--only", "indicators,night")
    lines = {line["name"]: line for line in record["lines"]}
    night = "whole night, exceptions, 200 x 15"
    of_indicators = ("decode alone, exceptions", "indicators, exceptions", "duckdb, exceptions")
    assert list(lines) == ["writing 20,000 students, exceptions", *of_indicators, night]
    assert lines[night]["rows"] > 14_000
    assert len({lines[name]["rows"] for name in of_indicators}) == 1
    assert min(line["cost"]["peak_mb"] for line in lines.values()) > 50
    assert min(line["cost"]["wall"] for line in lines.values()) > 0
    assert record["ratios"].keys() == {"duckdb, exceptions / indicators, exceptions"}
    assert record["indicators"]["differing"] == {"exceptions": {}}
    assert record["steps"][night].keys() >= STEPS
    assert record["machine"]["packages"].keys() >= {"duckdb", "pandas", "polars"}


def test_every_stage_takes_what_the_one_before_has_left(tmp_path: Path) -> None:
    options = ("--students", "2000", "--students-a-part", "900", "--workers", "1", "--attendance", "positive")
    record = _measured(tmp_path, *options, "--only", "stages,fixed,sizes", "--sizes", "1000")
    lines = {line["name"]: line for line in record["lines"]}
    assert [name for name in lines if not name.startswith("writing")] == [*STAGES, "start to end, 1,000 students"]
    assert len({lines[name]["rows"] for name in STAGES}) == 1
    [size] = record["sizes"]
    assert size["students"] == 1_000
    assert lines["start to end, 1,000 students"]["rows"] == size["scored"] > 500


@pytest.fixture(scope="module")
def small_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_state(tmp_path_factory.mktemp("state") / "small", students=2_000, through=date(2026, 6, 12)).path


@pytest.fixture(scope="module")
def ours(small_state: Path) -> pl.DataFrame:
    return compute_indicators(read_school_data(small_state), AS_OF)


@pytest.mark.parametrize("as_of", [AS_OF, date(2026, 1, 20), date(2025, 10, 3)])
@pytest.mark.parametrize("attendance", ["exceptions", "positive"])
def test_duckdb_gives_the_same_indicators(tmp_path: Path, attendance: Any, as_of: date) -> None:
    state = write_state(tmp_path / "state", students=2_000, attendance=attendance, through=date(2026, 6, 12)).path
    found = compute_indicators(read_school_data(state), as_of)
    assert duckdb_indicators(state, tmp_path / "duckdb.parquet", as_of=as_of, threads=1) == found.height
    assert differing(found, pl.read_parquet(tmp_path / "duckdb.parquet")) == {}


def test_who_differs_is_counted(ours: pl.DataFrame) -> None:
    theirs = ours.select("student_id", *NAMES)
    changed = theirs.with_columns(
        days_absent_ytd=pl.col("days_absent_ytd") + 1e-6,
        tardies_ytd=pl.when(pl.int_range(pl.len()) > 2).then("tardies_ytd"),
    )
    assert differing(ours, theirs) == {}
    assert differing(ours, changed) == {"days_absent_ytd": ours.height, "tardies_ytd": 3}
    assert differing(ours, theirs.tail(-5))["days_enrolled_ytd"] == 5


def test_the_usual_script_finds_nearly_the_same(tmp_path: Path, small_state: Path, ours: pl.DataFrame) -> None:
    draw = np.random.default_rng(7).normal(size=(ours.height, 6))
    data = lightgbm.Dataset(draw, draw[:, 0] > 0)
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, num_boost_round=3)
    columns = {f"Column_{place}": draw[:, place] for place in range(6)}
    pl.DataFrame({"student_id": ours["student_id"], **columns}).write_parquet(tmp_path / "matrix.parquet")
    seconds = usual_script(booster, small_state, tmp_path / "matrix.parquet", tmp_path / "usual.db", as_of=AS_OF)
    assert list(seconds) == ["pandas", "predict", "shap", "to_sql"]
    with closing(sqlite3.connect(tmp_path / "usual.db")) as connection:
        told = pl.read_database("SELECT * FROM scores", connection)
    assert told["reason_1"].is_in(list(columns)).all()
    both = ours.join(told, on="student_id", suffix="_usual")
    assert both.height == ours.height
    # It does not know of schools that have not reported, of two schools at once, or of a day recorded twice.
    alike = pl.col("longest_absence_run") == pl.col("longest_run")
    near = (pl.col("days_absent_ytd") - pl.col("days_absent")).abs() < 1.0
    assert both.select(alike.mean(), near.mean()).row(0) > (0.9, 0.9)


def test_the_table_says_what_is_to_reach_and_stays_narrow() -> None:
    cost = Cost(wall=2.0, cpu=3.0, start_mb=100.0, peak_mb=300.0)
    lines = [
        Line(name="whole night, exceptions, 400 x 31, depth 6", cost=cost, rows=STATE, limit=30, memory_limit=2_500),
        Line(name="usual", cost=cost.times(10), beside="whole night, exceptions, 400 x 31, depth 6", times=50),
        Line(name="start to end", cost=cost, limit=4, is_fixed=True),
    ]
    machine = {"cores": 2, "cpu": "a", "memory_gb": 1.0, "load_before": 0.0, "system": "b", "python": "c"}
    record = {"students": STATE // 10, "attendance": "both", "machine": {**machine, "packages": {"polars": "2"}}}
    told = "\n".join(table(record, lines)).splitlines()
    assert max(map(len, told)) <= 100
    night, usual, start = (next(line for line in told if line.startswith(each.name)) for each in lines)
    assert night.split()[-5:] == ["2.00", "3.00", "3.00", "300", "550,000"]
    assert usual.split()[1:] == ["20.00", "30.00", "2,100"]
    assert start.split()[3:] == ["2.00", "4.00", "3.00", "300"]
    assert "  10.00    50  usual / whole night, exceptions, 400 x 31, depth 6" in told
