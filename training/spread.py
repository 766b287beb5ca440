"""How far each feature moves the risks of students: a beeswarm that shows no student.

A beeswarm has a dot for each student, colored by the student's value. The outermost dots are single children, whose
records can be guessed from their place and color. Here students are counted in bins, no bin holds fewer than 10
(`evaluation.suppression`), and no value of a feature is kept: what is lost is which value moves the risk which way. The
catalog declares it (docs/features.md), and a reason tells it of the one student whom it is about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cis_ews.evaluation.outcomes import Vector
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.risk.model import RiskModel

FEATURES = 15
BINS = 40
FEWEST_STUDENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How many students have a contribution from `low` to `high`, in log-odds; 10 or more. The first and the last cell
    of a feature hold those beyond as well."""

    low: float
    high: float
    students: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpread:
    """The contributions of one feature over all students."""

    feature: str
    students: int
    cells: tuple[Cell, ...]


def feature_spreads(model: RiskModel, rows: pl.DataFrame) -> tuple[FeatureSpread, ...]:
    """Of the features that move risks most, the first one most; none of fewer than FEWEST_STUDENTS rows. `rows`: one a
    student, whom the model did not learn from."""
    if rows.height < FEWEST_STUDENTS:
        return ()
    table = model.contributions(rows).select(model.features)
    weight = {name: float(np.abs(table[name].to_numpy()).mean()) for name in table.columns}
    chosen = sorted((name for name in weight if weight[name] > 0.0), key=lambda name: -weight[name])[:FEATURES]
    return tuple(
        FeatureSpread(feature=name, students=rows.height, cells=cells)
        for name in chosen
        if (cells := _cells(table[name].to_numpy()))
    )


def _cells(values: Vector) -> tuple[Cell, ...]:
    """Bins from the tenth student from below to the tenth from above, small ones joined with the next towards 0."""
    ordered = np.sort(values)
    low, high = float(ordered[FEWEST - 1]), float(ordered[-FEWEST])
    if low >= high:
        return ()
    edges = np.linspace(low, high, BINS + 1)
    counts = np.histogram(np.clip(values, low, high), edges)[0]
    cells = [
        Cell(low=float(edges[place]), high=float(edges[place + 1]), students=int(counts[place]))
        for place in range(BINS)
    ]
    left = _joined([cell for cell in cells if cell.high <= 0.0])
    right = _joined([cell for cell in reversed(cells) if cell.high > 0.0])
    return tuple(_joined([*left, *reversed(right)]))


def _joined(cells: list[Cell]) -> list[Cell]:
    """Each cell that is too small joined with the next one in order; the last one with the one before."""
    joined: list[Cell] = []
    held: Cell | None = None
    for cell in cells:
        held = cell if held is None else _both(held, cell)
        if held.students >= FEWEST or not held.students:
            joined.append(held)
            held = None
    if held is not None:
        joined.append(held if not joined else _both(joined.pop(), held))
    return joined


def _both(one: Cell, other: Cell) -> Cell:
    return Cell(low=min(one.low, other.low), high=max(one.high, other.high), students=one.students + other.students)
