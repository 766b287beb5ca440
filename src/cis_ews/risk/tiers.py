"""Tiers: which students rules and model bring to the list, how many a coordinator can carry, why each stands where."""

from __future__ import annotations

import hashlib

import dataframely as dy
import numpy as np
import polars as pl

from cis_ews.enums import GradeLevel, RuleStatus
from cis_ews.risk.cohort import STUDENT_COLUMNS, Cohort
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_terms import RuleKind
from cis_ews.risk.rules import RULES
from cis_ews.risk.sentences import input_words
from cis_ews.risk.tier_places import place_students
from cis_ews.risk.tier_policy import Capacity, TierPolicy
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

ASKING = {
    "rule": pl.String,
    "level": pl.String,
    "__by_rules": pl.Int8,
    "__order": pl.Int32,
    "__needs_rate": pl.Boolean,
    "__prefix": pl.String,
}
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
    results: pl.DataFrame,
    *,
    policy: TierPolicy,
    risk: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """What rules and model ask for each student of a part of the cohort (JUDGED), before any list is cut.

    Needs nothing of other students: the parts of a cohort may be judged one by one, and placed together. `indicators`,
    `results` and `risk` may hold more students than these.
    """
    students = _with_absence_rate(cohort_students, indicators)
    evidence = _evidence(students, results, policy)
    judged = (
        students.join(_strongest(evidence), on="student_id", how="left")
        .join(_flags_held(results), on="student_id", how="left")
        .join(_abstentions(results, policy), on="student_id", how="left")
        .join(_rules_asked(policy), on="__grade", how="left", nulls_equal=True)
        .with_columns(pl.col("__flags", "__abstaining").fill_null(0))
        .with_columns(__nothing_known=pl.col("__by_rules").is_null() & _nothing_known(policy))
        .join(_risks(risk), on="student_id", how="left")
        .with_columns(_asked_by_model(policy))
        .with_columns(__asked=pl.max_horizontal("__by_rules", "__by_model"))
        .sort("student_id")
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


def _with_absence_rate(students: pl.DataFrame, indicators: pl.DataFrame) -> pl.DataFrame:
    rates = indicators.select("student_id", __rate="absence_rate_ytd")
    return students.join(rates, on="student_id", how="left").with_columns(__grade=pl.col("grade_level").cast(pl.String))


def _evidence(students: pl.DataFrame, results: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """The results that ask for a tier: student_id, __by_rules, __order, __because; shares of too few days left out."""
    asking = [
        (entry.rule.name, level, entry.tier, order, entry.needs_a_rate, f"{entry.rule.authority}: ")
        for order, entry in enumerate(policy.rules)
        for level in entry.levels
    ]
    table = pl.DataFrame(asking, schema=ASKING, orient="row")
    few_days = pl.col("days_enrolled") < policy.minimum_days_enrolled
    names = [entry.rule.name for entry in policy.rules]
    held = results.lazy().filter(pl.col("status") == RuleStatus.HOLDS, pl.col("rule").is_in(names))
    return (
        held.select("student_id", "rule", "level", "sentence")
        .collect()
        .join(table, on=["rule", "level"], nulls_equal=True)
        .join(students.select("student_id", "days_enrolled"), on="student_id")
        .filter(~(few_days & pl.col("__needs_rate")))
        .select("student_id", "rule", "__by_rules", "__order", __because=pl.col("__prefix") + pl.col("sentence"))
    )


def _strongest(evidence: pl.DataFrame) -> pl.DataFrame:
    """One row a student: the first rule of the highest tier, and how many further rules of the policy hold."""
    ordered = evidence.sort("student_id", "__by_rules", "__order", descending=[False, True, False])
    further = pl.col("rule").n_unique().over("student_id").cast(pl.Int32) - 1
    return ordered.with_columns(__further=further).unique("student_id", keep="first", maintain_order=True).drop("rule")


def _flags_held(results: pl.DataFrame) -> pl.DataFrame:
    held = results.lazy().filter(pl.col("status") == RuleStatus.HOLDS, pl.col("rule").is_in(FLAGS))
    return held.group_by("student_id").agg(__flags=pl.len().cast(pl.Int32)).collect()


def _abstentions(results: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """How many rules of the policy lack school data, and what they lack, in words.

    A rule that lacks only what no school data have (a state test, an age) has been asked as far as it can be.
    """
    names = list({entry.rule.name for entry in policy.rules})
    abstaining = results.lazy().filter(pl.col("status") == RuleStatus.ABSTAINS, pl.col("rule").is_in(names))
    lacking = abstaining.select("student_id", "rule", "missing").collect()
    words = pl.DataFrame(
        [(text, word) for text in lacking["missing"].drop_nulls().unique() for word in _words_of(text)],
        schema={"missing": pl.String, "__word": pl.String},
        orient="row",
    )
    return (
        lacking.join(words, on="missing")
        .group_by("student_id")
        .agg(
            __abstaining=pl.col("rule").n_unique().cast(pl.Int32),
            __missing=pl.col("__word").unique().sort().str.join(", "),
        )
    )


def _words_of(missing: str) -> list[str]:
    """What school data should have, of the inputs that a rule lacks, in words."""
    return [input_words(name) for name in missing.split(",") if name not in EXTERNAL_INPUTS]


def _rules_asked(policy: TierPolicy) -> pl.DataFrame:
    """How many rules of the policy are made for each grade; all of them where the grade is not known."""
    rules = {entry.rule.name: entry.rule for entry in policy.rules}.values()
    grades = [None, *(grade.value for grade in GradeLevel)]
    counts = [sum(grade is None or rule.grades is None or grade in rule.grades for rule in rules) for grade in grades]
    return pl.DataFrame({"__grade": grades, "__rules": counts}, schema={"__grade": pl.String, "__rules": pl.Int32})


def _nothing_known(policy: TierPolicy) -> pl.Expr:
    few_days = pl.col("days_enrolled") < policy.minimum_days_enrolled
    return few_days | ((pl.col("__rules") > 0) & (pl.col("__abstaining") >= pl.col("__rules")))


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
