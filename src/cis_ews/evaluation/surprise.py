"""How surprising an outcome is beside the risks that were said: as deviations, by the law that the risks make."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

NORMAL_FROM = 400.0
"""From this variance on a normal law holds for how many the outcome meets; below, the law is made of every risk. Of
small risks many are met more often than a normal law says, and it is the tail that counts: at a variance of 5 three
deviations too many come four times as often, at 20 twice."""
MOST = 2_000
"""So many surprises are told apart; below the variance above, more have no chance that a float could hold."""
_LEAST_RISK = 1e-6
"""A risk of exactly 0 would make one outcome infinitely surprising."""
_LEAST_CHANCE = 1e-300

Floats = npt.NDArray[np.float64]


def deviations(risk: Floats, label: Floats) -> float:
    """How far those with the outcome are from the sum of their risks, in standard deviations of a normal law; >= 0.

    `risk`, `label`: (n,), 0 to 1 and 0 or 1. Outcomes are taken to be independent, given the risks. Where the sum of
    risk x (1 - risk) is less than 400 no normal law holds so far out: then it is the deviation that in a normal law has
    the chance of a number at least as far on its side (Poisson binomial law). Above, half a student is taken off, since
    students are whole numbers.
    """
    risk = np.clip(risk, _LEAST_RISK, 1.0 - _LEAST_RISK)
    beyond = float((label - risk).sum())
    variance = float((risk * (1.0 - risk)).sum())
    if variance >= NORMAL_FROM:
        return max(0.0, abs(beyond) - 0.5) / math.sqrt(variance)
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
