"""What a model has to beat: published rules, last year's outcome, September, the school's rate, plain models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from cis_ews.enums import RuleStatus
from cis_ews.risk.cohort import Cohort, cohort_of
from cis_ews.risk.cores import available_cores
from cis_ews.risk.rules import RulesModel
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.risk.tiers import FLAGS, assign_tiers
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


@dataclass(frozen=True, eq=False)
class Answers:
    """What the flag rules say on one as-of date: `rows` are the places of its students among all rows."""

    as_of: date
    rows: npt.NDArray[np.int64]
    indicators: pl.DataFrame
    results: pl.DataFrame


def ask_rules(indicators: pl.DataFrame, as_of: pl.Series) -> list[Answers]:
    """Ask every flag rule, date by date."""
    rows = indicators.with_columns(__as_of=as_of).with_row_index("__row")
    rules = RulesModel(rules=tuple(FLAGS))
    answers: list[Answers] = []
    for (day,), of_day in rows.group_by("__as_of", maintain_order=True):
        assert isinstance(day, date)  # noqa: S101 - the column is one of dates
        plain = of_day.drop("__row", "__as_of")
        places = of_day["__row"].cast(pl.Int64).to_numpy()
        answers.append(Answers(day, places, plain, rules.evaluate(plain, as_of=day)))
    return answers


def rules_score(answers: list[Answers], policy: TierPolicy) -> Array:
    """What published rules say of each row: the tier that they ask for, then how many flag rules hold, then the absence
    rate: the order in which a night by rules fills its list. Duties and strengths are no flags."""
    scores = np.zeros(sum(each.rows.size for each in answers))
    for each in answers:
        joined = each.indicators.select("student_id", rate=pl.col("absence_rate_ytd").fill_null(0.0)).join(
            _evidence(each.results, policy), on="student_id", how="left", maintain_order="left"
        )
        # A rate is 1 at most: half of it never makes up for one flag.
        score = pl.col("tier").fill_null(0) * 1000.0 + pl.col("flags").fill_null(0) + pl.col("rate") / 2
        scores[each.rows] = joined.select(score.cast(pl.Float64)).to_series().to_numpy()
    return scores


def rules_held(answers: list[Answers]) -> dict[str, Array]:
    """Rule -> 1 in the rows where it holds, else 0."""
    held = {name: np.zeros(sum(each.rows.size for each in answers)) for name in FLAGS}
    for each in answers:
        holding = each.results.filter(pl.col("status") == RuleStatus.HOLDS)
        for (name,), of_rule in holding.group_by("rule"):
            holds = each.indicators["student_id"].is_in(of_rule["student_id"].implode()).to_numpy()
            held[str(name)][each.rows] = holds
    return held


def tiers(answers: list[Answers], risk: Array, policy: TierPolicy) -> Array:
    """The tier that a night with these risks would give each row, its school's list cut at capacity; NaN for none."""
    given = np.full(risk.size, np.nan)
    for each in answers:
        ids = each.indicators["student_id"]
        scores = assign_tiers(
            Cohort(students=cohort_of(each.indicators), flow=()),
            each.indicators,
            each.results,
            policy=policy,
            model_version="validation",
            risk=pl.DataFrame({"student_id": ids, "risk": risk[each.rows]}),
        )
        joined = ids.to_frame().join(scores, on="student_id", how="left", maintain_order="left")
        given[each.rows] = joined["tier"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return given


def _evidence(results: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    held = results.filter(pl.col("status") == RuleStatus.HOLDS)
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


def september_score(indicators: pl.DataFrame) -> Array:
    """Days absent in September (Baltimore Education Research Consortium 2014: two or more foretell the year), for ever
    the same after it; of whom they are not known, the median."""
    days = indicators["days_absent_september"].cast(pl.Float64)
    middle = days.median()
    return cast("Array", days.fill_null(float(middle) if isinstance(middle, int | float) else 0.0).to_numpy())


def school_rate(train: pl.DataFrame, schools: pl.Series) -> Array:
    """The share of positives of each row's school in the years that are learned from: no student is told from another.

    Of a school without a row there: the share of all.
    """
    rates = train.group_by("school_id").agg(rate=pl.col(LABEL).cast(pl.Float64).mean())
    found = schools.to_frame("school_id").join(rates, on="school_id", how="left", maintain_order="left")["rate"]
    return cast("Array", found.fill_null(float(train[LABEL].to_numpy().mean())).to_numpy())


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
    fitted.fit(matrix(train, names), train[LABEL].to_numpy())
    return cast("Array", fitted.predict_proba(matrix(test, names))[:, 1])


def lightgbm_defaults(train: pl.DataFrame, test: pl.DataFrame, names: list[str], *, seed: int) -> Array:
    """LightGBM as it comes, on the same features; only made to give the same trees each time."""
    import lightgbm

    library = cast("Any", lightgbm)
    parameters: dict[str, Any] = {
        "objective": "binary",
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": available_cores(),
        "verbosity": -1,
    }
    data = library.Dataset(matrix(train, names), train[LABEL].to_numpy().astype(np.float64), params=parameters)
    fitted = library.train(parameters, data, num_boost_round=100)
    return np.asarray(fitted.predict(matrix(test, names)), dtype=np.float64)


def matrix(rows: pl.DataFrame, names: list[str]) -> Array:
    """The named features of rows as numbers, NaN where missing."""
    return rows.select(pl.col(names).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
