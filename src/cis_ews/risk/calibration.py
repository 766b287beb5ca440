"""From a margin to a probability that means what it says, the order of students never reversed.

Each calibrator is a line, or a line with bends, that rises everywhere; it is chosen by log loss on rows held out from
its own fit. Two students tie only where float64 cannot tell their probabilities apart (margins that are neighbours, or
beyond about 37); a step function (isotonic regression) would make many ties, and is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.model_solver import Vector, solve_logistic

LEAST_SLOPE = 0.05
NEAR_TIE = 0.0005
_BENDS = (0.5, 0.8, 0.95)


class _Kind(NamedTuple):
    name: str
    bends: tuple[float, ...]
    penalty: float


# From simple to supple; a more supple one has to be better by more than a near tie.
_KINDS = (_Kind("line", (), 1e-6), _Kind("bent line", _BENDS, 5.0))


@dataclass(frozen=True)
class Calibrator:
    """A rising line from margin to log-odds: `slopes` below, between and above the `knots`."""

    kind: str
    intercept: float
    slopes: tuple[float, ...]
    knots: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.slopes) != len(self.knots) + 1 or min(self.slopes) <= 0.0 or list(self.knots) != sorted(self.knots):
            raise ValueError("a calibrator rises everywhere, with one slope more than knots in their order")

    def log_odds(self, margin: Vector) -> Vector:
        """Calibrated log-odds."""
        # Each term is monotone and so is a sum in floating point: rounding cannot turn two students around.
        log_odds = np.full(margin.shape, self.intercept)
        for slope, column in zip(self.slopes, _segments(margin, self.knots), strict=True):
            log_odds += slope * column
        return log_odds

    def probability(self, margin: Vector) -> Vector:
        """Calibrated probability of each margin."""
        from scipy.special import expit

        return np.asarray(expit(self.log_odds(margin)), dtype=np.float64)


IDENTITY = Calibrator("identity", 0.0, (1.0,), ())


def choose_calibrator(
    margin: Vector, label: Vector, *, folds: NDArray[np.int64], weights: Vector | None = None
) -> tuple[Calibrator, float]:
    """The simplest calibrator among those with near least log loss on folds held out from their fit, and that loss."""
    best, least = IDENTITY, log_loss(label, margin, weights=weights)
    for kind in _KINDS:
        loss = _held_out_loss(kind, margin, label, folds=folds, weights=weights)
        if loss < least - NEAR_TIE:
            best, least = _fit(kind, margin, label, weights=weights), loss
    return best, least


def log_loss(label: Vector, margin: Vector, *, weights: Vector | None = None) -> float:
    """Mean log loss in nats of the probabilities that margins stand for."""
    return float(np.average(np.logaddexp(0.0, margin) - label * margin, weights=weights))


def _held_out_loss(
    kind: _Kind, margin: Vector, label: Vector, *, folds: NDArray[np.int64], weights: Vector | None
) -> float:
    log_odds = np.empty_like(margin)
    for fold in np.unique(folds):
        held = folds == fold
        known = None if weights is None else weights[~held]
        log_odds[held] = _fit(kind, margin[~held], label[~held], weights=known).log_odds(margin[held])
    return log_loss(label, log_odds, weights=weights)


def _fit(kind: _Kind, margin: Vector, label: Vector, *, weights: Vector | None) -> Calibrator:
    knots = np.unique(np.quantile(margin, kind.bends)) if kind.bends else np.empty(0)
    columns = np.column_stack(list(_segments(margin, tuple(knots.tolist()))))
    # Changes of the slope 1 are what is penalised: without evidence a margin stays what it is.
    lower, upper = np.full(columns.shape[1], LEAST_SLOPE - 1.0), np.full(columns.shape[1], np.inf)
    intercept, changes = solve_logistic(
        columns, label, weights=weights, penalty=kind.penalty, bounds=(lower, upper), offset=margin
    )
    return Calibrator(kind.name, intercept, tuple((1.0 + changes).tolist()), tuple(knots.tolist()))


def _segments(margin: Vector, knots: tuple[float, ...]) -> list[Vector]:
    """The margin in parts, one a segment, whose sum is the margin again."""
    if not knots:
        return [margin]
    between = [np.clip(margin, low, high) - low for low, high in pairwise(knots)]
    return [np.minimum(margin, knots[0]), *between, np.maximum(margin, knots[-1]) - knots[-1]]
