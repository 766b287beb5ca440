"""Features as the numbers that both parts of a model read: numbers stay, categories get one column a value.

Categories are kept by their string, never by a physical code. Null and NaN are missing, and stay NaN; a category that
is missing is NaN in every column of its feature.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as selectors
from numpy.typing import NDArray

from cis_ews.errors import FeatureMismatchError, ModelError
from cis_ews.wording import counted

RARE = 20
LARGEST = 1e100
MOST_VALUES = 200


class UnseenCategoryWarning(UserWarning):
    """Categories came that the model has never seen; they were taken as missing."""


@dataclass(frozen=True)
class Feature:
    """A column as the model knows it. `columns` are the values of each column that a category becomes, rare ones
    together in the last; a value of `baseline` is zero in all of them. A feature of numbers has neither."""

    name: str
    is_category: bool
    baseline: tuple[str, ...] = ()
    columns: tuple[tuple[str, ...], ...] = ()

    @property
    def width(self) -> int:
        """How many columns of the matrix it takes."""
        return len(self.columns) if self.is_category else 1

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """The column of each known value, -1 for the baseline."""
        return dict.fromkeys(self.baseline, -1) | {
            value: column for column, values in enumerate(self.columns) for value in values
        }


def learn_feature(series: pl.Series) -> Feature:
    """How a column is encoded. Raises ModelError for a text that has too many different values to be a category."""
    if kind_of(series) != "categories":
        return Feature(series.name, is_category=False)
    values = series.cast(pl.String).drop_nulls().alias("value").value_counts(name="rows").sort("value")
    common = values.filter(pl.col("rows") >= RARE)["value"].to_list()
    rare = tuple(values.filter(pl.col("rows") < RARE)["value"].to_list())
    if values.height > MOST_VALUES or not common:
        raise ModelError(
            f"{series.name}: {values.height:,} different texts in {series.len():,} rows are too many for a category",
            hint="leave identifiers and free text out",
            column=series.name,
            values=values.height,
        )
    columns = (*((value,) for value in common), *((rare,) if rare else ()))
    # Two columns that are each other's opposite would say everything twice.
    first = 1 if len(columns) == 2 else 0
    return Feature(series.name, is_category=True, baseline=sum(columns[:first], ()), columns=columns[first:])


def kind_of(series: pl.Series) -> str | None:
    """`numbers` or `categories`; None if the column holds nothing at all. Raises ModelError for any other kind."""
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return "numbers"
    if isinstance(series.dtype, pl.String | pl.Categorical | pl.Enum):
        return "categories"
    if series.dtype == pl.Null:
        return None
    raise ModelError(
        f"{series.name}: a column of {series.dtype} is no feature",
        hint="features are numbers, Booleans or texts; make dates into days",
        column=series.name,
    )


@dataclass(frozen=True)
class Encoding:
    """The features of a model in its order."""

    features: tuple[Feature, ...]

    @classmethod
    def learn(cls, frame: pl.DataFrame) -> Encoding:
        """One feature a column, in the order of the frame."""
        return cls(tuple(learn_feature(series) for series in frame))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """The feature that each column of the matrix belongs to."""
        return np.repeat(np.arange(len(self.features)), [feature.width for feature in self.features])

    def matrix(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Rows x columns, float64, columns contiguous, NaN where missing; of the model's columns by name."""
        matrix = np.empty((frame.height, self.owners.size), dtype=np.float64, order="F")
        # Not by select: it takes a name such as * or ^a$ for a pattern.
        numbers = pl.DataFrame([frame.get_column(feature.name) for feature in self.features if not feature.is_category])
        filled = iter(numbers.select(pl.all().cast(pl.Float64).fill_null(float("nan"))))
        begin = 0
        for feature in self.features:
            part = matrix[:, begin : begin + feature.width]
            if feature.is_category:
                _fill(part, frame.get_column(feature.name), feature)
            else:
                part[:, 0] = next(filled).to_numpy()
            begin += feature.width
        return matrix

    def fitting(self, frame: pl.DataFrame, *, strict: bool) -> pl.DataFrame:
        """The model's columns of a frame, checked. Unseen categories are warned of once, an error if `strict`.

        Raises FeatureMismatchError for missing columns and columns of another kind, ModelError for infinite and huge
        values and for anything but a polars DataFrame.
        """
        check_frame(frame)
        self._check_names(frame)
        # Not by select: it takes a name such as * or ^a$ for a pattern.
        chosen = pl.DataFrame({name: frame.get_column(name) for name in self.names})
        self._check_kinds(chosen)
        check_finite(chosen)
        self._check_seen(chosen, strict=strict)
        return chosen

    def _check_names(self, frame: pl.DataFrame) -> None:
        missing = [name for name in self.names if name not in frame.columns]
        if not missing:
            return
        unknown = [name for name in frame.columns if name not in set(self.names)]
        near = {name: get_close_matches(name, unknown, n=1, cutoff=0.6) for name in missing}
        nearest = [f"{name}: did you mean {found[0]}?" for name, found in near.items() if found]
        raise FeatureMismatchError(
            f"{counted(len(missing), 'feature')} of the model missing in the frame: {some(missing)}"
            + (f"; not known to the model: {some(unknown)}" if unknown else ""),
            hint="; ".join([*nearest[:3], "build the features with the version that the model was fitted with"]),
            missing=missing,
            unknown=unknown,
        )

    def _check_kinds(self, frame: pl.DataFrame) -> None:
        wanted = {feature.name: "categories" if feature.is_category else "numbers" for feature in self.features}
        changed = [
            f"{series.name} ({series.dtype} where the model has {wanted[series.name]})"
            for series in frame
            if _kind_or_other(series) not in (wanted[series.name], None)
        ]
        if changed:
            raise FeatureMismatchError(
                f"{counted(len(changed), 'feature')} of another kind than in the model: {some(changed)}",
                hint="build the features with the version that the model was fitted with",
                changed=changed,
            )

    def _check_seen(self, frame: pl.DataFrame, *, strict: bool) -> None:
        unseen = {
            feature.name: _unseen(frame.get_column(feature.name), feature)
            for feature in self.features
            if feature.is_category
        }
        found = [f"{name}: {counted(count, 'row')}" for name, count in unseen.items() if count]
        if not found:
            return
        message = f"categories that the model has never seen ({some(found)})"
        if strict:
            counts = {name: count for name, count in unseen.items() if count}
            raise ModelError(message, hint="fit the model anew, or score without strict", unseen=counts)
        warnings.warn(UnseenCategoryWarning(f"{message} are taken as missing"), stacklevel=4)


def check_frame(frame: pl.DataFrame) -> None:
    """Raises ModelError for anything but a polars DataFrame."""
    if not isinstance(frame, pl.DataFrame):  # pyright: ignore[reportUnnecessaryIsInstance] - whoever calls may not know
        raise ModelError(f"the features are a {type(frame).__name__}", hint="give a polars DataFrame")


def check_finite(frame: pl.DataFrame) -> None:
    """Raises ModelError naming the columns that hold infinite values, or values so large that sums of them overflow,
    with their counts."""
    largest = frame.select(selectors.float().fill_nan(None).abs().max())
    if all(each is None or each <= LARGEST for row in largest.iter_rows() for each in row):
        return
    floats = [series.fill_nan(None) for series in frame if series.dtype.is_float()]
    hint = "a share of nothing is missing, not infinite: make it null"
    _refuse(floats, lambda series: series.is_infinite(), found="infinite values", hint=hint)
    hint = "give what is missing as null, not as a large number"
    _refuse(floats, lambda series: series.abs() > LARGEST, found=f"values beyond {LARGEST:g}", hint=hint)


def _refuse(floats: list[pl.Series], wrong: Callable[[pl.Series], pl.Series], *, found: str, hint: str) -> None:
    counts = {series.name: int(wrong(series).sum()) for series in floats}
    named = [f"{name}: {counted(count, 'row')}" for name, count in counts.items() if count]
    if named:
        raise ModelError(
            f"{found} in {some(named)}", hint=hint, rows={name: count for name, count in counts.items() if count}
        )


def some(names: list[str], *, shown: int = 10) -> str:
    """The first names, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def _kind_or_other(series: pl.Series) -> str | None:
    try:
        return kind_of(series)
    except ModelError:
        return "other"


def _coded(series: pl.Series, feature: Feature) -> pl.Series:
    known = feature.codes
    return series.cast(pl.String).replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.Int32)


def _unseen(series: pl.Series, feature: Feature) -> int:
    return _coded(series, feature).null_count() - series.null_count()


def _fill(part: NDArray[np.float64], series: pl.Series, feature: Feature) -> None:
    """The columns of a category."""
    codes: NDArray[Any] = _coded(series, feature).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    for column in range(feature.width):
        part[:, column] = codes == column
    part[np.isnan(codes), :] = np.nan
