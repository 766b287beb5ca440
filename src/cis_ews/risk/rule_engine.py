"""Evaluates flag rules over a frame of indicators, in three-valued logic: true, false, and null for "cannot be known".

Loops run over rules and conditions, never over students.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import reduce, singledispatch
from operator import add, eq, ge, gt, le, lt

import polars as pl

from cis_ews.enums import RuleStatus
from cis_ews.indicators.windows import DAY_PARTS
from cis_ews.risk.rule_terms import (
    AllOf,
    AnyOf,
    AtLeast,
    Comparison,
    Condition,
    FlagRule,
    Is,
    Leaf,
    MonthDay,
    Number,
    OneOf,
    Season,
    Share,
    inputs,
    leaves,
)
from cis_ews.risk.sentences import fact_of, level_sentence, template_fields

COMPARE: dict[Comparison, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {">=": ge, ">": gt, "<=": le, "<": lt, "==": eq}
SCHOOL_YEAR_TURNS = 8

Mark = Callable[[pl.Expr], pl.Expr]


@singledispatch
def truth(condition: Condition, as_of: date) -> pl.Expr:
    """The condition as a Boolean expression: null where an input that decides it is missing."""
    raise TypeError(f"not a condition: {type(condition).__name__}")


@truth.register
def _(condition: Number, as_of: date) -> pl.Expr:  # noqa: ARG001 - one signature for all conditions
    value = reduce(add, (pl.col(name) for name in inputs(condition)))
    return COMPARE[condition.comparison](value, pl.lit(condition.threshold))


@truth.register
def _(condition: Share, as_of: date) -> pl.Expr:  # noqa: ARG001
    # Days were made by one division of whole parts, so rounding gives back exactly the parts that were added up.
    parts = (pl.col(condition.part).cast(pl.Float64) * DAY_PARTS).round().cast(pl.Int64)
    days = pl.col(condition.whole).cast(pl.Int64)
    holds = COMPARE[condition.comparison](100 * parts, condition.percent * DAY_PARTS * days)
    return pl.when(days >= max(1, condition.minimum_days)).then(holds)


@truth.register
def _(condition: Is, as_of: date) -> pl.Expr:  # noqa: ARG001
    return pl.col(condition.indicator).cast(pl.Boolean)


@truth.register
def _(condition: OneOf, as_of: date) -> pl.Expr:  # noqa: ARG001
    return pl.col(condition.indicator).cast(pl.String).is_in(list(condition.values))


@truth.register
def _(condition: Season, as_of: date) -> pl.Expr:
    return pl.lit(as_of).is_between(_day(condition.first), _day(condition.last))


@truth.register
def _(condition: AllOf, as_of: date) -> pl.Expr:
    return pl.all_horizontal([truth(part, as_of) for part in condition.conditions])


@truth.register
def _(condition: AnyOf, as_of: date) -> pl.Expr:
    return pl.any_horizontal([truth(part, as_of) for part in condition.conditions])


@truth.register
def _(condition: AtLeast, as_of: date) -> pl.Expr:
    parts = [truth(part, as_of) for part in condition.conditions]
    surely = pl.sum_horizontal([part.fill_null(value=False).cast(pl.Int32) for part in parts])
    possibly = pl.sum_horizontal([part.fill_null(value=True).cast(pl.Int32) for part in parts])
    return pl.when(surely >= condition.count).then(True).when(possibly < condition.count).then(False)


def _day(month_day: MonthDay) -> pl.Expr:
    month, day = month_day
    year = pl.col("school_year").cast(pl.Int32) - int(month >= SCHOOL_YEAR_TURNS)
    return pl.date(year, month, day)


def deciding_leaves(condition: Condition, as_of: date, mark: Mark) -> Iterator[tuple[Leaf, pl.Expr]]:
    """Each leaf with the expression that says where the leaf and all above it bear a mark: true, or unknown."""
    here = mark(truth(condition, as_of))
    if not isinstance(condition, AllOf | AnyOf | AtLeast):
        yield condition, here
        return
    for part in condition.conditions:
        for leaf, marked in deciding_leaves(part, as_of, mark):
            yield leaf, here & marked


def is_true(value: pl.Expr) -> pl.Expr:
    """Known to hold."""
    return value.fill_null(value=False)


def is_unknown(value: pl.Expr) -> pl.Expr:
    """Not known to hold or not."""
    return value.is_null()


def evaluate_rule(indicators: pl.DataFrame, rule: FlagRule, as_of: date) -> pl.DataFrame:
    """Students of whom the rule holds or abstains: student_id, rule, status, level, missing, sentence."""
    levels = [f"__level_{number}" for number in range(len(rule.levels))]
    outcomes = {name: truth(condition, as_of) for name, condition in zip(levels, rule.conditions, strict=True)}
    kept = (
        indicators.select(needed_columns(rule))
        .with_columns(**outcomes)
        .filter(pl.any_horizontal([pl.col(name).fill_null(value=True) for name in levels]))
    )
    held = pl.coalesce([pl.when(pl.col(name)).then(number) for number, name in enumerate(levels)]).alias("__held")
    return kept.with_columns(held).select(
        "student_id",
        rule=pl.lit(rule.name),
        status=pl.when(pl.col("__held").is_null())
        .then(pl.lit(RuleStatus.ABSTAINS))
        .otherwise(pl.lit(RuleStatus.HOLDS)),
        level=_by_level([pl.lit(level.name, dtype=pl.String) for level in rule.levels]),
        missing=_missing(rule, as_of),
        sentence=_by_level(
            [
                level_sentence(level.sentence, rule.title, list(deciding_leaves(condition, as_of, is_true)))
                for level, condition in zip(rule.levels, rule.conditions, strict=True)
            ]
        ),
    )


def needed_columns(rule: FlagRule) -> list[str]:
    """The columns that a rule reads or speaks of, `student_id` first."""
    read = [leaf for condition in rule.conditions for leaf in leaves(condition)]
    facts = [fact for fact in map(fact_of, read) if fact is not None]
    spoken = [*(fact.sentence for fact in facts), *(level.sentence for level in rule.levels)]
    names = [name for leaf in read for name in inputs(leaf)] + [
        name for text in spoken for name in template_fields(text)
    ]
    return list(dict.fromkeys(["student_id", *names]))


def _by_level(values: list[pl.Expr]) -> pl.Expr:
    return pl.coalesce([pl.when(pl.col("__held") == number).then(value) for number, value in enumerate(values)])


def _missing(rule: FlagRule, as_of: date) -> pl.Expr:
    """Names of the inputs without which the outcome, or a more severe one than the one that holds, stays unknown."""
    gaps: dict[str, list[pl.Expr]] = {}
    for number, condition in enumerate(rule.conditions):
        above = pl.col("__held").is_null() | (pl.col("__held") > number)
        for leaf, unknown in deciding_leaves(condition, as_of, is_unknown):
            for name, absent in _absent_inputs(leaf):
                gaps.setdefault(name, []).append(above & unknown & absent)
    named = [pl.when(pl.any_horizontal(where)).then(pl.lit(name)) for name, where in gaps.items()]
    joined = pl.concat_str(named, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _absent_inputs(leaf: Leaf) -> Iterator[tuple[str, pl.Expr]]:
    for name in inputs(leaf):
        absent = pl.col(name).is_null()
        too_few = isinstance(leaf, Share) and name == leaf.whole
        yield name, absent | (pl.col(name) < max(1, leaf.minimum_days)) if too_few else absent
