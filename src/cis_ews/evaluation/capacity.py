"""Who is on a list that has fewer places than students: where decisions are made, and where errors cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cis_ews.errors import ModelError
from cis_ews.evaluation.outcomes import Vector

SHARES = (0.05, 0.10, 0.20)
"""The shares of a school's students that lists are judged at: 20, 40 and 80 places of 400 students."""


def chosen(score: Vector, lists: NDArray[np.int64], share: float) -> Vector:
    """The chance of each row to be on its list, which has places for `share` of its rows, highest score first.

    `lists`: a number a row; rows of one number compete for the places of one list (a school on an as-of date). Rows
    that tie at the cut share the places that are left, as if drawn by lot. Summed over rows: the places. Raises
    ModelError for a share that is not above 0 and at most 1.
    """
    if not 0.0 < share <= 1.0:
        raise ModelError(f"a share of {share} of the rows", hint="give a share above 0 and at most 1")
    _, code, rows = np.unique(lists, return_inverse=True, return_counts=True)
    # 0.07 x 100 is a little above 7 in binary, and would take an eighth row.
    return placed(score, lists, np.round(share * rows.astype(np.float64), 6)[code])


def placed(score: Vector, lists: NDArray[np.int64], places: Vector) -> Vector:
    """As `chosen`, with the places of each row's list given, the same for all rows of a list."""
    if score.size == 0:
        return np.zeros(0)
    order = np.lexsort((-score, lists))
    by_list, by_score = lists[order], score[order]
    opens = np.append(True, by_list[1:] != by_list[:-1])
    starts = opens | np.append(True, by_score[1:] != by_score[:-1])
    first, tie = np.flatnonzero(starts), np.cumsum(starts) - 1
    opened = np.flatnonzero(opens)[np.cumsum(opens) - 1][first]
    size = np.diff(np.append(first, score.size))
    chance = np.empty(score.size)
    chance[order] = np.clip((places[order][opened] - (first - opened)) / size, 0.0, 1.0)[tie]
    return chance
