"""Which reasons a student is told: a compiled walk over students, which knows numbers and no words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled

NOTHING = -1
BLOCK = 64
"""So many students are read at once: what is known of one lies far apart, and of these side by side."""


class Choices(NamedTuple):
    """What can be told. Tellings stand by direction, `starts` are the bounds of each direction.

    `features`: the feature of each telling. `topics`: the number of each feature's topic: for late and for early
    students, of missing and of known values (0 and 1 in each). `known`: which of the two a direction speaks of.
    `signs`: 1 where a contribution above zero counts toward a direction, -1 where one below does. `least`: a topic that
    weighs no more than this is not told.
    """

    starts: NDArray[np.int64]
    features: NDArray[np.int64]
    topics: NDArray[np.int64]
    known: NDArray[np.int64]
    signs: NDArray[np.float64]
    least: float


class Students(NamedTuple):
    """What is known of students, one a column: contributions and whether the value is known, a row a feature; whether
    it fits, a row a telling; and whether a student is early in the year."""

    contributions: NDArray[np.float64]
    known: NDArray[np.bool_]
    fits: NDArray[np.bool_]
    early: NDArray[np.bool_]


def choose(choices: Choices, students: Students, *, limit: int) -> NDArray[Any]:
    """The tellings of each student: students x directions x places, the strongest topic first, -1 where no more are.

    A topic weighs the sum of its features. Its telling is the first that
    fits of the feature that weighs most. Among equals stands first what has the lower number.
    """
    chosen = np.full((students.early.size, choices.signs.size, limit), NOTHING, dtype=np.int16)
    _choose(choices, students, chosen)
    return chosen


@compiled
def _rank(ranked: NDArray[np.int16], leading: NDArray[np.int16], amounts: NDArray[np.float64]) -> None:
    """Put the leading tellings of topics in order of their amounts; both are used up."""
    found = 0
    for topic in range(amounts.size):
        if leading[topic] != NOTHING:
            amounts[found], leading[found] = amounts[topic], leading[topic]
            found += 1
    for place in range(min(found, ranked.size)):
        strongest = 0
        for topic in range(1, found):
            if amounts[topic] > amounts[strongest]:
                strongest = topic
        ranked[place] = leading[strongest]
        amounts[strongest] = -np.inf


@compiled
def _choose(choices: Choices, students: Students, chosen: NDArray[np.int16]) -> None:
    for begin in range(0, chosen.shape[0], BLOCK):
        end = min(begin + BLOCK, chosen.shape[0])
        some = Students(
            np.ascontiguousarray(students.contributions[:, begin:end].T),
            np.ascontiguousarray(students.known[:, begin:end].T),
            np.ascontiguousarray(students.fits[:, begin:end].T),
            students.early[begin:end],
        )
        _choose_some(choices, some, chosen[begin:end])


@compiled
def _choose_some(choices: Choices, students: Students, chosen: NDArray[np.int16]) -> None:
    """Choose for students of whom each has a row."""
    features = choices.topics.shape[2]
    sums = np.empty((2, features))
    amounts, best, leading = np.empty(features), np.empty(features), np.empty(features, dtype=np.int16)
    for student in range(chosen.shape[0]):
        topics = choices.topics[int(students.early[student])]
        sums[:] = 0.0
        for feature in range(features):
            known = int(students.known[student, feature])
            sums[known, topics[known, feature]] += students.contributions[student, feature]
        for direction in range(chosen.shape[1]):
            known, sign = choices.known[direction], choices.signs[direction]
            best[:], leading[:] = 0.0, NOTHING
            for telling in range(choices.starts[direction], choices.starts[direction + 1]):
                if students.fits[student, telling]:
                    feature = choices.features[telling]
                    weight, topic = sign * students.contributions[student, feature], topics[known, feature]
                    # A later sentence of the same feature weighs the same and does not displace the first that fits.
                    if weight > best[topic]:
                        best[topic], leading[topic] = weight, telling
            for topic in range(features):
                amounts[topic] = sign * sums[known, topic]
                if not amounts[topic] > choices.least:
                    leading[topic] = NOTHING
            _rank(chosen[student, direction], leading, amounts)
