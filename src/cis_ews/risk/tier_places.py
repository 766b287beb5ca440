"""Places: the list of each school in its order, cut at what its coordinator can carry, with what decided in words."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.scores import Scores

_ROW = "__row"
_DECIDING = ("asked", "by_rules", "risk", "flags", "absence_rate", "lot", "because", "agreeing")


def place_students(judged: pl.DataFrame, *, policy: TierPolicy, model_version: str) -> dy.DataFrame[Scores]:
    """The lists of all schools, from what `judge_students` says of all their students, in any number of parts.

    By tier, then risk, then the number of flag rules that hold, then the absence rate, then a hash of the student's id
    (the same every night, and without the bias of an alphabet). A share of the places (`places_for_rules`) is filled in
    the order of a night without a model first. Who is beyond the cut stays in Tier 1, and the reason says so.
    """
    in_order = judged if judged["student_id"].is_sorted() else judged.sort("student_id")
    students = in_order.with_row_index(_ROW)
    listed = _numbered(_listed(students, policy))
    told = listed.select(_ROW, "__place", "__limit", __told=_told(on_list=_on_list()))
    placed = students.drop("agreeing", "lot").join(told, on=_ROW, how="left", maintain_order="left")
    tier = pl.when(_on_list()).then("asked").otherwise(pl.lit(1, dtype=pl.Int8))
    scores = placed.select(
        "student_id",
        "school_id",
        "grade_level",
        "risk",
        risk_low=pl.lit(None, dtype=pl.Float64),
        risk_high=pl.lit(None, dtype=pl.Float64),
        tier=pl.when(~pl.col("abstained")).then(tier),
        tier_reason=pl.coalesce("__told", "because"),
        list_place="__place",
        days_enrolled="days_enrolled",
        abstained="abstained",
        model_version=pl.lit(model_version),
    )
    return Scores.cast(scores)


def _on_list() -> pl.Expr:
    return pl.col("__place") <= pl.col("__limit")


def _listed(students: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """Those of whom something asks for a tier, with how many places their school has, and how many only rules fill."""
    schools = students.group_by("school_id").len().with_row_index("__school")
    places = [policy.places(school, scored) for school, scored in schools.select("school_id", "len").iter_rows()]
    limits = schools.select(
        "school_id",
        "__school",
        __limit=pl.Series(places, dtype=pl.Int64),
        __kept=pl.Series([policy.rule_places(limit) for limit in places], dtype=pl.Int64),
    )
    listed = students.lazy().filter(pl.col("asked").is_not_null()).select(_ROW, "school_id", *_DECIDING).collect()
    return listed.join(limits, on="school_id").drop("school_id")


def _numbered(listed: pl.DataFrame) -> pl.DataFrame:
    """The place of everyone on a list: who is kept by rules and who fits beside them first, then who does not."""
    by_rules = pl.col("by_rules")
    place = pl.int_range(1, pl.len() + 1).over("__school")
    need = _ordered(listed, "by_rules").with_columns(
        __is_kept=by_rules.is_not_null() & (place <= pl.col("__kept")).fill_null(value=False)
    )
    others = (~pl.col("__is_kept")).cast(pl.Int64).cum_sum().over("__school")
    room = pl.col("__limit") - pl.col("__is_kept").sum().over("__school")
    fits = _ordered(need, "asked", "risk").with_columns(__fits=pl.col("__is_kept") | (others <= room))
    in_order = fits.sort("__school", "__fits", descending=[False, True], maintain_order=True)
    return in_order.with_columns(__place=place)


def _ordered(listed: pl.DataFrame, *first: str) -> pl.DataFrame:
    """By school, then by what is named, then by the evidence of the rules; the highest first, the hash last."""
    by = ["__school", *first, "flags", "absence_rate", "lot"]
    descending = [False, *([True] * len(first)), True, True, False]
    return listed.sort(by, descending=descending, nulls_last=True)


def _told(*, on_list: pl.Expr) -> pl.Expr:
    listed = pl.format("Tier {}: {}{}", "asked", "because", "agreeing")
    full = "Tier 1: the list of the school was full at {}; otherwise Tier {}: {}"
    return pl.when(on_list).then(listed).otherwise(pl.format(full, "__limit", "asked", "because"))
