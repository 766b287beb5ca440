"""How much two explanations of the same rows say the same: their largest parts, their order, and what moved.

An explanation is rows x parts: the share of each part (a feature, a topic) in a row's risk, in log-odds. Nothing here
knows how it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.outcomes import Vector


def largest_overlap(one: Vector, other: Vector, *, count: int = 3) -> Vector:
    """Of the `count` parts that weigh most in a row of the one, whichever way, the share that do in the other; a row
    each, 0 to 1. Of equal weights the first parts count. Raises ModelError where the shapes differ or parts are fewer.
    """
    _check_alike(one, other, fewest=count)
    first, second = (_largest(weights, count) for weights in (one, other))
    return np.asarray((first & second).sum(axis=1) / count, dtype=np.float64)


def _largest(weights: Vector, count: int) -> NDArray[np.bool_]:
    found = np.zeros(weights.shape, dtype=np.bool_)
    places = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :count]
    np.put_along_axis(found, places, values=True, axis=1)
    return found


def rank_correlation(one: Vector, other: Vector) -> Vector:
    """Spearman's correlation of the parts of each row; NaN where all parts of a row are equal.

    Raises ModelError where the shapes differ, or there are fewer than two parts.
    """
    from scipy import stats as untyped

    _check_alike(one, other, fewest=2)
    ranks = [cast("Any", untyped).rankdata(weights, axis=1) for weights in (one, other)]
    first, second = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    found = np.full(spread.shape, np.nan)
    return np.divide((first * second).sum(axis=1), spread, out=found, where=spread > 0.0)


def _check_alike(one: Vector, other: Vector, *, fewest: int) -> None:
    if one.shape != other.shape or one.ndim != 2 or one.shape[1] < fewest:
        raise ModelError(
            f"explanations of {one.shape} and {other.shape} cannot be compared",
            hint=f"give the same rows and parts of both, and {fewest} parts at least",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What one event moved in explanations. `related_share`: the part of all movement (sum of absolute changes) that
    lies in parts that speak of the event, 1 where nothing moved; `others_most`: the largest change of any other part,
    in log-odds; `others_typical`: the median over the rows of the largest change of another part in each."""

    related_share: float
    others_most: float
    others_typical: float


def moved(before: Vector, after: Vector, *, related: NDArray[np.bool_]) -> Moved:
    """Compare rows before an event and after it; `related`: which parts speak of it."""
    _check_alike(before, after, fewest=1)
    changed = np.abs(after - before)
    others = changed[:, ~related].max(axis=1, initial=0.0)
    whole = float(changed.sum())
    return Moved(
        related_share=float(changed[:, related].sum()) / whole if whole > 0.0 else 1.0,
        others_most=float(others.max(initial=0.0)),
        others_typical=float(np.median(others)) if others.size else 0.0,
    )


def summed(weights: Vector, parts: NDArray[np.int64]) -> Vector:
    """The parts put together: column k is the sum of the columns whose number in `parts` is k; those below 0 are left
    out."""
    told = np.zeros((weights.shape[0], int(parts.max(initial=-1)) + 1))
    for column, part in enumerate(parts):
        if part >= 0:
            told[:, part] += weights[:, column]
    return told
