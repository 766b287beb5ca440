"""The conditions of flag rules over a frame of indicators, in three-valued logic: true, false, null for "unknown".

Loops run over rules and conditions, never over students.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache, reduce, singledispatch
from operator import add, eq, ge, gt, le, lt

import polars as pl

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
from cis_ews.risk.sentences import fact_of
from cis_ews.risk.templates import template_fields

AS_OF = "__as_of"
ROW = "__row"
COMPARE: Mapping[Comparison, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ">=": ge, ">": gt, "<=": le, "<": lt, "==": eq,
}  # fmt: skip
SCHOOL_YEAR_TURNS = 8
YEAR, MONTH = 10_000, 100

Mark = Callable[[pl.Expr], pl.Expr]
Truths = Mapping[Condition, str]


def on_date(indicators: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Indicators with the date on which rules are asked, as the number that seasons read: 20260227."""
    return indicators.with_columns(pl.lit(_day(as_of.year, (as_of.month, as_of.day)), dtype=pl.Int32).alias(AS_OF))


def truth(condition: Condition) -> pl.Expr:
    """The condition as a Boolean expression over `on_date(indicators)`: null where a deciding input is missing."""
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        return _combined(condition, [truth(part) for part in condition.conditions])
    return _leaf_truth(condition)


def with_truths(rows: pl.DataFrame, conditions: Sequence[Condition]) -> tuple[pl.DataFrame, Truths]:
    """Rows with the truth of the conditions and of all their parts, each worked out once; and where each one stands."""
    layers, columns = _layers(tuple(conditions))
    for layer in layers:
        rows = rows.with_columns(layer)
    return rows, columns


@lru_cache(maxsize=16)
def _layers(conditions: tuple[Condition, ...]) -> tuple[Sequence[Sequence[pl.Expr]], Truths]:
    """The expressions of `with_truths`, those that others are made of first; put together once for all parts."""
    columns: dict[Condition, str] = {}
    layers: dict[int, list[Condition]] = {}
    for part in dict.fromkeys(part for condition in conditions for part in _parts(condition)):
        layers.setdefault(_depth(part), []).append(part)
    expressions: list[list[pl.Expr]] = []
    for depth in sorted(layers):
        names = {part: f"__truth_{depth}_{number}" for number, part in enumerate(layers[depth])}
        expressions.append([_one_truth(part, columns).alias(name) for part, name in names.items()])
        columns |= names
    return expressions, columns


def truths_of(conditions: Sequence[Condition]) -> Truths:
    """Where `with_truths` puts the truth of each condition and of all its parts."""
    return _layers(tuple(conditions))[1]


def students_of(indicators: pl.DataFrame, rules: Sequence[FlagRule], *more: str) -> pl.DataFrame:
    """The columns that the rules need, and more, sorted by `student_id` and numbered (ROW)."""
    needed = [name for rule in rules for name in needed_columns(rule)]
    return (
        indicators.select(*dict.fromkeys(["student_id", *needed, *more, AS_OF])).sort("student_id").with_row_index(ROW)
    )


def with_outcomes(indicators: pl.DataFrame, rules: Sequence[FlagRule]) -> tuple[pl.DataFrame, Truths]:
    """`students_of` with the truths of all conditions; and for each rule, in `outcome_column`, the place of the level
    that holds among its levels, their number where the rule abstains, and null where it says nothing."""
    conditions = [condition for rule in rules for condition in rule.conditions]
    students, truths = with_truths(students_of(indicators, rules), conditions)
    return students.with_columns(_outcome(rule, truths).alias(outcome_column(rule)) for rule in rules), truths


def outcome_column(rule: FlagRule) -> str:
    """Where `with_outcomes` puts what becomes of a rule."""
    return f"__outcome_{rule.name}"


def _outcome(rule: FlagRule, truths: Truths) -> pl.Expr:
    levels = [pl.col(truths[condition]) for condition in rule.conditions]
    held = [pl.when(level).then(pl.lit(order, dtype=pl.Int8)) for order, level in enumerate(levels)]
    abstains = pl.when(pl.any_horizontal(map(is_unknown, levels))).then(pl.lit(len(levels), dtype=pl.Int8))
    return pl.coalesce([*held, abstains])


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
    return pl.col(leaf.indicator).is_in(list(leaf.values))


@_leaf_truth.register
def _season(leaf: Season) -> pl.Expr:
    begun = pl.col(AS_OF) >= _day_of_school_year(leaf.first)
    return begun if leaf.until is None else begun & (pl.col(AS_OF) < _day_of_school_year(leaf.until))


def _day_of_school_year(month_day: MonthDay) -> pl.Expr:
    turned = int(month_day[0] >= SCHOOL_YEAR_TURNS)
    return (pl.col("school_year").cast(pl.Int32) - turned) * YEAR + _day(0, month_day)


def _day(year: int, month_day: MonthDay) -> int:
    month, day = month_day
    return year * YEAR + month * MONTH + day


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
