"""Incidents added up: one walk over the incidents of all students, a student's after another's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cis_ews.compiling import compiled
from cis_ews.enums import Severity
from cis_ews.indicators.windows import FIRST_DAYS, LAST_DAYS

NEVER = -1
YTD, FIRST = range(2)
WINDOWS = 2 + len(LAST_DAYS)
"""The year, its first days, then the last days, as `DAY_WINDOWS` has them."""


class Incidents(NamedTuple):
    """Incidents in the order of students. `number`: of the student's day, from 1. `ago`: 0 on the last day.

    `severity`: its place in `Severity`, -1 for none. `behavior`: the place of its kind among those there are, -1 for
    none.
    """

    student: NDArray[np.int32]
    number: NDArray[np.int32]
    ago: NDArray[np.int32]
    severity: NDArray[np.int8]
    behavior: NDArray[np.int32]


class Counted(NamedTuple):
    """What is counted of each student: the last axis is the student.

    `of_severity`: by severity and window. `since`: school days since the last incident, -1 where there was none.
    `behaviors`: kinds of behavior, and `with_kind` incidents that say theirs. `days`: with an incident.
    """

    of_severity: NDArray[np.int32]
    incidents: NDArray[np.int32]
    since: NDArray[np.int32]
    behaviors: NDArray[np.int32]
    with_kind: NDArray[np.int32]
    days: NDArray[np.int32]


def count(incidents: Incidents, *, students: int) -> Counted:
    """Count the incidents of so many students."""
    kinds, numbers = (array.max(initial=0) + 1 for array in (incidents.behavior, incidents.number))
    by_severity = np.zeros((len(Severity), WINDOWS, students), dtype=np.int32, order="F")
    others = (np.zeros(students, dtype=np.int32) for _ in Counted._fields[1:])
    counted = Counted(by_severity, *others)
    counted.since.fill(NEVER)
    seen = np.full(kinds, NEVER, dtype=np.int32), np.full(numbers, NEVER, dtype=np.int32)
    _walk(incidents, counted, seen)
    return counted


@compiled
def _walk(incidents: Incidents, counted: Counted, seen: tuple[NDArray[np.int32], NDArray[np.int32]]) -> None:
    """`seen`: the student of whom a kind of behavior, and a day, was counted last."""
    of_behavior, of_day = seen
    for row in range(incidents.student.size):
        student, number, ago = incidents.student[row], incidents.number[row], incidents.ago[row]
        severity, behavior = incidents.severity[row], incidents.behavior[row]
        if severity >= 0:
            counted.of_severity[severity, YTD, student] += 1
            counted.of_severity[severity, FIRST, student] += number <= FIRST_DAYS
            for window, length in enumerate(LAST_DAYS):
                counted.of_severity[severity, FIRST + 1 + window, student] += ago < length
        counted.incidents[student] += 1
        since = max(ago, 0)
        counted.since[student] = since if counted.since[student] == NEVER else min(counted.since[student], since)
        if behavior >= 0:
            counted.with_kind[student] += 1
            counted.behaviors[student] += of_behavior[behavior] != student
            of_behavior[behavior] = student
        counted.days[student] += of_day[number] != student
        of_day[number] = student
