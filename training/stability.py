"""Do explanations hold? Against another way of explaining, another seed, other students, an event, and a deletion.

All is asked of the model that was measured on the newest held-back year, about students whom it did not learn from, on
the as-of date in the middle of that year. Explanations are compared in log-odds before calibration, as the sum of a
topic's features (`risk.feature_catalog`): that is what one reason is made of. Topics of a student's place (grade, time,
school) are never told and not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import Domain
from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.outcomes import Vector
from cis_ews.evaluation.stability import largest_overlap, rank_correlation, summed
from cis_ews.risk.explanations import NOTICEABLE
from cis_ews.risk.feature_catalog import FEATURES
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_linear import LinearPart
from cis_ews.schema.school_data import SchoolData
from training.config import TrainingConfig
from training.fitting import fit_model, refit_model
from training.matrices import on_middle_date
from training.nights import Nights, two_nights
from training.validation import HeldBack

SAMPLE = 300
"""Students whose explanations are compared; of those whose risk is highest for the deletion."""
BACKGROUND = 50
REASONS = 3
LIST = 0.10
"""The share of students, those with the highest risk, whose reasons are taken away."""
ADDITIVE = 1e-9
LEAST_OVERLAP = 0.8
"""With less, chance decides too much of what is told first."""
RANDOM_DRAWS = 10
ANEW_ROWS = 100_000
"""With so many rows at most a whole training more, folds and all, has its place in a training's few minutes."""
_NOT_TOLD = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Whether explanations hold.

    `top3_overlap_across_seeds`: of the three topics that move a student's risk most, the share that are the same in a
    model trained with another seed: of up to ANEW_ROWS rows anew, which draws other folds to choose rounds, blend and
    calibration by; of more the trees alone are fitted again. Lines of the same columns hang on no seed.
    `top3_overlap_across_students`: the same in one fitted on students drawn again with replacement, None where that was
    not asked for. `identical_when_unchanged`: whether a night without new records
    tells the same as the one before. `additive`: whether contributions add up to the margin. `measured`: the other
    figures (docs/explanations.md).
    """

    top3_overlap_across_seeds: float | None
    top3_overlap_across_students: float | None = None
    identical_when_unchanged: bool
    additive: bool
    measured: dict[str, float]


def measure_stability(school_data: SchoolData, held: HeldBack, *, config: TrainingConfig) -> Stability:
    """Measure all of it, bounded in students and models."""
    model = held.model
    rows = on_middle_date(held.rows)
    sample = rows.sample(min(SAMPLE, rows.height), seed=config.seed)
    table, topics = _contributions(model, sample), _topics(model)
    told = summed(table, topics)
    additive = float(np.abs(model.contributions(sample)["margin"].to_numpy() - model.margin(sample)).max())
    seeds = _across_retrainings(held, sample, told, config=config)
    nights = two_nights(school_data, model, cast("date", rows["as_of"][0]), seed=config.seed)
    return Stability(
        top3_overlap_across_seeds=seeds["seed.top3_overlap"],
        top3_overlap_across_students=seeds.get("students.top3_overlap"),
        identical_when_unchanged=nights.identical,
        additive=additive <= ADDITIVE,
        measured={
            "students": float(sample.height),
            "additive.largest_gap": additive,
            **_agreement(model, sample, table, background=rows, seed=config.seed + 1),
            **seeds,
            **_nights(nights),
            **_deletion(model, rows, config=config),
        },
    )


def _topics(model: RiskModel) -> NDArray[np.int64]:
    """The number of each feature's topic; _NOT_TOLD for those of a student's place, and for others' names."""
    told = {feature.name: feature.topic for feature in FEATURES if feature.domain != Domain.CONTEXT}
    numbers = {topic: number for number, topic in enumerate(dict.fromkeys(told.values()))}
    found = [numbers[told[name]] if name in told else _NOT_TOLD for name in model.features]
    return np.array(found, dtype=np.int64)


def _contributions(model: RiskModel, rows: pl.DataFrame) -> Vector:
    return model.contributions(rows).select(model.features).to_numpy()


def _agreement(
    model: RiskModel, rows: pl.DataFrame, table: Vector, *, background: pl.DataFrame, seed: int
) -> dict[str, float]:
    drawn = background.sample(min(BACKGROUND, background.height), seed=seed)
    other, topics = interventional(model, rows, drawn), _topics(model)
    ranks = rank_correlation(table, other)
    return {
        "interventional.rank_correlation": float(np.nanmedian(ranks)),
        "interventional.rank_correlation_low": float(np.nanquantile(ranks, 0.05)),
        "interventional.top3_overlap": float(largest_overlap(summed(table, topics), summed(other, topics)).mean()),
    }


def interventional(model: RiskModel, rows: pl.DataFrame, background: pl.DataFrame) -> Vector:
    """Interventional SHAP values of each feature, in log-odds before calibration: what a row's values give where the
    other features are those of the background rows (Janzing, Minorics and Bloebaum 2020), by `shap.TreeExplainer`.

    The linear part is a sum over columns, whose values are their distance from the background's mean; what a column and
    the grade do together is shared equally. A row adds up to its margin less the background's mean margin.
    """
    parts = model.parts
    matrix, others = parts.encoding.matrix(rows), parts.encoding.matrix(background)
    columns = np.zeros(matrix.shape)
    if parts.trees:
        from lightgbm import Booster
        from shap import TreeExplainer

        explainer = cast("Any", TreeExplainer)(
            Booster(model_str=parts.trees.text),
            data=parts.trees.completed(others),
            feature_perturbation="interventional",
            model_output="raw",
        )
        columns += parts.trees_share * explainer.shap_values(parts.trees.completed(matrix), check_additivity=False)
    if parts.linear:
        columns += (1.0 - parts.trees_share) * _of_lines(parts.linear, matrix, others)
    return summed(columns, parts.encoding.owners)


def _of_lines(linear: LinearPart, matrix: Vector, others: Vector) -> Vector:
    """The linear part's interventional values a column: halfway between what a column does with the grades of the
    background and what it does with the row's own; the grade has the other halves."""
    bands = linear.bands
    if bands is None:
        pairs = zip(linear.contributions(matrix), linear.contributions(others), strict=True)
        return np.column_stack([own - theirs.mean() for own, theirs in pairs])
    line_of, line_of_others = bands.of(matrix), bands.of(others)
    share = np.bincount(line_of_others, minlength=len(linear.lines)) / len(others)
    told = np.empty(matrix.shape)
    of_grade = bands.steps(line_of) - bands.steps(line_of_others).mean()
    for column in range(matrix.shape[1]):
        own, theirs = linear.on_lines(matrix, column), linear.on_lines(others, column)
        together, alone = own[line_of, np.arange(len(matrix))], share @ own
        grade_alone = theirs.mean(axis=1)[line_of]
        nothing = theirs[line_of_others, np.arange(len(others))].mean()
        told[:, column] = ((alone - nothing) + (together - grade_alone)) / 2.0
        of_grade += ((grade_alone - nothing) + (together - alone)) / 2.0
    told[:, bands.column] += of_grade
    return told


def _across_retrainings(
    held: HeldBack, sample: pl.DataFrame, told: Vector, *, config: TrainingConfig
) -> dict[str, float]:
    """The same rows with another seed; and students drawn again with replacement, where that is asked for."""
    topics, seed = _topics(held.model), config.seed + 1
    is_anew = held.learned.height <= ANEW_ROWS
    again = {"seed": _with_seed(held, seed, is_anew=is_anew, config=config)}
    if config.validation.students_again:
        again["students"] = refit_model(held.model, _drawn_again(held.learned, seed), config=config, seed=seed)
    found: dict[str, float] = {"seed.anew": float(is_anew)}
    for what, model in again.items():
        other = summed(_contributions(model, sample), topics)
        found[f"{what}.top3_overlap"] = float(largest_overlap(told, other).mean())
        found[f"{what}.mean_change"] = float(np.abs(told - other).mean())
    return found


def _with_seed(held: HeldBack, seed: int, *, is_anew: bool, config: TrainingConfig) -> RiskModel:
    """The model as the training makes it with another seed; of many rows with as many trees and the same blend."""
    model = held.model
    if is_anew:
        again = config.model_copy(update={"seed": seed})
        return fit_model(held.learned, model.features, config=again, recipe=model.recipe)
    # A linear part hangs on its rows alone. Where it is all there is, it is fitted again to see that it does.
    has_trees = model.parts.trees is not None
    return refit_model(model, held.learned, config=config, seed=seed, trees_alone=has_trees)


def _drawn_again(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows of as many students, drawn with replacement: who is drawn twice counts twice."""
    students = rows["student_id"].unique().sort()
    drawn = students.sample(students.len(), with_replacement=True, seed=seed).to_frame()
    return drawn.join(rows, on="student_id", how="inner", maintain_order="left_right").select(rows.columns)


def _nights(found: Nights) -> dict[str, float]:
    return {f"absence.{name}": value for name, value in found.measured.items()}


def _deletion(model: RiskModel, rows: pl.DataFrame, *, config: TrainingConfig) -> dict[str, float]:
    """By how much risk falls where the features of the three topics that raise it most are set to the median of the
    school, and where as many other features are, drawn by lot; with the interval of the difference over schools."""
    names, draw = list(model.features), np.random.default_rng(config.seed)
    usual = rows.select(pl.col(name).cast(pl.Float64).median().over("school_id") for name in names)
    risk = model.predict(rows)
    most = min(SAMPLE, max(1, round(LIST * rows.height)))
    listed = np.argsort(-risk, kind="stable")[:most]
    asked, usual, risk = rows[listed], usual[listed].to_numpy(), risk[listed]
    known = asked.select(pl.col(names).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    named = _named(model, asked)

    def lowered(taken: NDArray[np.bool_]) -> Vector:
        changed = pl.DataFrame(np.where(taken, usual, known), schema=names).fill_nan(None)
        return risk - model.predict(changed)

    by_name = lowered(named)
    by_lot = np.mean([lowered(_as_many_others(named, draw)) for _ in range(RANDOM_DRAWS)], axis=0)
    bootstrap = Bootstrap.of(asked["school_id"].to_numpy(), draws=config.validation.draws, seed=config.seed)
    more = bootstrap.estimate(float((by_name - by_lot).mean()), bootstrap.ratio(by_name - by_lot, np.ones(risk.size)))
    found = {"named": float(by_name.mean()), "by_lot": float(by_lot.mean()), "more": more.value}
    bounds = {} if more.low is None or more.high is None else {"more_low": more.low, "more_high": more.high}
    return {f"deletion.{name}": value for name, value in {**found, **bounds, "students": float(risk.size)}.items()}


def _named(model: RiskModel, rows: pl.DataFrame) -> NDArray[np.bool_]:
    """Which features belong to the topics that raise each row's risk most, where that is noticeable."""
    topics = _topics(model)
    told = summed(_contributions(model, rows), topics)
    largest = np.argsort(-told, axis=1, kind="stable")[:, :REASONS]
    chosen = np.zeros(told.shape, dtype=np.bool_)
    np.put_along_axis(chosen, largest, values=True, axis=1)
    chosen &= told >= NOTICEABLE
    return chosen[:, topics] & (topics >= 0)


def _as_many_others(named: NDArray[np.bool_], draw: np.random.Generator) -> NDArray[np.bool_]:
    """As many features of each row, drawn by lot among those that are not named."""
    lots = np.where(named, np.inf, draw.random(named.shape))
    return np.argsort(np.argsort(lots, axis=1), axis=1) < named.sum(axis=1, keepdims=True)
