"""The plots of the card, each from what the training measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cis_ews.evaluation.comparison import AT
from cis_ews.evaluation.equity import BETWEEN, GroupFigure
from cis_ews.evaluation.intervals import wilson
from cis_ews.evaluation.widening import ERRORS
from training.experiment import Trained
from training.fairness import AT_CAPACITY
from training.plots import SHAPES, Axis, Plot, percent, signed, ticks
from training.section import two_decimals
from training.spread import FeatureSpread
from training.validation import MODEL, RULES

ROW = 26.0
ONE = Axis(low=0.0, high=1.0, ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), write=percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing with the sentence below it."""

    name: str
    svg: str
    caption: str


def calibration_figure(trained: Trained) -> Figure:
    """Risk and outcome by tenths of the rows, with Wilson's interval; on the line where risks are right."""
    bins = trained.validation.calibration.bins
    high = min(1.0, max([0.1, *(max(each.risk, each.happened) for each in bins)]) * 1.15)
    marks = ticks(0.0, high)
    plot = Plot(
        x=Axis(low=0.0, high=high, ticks=marks, title="risk that the model told", write=percent),
        y=Axis(low=0.0, high=high, ticks=marks, title="share whom the outcome met", write=percent),
        width=480.0,
        height=420.0,
    )
    plot.line([(0.0, 0.0), (high, high)], "right")
    for each in bins:
        low, top = wilson(each.happened, each.rows)
        plot.line([(each.risk, low), (each.risk, min(top, high))], "whisker")
        plot.mark((each.risk, each.happened), "model")
    found = trained.validation.calibration
    said = "not known" if found.slope is None else two_decimals(found.slope, found.slope_drawn)
    caption = (
        "Calibration by tenths of the rows of the held-back years, with 95 % intervals of independent rows. On the "
        f"line risks are right; the slope is {said}, 1 is right."
    )
    return Figure(name="calibration", svg=plot.svg("Calibration: " + caption), caption=caption)


def capacity_figure(trained: Trained) -> Figure:
    """Precision and recall of lists with places for 5, 10 and 20 % of each school."""
    table = trained.validation.table
    points = {
        who: [(found.values[f"recall_at_{at}"].value, found.values[f"precision_at_{at}"].value) for at in AT.values()]
        for who, found in table.items()
    }
    highest = [max(values) * 1.1 for values in zip(*(point for of in points.values() for point in of), strict=True)]
    across, up = (min(1.0, value) for value in highest)
    plot = Plot(
        x=Axis(
            low=0.0,
            high=across,
            ticks=ticks(0.0, across),
            title="recall: found, of those whom the outcome met",
            write=percent,
        ),
        y=Axis(low=0.0, high=up, ticks=ticks(0.0, up), title="precision: met, of those listed", write=percent),
        width=720.0,
        right=190.0,
    )
    entries = [(who, _series(who), SHAPES[place % len(SHAPES)]) for place, who in enumerate(points)]
    for who, css, shape in reversed(entries):
        plot.line(points[who], f"path {css}")
        for point in points[who]:
            plot.mark(point, css, shape=shape)
    plot.legend(entries)
    caption = (
        "Precision and recall where decisions are made: lists with places for 5, 10 and 20 % of each school's "
        "students, from left to right, on held-back years."
    )
    return Figure(name="capacity", svg=plot.svg(caption), caption=caption)


def _series(who: str) -> str:
    return {MODEL: "model", RULES: "rules"}.get(who, "other")


def subgroup_figure(trained: Trained) -> Figure | None:
    """How much more often each told group is missed, or named for nothing, than all other students; None where no group
    is told."""
    audit = trained.fairness.audit
    told = [
        each
        for each in (() if audit is None else audit.figures)
        if each.decision == AT_CAPACITY
        and each.measure in ERRORS
        and each.gap is not None
        and BETWEEN not in each.attribute
    ]
    names = list(dict.fromkeys(f"{each.attribute.replace('_', ' ')}: {each.group}" for each in told))
    if not names:
        return None
    widest = max(max(abs(each.gap_low or 0.0), abs(each.gap_high or 0.0)) for each in told)
    plot = Plot(
        x=Axis(
            low=-widest, high=widest, ticks=ticks(-widest, widest), title="rate less that of all others", write=signed
        ),
        y=Axis(low=len(names) - 0.5, high=-0.5, ticks=()),
        width=760.0,
        height=ROW * len(names) + 64.0,
        left=230.0,
        right=150.0,
    )
    plot.line([(0.0, -0.5), (0.0, len(names) - 0.5)], "right")
    plot.row_names(names)
    for each in told:
        _draw_gap(plot, each, row=names.index(f"{each.attribute.replace('_', ' ')}: {each.group}"))
    plot.legend([("missed", "missed", "circle"), ("false alarms", "alarm", "square")])
    caption = (
        f"Whom lists of 10 % of each school miss, and name for nothing, more often than all other students on "
        f"{trained.fairness.as_of}: difference of rates with its 95 % interval. What stands on fewer "
        "than 10 students is not told."
    )
    return Figure(name="subgroups", svg=plot.svg(caption), caption=caption)


def _draw_gap(plot: Plot, gap: GroupFigure, *, row: int) -> None:
    is_miss = gap.measure == ERRORS[0]
    css, at = ("missed", row - 0.17) if is_miss else ("alarm", row + 0.17)
    low, value, high = gap.gap_low or 0.0, gap.gap or 0.0, gap.gap_high or 0.0
    plot.line([(low, at), (high, at)], f"path {css}")
    plot.mark((value, at), css, shape="circle" if is_miss else "square", size=3.8)


def spread_figure(spreads: Sequence[FeatureSpread]) -> Figure | None:
    """How far each feature moves the risks of the students, as a beeswarm of bins; None of too few students."""
    if not spreads:
        return None
    reach = max(max(abs(cell.low), abs(cell.high)) for spread in spreads for cell in spread.cells)
    plot = Plot(
        x=Axis(
            low=-reach,
            high=reach,
            ticks=ticks(-reach, reach),
            title="contribution to the risk, in log-odds",
            write=signed,
        ),
        y=Axis(low=len(spreads) - 0.5, high=-0.5, ticks=()),
        width=760.0,
        height=ROW * len(spreads) + 64.0,
        left=270.0,
    )
    plot.line([(0.0, -0.5), (0.0, len(spreads) - 0.5)], "right")
    plot.row_names([spread.feature for spread in spreads])
    for row, spread in enumerate(spreads):
        densest = max(cell.students / (cell.high - cell.low) for cell in spread.cells)
        for cell in (cell for cell in spread.cells if cell.students):
            half = max(0.42 * cell.students / (cell.high - cell.low) / densest, 0.03)
            css = "raises" if cell.low + cell.high > 0.0 else "lowers"
            plot.area((cell.low, row + half), (cell.high, row - half), css)
    caption = (
        "What moves risks: contributions (SHAP values) of the features that move them most, over "
        f"{spreads[0].students:,} students of the held-back year. The thicker, the more students; right of 0 they "
        "raise the risk. No mark stands for fewer than 10 students, and no student's numbers are shown."
    )
    return Figure(name="contributions", svg=plot.svg(caption), caption=caption)
