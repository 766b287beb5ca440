"""AUROC and average precision of draws of clusters, one pass over the rows each: compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled


@compiled
def rank_draws(
    weights: NDArray[np.float64],
    clusters: NDArray[np.int64],
    *,
    positive: NDArray[np.bool_],
    ends: NDArray[np.bool_],
    found: NDArray[np.float64],
) -> None:
    """Fill `found`, draws x 2, with the AUROC and the average precision of each draw; NaN where it has one class alone.

    `weights`: draws x clusters. Of the rows in the order of their score, the highest first: `clusters`, `positive`, and
    in `ends` whether the row is the last of those that tie.
    """
    for draw in range(weights.shape[0]):
        every, hits, hits_before, false_before, ordered, precision = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for row in range(clusters.size):
            weight = weights[draw, clusters[row]]
            every += weight
            if positive[row]:
                hits += weight
            if ends[row]:
                false = every - hits
                if hits > hits_before:
                    ordered += (hits - hits_before) * (false + false_before)
                    precision += (hits - hits_before) * (hits / every)
                hits_before, false_before = hits, false
        if hits > 0.0 and every > hits:
            found[draw, 0] = 1.0 - ordered / (2.0 * hits * (every - hits))
            found[draw, 1] = precision / hits
        else:
            found[draw, :] = np.nan
