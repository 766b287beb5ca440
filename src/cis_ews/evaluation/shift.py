"""How far two distributions, or two counts, are apart."""

from __future__ import annotations

import math

import numpy as np

from cis_ews.evaluation.outcomes import Vector

BINS = 5
_SMOOTH = 0.5
_CHI_SQUARE = 18.47
"""One in a thousand, of four degrees of freedom."""


def binned(before: Vector, now: Vector) -> tuple[Vector, Vector]:
    """The shares of both in the same bins, fifths of `before`; half a student is added to each bin, so none is empty.

    Values that tie stay together, so that a feature of few values has fewer bins.
    """
    edges = np.unique(np.quantile(before, np.linspace(0.0, 1.0, BINS + 1)[1:-1], method="lower"))
    counts = [
        np.bincount(np.searchsorted(edges, each, side="left"), minlength=edges.size + 1) + _SMOOTH
        for each in (before, now)
    ]
    return counts[0] / counts[0].sum(), counts[1] / counts[1].sum()


def population_stability_index(before: Vector, now: Vector) -> float:
    """Of shares in the same bins, none of them 0: the sum of (now - before) ln(now / before).

    By convention below .1 is stable and above .25 a shift (Siddiqi 2006, Credit Risk Scorecards).
    """
    return float(((now - before) * np.log(now / before)).sum())


def chance_index(before: int, now: int) -> float:
    """The stability index that chance alone exceeds one time in a thousand, of so many students before and now.

    Over (1 / before + 1 / now) the index is about chi-square, of a degree of freedom less than there are bins
    (Yurdakul 2018).
    """
    return _CHI_SQUARE * (1.0 / before + 1.0 / now)


def jensen_shannon(before: Vector, now: Vector) -> float:
    """The Jensen-Shannon distance of shares in the same bins, 0 (the same) to 1 (nothing in common), base 2."""
    middle = (before + now) / 2.0
    entropy = sum(float((each * np.log2(each / middle)).sum()) for each in (before, now)) / 2.0
    return math.sqrt(max(entropy, 0.0))


def poisson_distance(observed: float, expected: float) -> float:
    """How many deviations a count lies from what was expected: 2 (sqrt(observed) - sqrt(expected)).

    The square root makes the spread of a count the same, 1, however large it is (Anscombe 1948).
    """
    return 2.0 * (math.sqrt(max(observed, 0.0)) - math.sqrt(max(expected, 0.0)))
