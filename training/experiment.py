"""One training: matrices of past years, a split by school year, the table, and the model that is registered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from cis_ews.evaluation.abstention import fewest_days
from cis_ews.evaluation.comparison import Candidate
from cis_ews.progress import Progress
from cis_ews.risk.features import features_hash
from cis_ews.risk.labels import LABELS
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_recipe import Recipe
from cis_ews.risk.night_model import DECLARED, FEWEST_DAYS, GRADES, declared_features
from cis_ews.risk.supported import SUPPORTED_HOW
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.school_data import SchoolData
from training.candidates import Choice, choose
from training.champion import LEARNED_THROUGH, Champion, as_twin, beside_champion
from training.config import TrainingConfig
from training.contrasts import Asked, Contrast, NotMeasured, contrasts
from training.dates import as_of_dates
from training.fairness import Fairness, audit_fairness
from training.fitting import LeftOut, fit_model, usable_features
from training.gates import GateRecord, gates
from training.known import features_known_by
from training.leakage import LeakageReport, find_later, find_leaks, refuse
from training.matrices import Matrices, build_matrices, on_middle_date
from training.null_control import NullControl, null_control, one_date_a_year
from training.served import audit_served
from training.splits import Split, check_both_outcomes, held_back_years, leave_future_out, rows_on
from training.spread import FeatureSpread, feature_spreads
from training.stability import Stability, measure_stability
from training.validation import HeldBack, Validation, validate


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training has made.

    `model`: fitted on all past years. `choice`: which kind of model it is, and why. `matrices`: what it learned from.
    `leakage`: what was looked for, and not found.
    `validation`: how well a model that learned without them did on the held-back years. `fairness`: whom it
    errs about. `contrasts`: the same on other splits; `not_measured`: why not. `null`: what shuffled labels gain.
    `stability`: whether its explanations hold.
    `twin`: the model that was measured on the newest held-back year. `gates`: whether it may become the champion.
    `spreads`: how far features move its risks.
    """

    model: RiskModel
    choice: Choice
    config: TrainingConfig
    matrices: Matrices
    measured: Matrices
    leakage: LeakageReport
    validation: Validation
    fairness: Fairness
    null: NullControl
    stability: Stability
    twin: RiskModel
    gates: GateRecord
    spreads: tuple[FeatureSpread, ...]
    contrasts: tuple[Contrast, ...]
    not_measured: tuple[NotMeasured, ...]
    left_out: tuple[LeftOut, ...]


def train(
    school_data: SchoolData,
    config: TrainingConfig,
    *,
    policy: TierPolicy,
    made_up: bool,
    progress: Progress,
    erased: Collection[str] = frozenset(),
    champion: Champion | None = None,
) -> Trained:
    """Learn from past school years, validated on the last of them, beside the champion if there is one.

    Raises:
        DataError: there are not enough past school years to hold one back, or nothing to learn from.
        ModelError: the labels or features are such that no model can be fitted, or a feature leaks.
    """
    with progress.step("matrices"):
        build = partial(build_matrices, school_data, config, erased=erased)
        matrices = build(minimum_days=policy.minimum_days_enrolled)
        everyone = build(minimum_days=0, dates=_measuring_dates(school_data, matrices, config))
        measured = everyone.from_days(policy.minimum_days_enrolled)
        splits = leave_future_out(matrices, measured, label=config.label)
        for split in splits:
            check_both_outcomes(split, matrices, measured, label=config.label)
    with progress.step("look for leaks"):
        leakage = _without_leaks(school_data, matrices, config=config, erased=erased)
    with progress.step("candidates"):
        # The first split learns from no year that is held back.
        choice = choose(matrices, splits[0], config=config, progress=progress)
    recipe = choice.recipe
    with progress.step("validate"):
        validation, held = validate(matrices, everyone, splits, recipe=recipe, config=config, policy=policy)
    with progress.step("audit fairness"):
        fairness = audit_fairness(held.told, school_data.demographics, config=config, policy=policy)
        served = audit_served(school_data, held.model, fairness.as_of, config=config, policy=policy, erased=erased)
        fairness = replace(fairness, served=served)
    with progress.step("contrast"):
        found, missing = _contrasts(school_data, matrices, held, split=splits[-1], recipe=recipe, config=config)
    with progress.step("stability"):
        stability = measure_stability(school_data, held, config=config)
    with progress.step("null control"):
        null = _null(matrices, measured, splits[-1], config=config)
    with progress.step("fit"):
        names, left_out = usable_features(matrices.rows)
        about = {
            **_about(school_data, config, matrices, names=names, made_up=made_up),
            FEWEST_DAYS: fewest_days(validation.by_days),
            LEARNED_THROUGH: max(summary.horizon_end for summary in matrices.summaries).isoformat(),
        }
        model = fit_model(matrices.rows, names, config=config, recipe=recipe, about=about)
    with progress.step("compare with the champion"):
        beside = beside_champion(
            held,
            champion,
            demographics=school_data.demographics,
            first_day=min(splits[-1].test),
            config=config,
            policy=policy,
        )
        spreads = feature_spreads(held.model, on_middle_date(held.rows))
        passed = gates(validation, beside, null=null, leakage=leakage, stability=stability, bounds=config.promotion)
    return Trained(
        model=model,
        choice=choice,
        config=config,
        matrices=matrices,
        measured=measured,
        leakage=leakage,
        validation=validation,
        fairness=fairness,
        null=null,
        stability=stability,
        twin=as_twin(held.model, splits[-1], label=config.label),
        gates=GateRecord(
            model_version=model.version,
            champion=beside.number,
            champion_version=beside.model_version,
            gates=passed,
            notes=beside.notes,
        ),
        spreads=spreads,
        contrasts=tuple(found),
        not_measured=tuple(missing),
        left_out=left_out,
    )


def _without_leaks(
    school_data: SchoolData, matrices: Matrices, *, config: TrainingConfig, erased: Collection[str]
) -> LeakageReport:
    """Look at every row, and work out one date of each school year again without later records."""
    names, _ = usable_features(matrices.rows)
    found = find_leaks(matrices.rows, names)
    dates: list[date] = []
    for year in sorted({summary.school_year for summary in matrices.summaries}):
        of_year = [summary.as_of for summary in matrices.summaries if summary.school_year == year]
        dates.append(of_year[len(of_year) // 2])
        rows = matrices.rows.filter(pl.col("as_of") == dates[-1])
        found += find_later(rows, features_known_by(school_data, dates[-1], erased=erased), names)
    trusted = config.validation.trusted
    refuse(finding for finding in found if finding.column not in trusted)
    return LeakageReport(
        features=len(names),
        rows=matrices.rows.height,
        dates=tuple(dates),
        trusted=tuple(str(finding) for finding in found),
    )


def _null(matrices: Matrices, measured: Matrices, split: Split, *, config: TrainingConfig) -> NullControl:
    train = matrices.rows.filter(pl.Series(rows_on(matrices.rows, split.train)))
    test = measured.rows.filter(pl.Series(rows_on(measured.rows, split.test)))
    return null_control(
        one_date_a_year(train), one_date_a_year(test), shuffles=config.validation.shuffles, seed=config.seed
    )


def _measuring_dates(school_data: SchoolData, matrices: Matrices, config: TrainingConfig) -> list[date]:
    calendar, asked = school_data.calendar_days, config.validation.as_of
    return [day for year in held_back_years(matrices, config.test_years) for day in as_of_dates(calendar, asked, year)]


def _contrasts(
    school_data: SchoolData,
    matrices: Matrices,
    held: HeldBack,
    *,
    split: Split,
    recipe: Recipe,
    config: TrainingConfig,
) -> tuple[list[Contrast], list[NotMeasured]]:
    if not config.validation.contrast_rows:
        return [], [NotMeasured(name="other splits", why="contrast_rows is 0 in the configuration")]
    rules = Candidate(*(held.told[name].to_numpy() for name in ("rules", "rules_risk")))
    asked = Asked(held.rows, rules, earlier=rows_on(matrices.rows, split.train))
    districts = school_data.schools.select("school_id", "district_id")
    return contrasts(matrices.rows, asked, districts=districts, recipe=recipe, config=config)


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
        SUPPORTED_HOW: config.supported.value,
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
