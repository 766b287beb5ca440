"""Contributions made by hand or by a plain linear model, for tests of the reasons."""

from __future__ import annotations

from typing import Any

import polars as pl

from cis_ews.risk.explanations import explain
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.features import build_features, monotone_constraints
from tests.lib.indicator_frames import indicator_frame

NAMES = [feature.name for feature in FEATURES]
BASE_VALUE = -1.5


def told_of(child: dict[str, Any], *classmates: dict[str, Any], **weights: float) -> list[tuple[str, str]]:
    """(direction, sentence) of one child, in their order, from these contributions; the others are classmates."""
    indicators = indicator_frame(child, *classmates)
    reasons = explain(build_features(indicators), by_hand(indicators.head(1), **weights), indicators)
    return [(row["direction"], row["sentence"]) for row in reasons.iter_rows(named=True)]


def by_hand(indicators: pl.DataFrame, **weights: float) -> pl.DataFrame:
    """The same contributions for every student of a frame."""
    given = {name: pl.lit(weight, dtype=pl.Float64) for name, weight in weights.items()}
    return indicators.select("student_id", **given).with_columns(base_value=pl.lit(BASE_VALUE), margin=pl.lit(0.0))


def linear(features: pl.DataFrame) -> pl.DataFrame:
    """Contributions of a linear model: a weight times the distance from the mean in standard deviations.

    Weights point where the catalog says, and up where it does not; what is missing is half a deviation more risk.
    """
    directions = monotone_constraints(NAMES)
    distances = {
        name: ((pl.col(name) - pl.col(name).mean()) / (pl.col(name).std() + 1e-6)).cast(pl.Float64) for name in NAMES
    }
    weighed = {name: (0.2 * (directions[name] or 1) * each).fill_null(0.1) for name, each in distances.items()}
    table = features.select("student_id", pl.lit(BASE_VALUE).alias("base_value"), **weighed)
    return table.with_columns(margin=pl.col("base_value") + pl.sum_horizontal(NAMES))


def each_feature_alone(features: pl.DataFrame, *, weight: float) -> pl.DataFrame:
    """Contributions in which only one feature weighs: as many copies of the students as there are features.

    The copies of student `s` are `s|absence_rate_ytd` and so on.
    """
    copies = [
        features.select(
            pl.col("student_id") + f"|{alone}",
            **{name: pl.lit(weight if name == alone else 0.0) for name in NAMES},
        )
        for alone in NAMES
    ]
    return pl.concat(copies)


def copied_for_each_feature(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of `each_feature_alone` for features or indicators."""
    return pl.concat([frame.with_columns(pl.col("student_id") + f"|{alone}") for alone in NAMES])
