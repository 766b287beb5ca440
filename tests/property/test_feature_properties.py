"""Two ways to every feature, and what must not change a feature or a reason."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.enums import Direction
from cis_ews.indicators import INDICATORS_SCHEMA, compute_indicators
from cis_ews.risk.explanations import NOTICEABLE, explain, peer_values
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.features import build_features, school_sums
from tests.lib.indicator_frames import indicator_frame
from tests.lib.plain_features import plain_value
from tests.lib.random_districts import Night, nights

NAMES = [feature.name for feature in FEATURES]
GRADES = (None, "PK", "K", "8", "8", "8", "9", "12")
MISSING = 0.15
AS_EXACT_AS_FLOAT32 = 1e-6


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


def plain_features(indicators: pl.DataFrame) -> pl.DataFrame:
    """The matrix, student by student and feature by feature."""
    students = indicators.rows(named=True)
    rows = [
        [student["student_id"], *(plain_value(feature.value, student, students) for feature in FEATURES)]
        for student in students
    ]
    schema = {"student_id": pl.String, **dict.fromkeys(NAMES, pl.Float32)}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("student_id")


@given(indicators=schools())
def test_every_feature_equals_its_plain_definition(indicators: pl.DataFrame) -> None:
    assert_frame_equal(build_features(indicators), plain_features(indicators), rel_tol=AS_EXACT_AS_FLOAT32)


@given(night=nights())
def test_so_do_the_features_of_random_districts(night: Night) -> None:
    indicators = compute_indicators(night.school_data, night.as_of)
    assert_frame_equal(build_features(indicators), plain_features(indicators), rel_tol=AS_EXACT_AS_FLOAT32)


@given(indicators=schools(), seed=st.integers(0, 99), cut=st.integers(0, 40))
def test_order_and_buckets_change_no_bit_of_a_feature(indicators: pl.DataFrame, seed: int, cut: int) -> None:
    whole = build_features(indicators)
    shuffled = indicators.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(build_features(shuffled), whole, check_exact=True)
    buckets = [shuffled.head(cut), shuffled.slice(cut)]
    sums = pl.concat(school_sums(bucket) for bucket in buckets).group_by("school_id").sum().sort("school_id")
    assert_frame_equal(sums, school_sums(indicators), check_exact=True)
    parts = pl.concat(build_features(bucket, sums=sums) for bucket in buckets)
    assert_frame_equal(parts.sort("student_id"), whole, check_exact=True)


@given(indicators=schools(), seed=st.integers(0, 99))
def test_nobody_moves_what_is_said_of_the_school_to_themselves(indicators: pl.DataFrame, seed: int) -> None:
    """A student's own numbers are not in the school's: whatever they are, the school is the same to the student."""
    other = indicators.sample(fraction=1, shuffle=True, seed=seed).row(0, named=True)
    student = indicators.row(0, named=True)
    changed = {**other, **{name: student[name] for name in ("student_id", "school_id")}}
    replaced = pl.concat([pl.DataFrame([changed], schema=INDICATORS_SCHEMA), indicators.slice(1)])
    of_school = [name for name in NAMES if name.startswith("school_") and "changes" not in name]
    assert len(of_school) == 4
    rows = [build_features(each).select(of_school).row(0) for each in (indicators, replaced)]
    assert rows[0] == rows[1]


def contributions_of(features: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Random contributions, many of them zero or equal."""
    order = random.Random(seed)
    steps = [0.0, 0.0, 0.01, 0.1, 0.1, 0.4, 1.0]
    drawn = {name: [order.choice([-1, 1]) * order.choice(steps) for _ in range(features.height)] for name in NAMES}
    return features.select("student_id").hstack(pl.DataFrame(drawn))


@given(indicators=schools(), seed=st.integers(0, 999), limit=st.integers(1, 6))
def test_reasons_are_few_ranked_and_of_known_numbers(indicators: pl.DataFrame, seed: int, limit: int) -> None:
    features = build_features(indicators)
    reasons = explain(features, contributions_of(features, seed), indicators, limit=limit)
    ranks = reasons.group_by("student_id", "direction", maintain_order=True).agg("rank").get_column("rank")
    assert all(each.to_list() == list(range(1, each.len() + 1)) for each in ranks)
    assert reasons.is_empty() or reasons.get_column("rank").max() <= limit
    unknown = reasons.get_column("direction") == Direction.UNKNOWN
    assert (reasons.get_column("value").is_null() == unknown).all()
    assert reasons.filter(pl.col("domain") == "context").is_empty()
    assert reasons.select("student_id", "sentence").is_unique().all()


@given(indicators=schools(), seed=st.integers(0, 999))
def test_a_reason_stands_for_contributions_that_point_its_way(indicators: pl.DataFrame, seed: int) -> None:
    """Whoever is told a risk has known numbers that raise it; a strength, that lower it; and both noticeably."""
    features = build_features(indicators)
    contributions = contributions_of(features, seed)
    toward = {
        (student["student_id"], direction): max(sign * student[name] for name in NAMES)
        for direction, sign in (("risk", 1), ("strength", -1), ("unknown", 1))
        for student in contributions.rows(named=True)
    }
    told = explain(features, contributions, indicators).select("student_id", pl.col("direction").cast(pl.String))
    assert all(toward[row] * len(NAMES) > NOTICEABLE for row in told.rows())
    opposite = contributions.with_columns(-pl.col(NAMES).abs())
    none_raise = explain(features, opposite, indicators)
    assert set(none_raise.get_column("direction").cast(pl.String)) <= {"strength"}


@given(indicators=schools(), seed=st.integers(0, 999), cut=st.integers(0, 40))
def test_order_and_buckets_change_no_reason(indicators: pl.DataFrame, seed: int, cut: int) -> None:
    features, peers = build_features(indicators), peer_values(indicators)
    contributions = contributions_of(features, seed)
    whole = explain(features, contributions, indicators)
    shuffled = contributions.sample(fraction=1, shuffle=True, seed=seed)
    parts = [
        explain(features, bucket, indicators.sample(fraction=1, shuffle=True, seed=seed), peers=peers)
        for bucket in (shuffled.head(cut), shuffled.slice(cut))
    ]
    assert_frame_equal(pl.concat(parts).sort("student_id", "direction", "rank"), whole)
