"""What a model cannot be fitted on, each with a message that says what was found and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.risk.model_encoding import LARGEST, check_finite, check_frame, kind_of, some
from cis_ews.risk.model_file import as_kept
from cis_ews.wording import counted

FEWEST = 50
MOST_THREADS = 256
RESERVED = ("base_value", "margin", "student_id")
Values = pl.Series | NDArray[Any] | Sequence[Any]


def checked_features(features: pl.DataFrame) -> pl.DataFrame:
    """The features with NaN as null. Raises ModelError for what no model can learn from."""
    check_frame(features)
    reserved = [name for name in features.columns if name in RESERVED]
    if reserved or not features.width:
        found = f"{some(reserved)}: no name for a feature" if reserved else "there are no features"
        raise ModelError(found, hint="give one column a feature, and no id")
    if not features.height:
        raise ModelError("there are no rows", hint="give one row a student and as-of date")
    kinds = {series.name: kind_of(series) for series in features}
    check_finite(features)
    known = features.with_columns(pl.selectors.float().fill_nan(None))
    _check_not_constant(known)
    _check_not_twice(known, kinds)
    return known


def checked_label(label: Values, *, rows: int) -> NDArray[np.float64]:
    """The label as 0.0 and 1.0. Raises ModelError unless it is one 0 or 1 a row, with enough of both."""
    series = _series(label, "label")
    _check_length(series, "label", rows=rows)
    if not (series.dtype.is_numeric() or isinstance(series.dtype, pl.Boolean | pl.Null)):
        raise ModelError(f"the label is {series.dtype}, not 0 and 1", hint="give numbers or Booleans")
    values = series.cast(pl.Float64).fill_nan(None)
    if values.null_count():
        raise ModelError(
            f"the label is missing in {counted(values.null_count(), 'row')}",
            hint="leave out rows whose outcome is not known",
            missing=values.null_count(),
        )
    others = int((~values.is_in([0.0, 1.0])).sum())
    if others:
        raise ModelError(
            f"the label is neither 0 nor 1 in {counted(others, 'row')}", hint="give 0 and 1", others=others
        )
    _check_enough(values)
    return values.to_numpy()


def checked_groups(groups: Values | None, *, rows: int) -> NDArray[np.int64] | None:
    """A number for each group, or None. Raises ModelError unless there is one value a row."""
    if groups is None:
        return None
    series = _series(groups, "groups")
    _check_length(series, "groups", rows=rows)
    if series.null_count():
        raise ModelError(
            f"the group is missing in {counted(series.null_count(), 'row')}", hint="give every row its group"
        )
    return (series.cast(pl.String).rank("dense") - 1).cast(pl.Int64).to_numpy()


def checked_weights(weights: Values | None, *, rows: int) -> NDArray[np.float64] | None:
    """The weights with a mean of 1, or None. Raises ModelError unless there is one positive number a row."""
    if weights is None:
        return None
    series = _series(weights, "weights")
    _check_length(series, "weights", rows=rows)
    known = series.cast(pl.Float64).fill_null(np.nan) if series.dtype.is_numeric() else pl.Series([np.nan] * rows)
    values = known.to_numpy()
    wrong = int((~(np.isfinite(values) & (values > 0.0) & (values <= LARGEST))).sum())
    if wrong:
        raise ModelError(
            f"the weight is no positive number in {counted(wrong, 'row')}",
            hint="leave out rows that should not count",
            wrong=wrong,
        )
    return values / values.mean()


def checked_monotone(monotone: Mapping[str, int] | None, features: pl.DataFrame) -> dict[str, int]:
    """The directions, without those that are 0: free. Raises ModelError for names that are no features of numbers, and
    for other values than 1, -1 and 0."""
    directions = {name: direction for name, direction in (monotone or {}).items() if direction != 0}
    unknown = [name for name in directions if name not in features.columns]
    texts = [name for name in directions if name not in unknown and kind_of(features[name]) == "categories"]
    others = [name for name, direction in directions.items() if direction not in (1, -1)]
    if unknown:
        raise ModelError(f"monotone names no feature: {some(unknown)}", hint="name columns of the features")
    if texts or others:
        found = f"{some(texts)}: categories have no order" if texts else f"{some(others)}: neither 1 nor -1"
        raise ModelError(f"monotone: {found}", hint="give 1 or -1 for features of numbers")
    return directions


def checked_seed(seed: int) -> int:
    """The seed. Raises ModelError unless it is a whole number from 0 to 2^31 - 1, which LightGBM takes."""
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise ModelError("the seed is no whole number from 0 to 2,147,483,647", hint="give one, such as seed=7")
    return seed


def checked_threads(threads: int | None) -> int | None:
    """The threads, None for as many as there are cores. Raises ModelError unless they are a number that can be had."""
    if threads is not None and (type(threads) is not int or not 1 <= threads <= MOST_THREADS):
        raise ModelError(
            f"threads is no whole number from 1 to {MOST_THREADS}", hint="leave threads out, or give one, such as 2"
        )
    return threads


def checked_about(about: Mapping[str, object] | None) -> dict[str, object]:
    """The same as plain JSON values. Raises ModelError for anything that JSON cannot hold."""
    try:
        return as_kept(about or {})
    except (TypeError, ValueError):
        raise ModelError("about holds values that are not plain JSON", hint="give texts, numbers and lists") from None


def _series(values: Values, what: str) -> pl.Series:
    try:
        series = values if isinstance(values, pl.Series) else pl.Series(what, values)
    except (TypeError, ValueError, AttributeError, pl.exceptions.PolarsError):
        raise ModelError(f"{what}: the values are of several kinds", hint="give one kind of value") from None
    if series.dtype.is_nested():
        raise ModelError(f"{what}: there is more than one value a row", hint="give one value a row")
    if isinstance(series.dtype, pl.Object | pl.Binary):
        raise ModelError(f"{what}: the values are {series.dtype}", hint="give numbers or texts")
    return series


def _check_length(series: pl.Series, what: str, *, rows: int) -> None:
    if series.len() != rows:
        raise ModelError(
            f"{what} has {counted(series.len(), 'value')} for {counted(rows, 'row')} of features",
            hint="give one value a row",
        )


def _check_enough(label: pl.Series) -> None:
    positives = int(label.sum())
    negatives = label.len() - positives
    if not positives or not negatives:
        raise ModelError(
            f"the label is the same in all {counted(label.len(), 'row')}",
            hint="a model needs both outcomes to learn from",
        )
    if min(positives, negatives) < FEWEST:
        raise ModelError(
            f"the label has {counted(positives, 'positive')} and {counted(negatives, 'negative')}, and a model needs "
            f"{FEWEST} of each",
            hint="take more years together, or score by the published rules",
            positives=positives,
            negatives=negatives,
        )


def _check_not_constant(features: pl.DataFrame) -> None:
    empty = [series.name for series in features if series.null_count() == series.len()]
    constant = [series.name for series in features if series.name not in empty and series.n_unique() == 1]
    if empty or constant:
        found = [f"{counted(len(empty), 'feature')} without any value: {some(empty)}"] if empty else []
        found += [f"{counted(len(constant), 'feature')} the same in every row: {some(constant)}"] if constant else []
        raise ModelError("; ".join(found), hint="leave them out", empty=empty, constant=constant)


def _check_not_twice(features: pl.DataFrame, kinds: Mapping[str, str | None]) -> None:
    alike: dict[tuple[object, ...], list[str]] = {}
    for series in features:
        kind = pl.Float64 if kinds[series.name] == "numbers" else pl.String
        alike.setdefault((kind, _digest(series.cast(kind))), []).append(series.name)
    twice = [f"{first} and {second}" for names in alike.values() for first, second in combinations(names, 2)]
    if twice:
        raise ModelError(f"features with the same content: {some(twice)}", hint="keep one of each", twice=twice)


def _digest(series: pl.Series) -> int:
    """A number that hangs on every value and its row."""
    return int(pl.DataFrame({"row": pl.int_range(series.len(), eager=True), "value": series}).hash_rows(seed=1).sum())
