"""Whether probabilities mean what they say, and whether acting on them is worth more than acting on all or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import Bootstrap, Estimate
from cis_ews.evaluation.outcomes import Values, Vector, checked_outcomes, checked_risk

BINS = 10
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
_CLOSEST = 1e-6
_STEPS = 50
_ENOUGH = 1e-10
_FLAT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Rows of like risk: how many, what they were told on average, and how many of them in one it met."""

    rows: int
    risk: float
    happened: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Whether risks mean what they say.

    `slope`: that of a logistic regression of the outcome on the log-odds of the risk: 1 is right, less says that risks
    are too extreme; None where all risks are equal or one threshold parts the classes. `intercept`: calibration in the
    large, what has to be added to every row's log-odds to meet the number of positives: 0 is right, above it risks are
    too low (Van Calster et al. 2019). `error`: the expected calibration error, the mean over `bins` (tenths of the rows
    by risk; equal risks stay together) of the gap between risk and outcome, each weighing as its rows.
    `slope_drawn`, `intercept_drawn`: both with 95 % intervals, where clusters were drawn again.
    """

    slope: float | None
    intercept: float
    error: float
    bins: tuple[Bin, ...]
    slope_drawn: Estimate | None = None
    intercept_drawn: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetBenefit:
    """At a threshold: true positives a row less false ones, weighed as the threshold does (Vickers and Elkin 2006).

    `risk`: of flagging whom the risk reaches the threshold. `everybody`: of flagging all. Flagging nobody has 0.
    """

    threshold: float
    risk: float
    everybody: float


def calibration(label: Values, risk: Values, *, bootstrap: Bootstrap | None = None) -> Calibration:
    """How far risks are from what happened; with intervals over the clusters of `bootstrap`.

    Raises ModelError as `evaluate` does.
    """
    truth, probability = checked_risk(label, risk)
    bounded = np.clip(probability, _CLOSEST, 1.0 - _CLOSEST)
    log_odds = np.log(bounded / (1.0 - bounded))
    bins = _bins(truth, probability)
    line, shift = _line(truth, log_odds), _shift(truth, log_odds)
    slope_drawn, intercept_drawn = None, None
    if bootstrap is not None:
        free = np.ones((truth.size, 1))
        shifted = _Fitted(truth, free, fitted=np.array([shift]), known=log_odds)
        intercept_drawn = shifted.drawn(bootstrap)
        if line is not None:
            columns, nothing = np.column_stack([free, log_odds]), np.zeros(truth.size)
            slope_drawn = _Fitted(truth, columns, fitted=line, known=nothing).drawn(bootstrap)
    return Calibration(
        slope=None if line is None else float(line[1]),
        intercept=shift,
        error=sum(each.rows * abs(each.risk - each.happened) for each in bins) / truth.size,
        bins=bins,
        slope_drawn=slope_drawn,
        intercept_drawn=intercept_drawn,
    )


def decision_curve(label: Values, risk: Values, thresholds: Sequence[float] = THRESHOLDS) -> tuple[NetBenefit, ...]:
    """The net benefit at each threshold. Raises ModelError as `evaluate` does, and for a threshold out of (0, 1)."""
    truth, probability = checked_risk(label, risk)
    if any(not 0.0 < each < 1.0 for each in thresholds):
        raise ModelError("a threshold is not above 0 and below 1", hint="give risks between them")
    return tuple(
        NetBenefit(
            threshold=each,
            risk=_benefit(truth, probability >= each, each),
            everybody=_benefit(truth, np.ones(truth.size, dtype=bool), each),
        )
        for each in thresholds
    )


def plain_frequency(label: Values, chance: Values) -> tuple[int, float]:
    """Of ten chosen rows, how many the outcome met, rounded; and the exact share.

    `chance`: of each row to be chosen. Raises ModelError as `evaluate` does, and where nobody is chosen.
    """
    truth, places = checked_outcomes(label, chance)
    if places.sum() <= 0.0:
        raise ModelError("nobody is chosen", hint="give a higher share or a lower threshold")
    share = float(truth @ places / places.sum())
    return round(10 * share), share


def _benefit(truth: Vector, flagged: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], threshold: float) -> float:
    positives = float(truth[flagged].sum())
    false = float(flagged.sum()) - positives
    return (positives - false * threshold / (1.0 - threshold)) / truth.size


def _bins(truth: Vector, probability: Vector) -> tuple[Bin, ...]:
    edges = np.unique(np.quantile(probability, np.linspace(0.0, 1.0, BINS + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, probability, side="left")
    rows = np.bincount(place)
    risk, happened = np.bincount(place, weights=probability), np.bincount(place, weights=truth)
    return tuple(
        Bin(rows=int(count), risk=float(told / count), happened=float(met / count))
        for count, told, met in zip(rows, risk, happened, strict=True)
        if count
    )


def _shift(truth: Vector, log_odds: Vector) -> float:
    """Newton's method on one number; the likelihood is concave, and both classes occur."""
    shift = 0.0
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-(log_odds + shift)))
        step = float((truth - probability).sum() / max((probability * (1.0 - probability)).sum(), _FLAT))
        shift += float(np.clip(step, -2.0, 2.0))
        if abs(step) < _ENOUGH:
            break
    return shift


def _line(truth: Vector, log_odds: Vector) -> Vector | None:
    """Constant and slope of the outcome on the log-odds; None where there is no such line."""
    positive, negative = log_odds[truth == 1.0], log_odds[truth == 0.0]
    apart = positive.min() >= negative.max() or positive.max() <= negative.min()
    if apart or float(np.ptp(log_odds)) < _FLAT:
        return None
    columns = np.column_stack([np.ones(truth.size), log_odds])
    weights = np.array([0.0, 1.0])
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-(columns @ weights)))
        curve = columns.T @ (columns * (probability * (1.0 - probability))[:, None])
        step = np.linalg.solve(curve + _FLAT * np.eye(2), columns.T @ (truth - probability))
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < _ENOUGH:
            break
    return np.asarray(weights, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A logistic regression that was fitted: of `columns`, beside `known` log-odds of each row."""

    truth: Vector
    columns: Vector
    fitted: Vector
    known: Vector

    def drawn(self, bootstrap: Bootstrap) -> Estimate:
        """Its last coefficient, with an interval.

        A draw is followed by one step of Newton's method from the coefficients of all rows, for which sums of each
        cluster suffice; what is left out shrinks with the square of what a draw moves.
        """
        width, count = self.columns.shape[1], bootstrap.count
        probability: Vector = 1.0 / (1.0 + np.exp(-(self.columns @ self.fitted + self.known)))
        spread: Vector = probability * (1.0 - probability)

        def of_clusters(values: Vector) -> Vector:
            return np.bincount(bootstrap.clusters, weights=values, minlength=count).astype(np.float64)

        columns = list(self.columns.T)
        score = np.stack([of_clusters(one * (self.truth - probability)) for one in columns], axis=1)
        curve = np.stack([of_clusters(one * other * spread) for one in columns for other in columns], axis=1)
        curves = (bootstrap.weights @ curve).reshape(-1, width, width) + _FLAT * np.eye(width)
        steps = np.linalg.solve(curves, (bootstrap.weights @ score)[:, :, np.newaxis])[:, -1, 0]
        drawn = self.fitted[-1] + np.asarray(steps, dtype=np.float64)
        return bootstrap.estimate(float(self.fitted[-1]), drawn, least=-np.inf, most=np.inf)
