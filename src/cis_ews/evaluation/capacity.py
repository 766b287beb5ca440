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
    if score.size == 0:
        return np.zeros(0)
    order = np.lexsort((-score, lists))
    by_list, by_score = lists[order], score[order]
    opens = np.append(True, by_list[1:] != by_list[:-1])
    starts = opens | np.append(True, by_score[1:] != by_score[:-1])
    first, tie = np.flatnonzero(starts), np.cumsum(starts) - 1
    opened, of_list = np.flatnonzero(opens), np.cumsum(opens) - 1
    # 0.07 x 100 is a little above 7 in binary, and would take an eighth row.
    places = np.round(share * np.diff(np.append(opened, score.size)), 6)
    before = first - opened[of_list[first]]
    size = np.diff(np.append(first, score.size))
    chance = np.empty(score.size)
    chance[order] = np.clip((places[of_list[first]] - before) / size, 0.0, 1.0)[tie]
    return chance
