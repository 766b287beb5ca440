"""Tiers: which students the rules bring to the list, how many a coordinator can carry, and why each stands where."""

from __future__ import annotations

import hashlib

import dataframely as dy
import polars as pl

from cis_ews.enums import GradeLevel, RuleStatus
from cis_ews.risk.cohort import Cohort
from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_terms import RuleKind
from cis_ews.risk.rules import RULES
from cis_ews.risk.sentences import input_words
from cis_ews.risk.tier_policy import Capacity, TierPolicy
from cis_ews.schema.scores import Scores

__all__ = ["Capacity", "TierPolicy", "assign_tiers"]

ASKING = {
    "rule": pl.String,
    "level": pl.String,
    "__asked": pl.Int8,
    "__order": pl.Int32,
    "__needs_rate": pl.Boolean,
    "__prefix": pl.String,
}
FLAGS = [rule.name for rule in RULES if rule.kind == RuleKind.FLAG]


def assign_tiers(
    cohort: Cohort, indicators: pl.DataFrame, results: pl.DataFrame, *, policy: TierPolicy, model_version: str
) -> dy.DataFrame[Scores]:
    """A tier for every student of the cohort, with the rule that put the student there, sorted by `student_id`.

    Tier 3 and 2 are asked for by the policy's rules, then cut at each school's capacity: Tier 3 first, then the number
    of flag rules that hold, then the absence rate, then a hash of the student's id (the same every night, and without
    the bias of an alphabet). Who is beyond the cut stays in Tier 1, and the reason says so. "Not enough data" is a
    student enrolled for fewer days than the policy asks, unless a rule holds that needs no share of these few days, and
    a student of whom every rule of the policy abstains.
    """
    students = _with_absence_rate(cohort.students, indicators)
    evidence = _evidence(students, results, policy)
    judged = (
        students.join(_strongest(evidence), on="student_id", how="left")
        .join(_flags_held(results), on="student_id", how="left")
        .join(_abstentions(results, policy), on="student_id", how="left")
        .join(_rules_asked(policy), on="__grade", how="left", nulls_equal=True)
        .with_columns(pl.col("__flags", "__abstaining").fill_null(0))
        .with_columns(__nothing_known=pl.col("__asked").is_null() & _nothing_known(policy))
    )
    return Scores.cast(_scores(_with_places(judged, policy), policy, model_version=model_version))


def _with_absence_rate(students: pl.DataFrame, indicators: pl.DataFrame) -> pl.DataFrame:
    rates = indicators.select("student_id", __rate="absence_rate_ytd")
    return students.join(rates, on="student_id", how="left").with_columns(__grade=pl.col("grade_level").cast(pl.String))


def _evidence(students: pl.DataFrame, results: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """The results that ask for a tier: student_id, __asked, __order, __because; shares of too few days left out."""
    asking = [
        (entry.rule.name, level, entry.tier, order, entry.needs_a_rate, f"{entry.rule.authority}: ")
        for order, entry in enumerate(policy.rules)
        for level in entry.levels
    ]
    table = pl.DataFrame(asking, schema=ASKING, orient="row")
    few_days = pl.col("days_enrolled") < policy.minimum_days_enrolled
    return (
        results.filter(pl.col("status") == RuleStatus.HOLDS)
        .select("student_id", "rule", "level", "sentence")
        .join(table, on=["rule", "level"], nulls_equal=True)
        .join(students.select("student_id", "days_enrolled"), on="student_id")
        .filter(~(few_days & pl.col("__needs_rate")))
        .select("student_id", "rule", "__asked", "__order", __because=pl.col("__prefix") + pl.col("sentence"))
    )


def _strongest(evidence: pl.DataFrame) -> pl.DataFrame:
    """One row a student: the first rule of the highest tier, and how many further rules of the policy hold."""
    ordered = evidence.sort("student_id", "__asked", "__order", descending=[False, True, False])
    further = pl.col("rule").n_unique().over("student_id").cast(pl.Int32) - 1
    return ordered.with_columns(__further=further).unique("student_id", keep="first", maintain_order=True).drop("rule")


def _flags_held(results: pl.DataFrame) -> pl.DataFrame:
    held = results.filter(pl.col("status") == RuleStatus.HOLDS, pl.col("rule").is_in(FLAGS))
    return held.group_by("student_id").agg(__flags=pl.len().cast(pl.Int32))


def _abstentions(results: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """How many rules of the policy lack school data, and what they lack, in words.

    A rule that lacks only what no school data have (a state test, an age) has been asked as far as it can be.
    """
    names = list({entry.rule.name for entry in policy.rules})
    abstaining = results.filter(pl.col("status") == RuleStatus.ABSTAINS, pl.col("rule").is_in(names))
    missing = abstaining.select("student_id", "rule", pl.col("missing").str.split(",")).explode("missing")
    in_data = missing.filter(pl.col("missing").is_not_null(), ~pl.col("missing").is_in(list(EXTERNAL_INPUTS)))
    words = {name: input_words(name) for name in in_data.get_column("missing").unique()}
    return (
        in_data.with_columns(pl.col("missing").replace_strict(words, return_dtype=pl.String))
        .group_by("student_id")
        .agg(
            __abstaining=pl.col("rule").n_unique().cast(pl.Int32),
            __missing=pl.col("missing").unique().sort().str.join(", "),
        )
    )


def _rules_asked(policy: TierPolicy) -> pl.DataFrame:
    """How many rules of the policy are made for each grade; all of them where the grade is not known."""
    rules = {entry.rule.name: entry.rule for entry in policy.rules}.values()
    grades = [None, *(grade.value for grade in GradeLevel)]
    counts = [sum(grade is None or rule.grades is None or grade in rule.grades for rule in rules) for grade in grades]
    return pl.DataFrame({"__grade": grades, "__rules": counts}, schema={"__grade": pl.String, "__rules": pl.Int32})


def _nothing_known(policy: TierPolicy) -> pl.Expr:
    few_days = pl.col("days_enrolled") < policy.minimum_days_enrolled
    return few_days | ((pl.col("__rules") > 0) & (pl.col("__abstaining") >= pl.col("__rules")))


def _with_places(judged: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """Add each school's places and the student's place on the school's list; null where no rule asks for a tier."""
    schools = judged.group_by("school_id").len()
    places = [policy.places(school, scored) for school, scored in schools.iter_rows()]
    listed = judged.filter(pl.col("__asked").is_not_null()).select(
        "student_id", "school_id", "__asked", "__flags", "__rate"
    )
    # Only students on a list are hashed: polars' own hash may change from version to version.
    digests = [hashlib.sha256(student.encode()).hexdigest() for student in listed.get_column("student_id")]
    order = listed.with_columns(__digest=pl.Series(digests, dtype=pl.String)).sort(
        "school_id",
        "__asked",
        "__flags",
        "__rate",
        "__digest",
        descending=[False, True, True, True, False],
        nulls_last=True,
    )
    numbered = order.select("student_id", __place=pl.int_range(1, pl.len() + 1).over("school_id"))
    with_limit = judged.join(
        schools.select("school_id", __limit=pl.Series(places, dtype=pl.Int64)), on="school_id", how="left"
    )
    return with_limit.join(numbered, on="student_id", how="left")


def _scores(judged: pl.DataFrame, policy: TierPolicy, *, model_version: str) -> pl.DataFrame:
    on_list = pl.col("__place") <= pl.col("__limit")
    tier = pl.when(on_list).then(pl.col("__asked")).otherwise(pl.lit(1, dtype=pl.Int8))
    nothing_known = pl.col("__nothing_known")
    unknown_risk = {name: pl.lit(None, dtype=pl.Float64) for name in ("risk", "risk_low", "risk_high")}
    return judged.sort("student_id").select(
        "student_id",
        "school_id",
        "grade_level",
        **unknown_risk,
        tier=pl.when(~nothing_known).then(tier),
        tier_reason=_tier_reason(policy, on_list=on_list),
        list_place=pl.when(~nothing_known).then(pl.col("__place")),
        days_enrolled="days_enrolled",
        abstained=nothing_known,
        model_version=pl.lit(model_version),
    )


def _tier_reason(policy: TierPolicy, *, on_list: pl.Expr) -> pl.Expr:
    tier, because, missing = pl.col("__asked"), pl.col("__because"), pl.col("__missing")
    nothing_known, few_days = pl.col("__nothing_known"), pl.col("days_enrolled") < policy.minimum_days_enrolled
    further = pl.when(pl.col("__further") > 0).then(pl.format(" (rules that agree: {})", "__further")).fill_null("")
    few = pl.format(f"Not enough data: {{}} of {policy.minimum_days_enrolled} days enrolled", "days_enrolled")
    full = pl.format("Tier 1: the list of the school was full at {}; otherwise Tier {}: {}", "__limit", tier, because)
    unasked = pl.format("; {} could not be asked, missing {}", "__abstaining", missing).fill_null("")
    return (
        pl.when(nothing_known & few_days)
        .then(few + pl.format("; missing {}", missing).fill_null(""))
        .when(nothing_known)
        .then(pl.format("Not enough data: missing {}", missing))
        .when(on_list)
        .then(pl.format("Tier {}: {}{}", tier, because, further))
        .when(tier.is_not_null())
        .then(full)
        .otherwise(pl.lit("Tier 1: no rule for Tier 2 or 3 holds") + unasked)
    )
