"""Tiers: which students rules and model bring to the list, how many a coordinator can carry, why each stands where."""

from __future__ import annotations

import hashlib

import dataframely as dy
import numpy as np
import polars as pl

from cis_ews.enums import GradeLevel
from cis_ews.risk.cohort import STUDENT_COLUMNS, Cohort
from cis_ews.risk.rule_counts import count_results
from cis_ews.risk.rule_results import SAID
from cis_ews.risk.rule_terms import RuleKind
from cis_ews.risk.rules import RULES
from cis_ews.risk.tier_places import place_students
from cis_ews.risk.tier_policy import Capacity, TierPolicy
from cis_ews.schema.coded import CodedTable
from cis_ews.schema.scores import Scores

__all__ = ["JUDGED", "Capacity", "TierPolicy", "assign_tiers", "judge_students", "place_students"]

JUDGED = pl.Schema(
    {
        "student_id": pl.String(),
        "school_id": pl.String(),
        "grade_level": pl.Enum(GradeLevel),
        "days_enrolled": pl.Int32(),
        "risk": pl.Float64(),
        "risk_low": pl.Float64(),
        "risk_high": pl.Float64(),
        "asked": pl.Int8(),
        "by_rules": pl.Int8(),
        "flags": pl.Int32(),
        "absence_rate": pl.Float64(),
        "lot": pl.UInt64(),
        "abstained": pl.Boolean(),
        "because": pl.String(),
        "agreeing": pl.String(),
    }
)
"""What `judge_students` says of a student; `place_students` takes it. `asked`: the tier that rules and model ask for;
`by_rules`: rules alone; `flags`: how many flag rules hold; `lot`: what breaks a tie, null where nothing asks for a
tier; `because`, `agreeing`: the words of the reason that do not hang on a place."""

BY_MODEL = {
    3: "Trained model: records like these call for intensive support",
    2: "Trained model: records like these call for targeted support",
}
FLAGS = [rule.name for rule in RULES if rule.kind == RuleKind.FLAG]


def assign_tiers(
    cohort: Cohort,
    indicators: pl.DataFrame,
    results: pl.DataFrame,
    *,
    policy: TierPolicy,
    model_version: str,
    risk: pl.DataFrame | None = None,
) -> dy.DataFrame[Scores]:
    """A tier for every student of the cohort, with what put the student there, sorted by `student_id`.

    Tier 3 and 2 are asked for by the policy's rules and, where `risk` is given, by the policy's thresholds; the higher
    one counts, so a model never takes away what a rule asks for. Then the list is cut at each school's capacity
    (`place_students`). `risk`: `student_id`, `risk` (a calibrated probability), and its bounds `risk_low` and
    `risk_high`, where they are known.

    "Not enough data" is a student enrolled for fewer days than the policy asks, unless a rule holds that needs no share
    of these few days, and a student of whom every rule of the policy abstains. The risk of these, and of everyone
    enrolled for fewer days, is not told.
    """
    judged = judge_students(cohort.students, indicators, results, policy=policy, risk=risk)
    return place_students(judged, policy=policy, model_version=model_version)


def judge_students(
    cohort_students: pl.DataFrame,
    indicators: pl.DataFrame,
    results: pl.DataFrame | CodedTable,
    *,
    policy: TierPolicy,
    risk: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """What rules and model ask for each student of a part of the cohort (JUDGED), before any list is cut.

    Needs nothing of other students: the parts of a cohort may be judged one by one, and placed together. `indicators`,
    `results` (`RuleResults`, coded or not) and `risk` may hold more students than these.
    """
    students = cohort_students.sort("student_id")
    coded = results if isinstance(results, CodedTable) else CodedTable.of(results, SAID)
    counted = count_results(coded, students, policy, flags=FLAGS)
    judged = (
        _beside(students, indicators.select("student_id", __rate="absence_rate_ytd"))
        .hstack(counted.rename(lambda name: f"__{name}"))
        .with_columns(__nothing_known=pl.col("__by_rules").is_null() & _nothing_known(policy))
    )
    judged = (
        _beside(judged, _risks(risk))
        .with_columns(_asked_by_model(policy))
        .with_columns(__asked=pl.max_horizontal("__by_rules", "__by_model"))
    )
    return judged.select(
        *STUDENT_COLUMNS,
        risk="__risk",
        risk_low=_where_told("risk_low"),
        risk_high=_where_told("risk_high"),
        asked="__asked",
        by_rules="__by_rules",
        flags="__flags",
        absence_rate="__rate",
        lot=_lots(judged.select(pl.when(pl.col("__asked").is_not_null()).then("student_id")).to_series()),
        abstained="__nothing_known",
        because=_because(policy),
        agreeing=pl.when(pl.col("__asked").is_not_null()).then(_agreeing()),
    ).cast(JUDGED)


def _beside(students: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Students with what a frame of one row a student says of them."""
    if students.get_column("student_id").equals(frame.get_column("student_id")):
        return students.hstack(frame.drop("student_id"))
    return students.join(frame, on="student_id", how="left", maintain_order="left")


def _lots(listed: pl.Series) -> pl.Series:
    """A number that hangs on nothing but the id, for those on a list: polars' own hash may change with its version."""
    is_listed = listed.is_not_null()
    digests = b"".join([hashlib.sha256(student).digest() for student in listed.filter(is_listed).cast(pl.Binary)])
    # The first eight bytes of the 32, the highest first.
    lots = np.frombuffer(digests, dtype=">u8")[::4].astype(np.uint64)
    return pl.Series([None], dtype=pl.UInt64).new_from_index(0, len(listed)).scatter(is_listed.arg_true(), lots)


def _where_told(bound: str) -> pl.Expr:
    return pl.when(pl.col("__risk").is_not_null()).then(bound)


def _risks(risk: pl.DataFrame | None) -> pl.DataFrame:
    none = pl.DataFrame(
        schema={"student_id": pl.String, "risk": pl.Float64, "risk_low": pl.Float64, "risk_high": pl.Float64}
    )
    said = none if risk is None else pl.concat([none, risk], how="diagonal")
    return said.select("student_id", "risk_low", "risk_high", __risk="risk")


def _asked_by_model(policy: TierPolicy) -> tuple[pl.Expr, pl.Expr]:
    """The risk of those of whom enough is known, and the tier that it asks for.

    A model has never seen a student of so few days as the policy's minimum: it is not asked about one.
    """
    enough_days = pl.col("days_enrolled") >= policy.minimum_days_enrolled
    known = pl.when(~pl.col("__nothing_known") & enough_days).then(pl.col("__risk"))
    asks = pl.when(known >= policy.tier_3_risk).then(3).when(known >= policy.tier_2_risk).then(2).cast(pl.Int8)
    return known.alias("__risk"), asks.alias("__by_model")


def _rules_asked(policy: TierPolicy) -> pl.Expr:
    """How many rules of the policy are made for a student's grade; all of them where the grade is not known."""
    rules = {entry.rule.name: entry.rule for entry in policy.rules}.values()
    grades = [grade.value for grade in GradeLevel]
    counts = [sum(rule.grades is None or grade in rule.grades for rule in rules) for grade in grades]
    grade = pl.col("grade_level").cast(pl.String)
    return grade.replace_strict(grades, counts, default=None, return_dtype=pl.Int32).fill_null(len(rules))


def _nothing_known(policy: TierPolicy) -> pl.Expr:
    few_days = pl.col("days_enrolled") < policy.minimum_days_enrolled
    return few_days | ((_rules_asked(policy) > 0) & (pl.col("__abstaining") >= _rules_asked(policy)))


def _because(policy: TierPolicy) -> pl.Expr:
    """What asks for the tier; the whole reason where nothing does, or where there is not enough data."""
    missing = pl.col("__missing")
    nothing_known, few_days = pl.col("__nothing_known"), pl.col("days_enrolled") < policy.minimum_days_enrolled
    few = pl.format(f"Not enough data: {{}} of {policy.minimum_days_enrolled} days enrolled", "days_enrolled")
    unasked = pl.format("; {} could not be asked, missing {}", "__abstaining", missing).fill_null("")
    return (
        pl.when(nothing_known & few_days)
        .then(few + pl.format("; missing {}", missing).fill_null(""))
        .when(nothing_known)
        .then(pl.format("Not enough data: missing {}", missing))
        .when(pl.col("__asked").is_not_null())
        .then(_decided())
        .otherwise(_nothing_asks() + unasked)
    )


def _decided() -> pl.Expr:
    """What asked for the tier: the rule in its words, or the model where it asks for more than any rule."""
    asks_more = pl.col("__by_model") > pl.col("__by_rules").fill_null(0)
    by_model = pl.col("__by_model").replace_strict(BY_MODEL, default=None, return_dtype=pl.String)
    return pl.when(asks_more).then(by_model).otherwise(pl.col("__because"))


def _agreeing() -> pl.Expr:
    """Who else speaks, in brackets: further rules and the model beside a rule, the rules that hold beside the model."""
    by_model, further = pl.col("__by_model"), pl.col("__further")
    model_decided = by_model > pl.col("__by_rules").fill_null(0)
    rules = pl.when(model_decided).then(pl.format("rules that hold: {}", further + 1))
    rules = rules.when(further > 0).then(pl.format("rules that agree: {}", further))
    beside = pl.when((by_model == pl.col("__asked")) & ~model_decided).then(pl.lit("the model agrees"))
    both = pl.concat_str([rules, beside], separator="; ", ignore_nulls=True)
    return pl.when(both != "").then(pl.format(" ({})", both)).otherwise(pl.lit(""))


def _nothing_asks() -> pl.Expr:
    alone = pl.lit("Tier 1: no rule for Tier 2 or 3 holds")
    return pl.when(pl.col("__risk").is_null()).then(alone).otherwise(alone + ", and the model asks for neither")
