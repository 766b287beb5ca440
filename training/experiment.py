"""One training: matrices of past years, a split by school year, the table, and the model that is registered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from cis_ews.errors import DataError
from cis_ews.evaluation.accuracy import Accuracy, evaluate
from cis_ews.progress import Progress
from cis_ews.risk.features import features_hash, monotone_constraints
from cis_ews.risk.labels import LABELS
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import DECLARED, GRADES, declared_features
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.school_data import SchoolData
from cis_ews.wording import counted
from training.baselines import Array, as_probability, last_year_score, logistic, rules_score
from training.config import TrainingConfig
from training.matrices import KEYS, LABEL, Matrices, build_matrices

MODEL = "the model"
RULES = "published rules"
LOGISTIC = "logistic regression"
LAST_YEAR = "last year's value"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Features of the catalog that cannot be learned from, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The as-of dates to learn from and those to measure on, of other school years; no horizon of the one reaches the
    other. `between`: dates of the earlier years whose horizon does, and which are not used for measuring."""

    train: tuple[date, ...]
    test: tuple[date, ...]
    between: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training has made.

    `model`: fitted on all past years. `table`: who was measured -> how well, on the test years, by a model fitted
    without them. `importance`: feature -> mean absolute contribution there, in log-odds, largest first.
    """

    model: RiskModel
    config: TrainingConfig
    matrices: Matrices
    split: Split
    table: Mapping[str, Accuracy]
    importance: Mapping[str, float]
    left_out: tuple[LeftOut, ...]


def train(
    school_data: SchoolData,
    config: TrainingConfig,
    *,
    policy: TierPolicy,
    made_up: bool,
    progress: Progress,
    erased: Collection[str] = frozenset(),
) -> Trained:
    """Learn from past school years, measured on the last of them.

    Raises:
        DataError: there are not enough past school years to hold one back, or nothing to learn from.
        ModelError: the labels or features are such that no model can be fitted.
    """
    with progress.step("matrices"):
        matrices = build_matrices(school_data, config, minimum_days=policy.minimum_days_enrolled, erased=erased)
        split = split_by_year(matrices, config)
    with progress.step("measure"):
        table, importance = _measure(matrices, split, config=config, policy=policy)
    with progress.step("fit"):
        names, left_out = usable_features(matrices.rows)
        about = _about(school_data, config, matrices, names=names, made_up=made_up)
        model = _fit(matrices.rows, names, config=config, about=about)
    return Trained(
        model=model,
        config=config,
        matrices=matrices,
        split=split,
        table=table,
        importance=importance,
        left_out=left_out,
    )


def usable_features(rows: pl.DataFrame) -> tuple[list[str], tuple[LeftOut, ...]]:
    """The features that say something in these rows: not those that are missing or equal everywhere, or the same as an
    earlier one."""
    kept: list[str] = []
    left_out: list[LeftOut] = []
    seen: dict[tuple[object, ...], list[str]] = {}
    for name in (name for name in rows.columns if name not in KEYS):
        column = rows[name]
        digest = (column.null_count(), column.sum(), column.min(), column.max())
        twin = next((other for other in seen.get(digest, []) if rows[other].equals(column)), None)
        why = _useless(column) or (None if twin is None else f"the same as {twin}")
        if why:
            left_out.append(LeftOut(name=name, why=why))
            continue
        seen.setdefault(digest, []).append(name)
        kept.append(name)
    return kept, tuple(left_out)


def _useless(column: pl.Series) -> str | None:
    if column.null_count() == len(column):
        return "missing everywhere"
    return "the same everywhere" if column.drop_nulls().n_unique() == 1 else None


def split_by_year(matrices: Matrices, config: TrainingConfig) -> Split:
    """Hold back the last past school years. Raises DataError where nothing is left to learn from."""
    years = sorted({summary.school_year for summary in matrices.summaries})
    held_back = years[-config.test_years :]
    test = [summary.as_of for summary in matrices.summaries if summary.school_year in held_back]
    earlier = [summary for summary in matrices.summaries if summary.school_year not in held_back]
    # What a label of an earlier year sees of the held-back ones would be learned, and then asked.
    train = [summary.as_of for summary in earlier if summary.horizon_end < min(test)]
    if not train:
        raise DataError(
            f"The extract can tell {config.label} in {counted(len(years), 'past school year')}; "
            f"{config.test_years} held back to measure on, and none is left to learn from",
            hint="bring an extract with more past school years: horizons of the earlier ones end before the held-back",
        )
    between = tuple(summary.as_of for summary in earlier if summary.as_of not in train)
    return Split(train=tuple(train), test=tuple(test), between=between)


def _fit(
    rows: pl.DataFrame, names: Sequence[str], *, config: TrainingConfig, about: Mapping[str, object] | None = None
) -> RiskModel:
    """Rows of one student never stand on both sides of a held-out split."""
    return RiskModel.fit(
        rows.select(names),
        rows[LABEL],
        seed=config.seed,
        groups=rows["student_id"],
        monotone={name: way for name, way in monotone_constraints(names).items() if way},
        about=about,
    )


def _measure(
    matrices: Matrices, split: Split, *, config: TrainingConfig, policy: TierPolicy
) -> tuple[dict[str, Accuracy], dict[str, float]]:
    is_train, is_test = (matrices.rows["as_of"].is_in(list(dates)) for dates in (split.train, split.test))
    train, test = matrices.rows.filter(is_train), matrices.rows.filter(is_test)
    names, _ = usable_features(train)
    model = _fit(train, names, config=config)
    known, asked = train[LABEL].to_numpy(), test[LABEL].to_numpy()
    table = {
        MODEL: evaluate(asked, model.predict(test)),
        LOGISTIC: evaluate(asked, logistic(train, test, names)),
    }
    for name, score in _scores(matrices, config=config, policy=policy).items():
        before, now = score[is_train.to_numpy()], score[is_test.to_numpy()]
        table[name] = _of_a_score((before, known), (now, asked))
    contributions = np.abs(model.contributions(test).select(names).to_numpy()).mean(axis=0)
    weight = dict(zip(names, contributions.tolist(), strict=True))
    return table, dict(sorted(weight.items(), key=lambda pair: -pair[1]))


def _of_a_score(train: tuple[Array, Array], test: tuple[Array, Array]) -> Accuracy:
    """A score that is no probability: judged by its own order, and the Brier score by what it meant in other years."""
    score, label = test
    in_order = evaluate(label, (score - score.min()) / max(float(np.ptp(score)), 1e-12))
    return replace(in_order, brier=evaluate(label, as_probability(train, score)).brier)


def _scores(matrices: Matrices, *, config: TrainingConfig, policy: TierPolicy) -> dict[str, Array]:
    scores = {RULES: rules_score(matrices.indicators, matrices.rows["as_of"], policy)}
    last_year = last_year_score(matrices.indicators, config.label)
    return scores if last_year is None else {**scores, LAST_YEAR: last_year}


def _about(
    school_data: SchoolData, config: TrainingConfig, matrices: Matrices, *, names: Sequence[str], made_up: bool
) -> dict[str, Any]:
    """What is kept with the model: what it learned, from what, and the hashes by which that can be checked."""
    label = LABELS[config.label]
    dates: list[date] = [summary.as_of for summary in matrices.summaries]
    return {
        "label": config.label,
        "title": label.title,
        "horizon": label.horizon,
        GRADES: None if label.grades is None else [grade.value for grade in label.grades],
        "as_of": [day.isoformat() for day in dates],
        "made_up": made_up,
        "features_sha256": features_hash(names),
        DECLARED: declared_features(names),
        "data_sha256": data_hash(school_data),
        "config_sha256": config.hash,
    }


def data_hash(school_data: SchoolData) -> str:
    """SHA-256 over the tables, names and hashes of all files that were read."""
    files = sorted([file.table, file.name, file.sha256] for file in school_data.files)
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
