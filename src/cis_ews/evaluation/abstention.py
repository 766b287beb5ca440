"""From how many days of school on a risk is worth telling: measured on held-out years, and not guessed.

A risk is worth telling of students with so many days where it errs less than saying the same of all of them, by the
Brier score and beyond what chance makes. What is told of whom is read off a risk-coverage curve: how large the error is
among those who are judged, and how many they are.

    El-Yaniv, R. and Wiener, Y. (2010), On the foundations of noise-free selective classification. JMLR 11, 1605-1641.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

STARTS = (0, 5, 10, 15, 20, 30, 40, 60, 90)
"""Days from which groups of students begin."""
NOBODY = 1_000
"""More days than a school year has: of nobody is a risk worth telling."""
FEWEST = 100
"""A group needs so many positives, and so many negatives, or chance decides: a smaller one is joined to fewer days."""
Z = 1.645
"""Of a one-sided confidence of 95 %."""
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysStep:
    """Students of `days` to `until` days (None: no end), and all of `days` or more.

    `rows`, `positives`: of the group. `gain`: by how much the Brier score of the risk is lower than that of the group's
    own share of positives; `gain_low`: its lower bound of 95 %, students drawn as a whole; None without enough rows.
    `coverage`: the share of all rows that stand at `days` or above; `brier`: their Brier score.
    """

    days: int
    until: int | None
    rows: int
    positives: int
    gain: float | None
    gain_low: float | None
    coverage: float
    brier: float

    @property
    def is_worth_telling(self) -> bool:
        """Whether the risk of the group errs less than one number for all of it."""
        return self.gain_low is not None and self.gain_low > 0.0


def risk_coverage(days: NDArray[np.int64], label: Vector, risk: Vector, *, students: Sequence[Any]) -> list[DaysStep]:
    """The curve over the days enrolled, the fewest days first; rows of one of `students` are drawn together."""
    codes = np.unique(np.asarray(students), return_inverse=True)[1]
    return [_step(each, days, (label, risk), codes=codes) for each in _groups(days, label)]


def fewest_days(curve: Sequence[DaysStep]) -> int | None:
    """The days from which every group is worth telling; NOBODY where not even the group with the most days is, and None
    where too few students are known to measure it."""
    if all(step.gain is None for step in curve):
        return None
    found = NOBODY
    for step in reversed(curve):
        if not step.is_worth_telling:
            break
        found = step.days
    return found


def told_steps(curve: Sequence[DaysStep]) -> list[DaysStep]:
    """The steps whose numbers may be told: those with enough of either outcome, as shares of those alone; the only step
    there is, as it is.

    The first one may be of a few students. Whoever knows how many there are of all others, and their share of all,
    could tell how many those are; so nothing is said of it.
    """
    told = [step for step in curve if step.gain is not None] or list(curve)
    return [replace(step, coverage=step.coverage / told[0].coverage) for step in told]


def _groups(days: NDArray[np.int64], label: Vector) -> list[tuple[int, int | None]]:
    """From and to how many days each group goes; one with too few students is joined to those with fewer days."""
    groups: list[tuple[int, int | None]] = []
    until: int | None = None
    for start in reversed(STARTS):
        inside = _inside(days, start, until)
        positives = int(label[inside].sum())
        is_last = start == STARTS[0]
        if min(positives, int(inside.sum()) - positives) >= FEWEST or (is_last and inside.any()):
            groups.append((start, until))
            until = start
    return groups[::-1]


def _inside(days: NDArray[np.int64], start: int, until: int | None) -> NDArray[np.bool_]:
    return (days >= start) & (True if until is None else days < until)


def _step(
    group: tuple[int, int | None], days: NDArray[np.int64], judged: tuple[Vector, Vector], *, codes: NDArray[np.int64]
) -> DaysStep:
    label, risk = judged
    inside, answered = _inside(days, *group), days >= group[0]
    positives, rows = int(label[inside].sum()), int(inside.sum())
    enough = min(positives, rows - positives) >= FEWEST
    gain, low = _gain(label[inside], risk[inside], codes=codes[inside]) if enough else (None, None)
    return DaysStep(
        days=group[0],
        until=group[1],
        rows=rows,
        positives=positives,
        gain=gain,
        gain_low=low,
        coverage=float(answered.mean()),
        brier=float(np.mean((risk[answered] - label[answered]) ** 2)),
    )


def _gain(label: Vector, risk: Vector, *, codes: NDArray[np.int64]) -> tuple[float, float]:
    gains = (label.mean() - label) ** 2 - (risk - label) ** 2
    gain = float(gains.mean())
    # Rows of one student are one draw, not several (cluster-robust standard error of a mean).
    of_student = np.bincount(codes, weights=gains - gain)
    return gain, gain - Z * float(np.sqrt((of_student**2).sum())) / label.size
