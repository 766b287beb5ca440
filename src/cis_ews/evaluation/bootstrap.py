"""Intervals by the paired bootstrap: whole clusters (schools) are drawn again, the same for everything compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.outcomes import Values, Vector, checked_outcomes

LEVEL = 0.95
FEW = 10
"""With fewer clusters percentiles of draws are known to be too narrow (Cameron, Gelbach and Miller 2008): of four they
hold the truth four times in five. Student's t of a degree of freedom less than there are clusters widens them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure, and the interval that holds it with a confidence of 95 %; None where no interval can be told."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of nothing."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Clusters drawn with replacement, as many as there are, `draws` times. The same seed draws the same.

    Everything measured by one object is measured on the same draws: differences are paired.
    """

    clusters: NDArray[np.int64]
    draws: int
    seed: int

    @classmethod
    def of(cls, clusters: Values, *, draws: int, seed: int) -> Bootstrap:
        """From the cluster of each row, of any kind. Raises ModelError without a row or a draw."""
        codes = np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.int64).ravel()
        if codes.size == 0 or draws < 1:
            raise ModelError("there is nothing to draw from", hint="give rows, and draw once at least")
        return cls(codes, draws, seed)

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.clusters.max()) + 1

    @cached_property
    def weights(self) -> Vector:
        """Draws x clusters: how often each cluster was drawn."""
        drawn = np.random.default_rng(self.seed).integers(self.count, size=(self.draws, self.count))
        return np.stack([np.bincount(each, minlength=self.count) for each in drawn]).astype(np.float64)

    def ratio(self, part: Vector, whole: Vector, *, rows: NDArray[np.bool_] | None = None) -> Vector:
        """The sum of one value a row over that of another, a draw; NaN where a draw has nothing to divide by.

        `rows`: of which rows the values are, where not of all.
        """
        clusters = self.clusters if rows is None else self.clusters[rows]
        sums = [np.bincount(clusters, weights=values, minlength=self.count) for values in (part, whole)]
        above, below = (self.weights @ each for each in sums)
        return np.divide(above, below, out=np.full(self.draws, np.nan), where=below > 0.0)

    def ranking(self, label: Values, score: Values) -> tuple[Vector, Vector]:
        """The AUROC and the average precision, a draw; NaN where a draw has one class alone.

        Rows are sorted once: a draw weighs them. Raises ModelError as `evaluate` does.
        """
        from cis_ews.evaluation.ranking_kernel import rank_draws

        truth, values = checked_outcomes(label, score)
        order = np.argsort(-values, kind="stable")
        found = np.empty((self.draws, 2))
        rank_draws(
            self.weights,
            self.clusters[order],
            positive=truth[order] > 0.0,
            ends=np.append(np.diff(values[order]) != 0.0, True),
            found=found,
        )
        return found[:, 0], found[:, 1]

    def estimate(self, value: float, drawn: Vector, *, least: float = -1.0, most: float = 1.0) -> Estimate:
        """A figure with its percentile interval; none with one cluster, nor where a draw in twenty has no figure.

        With fewer than FEW clusters the interval is no narrower than Student's t makes it. `least`, `most`: the
        smallest and the largest that the figure can be: 0 and 1 of a share, -1 and 1 of the difference of two.
        """
        known = drawn[np.isfinite(drawn)]
        if self.count == 1 or known.size < LEVEL * self.draws:
            return Estimate(value=value)
        low, high = np.quantile(known, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
        if self.count < FEW:
            half = self._student * float(known.std())
            low, high = max(least, min(low, value - half)), min(most, max(high, value + half))
        return Estimate(value=value, low=float(low), high=float(high))

    @cached_property
    def _student(self) -> float:
        """Deviations of the draws in half an interval; draws of G clusters vary by (G - 1) / G of what clusters do."""
        from scipy.special import stdtrit

        freedom = self.count - 1
        return float(stdtrit(freedom, (1.0 + LEVEL) / 2.0) * np.sqrt(self.count / freedom))
