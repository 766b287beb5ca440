"""The conditions of flag rules over a frame of indicators, in three-valued logic: true, false, null for "unknown".

Loops run over rules and conditions, never over students.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache, reduce, singledispatch
from operator import add, eq, ge, gt, le, lt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.risk.rule_terms import (
    COMBINED,
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
COMPARE: Mapping[Comparison, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ">=": ge, ">": gt, "<=": le, "<": lt, "==": eq,
}  # fmt: skip
SCHOOL_YEAR_TURNS = 8
YEAR, MONTH = 10_000, 100

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
_FALSE, _UNKNOWN, _TRUE = np.uint8(0b00), np.uint8(0b10), np.uint8(0b11)
_NULL = 2
"""What stands for null among the leaves, where 0 and 1 are false and true: three times each, its last two bits are
what stands for it here."""


class Mark(Enum):
    """What is asked of a condition and of all that it hangs on: whether it holds, or is unknown."""

    HOLDS = "holds"
    UNKNOWN = "unknown"


def on_date(indicators: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Indicators with the date on which rules are asked, as the number that seasons read: 20260227."""
    return indicators.with_columns(pl.lit(_day(as_of.year, (as_of.month, as_of.day)), dtype=pl.Int32).alias(AS_OF))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Conditions and all their parts, each once, the parts of each before it: where each stands, and the leaves as
    expressions that give their codes."""

    places: Mapping[Condition, int]
    leaves: Sequence[pl.Expr]
    combined: Sequence[tuple[AllOf | AnyOf | AtLeast, Sequence[int]]]


@lru_cache(maxsize=16)
def _plan(conditions: tuple[Condition, ...]) -> _Plan:
    """What `truths_of` does; put together once for all parts of a night."""
    every = dict.fromkeys(part for condition in conditions for part in _parts(condition))
    ends = [part for part in every if not isinstance(part, COMBINED)]
    leaves = [_leaf_truth(leaf).cast(pl.UInt8).fill_null(_NULL).alias(str(place)) for place, leaf in enumerate(ends)]
    places: dict[Condition, int] = {leaf: place for place, leaf in enumerate(ends)}
    combined: list[tuple[AllOf | AnyOf | AtLeast, Sequence[int]]] = []
    for part in every:
        if isinstance(part, COMBINED):
            places[part] = len(places)
            combined.append((part, [places[each] for each in part.conditions]))
    return _Plan(places, leaves, combined)


@dataclass(frozen=True, slots=True)
class Truths:
    """The truth of conditions and of all their parts, a row a condition and a column a student: whether it is known to
    hold, and whether it is not known to hold or not."""

    places: Mapping[Condition, int]
    holds: Flags
    unknown: Flags

    def where(self, condition: Condition, mark: Mark) -> Flags:
        """Of whom a condition holds, or is unknown."""
        return (self.holds if mark == Mark.HOLDS else self.unknown)[self.places[condition]]

    def where_all(self, conditions: Sequence[Condition], mark: Mark) -> Flags:
        """Of whom all of these hold, or are unknown."""
        found = self.where(conditions[0], mark)
        for condition in conditions[1:]:
            found = found & self.where(condition, mark)
        return found


def truths_of(students: pl.DataFrame, conditions: Sequence[Condition]) -> Truths:
    """The truth of conditions over `on_date(indicators)`: unknown where a deciding input is missing.

    Each condition is worked out once. As two bits, false is 00, unknown 10 and true 11: then the truth of all of some
    is their bits in common, and that of any of them is their bits together.
    """
    plan = _plan(tuple(conditions))
    codes = np.empty((len(plan.places), students.height), dtype=np.uint8)
    for place, leaf in enumerate(students.select(plan.leaves)):
        np.multiply(leaf.to_numpy(), 3, out=codes[place])
    codes &= _TRUE
    for place, (condition, parts) in enumerate(plan.combined, start=len(plan.leaves)):
        _combine(condition, [codes[part] for part in parts], codes[place])
    return Truths(plan.places, codes == _TRUE, codes == _UNKNOWN)


def _combine(condition: AllOf | AnyOf | AtLeast, parts: Sequence[Codes], out: Codes) -> None:
    if isinstance(condition, AtLeast):
        surely = np.sum([part == _TRUE for part in parts], axis=0)
        possibly = np.sum([part != _FALSE for part in parts], axis=0)
        out[:] = np.where(surely >= condition.count, _TRUE, np.where(possibly < condition.count, _FALSE, _UNKNOWN))
        return
    combine = np.bitwise_and if isinstance(condition, AllOf) else np.bitwise_or
    out[:] = parts[0]
    for part in parts[1:]:
        combine(out, part, out=out)


def students_of(indicators: pl.DataFrame, rules: Sequence[FlagRule], *more: str) -> pl.DataFrame:
    """The columns that the rules need, and more, sorted by `student_id`."""
    return indicators.select(*dict.fromkeys([*_columns_of(tuple(rules)), *more, AS_OF])).sort("student_id")


@lru_cache(maxsize=16)
def _columns_of(rules: tuple[FlagRule, ...]) -> Sequence[str]:
    return list(dict.fromkeys(["student_id", *(name for rule in rules for name in needed_columns(rule))]))


def outcomes_of(rule: FlagRule, truths: Truths) -> Codes:
    """What becomes of a rule: the place of the level that holds among its levels, their number where the rule abstains,
    and one more where it says nothing."""
    levels = rule.conditions
    unknown = np.any([truths.where(condition, Mark.UNKNOWN) for condition in levels], axis=0)
    outcomes = np.uint8(len(levels) + 1) - unknown
    for place in reversed(range(len(levels))):
        holds = truths.where(levels[place], Mark.HOLDS)
        outcomes = outcomes * ~holds + holds * np.uint8(place)
    return outcomes


def _parts(condition: Condition) -> Iterator[Condition]:
    """All that a condition is made of, parts before what is made of them."""
    if isinstance(condition, COMBINED):
        for part in condition.conditions:
            yield from _parts(part)
    yield condition


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


def paths_to_leaves(condition: Condition) -> Iterator[tuple[Condition, ...]]:
    """The way to each leaf, from the condition down to it: the leaf is why the condition holds, or is unknown, where
    all on its way hold, or are unknown."""
    if not isinstance(condition, COMBINED):
        yield (condition,)
        return
    for part in condition.conditions:
        for path in paths_to_leaves(part):
            yield condition, *path


def needed_columns(rule: FlagRule) -> list[str]:
    """The columns of indicators that a rule reads or speaks of, `student_id` first."""
    read = [leaf for condition in rule.conditions for leaf in leaves(condition)]
    facts = [fact.sentence for fact in map(fact_of, read) if fact is not None]
    spoken = [*facts, *(level.sentence for level in rule.levels)]
    fields = [name for text in spoken for name in template_fields(text)]
    return list(dict.fromkeys(["student_id", *(name for leaf in read for name in inputs(leaf)), *fields]))
