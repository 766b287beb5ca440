"""Whether gaps between groups grew from one way of deciding to another, on the same students.

Each group's gap is that of `equity.audit`: its false-negative or false-positive rate less that of all other students.
Both decisions are about the same students with the same outcomes, so that what differs is told apart student by
student, which is far surer than the difference of two gaps that are measured apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl

from cis_ews.evaluation.bootstrap import LEVEL
from cis_ews.evaluation.clustering import Sums, clustered_gap
from cis_ews.evaluation.equity import ATTRIBUTES, BETWEEN, NOT_RECORDED, GroupFigure, measured
from cis_ews.evaluation.intervals import Z, holm
from cis_ews.evaluation.outcomes import Vector

ERRORS = ("false_negative_rate", "false_positive_rate")
"""Help that does not come, and false alarms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widened:
    """One group's gap, before and now, at one decision.

    `growth`: how much further from nothing the gap is now, on the side on which it lies now: a group that was missed
    less than others and is missed more has a gap that is new as a whole. `p`: how likely a change as large is by
    chance, adjusted for all groups by themselves, or for all pairs (Holm). `half_width`: how far the change may be off
    to either side, with 95 % (of this one alone). Never of a group that is too small to be asked about. `is_told`:
    whether the numbers may be told; where the audit would not tell one of the two gaps, they decide, and are not told.
    """

    decision: str
    attribute: str
    group: str
    measure: str
    before: float
    now: float
    p: float
    half_width: float
    is_told: bool = True

    @property
    def growth(self) -> float:
        """Above 0 where the gap grew."""
        return abs(self.now) - max(0.0, math.copysign(self.before, self.before * self.now))

    @property
    def growth_low(self) -> float:
        """The lower end of the growth's interval."""
        return self.growth - self.half_width

    @property
    def growth_high(self) -> float:
        """The upper end of the growth's interval."""
        return self.growth + self.half_width

    @property
    def is_sure(self) -> bool:
        """Whether chance alone does not explain the change, all groups considered."""
        return self.p < 1.0 - LEVEL


def widened(
    rows: pl.DataFrame,
    groups: pl.DataFrame,
    *,
    decisions: Mapping[str, tuple[str, str]],
    attributes: Sequence[str] = ATTRIBUTES,
) -> tuple[Widened, ...]:
    """The change of the gaps of each group that is large enough, the largest growth first.

    `rows`: as of `equity.audit`, with `school_id`; `decisions`: name -> the columns of before and of now. `groups`: as
    of `equity.groups_of`. Raises ModelError as `audit` does.
    """
    texts = rows.select("student_id").join(groups, on="student_id", how="left", maintain_order="left")
    texts = texts.fill_null(NOT_RECORDED)
    found: list[Widened] = []
    for decision, (before, now) in decisions.items():
        audited = measured(rows, groups, decisions=[before, now], attributes=attributes)
        earlier = {_key(each.figure): each for each in audited if each.figure.decision == before}
        for one in audited:
            figure = one.figure
            if figure.decision == now and figure.measure in ERRORS and figure.gap is not None:
                members = _members(texts, figure)
                change = _change(rows, members, before, now=now, measure=figure.measure)
                was = earlier[_key(figure)]
                found.append(
                    Widened(
                        decision=decision,
                        attribute=figure.attribute,
                        group=figure.group,
                        measure=figure.measure,
                        before=was.figure.gap or 0.0,
                        now=figure.gap,
                        p=change.p,
                        half_width=change.half_width,
                        is_told=one.is_told and was.is_told,
                    )
                )
    return tuple(sorted(_adjusted(found), key=lambda each: -each.growth))


def _key(figure: GroupFigure) -> tuple[str, str, str]:
    return figure.attribute, figure.group, figure.measure


def _members(texts: pl.DataFrame, figure: GroupFigure) -> Vector:
    names, values = figure.attribute.split(BETWEEN), figure.group.split(BETWEEN)
    both = pl.all_horizontal([pl.col(name) == value for name, value in zip(names, values, strict=True)])
    return texts.select(both.cast(pl.Float64)).to_series().to_numpy()


class _Change(NamedTuple):
    """How likely a gap would change as much by chance, and how far the change may be off."""

    p: float
    half_width: float


def _change(rows: pl.DataFrame, group: Vector, before: str, *, now: str, measure: str) -> _Change:
    """Never surer than of students who have nothing to do with each other, nor than schools that are alike say."""
    label = rows["label"].cast(pl.Float64).to_numpy()
    of = label if measure == "false_negative_rate" else 1.0 - label
    sign = -1.0 if measure == "false_negative_rate" else 1.0
    moved = sign * of * (rows[now].cast(pl.Float64).to_numpy() - rows[before].cast(pl.Float64).to_numpy())
    school = (rows["school_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    # As if all had moved alike: around the mean of each part there is no spread where a whole group lost its place.
    usual = float(moved.sum() / of.sum())
    parts = [_Part.of(moved, of * mask, school, usual=usual) for mask in (group, 1.0 - group)]
    shift = parts[0].mean - parts[1].mean
    deviation = math.sqrt(sum(part.variance for part in parts))
    p = 1.0 if deviation == 0.0 else math.erfc(abs(shift) / deviation / math.sqrt(2.0))
    clustered = clustered_gap(parts[0].schools, parts[1].schools)
    if clustered is None:
        return _Change(p, Z * deviation)
    return _Change(max(p, clustered.p_of(shift)), max(Z * deviation, clustered.half_width))


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    """How far the rate of a group moved, and how surely: the spread of its students around what is `usual`."""

    mean: float
    variance: float
    schools: Sums

    @classmethod
    def of(
        cls, moved: Vector, inside: Vector, school: np.ndarray[tuple[int], np.dtype[np.int64]], *, usual: float
    ) -> _Part:
        count, here = inside.sum(), moved * (inside > 0.0)
        variance = float(((here - usual * inside) ** 2).sum() / count**2)
        sums = [np.bincount(school, weights=each).astype(np.float64) for each in (here, inside)]
        return cls(float(here.sum() / count), variance, Sums(*sums))


def _adjusted(found: Sequence[Widened]) -> list[Widened]:
    """Groups by themselves are one family of tests, pairs another: hundreds of pairs would hide a whole group."""
    adjusted: list[Widened] = []
    for is_pair in (False, True):
        family = [each for each in found if (BETWEEN in each.attribute) == is_pair]
        adjusted += [replace(each, p=p) for each, p in zip(family, holm([each.p for each in family]), strict=True)]
    return adjusted
