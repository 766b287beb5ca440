"""How surprising an outcome is beside the risks that were said: as deviations, by the law that the risks make."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

NORMAL_FROM = 5.0
"""From this variance on a normal law holds for how many the outcome meets; below, the law is made of every risk."""
MOST = 200
"""So many surprises are told apart; below the variance above, more have no chance that a float could hold."""
_LEAST_RISK = 1e-6
"""A risk of exactly 0 would make one outcome infinitely surprising."""
_LEAST_CHANCE = 1e-300

Floats = npt.NDArray[np.float64]


def deviations(risk: Floats, label: Floats) -> float:
    """How far those with the outcome are from the sum of their risks, in standard deviations of a normal law; >= 0.

    `risk`, `label`: (n,), 0 to 1 and 0 or 1. Outcomes are taken to be independent, given the risks. Where the sum of
    risk x (1 - risk) is less than 5, most risks are near 0 or 1 and no normal law holds: then it is the deviation that
    in a normal law has the chance of a number at least as far on its side (Poisson binomial law).
    """
    risk = np.clip(risk, _LEAST_RISK, 1.0 - _LEAST_RISK)
    beyond = float((label - risk).sum())
    variance = float((risk * (1.0 - risk)).sum())
    if variance >= NORMAL_FROM:
        return abs(beyond) / math.sqrt(variance)
    likely = risk >= 0.5
    # Those who were likely to be met surprise when spared, the others when met: the number less those likely.
    law = np.convolve(_surprises(risk[~likely]), _surprises(1.0 - risk[likely])[::-1])
    at = int(np.clip(label.sum() - likely.sum(), -MOST, MOST)) + MOST
    chance = float(law[at:].sum() if beyond > 0.0 else law[: at + 1].sum())
    return max(0.0, -NormalDist().inv_cdf(min(max(chance, _LEAST_CHANCE), 0.5)))


def _surprises(chances: Floats) -> Floats:
    """The chances of 0 to `MOST` surprises, each of its own chance of at most a half."""
    law = np.zeros(MOST + 1)
    law[0] = 1.0
    for chance in chances:
        law[1:] = law[1:] * (1.0 - chance) + law[:-1] * chance
        law[0] *= 1.0 - chance
    return law
