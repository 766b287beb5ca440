"""The design matrix: every feature of the catalog, worked out from the table of indicators and nothing else.

Loops run over features, never over students.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import partial, reduce, singledispatch
from operator import add
from typing import cast

import numpy as np
import polars as pl

from cis_ews.errors import ModelError
from cis_ews.risk.feature_catalog import FEATURES, Feature
from cis_ews.risk.feature_catalog.feature import (
    DAYS_ENROLLED,
    Column,
    DaysSince,
    Difference,
    Enough,
    Larger,
    Largest,
    OthersRate,
    Position,
    Ratio,
    Shift,
    Slope,
    Term,
    Total,
)
from cis_ews.wording import counted

__all__ = [
    "FEATURES",
    "add_school_sums",
    "build_features",
    "features_hash",
    "features_named",
    "monotone_constraints",
    "school_sums",
]

EVALUATION = 1
"""Raised when this module works a term out differently, so that a model does not take one for the other."""
AS_MUCH = 1 - 1e-9
"""Of two partings that differ by less, rounding does not choose: they are equal."""
_BY_NAME = {feature.name: feature for feature in FEATURES}
_OTHERS = tuple(feature.value for feature in FEATURES if isinstance(feature.value, OthersRate))
SUMMED = tuple(sorted({name for term in _OTHERS for name in term.reads}))
"""The indicators that `school_sums` reads."""


def features_named(names: Iterable[str]) -> tuple[Feature, ...]:
    """Features by name, in the order of `names`. Raises ModelError for unknown names."""
    asked = list(names)
    unknown = [name for name in asked if name not in _BY_NAME]
    if unknown:
        raise ModelError(
            f"{counted(len(unknown), 'feature is', 'features are')} not in the catalog: {', '.join(unknown)}",
            hint="fit the model again with this version; the features are listed in docs/features.md",
        )
    return tuple(_BY_NAME[name] for name in asked)


def features_hash(names: Iterable[str]) -> str:
    """SHA-256 over everything that shapes the numbers of these features, in any order: their names and terms.

    Raises ModelError for unknown names.
    """
    terms = {feature.name: _plain(feature.value) for feature in features_named(names)}
    return hashlib.sha256(json.dumps([EVALUATION, terms], sort_keys=True).encode()).hexdigest()


def monotone_constraints(names: Iterable[str]) -> dict[str, int]:
    """For each of these features 1 where more is surely more risk, -1 where less is, 0 where neither is sure.

    Raises ModelError for unknown names.
    """
    return {feature.name: feature.monotone or 0 for feature in features_named(names)}


def school_sums(indicators: pl.DataFrame) -> pl.DataFrame:
    """Sums of whole numbers over the students enrolled in each school: what features say of a school is made of them.

    One row a school, sorted by `school_id`; for each rate `<part>_sum`, `<part>_whole` and `<part>_students`, Int64.
    `add_school_sums` makes the sums of all students of those of their parts. Raises ModelError if indicators lack a
    column.
    """
    _check_columns(indicators, SUMMED)
    enrolled = indicators.lazy().filter(pl.col("is_enrolled"))
    parts = {name: part for term in _OTHERS for name, part in _own_parts(term).items()}
    return (
        enrolled.group_by("school_id")
        .agg(part.sum().alias(name) for name, part in parts.items())
        .sort("school_id")
        .collect()
    )


def add_school_sums(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The `school_sums` of all students from those of parts of them; at least one part, in any order."""
    return pl.concat(parts).lazy().group_by("school_id").sum().sort("school_id").collect()


def build_features(indicators: pl.DataFrame, *, sums: pl.DataFrame | None = None) -> pl.DataFrame:
    """`student_id` and every feature of the catalog in its order, Float32, null where missing; sorted by `student_id`.

    `indicators`: rows of `compute_indicators`, of all or of a part of the students. `sums`: the `school_sums` of all
    students, where `indicators` holds a part of them. Raises ModelError if indicators lack a column.
    """
    _check_columns(indicators, [name for feature in FEATURES for name in feature.value.reads])
    others = school_sums(indicators) if sums is None else sums
    joined = indicators.lazy().join(_marked(others).lazy(), on="school_id", how="left")
    values = (evaluated(feature.value).cast(pl.Float32).alias(feature.name) for feature in FEATURES)
    return joined.select("student_id", *values).sort("student_id").collect()


def evaluated(term: Term) -> pl.Expr:
    """A term as an expression over the table of indicators, Float64; null where it is missing."""
    return _value(term).cast(pl.Float64)


@singledispatch
def _value(term: Term) -> pl.Expr:
    raise TypeError(f"not a term: {type(term).__name__}")


@_value.register
def _column(term: Column) -> pl.Expr:
    return pl.col(term.name).cast(pl.Float64)


@_value.register
def _position(term: Position) -> pl.Expr:
    places = {value: place for place, value in enumerate(term.values)}
    text = pl.col(term.column).cast(pl.String)
    return text.replace_strict(places, default=None, return_dtype=pl.Float64)


@_value.register
def _total(term: Total) -> pl.Expr:
    return reduce(add, (pl.col(name).cast(pl.Float64) for name in term.columns))


@_value.register
def _ratio(term: Ratio) -> pl.Expr:
    whole = evaluated(term.whole)
    return pl.when(whole > 0).then(term.per * evaluated(term.part) / whole)


@_value.register
def _difference(term: Difference) -> pl.Expr:
    return evaluated(term.term) - evaluated(term.less)


@_value.register
def _largest(term: Largest) -> pl.Expr:
    return pl.max_horizontal([evaluated(each) for each in term.terms])


@_value.register
def _larger(term: Larger) -> pl.Expr:
    one, other = evaluated(term.one), evaluated(term.other)
    return pl.when(one.is_not_null() & other.is_not_null()).then(pl.max_horizontal(one, other))


@_value.register
def _enough(term: Enough) -> pl.Expr:
    return pl.when(pl.col(term.days) >= term.minimum).then(evaluated(term.term))


@_value.register
def _slope(term: Slope) -> pl.Expr:
    days = [pl.col(name).cast(pl.Float64) for name in term.days]
    parts = [pl.col(name).cast(pl.Float64) for name in term.parts]
    weight, rate = pl.sum_horizontal(days), pl.sum_horizontal(parts)
    month = pl.sum_horizontal([place * each for place, each in enumerate(days)])
    square = pl.sum_horizontal([place * place * each for place, each in enumerate(days)])
    product = pl.sum_horizontal([place * each for place, each in enumerate(parts)])
    spread = weight * square - month * month
    return pl.when(spread > 0).then((weight * product - month * rate) / spread)


@_value.register
def _shift(term: Shift) -> pl.Expr:
    # Eleven partings of twelve months: as expressions, planning them alone would take longer than all other features.
    columns = [pl.col(name).cast(pl.Float64).fill_null(0.0) for name in (*term.days, *term.parts)]
    return pl.map_batches(
        columns, partial(_largest_shift, minimum=term.minimum), return_dtype=pl.Float64, is_elementwise=True
    )


def _largest_shift(columns: Sequence[pl.Series], *, minimum: int) -> pl.Series:
    """The shift of each student; `columns`: the days of each month, then the parts."""
    months = len(columns) // 2
    days, parts = (
        np.cumsum([each.to_numpy() for each in half], axis=0) for half in (columns[:months], columns[months:])
    )
    before, since = days[:-1], days[-1] - days[:-1]
    possible = (before >= minimum) & (since >= minimum)
    shift = (parts[-1] - parts[:-1]) / np.maximum(since, 1.0) - parts[:-1] / np.maximum(before, 1.0)
    # Of all days together there are as many at any parting: they need not divide it.
    squares = np.where(possible, shift * shift * before * since, -1.0)
    first = np.argmax(squares >= squares.max(axis=0) * AS_MUCH, axis=0)
    found = pl.Series(np.take_along_axis(shift, first[np.newaxis], axis=0)[0])
    return pl.select(pl.when(pl.Series(possible.any(axis=0))).then(found)).to_series()


@_value.register
def _days_since(term: DaysSince) -> pl.Expr:
    count = pl.col(term.count)
    days = pl.when(count == 0).then(pl.col(DAYS_ENROLLED)).when(count > 0).then(pl.col(term.last))
    return days.clip(upper_bound=term.most)


@_value.register
def _others_rate(term: OthersRate) -> pl.Expr:
    enrolled = pl.col("is_enrolled")
    part, whole, students = (
        pl.col(_SUMS + name) - pl.when(enrolled).then(own).otherwise(0) for name, own in _own_parts(term).items()
    )
    known = (students >= term.minimum) & (whole > 0)
    return pl.when(known).then(term.per * part / (term.units * whole))


_SUMS = "__sums_"


def _own_parts(term: OthersRate) -> dict[str, pl.Expr]:
    """What one student adds to the sums of a rate, in whole numbers: nothing where a part of it is not known."""
    part = pl.col(term.part).cast(pl.Int64)
    whole = pl.lit(1, dtype=pl.Int64) if term.whole is None else pl.col(term.whole).cast(pl.Int64)
    known = part.is_not_null() & whole.is_not_null()
    return {
        f"{term.part}_sum": pl.when(known).then(part).otherwise(0),
        f"{term.part}_whole": pl.when(known).then(whole).otherwise(0),
        f"{term.part}_students": known.cast(pl.Int64),
    }


def _marked(sums: pl.DataFrame) -> pl.DataFrame:
    return sums.rename({name: _SUMS + name for name in sums.columns if name != "school_id"})


def _check_columns(indicators: pl.DataFrame, needed: Sequence[str]) -> None:
    lacking = sorted(set(needed) - set(indicators.columns))
    if lacking:
        raise ModelError(
            f"the indicators lack {counted(len(lacking), 'column')} that features are made of: {', '.join(lacking)}",
            hint="make them with compute_indicators of this version",
        )


def _plain(part: object) -> object:
    """A term in plain values, its kind too."""
    if is_dataclass(part):
        said = {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
        return {"kind": type(part).__name__, **said}
    if isinstance(part, tuple):
        return [_plain(each) for each in cast("tuple[object, ...]", part)]
    return part
