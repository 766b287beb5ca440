"""Evaluates flag rules over a frame of indicators, in three-valued logic: true, false, and null for "cannot be known".

Loops run over rules and conditions, never over students.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import reduce, singledispatch
from operator import add, eq, ge, gt, le, lt

import polars as pl

from cis_ews.enums import RuleStatus
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
from cis_ews.risk.sentences import fact_of, joined_facts, level_sentence
from cis_ews.risk.templates import template_fields

AS_OF = "__as_of"
COMPARE: Mapping[Comparison, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ">=": ge, ">": gt, "<=": le, "<": lt, "==": eq,
}  # fmt: skip
SCHOOL_YEAR_TURNS = 8

Mark = Callable[[pl.Expr], pl.Expr]
Truths = Mapping[Condition, str]


def on_date(indicators: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Indicators with the date on which rules are asked, which seasons read."""
    return indicators.with_columns(pl.lit(as_of).alias(AS_OF))


def truth(condition: Condition) -> pl.Expr:
    """The condition as a Boolean expression over `on_date(indicators)`: null where a deciding input is missing."""
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        return _combined(condition, [truth(part) for part in condition.conditions])
    return _leaf_truth(condition)


def with_truths(rows: pl.DataFrame, conditions: Sequence[Condition]) -> tuple[pl.DataFrame, Truths]:
    """Rows with the truth of the conditions and of all their parts, each worked out once; and where each one stands."""
    columns: dict[Condition, str] = {}
    layers: dict[int, list[Condition]] = {}
    for part in dict.fromkeys(part for condition in conditions for part in _parts(condition)):
        layers.setdefault(_depth(part), []).append(part)
    for depth in sorted(layers):
        names = {part: f"__truth_{depth}_{number}" for number, part in enumerate(layers[depth])}
        rows = rows.with_columns(_one_truth(part, columns).alias(name) for part, name in names.items())
        columns |= names
    return rows, columns


def _one_truth(part: Condition, columns: Truths) -> pl.Expr:
    if isinstance(part, AllOf | AnyOf | AtLeast):
        return _combined(part, [pl.col(columns[each]) for each in part.conditions])
    return _leaf_truth(part)


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        for part in condition.conditions:
            yield from _parts(part)


def _depth(condition: Condition) -> int:
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        return 1 + max(_depth(part) for part in condition.conditions)
    return 0


def _combined(condition: AllOf | AnyOf | AtLeast, parts: Sequence[pl.Expr]) -> pl.Expr:
    if isinstance(condition, AllOf):
        return pl.all_horizontal(parts)
    if isinstance(condition, AnyOf):
        return pl.any_horizontal(parts)
    surely = pl.sum_horizontal([part.fill_null(value=False).cast(pl.Int32) for part in parts])
    possibly = pl.sum_horizontal([part.fill_null(value=True).cast(pl.Int32) for part in parts])
    enough, too_few = pl.lit(value=True), pl.lit(value=False)
    return pl.when(surely >= condition.count).then(enough).when(possibly < condition.count).then(too_few)


@singledispatch
def _leaf_truth(leaf: Leaf) -> pl.Expr:
    raise TypeError(f"not a condition: {type(leaf).__name__}")


@_leaf_truth.register
def _number(leaf: Number) -> pl.Expr:
    value = reduce(add, (pl.col(name) for name in inputs(leaf)))
    return COMPARE[leaf.comparison](value, pl.lit(leaf.threshold))


@_leaf_truth.register
def _share(leaf: Share) -> pl.Expr:
    days = pl.col(leaf.whole).cast(pl.Int64)
    part = 100 * pl.col(leaf.part).cast(pl.Int64)
    holds = COMPARE[leaf.comparison](part, leaf.percent * leaf.units * days)
    return pl.when(days >= max(1, leaf.minimum_days)).then(holds)


@_leaf_truth.register
def _is(leaf: Is) -> pl.Expr:
    return pl.col(leaf.indicator).cast(pl.Boolean)


@_leaf_truth.register
def _one_of(leaf: OneOf) -> pl.Expr:
    return pl.col(leaf.indicator).cast(pl.String).is_in(list(leaf.values))


@_leaf_truth.register
def _season(leaf: Season) -> pl.Expr:
    begun = pl.col(AS_OF) >= _day(leaf.first)
    return begun if leaf.until is None else begun & (pl.col(AS_OF) < _day(leaf.until))


def _day(month_day: MonthDay) -> pl.Expr:
    month, day = month_day
    return pl.date(pl.col("school_year").cast(pl.Int32) - int(month >= SCHOOL_YEAR_TURNS), month, day)


def is_true(value: pl.Expr) -> pl.Expr:
    """Known to hold."""
    return value.fill_null(value=False)


def is_unknown(value: pl.Expr) -> pl.Expr:
    """Not known to hold or not."""
    return value.is_null()


def deciding_leaves(condition: Condition, truths: Truths, *, mark: Mark) -> Iterator[tuple[Leaf, pl.Expr]]:
    """Each leaf with where it and all above it bear a mark: where it is why the condition holds, or is unknown."""
    here = mark(pl.col(truths[condition]))
    if not isinstance(condition, AllOf | AnyOf | AtLeast):
        yield condition, here
        return
    for part in condition.conditions:
        for leaf, marked in deciding_leaves(part, truths, mark=mark):
            yield leaf, here & marked


def needed_columns(rule: FlagRule) -> list[str]:
    """The columns of indicators that a rule reads or speaks of, `student_id` first."""
    read = [leaf for condition in rule.conditions for leaf in leaves(condition)]
    facts = [fact.sentence for fact in map(fact_of, read) if fact is not None]
    spoken = [*facts, *(level.sentence for level in rule.levels)]
    fields = [name for text in spoken for name in template_fields(text)]
    return list(dict.fromkeys(["student_id", *(name for leaf in read for name in inputs(leaf)), *fields]))


def evaluate_rule(indicators: pl.DataFrame, rule: FlagRule) -> pl.DataFrame:
    """Students of whom the rule holds or abstains: student_id, rule, status, level, missing, sentence."""
    known, truths = with_truths(indicators.select(*needed_columns(rule), AS_OF), rule.conditions)
    levels = [pl.col(truths[condition]) for condition in rule.conditions]
    kept = known.filter(pl.any_horizontal([level.fill_null(value=True) for level in levels])).with_columns(
        __held=pl.coalesce([pl.when(level).then(order) for order, level in enumerate(levels)])
    )
    abstains, holds = pl.lit(RuleStatus.ABSTAINS.value), pl.lit(RuleStatus.HOLDS.value)
    return kept.select(
        "student_id",
        rule=pl.lit(rule.name),
        status=pl.when(pl.col("__held").is_null()).then(abstains).otherwise(holds),
        level=_of_the_level_held([pl.lit(level.name, dtype=pl.String) for level in rule.levels]),
        missing=_missing(rule, truths),
        sentence=_of_the_level_held(list(_sentences(rule, truths))),
    )


def _of_the_level_held(values: Sequence[pl.Expr]) -> pl.Expr:
    return pl.coalesce([pl.when(pl.col("__held") == order).then(value) for order, value in enumerate(values)])


def _sentences(rule: FlagRule, truths: Truths) -> Iterator[pl.Expr]:
    for level, condition in zip(rule.levels, rule.conditions, strict=True):
        facts = joined_facts(deciding_leaves(condition, truths, mark=is_true))
        yield level_sentence(level.sentence, rule.title, facts)


def _missing(rule: FlagRule, truths: Truths) -> pl.Expr:
    """Names of the inputs without which the outcome, or one more severe than the one that holds, stays unknown."""
    gaps: dict[str, list[pl.Expr]] = {}
    for order, condition in enumerate(rule.conditions):
        above = pl.col("__held").is_null() | (pl.col("__held") > order)
        for leaf, unknown in deciding_leaves(condition, truths, mark=is_unknown):
            for name in inputs(leaf):
                gaps.setdefault(name, []).append(above & unknown & _is_absent(name, leaf))
    named = [pl.when(pl.any_horizontal(where)).then(pl.lit(name)) for name, where in gaps.items()]
    joined = pl.concat_str(named, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _is_absent(name: str, leaf: Leaf) -> pl.Expr:
    """Whether an input is missing, or is too few days to speak of a share of them."""
    absent = pl.col(name).is_null()
    if isinstance(leaf, Share) and name == leaf.whole:
        return absent | (pl.col(name) < max(1, leaf.minimum_days))
    return absent
