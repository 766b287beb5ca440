"""Places: the list of each school in its order, cut at what its coordinator can carry, with what decided in words."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.scores import Scores

_ROW = "__row"
ON_LIST = pl.col("place") <= pl.col("limit")
_DECIDING = ("asked", "by_rules", "risk", "flags", "absence_rate", "lot", "because", "agreeing")


def place_students(judged: pl.DataFrame, *, policy: TierPolicy, model_version: str) -> dy.DataFrame[Scores]:
    """The lists of all schools, from what `judge_students` says of all their students, in any number of parts.

    By tier, then risk, then the number of flag rules that hold, then the absence rate, then a hash of the student's id
    (the same every night, and without the bias of an alphabet). A share of the places (`places_for_rules`) is filled in
    the order of a night without a model first. Who is beyond the cut stays in Tier 1, and the reason says so.
    """
    in_order = judged if judged["student_id"].is_sorted() else judged.sort("student_id")
    students = in_order.with_row_index(_ROW)
    listed = numbered(_listed(students, policy))
    told = listed.select(_ROW, "place", "limit", __told=_told(on_list=ON_LIST))
    placed = students.drop("agreeing", "lot").join(told, on=_ROW, how="left", maintain_order="left")
    tier = pl.when(ON_LIST).then("asked").otherwise(pl.lit(1, dtype=pl.Int8))
    scores = placed.select(
        "student_id",
        "school_id",
        "grade_level",
        "risk",
        "risk_low",
        "risk_high",
        tier=pl.when(~pl.col("abstained")).then(tier),
        tier_reason=pl.coalesce("__told", "because"),
        list_place="place",
        days_enrolled="days_enrolled",
        abstained="abstained",
        model_version=pl.lit(model_version),
    )
    return Scores.cast(scores)


def _listed(students: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """Those of whom something asks for a tier, each with the list that the student is on and its limits."""
    limits = list_limits(students.group_by("school_id").agg(scored=pl.len()), policy).with_row_index("list")
    listed = students.lazy().filter(pl.col("asked").is_not_null()).select(_ROW, "school_id", *_DECIDING).collect()
    return listed.join(limits, on="school_id").drop("school_id", "scored")


def list_limits(schools: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """The schools, with how long the list of each may be, `limit`, and how many places only rules fill, `kept`.

    `schools`: `school_id` and `scored`, how many of its students are scored.
    """
    places = [policy.places(school, scored) for school, scored in schools.select("school_id", "scored").iter_rows()]
    return schools.with_columns(
        limit=pl.Series(places, dtype=pl.Int64),
        kept=pl.Series([policy.rule_places(limit) for limit in places], dtype=pl.Int64),
    )


def numbered(listed: pl.DataFrame) -> pl.DataFrame:
    """The `place` of everyone on a list: who is kept by rules and who fits beside them first, then who does not.

    `listed`: one row a student and list: `list`, its `limit` and `kept`, and of what `judge_students` says `asked`,
    `by_rules`, `risk`, `flags`, `absence_rate` and `lot`. Other columns are kept; the order of the rows is not.
    """
    by_rules = pl.col("by_rules")
    place = pl.int_range(1, pl.len() + 1).over("list")
    need = _ordered(listed, "by_rules").with_columns(
        __is_kept=by_rules.is_not_null() & (place <= pl.col("kept")).fill_null(value=False)
    )
    others = (~pl.col("__is_kept")).cast(pl.Int64).cum_sum().over("list")
    room = pl.col("limit") - pl.col("__is_kept").sum().over("list")
    fits = _ordered(need, "asked", "risk").with_columns(__fits=pl.col("__is_kept") | (others <= room))
    in_order = fits.sort("list", "__fits", descending=[False, True], maintain_order=True)
    return in_order.with_columns(place=place).drop("__is_kept", "__fits")


def _ordered(listed: pl.DataFrame, *first: str) -> pl.DataFrame:
    """By list, then by what is named, then by the evidence of the rules; the highest first, the hash last."""
    by = ["list", *first, "flags", "absence_rate", "lot"]
    descending = [False, *([True] * len(first)), True, True, False]
    return listed.sort(by, descending=descending, nulls_last=True)


def _told(*, on_list: pl.Expr) -> pl.Expr:
    listed = pl.format("Tier {}: {}{}", "asked", "because", "agreeing")
    full = "Tier 1: the list of the school was full at {}; otherwise Tier {}: {}"
    return pl.when(on_list).then(listed).otherwise(pl.format(full, "limit", "asked", "because"))
