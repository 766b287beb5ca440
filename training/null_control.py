"""The null control: what the same work gains where there is nothing to find but the school.

Labels are shuffled among the students of a school and as-of date, in the years that are learned from and in the one
that is measured on. Every school keeps its number of positives, so that targeting by school alone is worth what it was;
what a student's records say of the outcome is gone. A cheap model is fitted and measured on every shuffle, as on the
labels as they are. Where shuffled labels give a gain, the way of measuring flatters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from training.baselines import Array, matrix
from training.fitting import usable_features
from training.matrices import LABEL

Codes = NDArray[np.int64]
AT_ONCE = 32
"""Shuffles that are learned together: the columns are gone through once for all of them."""
RIDGE = 0.01
"""Penalty a row, on standardised columns."""
LEAST = 0.05
"""A gain whose p-value is larger is no evidence that students are told apart at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NullControl:
    """The gain in AUROC of a cheap model over the school's rate alone, on the labels as they are and on shuffled ones.

    `p_value`: (1 + the shuffles whose gain is no smaller) / (1 + the shuffles), Phipson and Smyth 2010: valid, and
    never zero. `shuffled_low`, `shuffled_high`: the middle 95 % of the shuffled gains.
    """

    shuffles: int
    rows: int
    gain: float
    p_value: float
    shuffled_mean: float
    shuffled_low: float
    shuffled_high: float

    @property
    def is_real(self) -> bool:
        """Whether the gain is larger than what shuffled labels give."""
        return self.p_value <= LEAST


def null_control(train: pl.DataFrame, test: pl.DataFrame, *, shuffles: int, seed: int) -> NullControl:
    """Shuffle, fit and measure `shuffles` times. `train`, `test`: rows of matrices, one a student and school year, so
    that rows can stand for one another."""
    names, _ = usable_features(train)
    fitted = _Ridge.of(matrix(train, names), matrix(test, names))
    known, asked = _Labels.of(train), _Labels.of(test)
    schools = pl.concat([train["school_id"], test["school_id"]]).rank("dense").cast(pl.Int64).to_numpy()
    places = schools[: train.height], schools[train.height :]
    draw = np.random.default_rng(seed)
    real = float(_gains(fitted, known.label[:, None], asked.label[:, None], schools=places)[0])
    shuffled = np.concatenate(
        [
            _gains(fitted, *_dealt(known, asked, draw, count=min(AT_ONCE, shuffles - done)), schools=places)
            for done in range(0, shuffles, AT_ONCE)
        ]
    )
    low, high = np.quantile(shuffled, [0.025, 0.975])
    return NullControl(
        shuffles=shuffles,
        rows=train.height + test.height,
        gain=real,
        p_value=float((1 + (shuffled >= real).sum()) / (1 + shuffles)),
        shuffled_mean=float(shuffled.mean()),
        shuffled_low=float(low),
        shuffled_high=float(high),
    )


def one_date_a_year(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the middle as-of date of each school year, of those on which both outcomes occur: one a student and
    year. Raises ModelError where there is no such date."""
    both = rows.filter((pl.col(LABEL).n_unique() == 2).over("as_of"))
    if both.is_empty():
        raise ModelError(
            "on no as-of date did the outcome meet some students and not others", hint="choose another label or dates"
        )
    dates = both.group_by("school_year").agg(pl.col("as_of").unique().sort())
    middle = [days[len(days) // 2] for days in dates["as_of"].to_list()]
    return rows.filter(pl.col("as_of").is_in(middle))


def _dealt(known: _Labels, asked: _Labels, draw: np.random.Generator, *, count: int) -> tuple[Array, Array]:
    """So many shuffles of both, a column each."""
    pairs = [(known.shuffled(draw), asked.shuffled(draw)) for _ in range(count)]
    return np.column_stack([before for before, _ in pairs]), np.column_stack([now for _, now in pairs])


def _gains(fitted: _Ridge, known: Array, asked: Array, *, schools: tuple[Codes, Codes]) -> Array:
    """In AUROC, over the rate of the row's school (of a school that is new, the rate of all), for each column."""
    of_train, of_test = schools
    size = int(max(of_train.max(), of_test.max())) + 1
    rows = np.bincount(of_train, minlength=size)
    scores = fitted.score(known)
    gains = np.empty(known.shape[1])
    for column, label in enumerate(asked.T):
        found = np.bincount(of_train, weights=known[:, column], minlength=size)
        rate = np.divide(found, rows, out=np.full(size, known[:, column].mean()), where=rows > 0)
        gains[column] = _auroc(label, scores[:, column]) - _auroc(label, rate[of_test])
    return gains


def _auroc(label: Array, score: Array) -> float:
    from scipy import stats as untyped

    ranks: Array = cast("Any", untyped).rankdata(score)
    positives = label.sum()
    above = ranks[label == 1.0].sum() - positives * (positives + 1.0) / 2.0
    return float(above / (positives * (label.size - positives)))


@dataclass(frozen=True, eq=False)
class _Labels:
    """The labels of rows, and the places of the rows by school and as-of date."""

    label: Array
    groups: Codes
    in_order: Codes

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Labels:
        """Of rows of matrices."""
        groups = rows.select(pl.struct("school_id", "as_of").rank("dense").cast(pl.Int64)).to_series().to_numpy()
        return cls(rows[LABEL].cast(pl.Float64).to_numpy(), groups, np.argsort(groups, kind="stable"))

    def shuffled(self, draw: np.random.Generator) -> Array:
        """The labels of each school and as-of date dealt out anew among its students."""
        dealt = np.empty_like(self.label)
        dealt[np.lexsort((draw.random(self.label.size), self.groups))] = self.label[self.in_order]
        return dealt


@dataclass(frozen=True, eq=False)
class _Ridge:
    """Least squares with a penalty: solved once for the columns, so that another label costs two products."""

    learned: NDArray[np.float64]
    asked: NDArray[np.float64]
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, train: Array, test: Array) -> _Ridge:
        """Missing values stand at the mean and are marked, columns are standardised; both by the rows learned from."""
        # Usable features are known in a row at least.
        mean = np.nanmean(train, axis=0)
        learned, asked = (np.hstack([np.where(np.isnan(rows), mean, rows), np.isnan(rows)]) for rows in (train, test))
        centre, spread = learned.mean(axis=0), learned.std(axis=0)
        kept = spread > 0.0
        learned, asked = ((rows[:, kept] - centre[kept]) / spread[kept] for rows in (learned, asked))
        penalty = RIDGE * len(learned) * np.eye(int(kept.sum()))
        inverse = cast("Array", cast("Any", np.linalg).inv(learned.T @ learned + penalty))
        return cls(learned, asked, inverse)

    def score(self, label: Array) -> Array:
        """What the rows that are asked score, where these labels are learned: a column for each column of labels."""
        return self.asked @ (self.inverse @ (self.learned.T @ (label - label.mean(axis=0))))
