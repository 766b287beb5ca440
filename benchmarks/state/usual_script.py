"""The usual script: pandas, LightGBM's `predict`, `shap.TreeExplainer`, and `to_sql` row by row, all in memory.

As somebody writes it who knows pandas: files read whole, no loop over students, runs of absence by sort, shift and
cumulative sum. Days enrolled come from one sum of the calendar a school; transfers are told apart, schools that have
not reported are not. Its matrix is that of our own features, made before and handed to it for nothing, so that the
model is the same; sentences, checks, rules and capacities are not in it.
"""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import shap

from benchmarks.state.models import booster_of
from cis_ews import RiskModel

WINDOWS = (10, 20, 45)
ABSENT = ("excused", "unexcused")
NAMED = 5


@contextmanager
def trees_of(model_file: Path) -> Generator[lightgbm.Booster]:
    """What the script has at its start: a booster."""
    yield booster_of(RiskModel.load(model_file))


def usual_script(booster: lightgbm.Booster, source: Path, matrix: Path, out: Path, *, as_of: date) -> dict[str, float]:
    """Score the students of a state; seconds of each step."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        result = work(*arguments)
        seconds[name] = time.perf_counter() - began
        return result

    indicators = timed("pandas", _indicators, source, pd.Timestamp(as_of))
    features = pd.read_parquet(matrix)
    risk = timed("predict", booster.predict, features.drop(columns="student_id"))
    names = timed("shap", _strongest, booster, features.drop(columns="student_id"))
    scores = features[["student_id"]].assign(risk=risk, **{f"reason_{at + 1}": names[:, at] for at in range(NAMED)})
    timed("to_sql", _to_sql, scores.merge(indicators, on="student_id", how="left"), out)
    return seconds


def _table(source: Path, name: str, columns: list[str]) -> pd.DataFrame:
    return pd.read_parquet(source / name, columns=columns)


def _indicators(source: Path, as_of: pd.Timestamp) -> pd.DataFrame:
    calendar = _table(source, "calendar_days", ["school_id", "date", "is_instructional", "school_year"])
    calendar["date"] = pd.to_datetime(calendar["date"])
    of_year = calendar[(calendar["date"] <= as_of) & calendar["is_instructional"]]
    year = of_year["school_year"].max()
    days = of_year[of_year["school_year"] == year].sort_values(["school_id", "date"])
    days["number"] = days.groupby("school_id").cumcount() + 1
    parts = [
        _enrolled(source, days, as_of, year),
        _attendance(source, days, as_of),
        _incidents(source, as_of),
        _grades(source, as_of, year),
    ]
    found = pd.concat(parts, axis=1)
    return found[found["days_enrolled"].notna()].rename_axis("student_id").reset_index()


def _enrolled(source: Path, days: pd.DataFrame, as_of: pd.Timestamp, year: int) -> pd.DataFrame:
    rows = _table(source, "enrollments", ["student_id", "school_id", "school_year", "entry_date", "exit_date"])
    rows = rows[rows["school_year"] == year]
    rows["first"] = pd.to_datetime(rows["entry_date"]) - pd.Timedelta(days=1)
    rows["last"] = pd.to_datetime(rows["exit_date"]).fillna(as_of).clip(upper=as_of)
    counts = days[["school_id", "date", "number"]].sort_values("date")
    for end in ("first", "last"):
        rows = pd.merge_asof(rows.sort_values(end), counts, left_on=end, right_on="date", by="school_id")
        rows = rows.rename(columns={"number": f"{end}_number"}).drop(columns="date")
    rows["days_enrolled"] = (rows["last_number"].fillna(0) - rows["first_number"].fillna(0)).clip(lower=0)
    return rows.groupby("student_id")[["days_enrolled"]].sum()


def _attendance(source: Path, days: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    events = _table(source, "attendance_events", ["student_id", "school_id", "date", "status", "fraction_absent"])
    events["date"] = pd.to_datetime(events["date"])
    events = events[(events["date"] <= as_of) & (events["status"] != "present")]
    events = events.merge(days[["school_id", "date", "number"]], on=["school_id", "date"])
    last = events["school_id"].map(days.groupby("school_id")["number"].max())
    events["ago"] = last - events["number"]
    absent = events[events["status"].isin(ABSENT)].sort_values(["student_id", "number"])
    by_student = absent.groupby("student_id")
    found = by_student["fraction_absent"].sum().rename("days_absent").to_frame()
    found["unexcused"] = (absent["status"] == "unexcused").groupby(absent["student_id"]).sum()
    for window in WINDOWS:
        recent = absent[absent["ago"] < window]
        found[f"days_absent_{window}"] = recent.groupby("student_id")["fraction_absent"].sum()
    found["longest_run"] = _runs(absent)
    found["tardies"] = events[events["status"] == "tardy"].groupby("student_id").size()
    return found.fillna(0)


def _runs(absent: pd.DataFrame) -> pd.Series:
    full = absent[absent["fraction_absent"] >= 0.5]
    breaks = (full["student_id"] != full["student_id"].shift()) | (full["number"] != full["number"].shift() + 1)
    lengths = full.assign(run=breaks.cumsum()).groupby(["student_id", "run"]).size()
    return lengths.groupby("student_id").max()


def _incidents(source: Path, as_of: pd.Timestamp) -> pd.DataFrame:
    rows = _table(source, "incidents", ["student_id", "date", "severity"])
    rows["date"] = pd.to_datetime(rows["date"])
    rows = rows[rows["date"] <= as_of]
    found = {
        f"{severity}_{days}": rows[(rows["severity"] == severity) & (rows["date"] > as_of - pd.Timedelta(days=days))]
        for severity in ("minor", "major")
        for days in (14, 30, 90, 365)
    }
    return pd.DataFrame({name: chosen.groupby("student_id").size() for name, chosen in found.items()}).fillna(0)


def _grades(source: Path, as_of: pd.Timestamp, year: int) -> pd.DataFrame:
    columns = ["student_id", "school_year", "subject", "is_core", "percent", "grade_points", "graded_on"]
    rows = _table(source, "course_grades", columns)
    rows = rows[(rows["school_year"] == year) & ~(pd.to_datetime(rows["graded_on"]) > as_of)]
    failed = rows[rows["percent"] < 60]
    found = rows.groupby("student_id").agg(gpa=("grade_points", "mean"), percent=("percent", "mean"))
    found["failed"] = failed.groupby("student_id").size()
    for subject in ("english", "math"):
        found[f"failed_{subject}"] = failed[failed["subject"] == subject].groupby("student_id").size()
    return found.fillna({name: 0 for name in found.columns if name.startswith("failed")})


def _strongest(booster: Any, features: pd.DataFrame) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it once gave a list
        values = shap.TreeExplainer(booster).shap_values(features)
    names = np.array(features.columns)
    return names[np.argsort(-np.abs(values), axis=1)[:, :NAMED]]


def _to_sql(scores: pd.DataFrame, out: Path) -> None:
    out.unlink(missing_ok=True)
    with closing(sqlite3.connect(out)) as connection:
        scores.to_sql("scores", connection, index=False)
