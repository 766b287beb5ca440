"""Indicators of random schools, for properties of what is made from them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import strategies as st

from cis_ews.indicators import INDICATORS_SCHEMA
from tests.lib.indicator_frames import indicator_frame

GRADES = (None, "PK", "K", "8", "8", "8", "9", "12")
MISSING = 0.15
MOST_BUCKETS = 4


def buckets(frame: pl.DataFrame, of_students: Sequence[int]) -> list[pl.DataFrame]:
    """A frame in parts by student, some of them empty; each student's bucket is drawn by the place in the frame."""
    numbers = pl.Series([of_students[place % len(of_students)] for place in range(frame.height)], dtype=pl.Int64)
    return [frame.filter(numbers == number) for number in range(MOST_BUCKETS)]


def in_buckets() -> st.SearchStrategy[list[int]]:
    """Any split of students into buckets."""
    return st.lists(st.integers(0, MOST_BUCKETS - 1), min_size=1, max_size=40)


@st.composite
def schools(draw: st.DrawFn) -> pl.DataFrame:
    """Indicators of up to 40 students of two schools, in any combination, a part of them missing."""
    order = random.Random(draw(st.integers(0, 10_000)))
    return indicator_frame(*(_student(order, number) for number in range(draw(st.integers(1, 40)))))


def _student(order: random.Random, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {name: _number(order, dtype) for name, dtype in INDICATORS_SCHEMA.items()}
    days = order.choice([5, 12, 30, 44, 45, 90, 170])
    known = {name: None if order.random() < MISSING else value for name, value in row.items()}
    return known | {
        "student_id": f"s{number:02}",
        "school_id": order.choice(["north", "north", "south"]),
        "grade_level": order.choice(GRADES),
        "is_enrolled": order.random() < 0.9,
        "school_level": None,
        "school_year": 2026,
        "days_enrolled_ytd": days,
        **_months(order),
    }


def _months(order: random.Random) -> dict[str, Any]:
    months = [name.removeprefix("days_absent_") for name in INDICATORS_SCHEMA if name.startswith("days_absent_")]
    row: dict[str, Any] = {}
    for month in (
        each for each in months if f"absent_parts_{each}" not in INDICATORS_SCHEMA and each != "suspended_ytd"
    ):
        days = order.choice([0, 0, 3, 15, 20])
        row |= {f"days_enrolled_{month}": days, f"days_absent_{month}": float(order.randint(0, days))}
    return row


def _number(order: random.Random, dtype: pl.DataType) -> object:
    if dtype == pl.Boolean:
        return order.random() < 0.4
    if dtype.is_float():
        return order.choice([0.0, 0.05, 0.125, 0.5, 1.0, 2.0, 3.5, 64.0, 88.5])
    return order.choice([0, 0, 1, 2, 7, 30]) if dtype.is_integer() else None
