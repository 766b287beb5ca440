"""What became of students between two nights, and why: the scores of steps that lead from the one night to the other.

Each step takes one cause more, and every student is worked out anew (`cis_ews.night.changes` does): what a cause did is
the difference between the step before it and its own. Of a student's own records (`OWN_RECORDS`) the steps are taken
while everybody else stays as on the earlier night, in the sums of the school and on its list; then everybody else; then
the model. The order is a choice, and is stated in docs/runs.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import dataframely as dy
import polars as pl

from cis_ews.enums import Cause, Change
from cis_ews.risk.alone_on_list import DECIDING, listed_alone
from cis_ews.risk.features import school_sums
from cis_ews.risk.tier_places import ON_LIST, list_limits, numbered
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.scores import Changes

RISK_MOVE = 0.05
"""From this difference of a calibrated probability on, a risk has moved."""
OWN_RECORDS = (Cause.CORRECTED_RECORDS, Cause.DAYS_PASSING, Cause.NEW_RECORDS)
_STEPS = (*OWN_RECORDS, Cause.SCHOOL)
_KEY = "student_id"


def moved_students(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """The students whom two tables of scores do not tell alike, sorted by `student_id`.

    `student_id`, `school_id` (now, or before of those who left), `school_before`, `change`, and `tier_before`,
    `tier_now`, `risk_before`, `risk_now` as in `Changes`. A student whose tier moved is not told for the risk too.
    """
    columns = (_KEY, "school_id", "tier", "risk")
    both = before.select(columns).join(now.select(columns), on=_KEY, how="full", coalesce=True, suffix="_now")
    entered, left = pl.col("school_id").is_null(), pl.col("school_id_now").is_null()
    change = (
        pl.when(entered)
        .then(pl.lit(Change.ENTERED))
        .when(left)
        .then(pl.lit(Change.LEFT))
        .when(pl.col("tier").ne_missing(pl.col("tier_now")))
        .then(pl.lit(Change.TIER_MOVED))
        .when((pl.col("risk_now") - pl.col("risk")).abs() >= RISK_MOVE)
        .then(pl.lit(Change.RISK_MOVED))
    )
    told = both.select(
        _KEY,
        "tier_now",
        "risk_now",
        school_id=pl.coalesce("school_id_now", "school_id"),
        school_before="school_id",
        change=change.cast(pl.Enum(Change)),
        tier_before="tier",
        risk_before="risk",
    )
    return told.filter(pl.col("change").is_not_null()).sort(_KEY)


def beside_the_same_others(
    indicators: pl.DataFrame, *, sums: pl.DataFrame, before: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Indicators and school sums in which each student stands among all others as they were on the earlier night.

    `sums`: the `school_sums` of that night; `before`: the indicators in them of these students. Each student is given a
    school of its own: that of the same id as the student, with the sums of the others and the student's own.
    """
    here = indicators.select(_KEY, "school_id").sort(_KEY)
    zeros = {name: pl.lit(0, dtype=pl.Int64) for name in sums.columns if name != "school_id"}
    then_here = before.join(here, on=[_KEY, "school_id"], how="semi")
    added = (
        here.join(sums, on="school_id", how="left", maintain_order="left").drop("school_id"),
        _own_sums(then_here).with_columns(-pl.col(name) for name in zeros),
        _own_sums(indicators),
    )
    total = pl.concat([part.select(_KEY, *zeros) for part in added]).group_by(_KEY).sum()
    return indicators.with_columns(school_id=_KEY), total.rename({_KEY: "school_id"}).sort("school_id")


def _own_sums(indicators: pl.DataFrame) -> pl.DataFrame:
    return school_sums(indicators.with_columns(school_id=_KEY)).rename({"school_id": _KEY})


def with_tiers(steps: pl.DataFrame, *, lists: pl.DataFrame, scored: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """The `tier` of each step, as if the student alone had changed on the list of the school.

    `steps`: rows of `judge_students` with `cause` and `school_before`. `lists`: of everyone on a list of the earlier
    night `student_id`, `school_id` and DECIDING. `scored`: school_id -> how many were scored there that night.
    """
    asking = steps.filter(pl.col("asked").is_not_null())
    came = pl.col("school_id").ne_missing(pl.col("school_before")).cast(pl.UInt32)
    sizes = asking.join(scored, on="school_id", how="left", maintain_order="left").select(
        "school_id", scored=pl.col("scored").fill_null(0) + came
    )
    limits = sizes.join(
        list_limits(sizes.unique(), policy), on=["school_id", "scored"], how="left", maintain_order="left"
    )
    is_listed = listed_alone(asking.hstack(limits.select("limit", "kept")), lists)
    tier = pl.when(is_listed).then("asked").otherwise(pl.lit(1, dtype=pl.Int8))
    listed = asking.select(_KEY, "cause", listed=tier)
    return steps.join(listed, on=[_KEY, "cause"], how="left", maintain_order="left").select(
        _KEY,
        "cause",
        "risk",
        tier=pl.when(~pl.col("abstained")).then(pl.col("listed").fill_null(1)),
    )


def tiers_beside(moved: pl.DataFrame, *, lists: pl.DataFrame, scored: pl.DataFrame, policy: TierPolicy) -> pl.DataFrame:
    """`student_id`, `risk` and `tier` of some students, where all lists are made anew, as `place_students` does.

    `moved`: their rows of `judge_students`. `lists`: of everyone of whom something asks for a tier, those among them
    too, `student_id`, `school_id` and DECIDING. `scored`: school_id -> how many are scored there.
    """
    limits = list_limits(scored.join(moved, on="school_id", how="semi"), policy).with_row_index("list")
    placed = numbered(lists.join(limits, on="school_id").select(_KEY, "list", "limit", "kept", *DECIDING))
    listed = placed.filter(ON_LIST).select(_KEY, listed="asked")
    return moved.join(listed, on=_KEY, how="left", maintain_order="left").select(
        _KEY, "risk", tier=pl.when(~pl.col("abstained")).then(pl.col("listed").fill_null(1))
    )


def told_changes(
    moved: pl.DataFrame, steps: pl.DataFrame | None = None, after_school: pl.DataFrame | None = None
) -> dy.DataFrame[Changes]:
    """The table of changes; without causes, where `steps` is None.

    `moved`: see `moved_students`. `steps`: `student_id`, `cause` (of OWN_RECORDS), `risk` and `tier`; no row where the
    student is not scored in a step. `after_school`: `risk` and `tier` of those who are scored tonight by the model of
    the earlier night; None where it is tonight's.
    """
    if steps is None:
        values = moved.with_columns(
            cause=None, **{f"{name}_after_{step}": None for step in _STEPS for name in ("tier", "risk")}
        )
        return Changes.cast(values.select(Changes.columns().keys()))
    wide = reduce(_with_step, ((step, steps.filter(pl.col("cause") == step)) for step in OWN_RECORDS), moved)
    if after_school is None:
        stayed = pl.col("tier_now").alias("tier"), pl.col("risk_now").alias("risk")
        after_school = moved.filter(pl.col("change") != Change.LEFT).select(_KEY, *stayed)
    wide = _with_step(wide, (Cause.SCHOOL, after_school))
    is_both = pl.col("change").is_in([Change.TIER_MOVED, Change.RISK_MOVED])
    values = [f"{name}_after_{step}" for step in _STEPS for name in ("tier", "risk")]
    return Changes.cast(
        wide.with_columns(cause=_cause())
        .with_columns(pl.when(is_both).then(pl.col(name)).alias(name) for name in values)
        .select(Changes.columns().keys())
        .sort(_KEY)
    )


def _with_step(wide: pl.DataFrame, step: tuple[Cause, pl.DataFrame]) -> pl.DataFrame:
    cause, rows = step
    columns = {f"{name}_after_{cause}": pl.col(name) for name in ("tier", "risk")}
    values = rows.select(_KEY, **columns, **{f"is_in_{cause}": pl.lit(value=True)})
    return wide.join(values, on=_KEY, how="left", maintain_order="left")


def _cause() -> pl.Expr:
    """Membership and tiers: the step that led to what is so now, and stayed. Risk: the step that moved it furthest."""
    change = pl.col("change")
    is_in = [pl.col(f"is_in_{step}").is_not_null() for step in OWN_RECORDS]
    names = [f"after_{step}" for step in _STEPS]
    tiers = [pl.col(f"tier_{name}") for name in ("before", *names, "now")]
    risks = [pl.col(f"risk_{name}") for name in ("before", *names, "now")]
    # A student who is not scored in a step has neither tier nor risk there, as one without enough data; only of a
    # tier that is a difference.
    cause = (
        pl.when(change.is_in([Change.ENTERED, Change.LEFT]))
        .then(_last_step([change == Change.LEFT, *is_in], OWN_RECORDS))
        .when(change == Change.TIER_MOVED)
        .then(_last_step(tiers, tuple(Cause)))
        .otherwise(_furthest(risks))
    )
    return cause.cast(pl.Enum(Cause))


def _last_step(values: Sequence[pl.Expr], causes: Sequence[Cause]) -> pl.Expr:
    """The last cause that changed a value."""
    steps = [
        pl.when(value.ne_missing(before)).then(pl.lit(cause.value))
        for (before, value), cause in zip(pairwise(values), causes, strict=True)
    ]
    return pl.coalesce(reversed(steps))


def _furthest(risks: Sequence[pl.Expr]) -> pl.Expr:
    """The first of those causes that moved the risk furthest to where it is; null where a step has no risk."""
    toward = (risks[-1] - risks[0]).sign()
    moves = [toward * (risk - before) for before, risk in pairwise(risks)]
    furthest = pl.max_horizontal(moves)
    known = pl.all_horizontal(move.is_not_null() for move in moves)
    named = pl.coalesce(
        pl.when(move == furthest).then(pl.lit(cause.value)) for move, cause in zip(moves, Cause, strict=True)
    )
    return pl.when(known).then(named)
