"""Two ways to every feature, and what must not change a feature."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cis_ews.indicators import INDICATORS_SCHEMA, compute_indicators
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.features import add_school_sums, build_features, school_sums
from tests.lib.plain_features import plain_value
from tests.lib.random_districts import Night, nights
from tests.lib.random_schools import buckets, in_buckets, schools

NAMES = [feature.name for feature in FEATURES]
AS_EXACT_AS_FLOAT32 = 1e-6


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


@given(indicators=schools(), seed=st.integers(0, 99), split=in_buckets())
def test_order_and_buckets_change_no_bit_of_a_feature(indicators: pl.DataFrame, seed: int, split: list[int]) -> None:
    whole = build_features(indicators)
    shuffled = indicators.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(build_features(shuffled), whole, check_exact=True)
    sums = add_school_sums(school_sums(bucket) for bucket in buckets(shuffled, split))
    assert_frame_equal(sums, school_sums(indicators), check_exact=True)
    parts = pl.concat(build_features(bucket, sums=sums) for bucket in buckets(shuffled, split))
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
