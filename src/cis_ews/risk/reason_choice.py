"""Which reasons a student is told: a compiled walk over students, which knows numbers and no words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.risk.model_kernel import compiled

NOBODY = -1


class Choices(NamedTuple):
    """What can be told. Tellings stand by direction, `starts` are the bounds of each direction.

    `features`: the feature of each telling. `topics`: for early and other students (0 and 1), each direction and each
    feature, the number of its topic. `signs`: 1 where a contribution above zero counts toward a direction, -1 where
    one below does. `is_known`: whether a direction speaks of known values, or of missing ones.
    """

    starts: NDArray[np.int64]
    features: NDArray[np.int64]
    topics: NDArray[np.int64]
    signs: NDArray[np.float64]
    is_known: NDArray[np.bool_]


class Students(NamedTuple):
    """What is known of students, one a column: contributions and whether the value is known, a row a feature; whether
    it fits, a row a telling; and which of the two kinds of topics are theirs."""

    contributions: NDArray[np.float64]
    known: NDArray[np.bool_]
    fits: NDArray[np.bool_]
    kinds: NDArray[np.int64]


def choose(choices: Choices, students: Students, *, least: float, limit: int) -> NDArray[Any]:
    """The tellings of each student: students x directions x places, the strongest topic first, -1 where no more are.

    A topic weighs the sum of its features, and counts where that is more than `least`. Its telling is the first that
    fits of the feature that weighs most. Among equals stands first what has the lower number.
    """
    chosen = np.full((students.kinds.size, choices.signs.size, limit), NOBODY, dtype=np.int16)
    _choose(choices, students, least, chosen)
    return chosen


@compiled
def _choose(choices: Choices, students: Students, least: float, chosen: NDArray[np.int16]) -> None:
    features = choices.topics.shape[2]
    weights = np.empty(features)
    amounts, best = np.empty(features), np.empty(features)
    leading = np.empty(features, dtype=np.int16)
    for student in range(chosen.shape[0]):
        for direction in range(chosen.shape[1]):
            topics = choices.topics[students.kinds[student], direction]
            amounts[:], best[:], leading[:] = 0.0, 0.0, NOBODY
            for feature in range(features):
                counts = students.known[feature, student] == choices.is_known[direction]
                weights[feature] = choices.signs[direction] * students.contributions[feature, student] if counts else 0.0
                amounts[topics[feature]] += weights[feature]
            for telling in range(choices.starts[direction], choices.starts[direction + 1]):
                weight = weights[choices.features[telling]]
                topic = topics[choices.features[telling]]
                # A later sentence of the same feature weighs the same and does not displace the first that fits.
                if weight > best[topic] and students.fits[telling, student]:
                    best[topic], leading[topic] = weight, telling
            for place in range(chosen.shape[2]):
                strongest, most = NOBODY, least
                for topic in range(features):
                    if leading[topic] != NOBODY and amounts[topic] > most:
                        strongest, most = topic, amounts[topic]
                if strongest == NOBODY:
                    break
                chosen[student, direction, place] = leading[strongest]
                leading[strongest] = NOBODY
