"""How good a model is where it was not learned: beside everything it has to beat, with intervals, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from cis_ews.enums import GRADE_BANDS
from cis_ews.evaluation.abstention import DaysStep, risk_coverage
from cis_ews.evaluation.bootstrap import Bootstrap
from cis_ews.evaluation.comparison import (
    AtSameRate,
    Candidate,
    Compared,
    InGroup,
    at_same_rate,
    compare,
    in_group,
    on_lists,
)
from cis_ews.evaluation.probabilities import Calibration, NetBenefit, calibration, decision_curve
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.model import RiskModel
from cis_ews.risk.model_recipe import Recipe
from cis_ews.risk.tier_policy import TierPolicy
from training.baselines import (
    Answers,
    Array,
    as_probability,
    ask_rules,
    last_year_score,
    lightgbm_defaults,
    logistic,
    rules_held,
    rules_score,
    school_rate,
    september_score,
    tiers,
)
from training.config import TrainingConfig
from training.fitting import directions, fit_model, refit_model, usable_features
from training.matrices import LABEL, Matrices, lists_of
from training.splits import Rows, Split, rows_on

MODEL = "the model"
RULES = "published rules"
LAST_YEAR = "last year's value"
SEPTEMBER = "September rule"
SCHOOL = "school mean only"
LOGISTIC = "logistic regression"
LIGHTGBM = "LightGBM defaults"
FREE = "without directions"
GAINS = ("auroc", "average_precision", "recall_at_10")
"""The measures in which the model is set against each other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One as-of date, grade band or school: who (the model, ...) -> what was found of it on the lists of the schools;
    of nobody where fewer than 10 students stand behind it (`is_told`)."""

    by: str
    name: str
    rows: int
    positives: int
    found: Mapping[str, InGroup]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFound:
    """Students in a tier, one row a student and night, and how many of ten the outcome met."""

    tier: int
    rows: int
    of_ten: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was measured on held-back school years, by a model that learned from earlier ones alone.

    `table`: who -> figures, the model first. `rules`: flag rule -> it beside the model at the same number of flags;
    `rules_of_few`: how many more hold for 1 to 9 students, of which nothing is told. `undirected`: the model fitted
    again without the directions of features, and what it gained on each that is ahead of the model (see `behind`);
    empty where none is, or no direction is held.
    """

    splits: tuple[Split, ...]
    rows: int
    positives: int
    schools: int
    students: int
    table: Mapping[str, Compared]
    rules: Mapping[str, AtSameRate]
    groups: tuple[Group, ...]
    calibration: Calibration
    curve: tuple[NetBenefit, ...]
    tiers: tuple[TierFound, ...]
    importance: Mapping[str, float]
    by_days: tuple[DaysStep, ...]
    rules_of_few: int = 0
    undirected: Mapping[str, Compared] = field(default_factory=dict[str, Compared])


@dataclass(frozen=True, eq=False)
class _Held:
    """The rows of one held-back year, who says what of them, and what the rules answered; `everyone`: student, label,
    risk and days enrolled, of those too whom a night leaves out for their few days."""

    rows: pl.DataFrame
    indicators: pl.DataFrame
    candidates: dict[str, Candidate]
    importance: dict[str, float]
    everyone: pl.DataFrame
    model: RiskModel
    learned: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """The newest held-back year: the `model` that was measured there, the rows that it `learned` from and the `rows`
    that it was asked about, and what was `told` of them (see `fairness.audit_fairness`), a row a student and date."""

    model: RiskModel
    learned: pl.DataFrame
    rows: pl.DataFrame
    told: pl.DataFrame


def validate(
    learned: Matrices,
    everyone: Matrices,
    splits: Sequence[Split],
    *,
    recipe: Recipe,
    config: TrainingConfig,
    policy: TierPolicy,
) -> tuple[Validation, HeldBack]:
    """Fit by the recipe on the years before each held-back one, and measure there. Raises ModelError where no model can
    be fitted.

    `everyone`: rows to measure on, whatever the days enrolled; all figures but `by_days` are of those who are enrolled
    for the policy's minimum of days, as a night judges them. Beside what was found: the newest held-back year.
    """
    held = [_asked(learned, everyone, split, recipe=recipe, config=config, policy=policy) for split in splits]
    rows, indicators = pl.concat([each.rows for each in held]), pl.concat([each.indicators for each in held])
    candidates = {name: _joined([each.candidates[name] for each in held]) for name in held[0].candidates}
    label = rows[LABEL].cast(pl.Float64).to_numpy()
    lists = lists_of(rows)
    bootstrap = Bootstrap.of(rows["school_id"].to_numpy(), draws=config.validation.draws, seed=config.seed)
    answers = ask_rules(indicators, rows["as_of"])
    model = candidates[MODEL]
    held_rules = {name: flags for name, flags in rules_held(answers).items() if flags.any()}
    told = [name for name, flags in held_rules.items() if _students(rows, flags > 0.0) >= FEWEST]
    beside = {name: at_same_rate(label, held_rules[name], model, lists=lists, bootstrap=bootstrap) for name in told}
    table = compare(label, candidates, lists=lists, bootstrap=bootstrap)
    ahead = {who: candidates[who] for who, each in table.items() if behind(each)}
    free = {FREE: _undirected(held, config), **ahead} if ahead and directions(held[-1].model.features) else {}
    found = Validation(
        splits=tuple(splits),
        rows=rows.height,
        positives=int(label.sum()),
        schools=bootstrap.count,
        students=rows["student_id"].n_unique(),
        table=table,
        rules={name: found for name, found in beside.items() if found is not None},
        groups=_groups(rows, indicators, on_lists(candidates, lists), bootstrap=bootstrap),
        calibration=calibration(label, model.probability, bootstrap=bootstrap),
        curve=decision_curve(label, model.probability),
        tiers=_tiers(rows, answers, model.probability, policy=policy),
        importance=held[-1].importance,
        by_days=_curve(pl.concat([each.everyone for each in held])),
        rules_of_few=len(held_rules) - len(told),
        undirected=compare(label, free, lists=lists, bootstrap=bootstrap) if free else {},
    )
    newest = held[-1]
    return found, HeldBack(model=newest.model, learned=newest.learned, rows=newest.rows, told=_told(newest))


def behind(found: Compared) -> list[str]:
    """The measures of GAINS in which the first of a comparison has less than this one, beyond chance."""
    drawn = {name: found.gains[name] for name in GAINS if name in found.gains}
    return [name for name, gain in drawn.items() if gain.high is not None and gain.high < 0.0]


def _undirected(held: Sequence[_Held], config: TrainingConfig) -> Candidate:
    """What the same kind of model says, of as many rounds, where no feature has to point one way."""
    models = (refit_model(one.model, one.learned, config=config, seed=config.seed, directed=False) for one in held)
    return Candidate.of(np.concatenate([model.predict(one.rows) for model, one in zip(models, held, strict=True)]))


def _told(held: _Held) -> pl.DataFrame:
    risks = {
        "risk": held.candidates[MODEL].probability,
        "school_rate": held.candidates[SCHOOL].probability,
        "rules": held.candidates[RULES].order,
        "rules_risk": held.candidates[RULES].probability,
    }
    rows = held.rows.select("student_id", "school_id", "as_of", label=pl.col(LABEL).cast(pl.Float64))
    return rows.with_columns(pl.Series(name, values) for name, values in risks.items())


def _joined(parts: Sequence[Candidate]) -> Candidate:
    return Candidate(
        np.concatenate([each.order for each in parts]), np.concatenate([each.probability for each in parts])
    )


def _asked(
    learned: Matrices,
    everyone: Matrices,
    split: Split,
    *,
    recipe: Recipe,
    config: TrainingConfig,
    policy: TierPolicy,
) -> _Held:
    measured = everyone.from_days(policy.minimum_days_enrolled)
    of_train, of_test = rows_on(learned.rows, split.train), rows_on(measured.rows, split.test)
    train, test = learned.rows.filter(pl.Series(of_train)), measured.rows.filter(pl.Series(of_test))
    before, now = learned.indicators.filter(pl.Series(of_train)), measured.indicators.filter(pl.Series(of_test))
    names, _ = usable_features(train)
    model = fit_model(train, names, config=config, recipe=recipe)
    known = train[LABEL].cast(pl.Float64).to_numpy()
    scores = _scores((before, train["as_of"]), (now, test["as_of"]), config=config, policy=policy)
    candidates = {
        MODEL: Candidate.of(model.predict(test)),
        LOGISTIC: Candidate.of(logistic(train, test, names)),
        LIGHTGBM: Candidate.of(lightgbm_defaults(train, test, names, seed=config.seed)),
        **{
            name: Candidate(later, as_probability((earlier, known), later)) for name, (earlier, later) in scores.items()
        },
        SCHOOL: Candidate.of(school_rate(train, test["school_id"])),
    }
    return _Held(
        test,
        now,
        candidates=candidates,
        importance=_importance(model, test, names),
        everyone=_by_days(model, everyone, split),
        model=model,
        learned=train,
    )


def _by_days(model: RiskModel, everyone: Matrices, split: Split) -> pl.DataFrame:
    of_test = pl.Series(rows_on(everyone.rows, split.test))
    rows = everyone.rows.filter(of_test)
    risk = pl.Series("risk", model.predict(rows))
    return rows.select("student_id", pl.col(LABEL).cast(pl.Float64)).with_columns(
        risk, everyone.days.filter(of_test).alias("days")
    )


def _curve(rows: pl.DataFrame) -> tuple[DaysStep, ...]:
    days, label, risk = (rows[name].to_numpy() for name in ("days", LABEL, "risk"))
    return tuple(risk_coverage(days, label, risk, students=rows["student_id"].to_list()))


def _scores(
    train: tuple[pl.DataFrame, pl.Series],
    test: tuple[pl.DataFrame, pl.Series],
    *,
    config: TrainingConfig,
    policy: TierPolicy,
) -> dict[str, tuple[Array, Array]]:
    """Scores that are no probabilities, in the years that are learned from and in the held-back one."""
    found = {
        RULES: [rules_score(ask_rules(*each), policy) for each in (train, test)],
        LAST_YEAR: [last_year_score(each, config.label) for each, _ in (train, test)],
        SEPTEMBER: [september_score(each) for each, _ in (train, test)],
    }
    return {name: (before, now) for name, (before, now) in found.items() if before is not None and now is not None}


def _importance(model: RiskModel, rows: pl.DataFrame, names: Sequence[str]) -> dict[str, float]:
    contributions = np.abs(model.contributions(rows).select(names).to_numpy()).mean(axis=0)
    weight = dict(zip(names, contributions.tolist(), strict=True))
    return dict(sorted(weight.items(), key=lambda pair: -pair[1]))


def _groups(
    rows: pl.DataFrame, indicators: pl.DataFrame, places: Mapping[str, Mapping[str, Array]], *, bootstrap: Bootstrap
) -> tuple[Group, ...]:
    kinds = {"as-of date": rows["as_of"].cast(pl.String), "grades": _band(indicators), "school": rows["school_id"]}
    return tuple(
        _group(by, str(name), rows, group=(names == name).to_numpy(), places=places, bootstrap=bootstrap)
        for by, names in kinds.items()
        for name in _in_order(names)
    )


def _band(indicators: pl.DataFrame) -> pl.Series:
    """The grade band of each row, of those of GRADE_BANDS."""
    bands = {grade.value: band for band, grades in GRADE_BANDS.items() for grade in grades}
    grades = indicators["grade_level"].cast(pl.String)
    return grades.replace_strict(bands, default="grade not known", return_dtype=pl.String)


def _in_order(names: pl.Series) -> list[str]:
    """Each name once: grade bands from the lowest up, whatever is no band after them, and by itself in order."""
    bands = list(GRADE_BANDS)
    return sorted(names.unique(), key=lambda name: (bands.index(name) if name in bands else len(bands), name))


def _group(
    by: str,
    name: str,
    rows: pl.DataFrame,
    *,
    group: Rows,
    places: Mapping[str, Mapping[str, Array]],
    bootstrap: Bootstrap,
) -> Group:
    label = rows[LABEL].cast(pl.Float64).to_numpy()
    told = is_told(rows, group)
    if told and by == "school":
        # There is one cluster alone: students are drawn again, where elsewhere schools are.
        students = rows["student_id"].filter(pl.Series(group)).rank("dense").to_numpy()
        bootstrap = Bootstrap.of(students, draws=bootstrap.draws, seed=bootstrap.seed)
        places = {who: {name: chance[group] for name, chance in of.items()} for who, of in places.items()}
        found = in_group(label[group], places, np.ones(students.size, dtype=np.bool_), bootstrap=bootstrap)
    else:
        found = in_group(label, places, group, bootstrap=bootstrap) if told else {}
    return Group(by=by, name=name, rows=int(group.sum()), positives=int(label[group].sum()), found=found)


def is_told(rows: pl.DataFrame, group: Rows) -> bool:
    """Whether 10 students or more stand behind the positives of a group, and behind its negatives where it has any. Not
    rows: one student has a row on every date."""
    positive = (rows[LABEL] == 1).to_numpy()
    met, spared = _students(rows, group & positive), _students(rows, group & ~positive)
    return met >= FEWEST and not 0 < spared < FEWEST


def _students(rows: pl.DataFrame, chosen: Rows) -> int:
    return rows["student_id"].filter(pl.Series(chosen)).n_unique()


def _tiers(rows: pl.DataFrame, answers: list[Answers], risk: Array, *, policy: TierPolicy) -> tuple[TierFound, ...]:
    given, label = tiers(answers, risk, policy), rows[LABEL].cast(pl.Float64).to_numpy()
    found: list[TierFound] = []
    for tier in (3, 2, 1):
        if _students(rows, given == tier) >= FEWEST:
            met = label[given == tier]
            share = float(met.mean())
            found.append(TierFound(tier=tier, rows=met.size, of_ten=round(10 * share), share=share))
    return tuple(found)
