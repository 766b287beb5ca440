"""What an audit adds up in each group, and how far a group is from all others: totals, and none of what may be told.

A cell is one measure of one group at one decision (`equity` says which measures there are).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from cis_ews.evaluation.clustering import Sums, clustered_gap
from cis_ews.evaluation.intervals import Z, difference, p_of_difference, wilson
from cis_ews.evaluation.suppression import FEWEST

MEASURES = ("selection_rate", "false_positive_rate", "false_negative_rate", "precision", "calibration", "served")
SCHOOL = "school_id"
Values = tuple[str, ...]
"""A group: its value of each attribute; of everybody, none."""
Cells = Mapping[tuple[str, str, Values], "Cell"]
"""(decision, measure, group) -> the cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The sum of a measure in a group, of how many, and the spread of one student's part of it; and by school, where
    schools are known."""

    total: float
    of: float
    spread: float = 0.0
    schools: Sums | None = None

    @property
    def value(self) -> float:
        return self.total / self.of

    def without(self, other: Cell) -> Cell:
        rest = self.schools.without(other.schools) if self.schools and other.schools else None
        return Cell(self.total - other.total, self.of - other.of, self.spread - other.spread, rest)


class Gap(NamedTuple):
    """How far a group is from all others, with its 95 % interval; how likely as much is by chance."""

    gap: float
    low: float
    high: float
    p: float


def cells_of(rows: pl.DataFrame, texts: pl.DataFrame, by: tuple[str, ...], *, decisions: Sequence[str]) -> Cells:
    """Totals and denominators of every group, and of everybody."""
    found = dict[tuple[str, str, Values], Cell]()
    clustered = SCHOOL in rows.columns
    keys = texts.select(by).with_columns(rows[SCHOOL].rank("dense").alias(SCHOOL) - 1 if clustered else [])
    count = keys[SCHOOL].n_unique() if clustered else 0
    for decision in decisions:
        parts = keys.hstack(rows.select(**_parts(decision, has_served="served" in rows.columns)))
        for names in ((), by):
            groups = {(): parts} if not names else parts.partition_by(names, as_dict=True)
            for values, frame in groups.items():
                said = frame.select(pl.exclude(by, SCHOOL).sum()).row(0, named=True)
                for measure in (measure for measure in MEASURES if measure in said):
                    found[decision, measure, tuple(map(str, values))] = Cell(
                        said[measure],
                        said[f"{measure} of"],
                        said.get(f"{measure} spread", 0.0),
                        _by_school(frame, measure, count) if clustered else None,
                    )
    return found


def _by_school(frame: pl.DataFrame, measure: str, count: int) -> Sums:
    place = frame[SCHOOL].to_numpy()
    total, of = (
        np.bincount(place, weights=frame[name].to_numpy(), minlength=count).astype(np.float64)
        for name in (measure, f"{measure} of")
    )
    return Sums(total, of)


def _parts(decision: str, *, has_served: bool) -> dict[str, pl.Expr]:
    """What each student adds to each measure, to its denominator, and to the spread of its mean."""
    label, risk, flagged, one = pl.col("label"), pl.col("risk"), pl.col(decision), pl.lit(1.0)
    parts = {
        "selection_rate": (flagged, one),
        "false_positive_rate": ((1.0 - label) * flagged, 1.0 - label),
        "false_negative_rate": (label * (1.0 - flagged), label),
        "precision": (label * flagged, flagged),
        "calibration": (label - risk, one),
    }
    if has_served:
        known = flagged * pl.col("served").is_not_null()
        parts["served"] = (pl.col("served").cast(pl.Float64).fill_null(0.0) * flagged, known)
    return {
        **{measure: part for measure, (part, _) in parts.items()},
        **{f"{measure} of": whole for measure, (_, whole) in parts.items()},
        "calibration spread": risk * (1.0 - risk),
    }


def interval_of(measure: str, cell: Cell) -> tuple[float, float]:
    """The 95 % interval of a group's figure."""
    return _mean(cell) if measure == "calibration" else wilson(cell.value, cell.of)


def gap_to(rest: Cell, cell: Cell, *, measure: str) -> Gap | None:
    """How far a group is from the rest; None where that is fewer than 10 students."""
    if rest.of < FEWEST:
        return None
    interval, test = (_mean_gap, _mean_gap_p) if measure == "calibration" else (_share_gap, _share_gap_p)
    gap, (low, high), p = cell.value - rest.value, interval(cell, rest), test(cell, rest)
    clustered = clustered_gap(cell.schools, rest.schools) if cell.schools and rest.schools else None
    if clustered is not None:  # never more certain than of students who have nothing to do with each other
        half = clustered.half_width
        low, high = max(-1.0, min(low, gap - half)), min(1.0, max(high, gap + half))
        p = max(p, clustered.p_of(gap))
    return Gap(gap, low, high, p)


def _share_gap(cell: Cell, rest: Cell) -> tuple[float, float]:
    return difference(cell.value, cell.of, other=rest.value, of_other=rest.of)


def _share_gap_p(cell: Cell, rest: Cell) -> float:
    return p_of_difference(cell.value, cell.of, other=rest.value, of_other=rest.of)


def _mean(cell: Cell) -> tuple[float, float]:
    half = Z * np.sqrt(cell.spread) / cell.of
    return cell.value - half, cell.value + half


def _deviation(cell: Cell, rest: Cell) -> float:
    """Of the difference of two means, where each outcome is as uncertain as its risk says."""
    return float(np.sqrt(cell.spread / cell.of**2 + rest.spread / rest.of**2))


def _mean_gap(cell: Cell, rest: Cell) -> tuple[float, float]:
    gap, half = cell.value - rest.value, Z * _deviation(cell, rest)
    return gap - half, gap + half


def _mean_gap_p(cell: Cell, rest: Cell) -> float:
    from scipy.special import erfc

    deviation = _deviation(cell, rest)
    return 1.0 if deviation == 0.0 else float(erfc(abs(cell.value - rest.value) / deviation / np.sqrt(2.0)))
