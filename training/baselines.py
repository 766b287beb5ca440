"""What a model has to beat: published rules, last year's value of the outcome, plain logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from cis_ews.enums import RuleStatus
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.risk.tiers import FLAGS
from training.matrices import LABEL

Array = npt.NDArray[np.float64]
LAST_YEAR: Mapping[str, tuple[str, ...]] = {
    "chronic_absence": ("absence_rate_last_year",),
    "course_failure": ("course_failures_last_year",),
    "exclusion": ("suspensions_last_year",),
    "off_track": ("absence_rate_last_year", "course_failures_last_year", "suspensions_last_year"),
}
"""The indicators that say how the outcome of a label was last year."""
CHRONIC = 0.1


def rules_score(indicators: pl.DataFrame, as_of: pl.Series, policy: TierPolicy) -> Array:
    """What published rules say of each row: the tier that they ask for, then how many flag rules hold, then the absence
    rate: the order in which a night by rules fills its list. Duties and strengths are no flags."""
    rows = indicators.with_columns(__as_of=as_of).with_row_index("__row")
    scores = np.zeros(rows.height)
    for (day,), of_day in rows.group_by("__as_of"):
        said = _evidence(of_day, day, policy)
        joined = of_day.select("__row", "student_id", rate=pl.col("absence_rate_ytd").fill_null(0.0)).join(
            said, on="student_id", how="left"
        )
        # A rate is 1 at most: half of it never makes up for one flag.
        score = pl.col("tier").fill_null(0) * 1000.0 + pl.col("flags").fill_null(0) + pl.col("rate") / 2
        scores[joined["__row"].to_numpy()] = joined.select(score.cast(pl.Float64)).to_series().to_numpy()
    return scores


def _evidence(indicators: pl.DataFrame, day: object, policy: TierPolicy) -> pl.DataFrame:
    results = RulesModel().evaluate(indicators.drop("__row", "__as_of"), as_of=day)  # pyright: ignore[reportArgumentType]
    held = results.filter(pl.col("status") == RuleStatus.HOLDS, pl.col("rule").is_in(FLAGS))
    asked = pl.DataFrame(
        [(entry.rule.name, level, entry.tier) for entry in policy.rules for level in entry.levels],
        schema={"rule": pl.String, "level": pl.String, "tier": pl.Int32},
        orient="row",
    )
    flags = held.group_by("student_id").agg(flags=pl.len())
    tiers = held.join(asked, on=["rule", "level"], nulls_equal=True).group_by("student_id").agg(pl.col("tier").max())
    return flags.join(tiers, on="student_id", how="left")


def last_year_score(indicators: pl.DataFrame, label: str) -> Array | None:
    """How many parts of the outcome happened last year, then last year's absence rate; unknown is between yes and no.

    None where last year says nothing of the outcome.
    """
    names = LAST_YEAR.get(label.removesuffix("_whole_year"))
    if names is None:
        return None
    happened = [(pl.col(name) >= (CHRONIC if name == "absence_rate_last_year" else 1)) for name in names]
    known = pl.any_horizontal([pl.col(name).is_not_null() for name in names])
    parts = pl.sum_horizontal([part.fill_null(value=False).cast(pl.Float64) for part in happened])
    score = pl.when(known).then(parts + pl.col("absence_rate_last_year").fill_null(0.0)).otherwise(0.5)
    return cast("Array", indicators.select(score.cast(pl.Float64)).to_series().to_numpy())


def as_probability(train: tuple[Array, Array], test: Array) -> Array:
    """A score as a probability: the share of positives at that score in the training years, never falling."""
    from sklearn.isotonic import IsotonicRegression

    score, label = train
    fitted = cast("Any", IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip"))
    fitted.fit(score, label)
    return cast("Array", fitted.predict(test))


def logistic(train: pl.DataFrame, test: pl.DataFrame, names: list[str]) -> Array:
    """Scikit-learn's regularised logistic regression on the same features: missing ones at their mean, and marked."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(max_iter=2_000, C=0.1)
    fitted = cast(
        "Any", Pipeline([("fill", SimpleImputer(add_indicator=True)), ("scale", StandardScaler()), ("fit", regression)])
    )
    fitted.fit(_matrix(train, names), train[LABEL].to_numpy())
    return cast("Array", fitted.predict_proba(_matrix(test, names))[:, 1])


def _matrix(rows: pl.DataFrame, names: list[str]) -> Array:
    return rows.select(pl.col(names).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
