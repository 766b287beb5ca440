"""Tiers: which students rules and model bring to the list, how many a coordinator can carry, why each stands where."""

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

    Tier 3 and 2 are asked for by the policy's rules and, where `risk` (`student_id`, `risk`: a calibrated probability)
    is given, by the policy's thresholds; the higher one counts, so a model never takes away what a rule asks for. Then
    the list is cut at each school's capacity: by tier, then risk, then the number of flag rules that hold, then the
    absence rate, then a hash of the student's id (the same every night, and without the bias of an alphabet). A share
    of the places (`places_for_rules`) is filled in the order of a night without a model first. Who is beyond the cut
    stays in Tier 1, and the reason says so.

    "Not enough data" is a student enrolled for fewer days than the policy asks, unless a rule holds that needs no share
    of these few days, and a student of whom every rule of the policy abstains. The risk of these, and of everyone
    enrolled for fewer days, is not told.
    """
    students = _with_absence_rate(cohort.students, indicators)
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
    )
    return Scores.cast(_scores(_with_places(judged, policy), policy, model_version=model_version))


def _risks(risk: pl.DataFrame | None) -> pl.DataFrame:
    if risk is None:
        return pl.DataFrame(schema={"student_id": pl.String, "__risk": pl.Float64})
    return risk.select("student_id", __risk="risk")


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
    return (
        results.filter(pl.col("status") == RuleStatus.HOLDS)
        .select("student_id", "rule", "level", "sentence")
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
    """Add each school's places and the student's place on the school's list; null where nothing asks for a tier."""
    schools = judged.group_by("school_id").len()
    places = [policy.places(school, scored) for school, scored in schools.iter_rows()]
    limits = schools.select(
        "school_id",
        __limit=pl.Series(places, dtype=pl.Int64),
        __kept=pl.Series([policy.rule_places(limit) for limit in places], dtype=pl.Int64),
    )
    with_limit = judged.join(limits, on="school_id", how="left")
    listed = with_limit.filter(pl.col("__asked").is_not_null())
    # Only students on a list are hashed: polars' own hash may change from version to version.
    digests = [hashlib.sha256(student.encode()).hexdigest() for student in listed.get_column("student_id")]
    numbered = _numbered(listed.with_columns(__digest=pl.Series(digests, dtype=pl.String)))
    return with_limit.join(numbered, on="student_id", how="left")


def _numbered(listed: pl.DataFrame) -> pl.DataFrame:
    """The place of everyone on a list: who is kept by rules and who fits beside them first, then who does not."""
    school, by_rules = pl.col("school_id"), pl.col("__by_rules")
    place = pl.int_range(1, pl.len() + 1).over("school_id")
    need = _ordered(listed, "__by_rules").with_columns(
        __is_kept=by_rules.is_not_null() & (place <= pl.col("__kept")).fill_null(value=False)
    )
    others = (~pl.col("__is_kept")).cast(pl.Int64).cum_sum().over("school_id")
    room = pl.col("__limit") - pl.col("__is_kept").sum().over("school_id")
    fits = _ordered(need, "__asked", "__risk").with_columns(__fits=pl.col("__is_kept") | (others <= room))
    in_order = fits.sort(school, "__fits", descending=[False, True], maintain_order=True)
    return in_order.select("student_id", __place=place)


def _ordered(listed: pl.DataFrame, *first: str) -> pl.DataFrame:
    """By school, then by what is named, then by the evidence of the rules; the highest first, the digest last."""
    by = ["school_id", *first, "__flags", "__rate", "__digest"]
    descending = [False, *([True] * len(first)), True, True, False]
    return listed.sort(by, descending=descending, nulls_last=True)


def _scores(judged: pl.DataFrame, policy: TierPolicy, *, model_version: str) -> pl.DataFrame:
    on_list = pl.col("__place") <= pl.col("__limit")
    tier = pl.when(on_list).then(pl.col("__asked")).otherwise(pl.lit(1, dtype=pl.Int8))
    nothing_known = pl.col("__nothing_known")
    return judged.sort("student_id").select(
        "student_id",
        "school_id",
        "grade_level",
        risk="__risk",
        risk_low=pl.lit(None, dtype=pl.Float64),
        risk_high=pl.lit(None, dtype=pl.Float64),
        tier=pl.when(~nothing_known).then(tier),
        tier_reason=_tier_reason(policy, on_list=on_list),
        list_place=pl.when(~nothing_known).then(pl.col("__place")),
        days_enrolled="days_enrolled",
        abstained=nothing_known,
        model_version=pl.lit(model_version),
    )


def _tier_reason(policy: TierPolicy, *, on_list: pl.Expr) -> pl.Expr:
    tier, missing = pl.col("__asked"), pl.col("__missing")
    nothing_known, few_days = pl.col("__nothing_known"), pl.col("days_enrolled") < policy.minimum_days_enrolled
    decided = _decided()
    few = pl.format(f"Not enough data: {{}} of {policy.minimum_days_enrolled} days enrolled", "days_enrolled")
    full = pl.format("Tier 1: the list of the school was full at {}; otherwise Tier {}: {}", "__limit", tier, decided)
    unasked = pl.format("; {} could not be asked, missing {}", "__abstaining", missing).fill_null("")
    return (
        pl.when(nothing_known & few_days)
        .then(few + pl.format("; missing {}", missing).fill_null(""))
        .when(nothing_known)
        .then(pl.format("Not enough data: missing {}", missing))
        .when(on_list)
        .then(pl.format("Tier {}: {}{}", tier, decided, _agreeing()))
        .when(tier.is_not_null())
        .then(full)
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
