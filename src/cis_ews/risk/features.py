"""The design matrix: every feature of the catalog, worked out from the table of indicators and nothing else.

Loops run over features, never over students.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, reduce, singledispatch
from operator import add
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
from cis_ews.risk.months import Months, shifts, slopes
from cis_ews.texts import places_of
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
    places = pl.Series(places_of(indicators["school_id"], others["school_id"])).replace(-1, None)
    of_school = others.select(pl.exclude("school_id").gather(places).name.prefix(_SUMS))
    values = indicators.hstack(of_school).select("student_id", *_values())
    return values if values["student_id"].is_sorted() else values.sort("student_id")


@cache
def _values() -> Sequence[pl.Expr]:
    """The features; put together once for all parts of a night."""
    return [evaluated(feature.value).cast(pl.Float32).alias(feature.name) for feature in FEATURES]


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
    return _by_months(term, slopes)


@_value.register
def _shift(term: Shift) -> pl.Expr:
    return _by_months(term, lambda days, parts: shifts(days, parts, term.minimum))


def _by_months(term: Slope | Shift, told: Callable[[Months, Months], NDArray[np.float64]]) -> pl.Expr:
    """What a loop says of the months of each student, null for NaN."""
    # Eleven partings of twelve months: as expressions, planning them alone would take longer than all other features.
    columns = [pl.col(name).cast(pl.Float64).fill_null(0.0) for name in (*term.days, *term.parts)]

    def tell(months: Sequence[pl.Series]) -> pl.Series:
        every = np.stack([month.to_numpy() for month in months])
        return pl.Series(told(every[: len(term.days)], every[len(term.days) :]), nan_to_null=True)

    return pl.map_batches(columns, tell, return_dtype=pl.Float64, is_elementwise=True)


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
