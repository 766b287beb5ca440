"""Whom the system errs about: each group beside all others, where decisions are made.

Demographics are read here, and by nothing that leads to a feature. Rows: one a student, on one as-of date.

What is measured in each group, and of whom:

    selection rate        of all             how many are flagged
    false-positive rate   of those on track  how many are flagged all the same: false alarms
    false-negative rate   of those off track how many are missed: help that does not come
    precision             of those flagged   how many went off track
    calibration           of all             how much more often they went off track than their risks said
    served                of those flagged   how many had a support afterwards, of those of whom it is known

Rates stand on the denominators named, never on the size of the group: a group of which nobody was off track has no
false-negative rate, and is not taken for a perfect one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

import numpy as np
import polars as pl

from cis_ews.enums import EnglishLearner
from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import LEVEL, Bootstrap, Estimate
from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.group_cells import Cell, Cells, Values, cells_of, gap_to, interval_of
from cis_ews.evaluation.intervals import holm
from cis_ews.evaluation.outcomes import Values as Numbers
from cis_ews.evaluation.outcomes import checked_outcomes
from cis_ews.evaluation.suppression import FEWEST, told_cells, told_rate
from cis_ews.wording import counted

ATTRIBUTES = ("gender", "race_ethnicity", "english_learner", "disability", "low_income", "homeless", "foster")
"""The columns of `Demographics` that are audited, each by itself and in pairs."""
NOT_RECORDED = "not recorded"
LONG_TERM = "long-term"
"""An English learner who is no newcomer; they differ as much from each other as both from those who never were one."""
BETWEEN = " x "
"""Between the attributes of a pair, and between its values."""
MORE, LESS = "more", "less"
"""Than all other students: what is said of a gap whose numbers are not told."""
_KEY = "student_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigure:
    """One measure of one group, at one decision.

    `attribute`, `group`: "gender", "F"; of a pair "gender x disability", "F x yes". `students`: in the group. `of`: in
    the denominator. `value` with its 95 % interval; None, all of them, where a number of 1 to 9 students would stand
    behind a figure, or come out by it. `gap`: the value less that of all other students, `gap_low` to `gap_high` its
    interval. `p`: how likely a gap as large is by chance, adjusted for all gaps of the audit (Holm; the gaps of two
    groups are one); `is_gap`: it is below one in twenty. Where schools are known, students of one school may be alike,
    as both then consider. `untold`: of a figure that is not told, MORE or LESS where the group, large enough by itself,
    has a gap all the same; nothing else is said of it.
    """

    decision: str
    attribute: str
    group: str
    measure: str
    students: int | None
    of: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    p: float | None = None
    untold: str | None = None

    @property
    def is_gap(self) -> bool:
        """Whether chance alone does not explain the gap, all gaps of the audit considered."""
        return self.untold is not None or (self.p is not None and self.p < 1.0 - LEVEL)

    def not_told(self) -> GroupFigure:
        """The figure without a number; whether there is a gap stays, and to which side."""
        side = None if self.gap is None or not self.is_gap else MORE if self.gap > 0.0 else LESS
        return GroupFigure(
            decision=self.decision,
            attribute=self.attribute,
            group=self.group,
            measure=self.measure,
            students=None,
            untold=side,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure with every number, for the program's own use; `is_told`: whether any of them may leave it."""

    figure: GroupFigure
    is_told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """A list of another length: what it finds, and how far apart groups are on it.

    `widest_miss`, `widest_false_alarm`: the largest difference of two groups of one attribute in false-negative and
    false-positive rate, among groups that are told; None where there are no two.
    """

    share: float
    recall: float
    precision: float
    widest_miss: float | None
    widest_false_alarm: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Every figure of an audit. `suppressed`: how many are not told, since 1 to 9 students stand behind them or would
    come out by them."""

    figures: tuple[GroupFigure, ...]
    suppressed: int

    @property
    def gaps(self) -> tuple[GroupFigure, ...]:
        """The gaps that chance does not explain, the widest first, those whose width is not told last."""
        found = (figure for figure in self.figures if figure.is_gap)
        return tuple(sorted(found, key=lambda figure: -abs(figure.gap or 0.0)))

    def table(self) -> pl.DataFrame:
        """One row a figure, in the order of decision, attribute, group and measure."""
        names = GroupFigure.__slots__
        rows = [{**{name: getattr(each, name) for name in names}, "is_gap": each.is_gap} for each in self.figures]
        kinds = {"students": pl.Int64, "of": pl.Int64, "is_gap": pl.Boolean}
        texts = ("decision", "attribute", "group", "measure", "untold")
        schema = {name: pl.String if name in texts else kinds.get(name, pl.Float64) for name in (*names, "is_gap")}
        return pl.DataFrame(rows, schema=schema)


def groups_of(demographics: pl.DataFrame, students: pl.Series) -> pl.DataFrame:
    """The audited attributes of students, as text: `student_id` and a column an attribute.

    `demographics`: a table of that name (`SchoolData.demographics`). A value that is not there is a group of its own,
    `not recorded`: whom no one asked may fare differently too. English learners are told apart by their history. A
    source may call a group anything; what stands between the values of a pair (`BETWEEN`) is " / " in a name.
    """
    known = pl.DataFrame({_KEY: students}).join(demographics, on=_KEY, how="left", maintain_order="left")
    return known.select(_KEY, *(_as_text(known.schema[name], name) for name in ATTRIBUTES))


@dataclass(frozen=True, slots=True)
class Groups:
    """The audited attributes of students: attribute -> its group of each of them, in their order."""

    names: Mapping[str, pl.Series]

    def is_recorded(self, attribute: str) -> bool:
        """Whether it is known of anybody."""
        return bool((self.names[attribute] != NOT_RECORDED).any())


def groups_in(table_of: Callable[[str], pl.DataFrame], students: pl.Series) -> Groups:
    """The groups of students by the tables of a night, whose names `table_of` is asked for."""
    found = groups_of(table_of("demographics"), students)
    return Groups({name: found[name] for name in ATTRIBUTES})


def _as_text(kind: pl.DataType, name: str) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.Boolean:
        text = pl.when(column).then(pl.lit("yes")).when(column.not_()).then(pl.lit("no"))
    else:
        text = column.cast(pl.String).str.replace_all(BETWEEN, " / ", literal=True)
    if name == "english_learner":
        text = text.replace(EnglishLearner.CURRENT.value, LONG_TERM)
    return text.fill_null(NOT_RECORDED).alias(name)


def in_words(attribute: str, group: str) -> str:
    """A group as a page names it: "gender: F", "gender: F, disability: yes"."""
    names, values = attribute.split(BETWEEN), group.split(BETWEEN)
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in zip(names, values, strict=True))


def audit(
    rows: pl.DataFrame,
    groups: pl.DataFrame,
    *,
    decisions: Sequence[str],
    attributes: Sequence[str] = ATTRIBUTES,
    pairs: bool = True,
) -> Audit:
    """Measure each group of each attribute, and of each pair of them, at each decision.

    `rows`: one a student: `student_id`, `label` (0 or 1: what happened), `risk` (a probability), one column a decision
    (from 0 to 1: whether the student was flagged, or the chance of it where students tie), `served` (Boolean; null of
    whom it is not known), where supports are known, and `school_id`, where students of one school may be alike.
    `groups`: as of `groups_of`; a student who is not in it is `not recorded`.

    Raises ModelError for a student of two rows, missing values, and one class alone.
    """
    figures = tuple(
        one.figure if one.is_told else one.figure.not_told()
        for one in measured(rows, groups, decisions=decisions, attributes=attributes, pairs=pairs)
    )
    return Audit(figures=figures, suppressed=sum(figure.value is None for figure in figures))


def measured(
    rows: pl.DataFrame,
    groups: pl.DataFrame,
    *,
    decisions: Sequence[str],
    attributes: Sequence[str] = ATTRIBUTES,
    pairs: bool = True,
) -> tuple[Measured, ...]:
    """What `audit` measures, with the numbers that it does not tell: for decisions of the program alone. Of groups
    whose size, or denominator, may not be told nothing is measured."""
    known = _checked(rows, decisions)
    texts = known.select(_KEY).join(groups, on=_KEY, how="left", maintain_order="left").fill_null(NOT_RECORDED)
    every = [(name,) for name in attributes] + (list(combinations(attributes, 2)) if pairs else [])
    alone = dict[_Alone, frozenset[str]]()
    tested = list[tuple[Measured, _Test]]()
    for by in every:
        tested += _figures(cells_of(known, texts, by, decisions=decisions), by, texts, alone=alone)
    tests = {test: one.figure.p for one, test in tested if one.figure.p is not None}
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return tuple(
        one if one.figure.p is None else replace(one, figure=replace(one.figure, p=adjusted[test]))
        for one, test in tested
    )


def trade_off(
    rows: pl.DataFrame,
    groups: pl.DataFrame,
    *,
    shares: Sequence[float] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    attributes: Sequence[str] = ATTRIBUTES,
) -> tuple[TradeOff, ...]:
    """What lists of other lengths would find, and how far apart groups would be: nothing is hidden by one choice.

    `rows`: as of `audit`, without decisions; with a column `list` (a school), if places are each school's.
    """
    lists = rows["list"] if "list" in rows.columns else pl.Series([0]).new_from_index(0, rows.height)
    codes = lists.cast(pl.String).rank("dense").cast(pl.Int64).to_numpy()
    curve = list[TradeOff]()
    for share in shares:
        places = chosen(rows["risk"].to_numpy(), codes, share)
        listed = rows.with_columns(pl.Series("listed", places))
        found = audit(listed, groups, decisions=["listed"], attributes=attributes, pairs=False)
        label = rows["label"].cast(pl.Float64).to_numpy()
        curve.append(
            TradeOff(
                share=share,
                recall=float(label @ places / label.sum()),
                precision=float(label @ places / places.sum()),
                widest_miss=_widest(found, "false_negative_rate"),
                widest_false_alarm=_widest(found, "false_positive_rate"),
            )
        )
    return tuple(curve)


def beyond_school_average(
    label: Numbers, risk: Numbers, school_average: Numbers, *, schools: Numbers, share: float, bootstrap: Bootstrap
) -> Estimate:
    """How much more of those off track a list finds by risk than by the average of each student's school.

    Both lists have places for `share` of all students of all schools together. `school_average`: of each row, from
    earlier years; what a funder would target who knows schools alone. The interval is of whole schools drawn again.
    """
    truth, values = checked_outcomes(label, risk)
    averages = checked_outcomes(label, school_average)[1]
    one_list = np.zeros(truth.size, dtype=np.int64)
    by_risk, by_school = (truth * chosen(each, one_list, share) for each in (values, averages))
    if not np.array_equal(Bootstrap.of(schools, draws=1, seed=0).clusters, bootstrap.clusters):
        raise ModelError("the bootstrap is not of these schools", hint="give Bootstrap.of(schools, ...)")
    drawn = bootstrap.ratio(by_risk - by_school, truth)
    return bootstrap.estimate(float((by_risk - by_school).sum() / truth.sum()), drawn)


def _checked(rows: pl.DataFrame, decisions: Sequence[str]) -> pl.DataFrame:
    if twice := rows.height - rows[_KEY].n_unique():
        raise ModelError(
            f"{counted(twice, 'row is', 'rows are')} of students who have one already",
            hint="audit one as-of date at a time",
        )
    checked_outcomes(rows["label"], rows["risk"])
    for decision in decisions:
        checked_outcomes(rows["label"], rows[decision])
        if not rows[decision].cast(pl.Float64).is_between(0.0, 1.0).all():
            raise ModelError(f"{decision} is below 0 or above 1", hint="give whether a student was flagged")
    return rows.with_columns(pl.col("label", "risk", *decisions).cast(pl.Float64))


_Alone = tuple[str, str, str]
"""(decision, measure, attribute)"""
_Test = tuple[str, str, Values, Values]
"""(decision, measure, attributes, group): the same for both of two groups, since their gaps are one, and of calibration
for all decisions, on which it does not hang."""
_MISSED, _ALARMED = "false_negative_rate", "false_positive_rate"


def _figures(
    cells: Cells, by: tuple[str, ...], texts: pl.DataFrame, *, alone: dict[_Alone, frozenset[str]]
) -> list[tuple[Measured, _Test]]:
    """The figures of an attribute or pair, each with its test. `alone`: which groups of each attribute by itself are
    told, in each measure."""
    sizes: dict[Values, int] = {
        tuple(values): count for *values, count in texts.group_by(by).len().sort(by).iter_rows()
    }
    figures = list[tuple[Measured, _Test]]()
    for decision in sorted({decision for decision, _, _ in cells}):
        here = {
            measure: {values: cells[decision, measure, values] for values in [(), *sorted(sizes)]}
            for measure in sorted({measure for _, measure, _ in cells})
        }
        within = {
            measure: {
                values
                for values in sizes  # a group that is not told by itself could be added up from its pairs
                if len(by) == 1 or all(v in alone[decision, measure, name] for v, name in zip(values, by, strict=True))
            }
            for measure in here
        }
        told, enough = _told(here, sizes, within)
        if len(by) == 1:
            alone |= {
                (decision, measure, by[0]): frozenset(group for (group,) in groups) for measure, groups in told.items()
            }
        for measure, of_groups in here.items():
            everybody = of_groups.pop(())
            for values, cell in of_groups.items():
                blank = GroupFigure(
                    decision=decision,
                    attribute=BETWEEN.join(by),
                    group=BETWEEN.join(values),
                    measure=measure,
                    students=None,
                )
                is_measured = values in enough[measure] and round(cell.of) >= FEWEST
                figure = _figure(blank, cell, everybody, students=sizes[values]) if is_measured else blank
                one = Measured(figure=figure, is_told=is_measured and values in told[measure])
                at = "" if measure == "calibration" else decision
                figures.append((one, (at, measure, by, () if len(of_groups) == 2 else values)))
    return figures


def _told(
    here: Mapping[str, Mapping[Values, Cell]], sizes: Mapping[Values, int], within: Mapping[str, AbstractSet[Values]]
) -> tuple[dict[str, AbstractSet[Values]], dict[str, AbstractSet[Values]]]:
    """By measure, the groups of which it is told, and those that are large enough to be asked about. `within`: the
    groups of which it may be told at all.

    Those whom the outcome met and those whom it spared are two tables, of which neither tells of the other: how many
    were flagged, and the precision, which would, are told of those groups alone of which both rates are.
    """

    def numbers(measure: str) -> tuple[dict[Values, int], dict[Values, int]]:
        of = {values: round(here[measure][values].of) for values in sizes}
        return of, {values: round(here[measure][values].total) for values in sizes}

    (off_track, missed), (on_track, alarmed) = numbers(_MISSED), numbers(_ALARMED)
    size = told_cells(sizes, off_track, on_track, hidden=sizes.keys() - within["calibration"])
    told: dict[str, AbstractSet[Values]] = {
        "calibration": size,
        _MISSED: told_rate(off_track, missed, among=size & within[_MISSED]),
        _ALARMED: told_rate(on_track, alarmed, among=size & within[_ALARMED]),
    }
    told |= dict.fromkeys(("selection_rate", "precision"), told[_MISSED] & told[_ALARMED])
    enough: dict[str, AbstractSet[Values]] = dict.fromkeys(told, size)
    if "served" in here:
        flagged, served = numbers("served")
        others = {values: sizes[values] - count for values, count in flagged.items()}
        enough["served"] = told_cells(sizes, flagged, others, hidden=sizes.keys() - within["served"])
        told["served"] = told_rate(flagged, served, among=enough["served"])
    return told, enough


def _figure(blank: GroupFigure, cell: Cell, everybody: Cell, *, students: int) -> GroupFigure:
    """A figure with its interval and its gap, unless fewer than 10 students stand behind its rest."""
    low, high = interval_of(blank.measure, cell)
    figure = replace(blank, students=students, of=round(cell.of), value=cell.value, low=low, high=high)
    gap = gap_to(everybody.without(cell), cell, measure=blank.measure)
    return figure if gap is None else replace(figure, gap=gap.gap, gap_low=gap.low, gap_high=gap.high, p=gap.p)


def _widest(found: Audit, measure: str) -> float | None:
    table = found.table().filter(pl.col("measure") == measure, pl.col("value").is_not_null())
    spans = table.group_by("attribute").agg(span=pl.col("value").max() - pl.col("value").min(), groups=pl.len())
    widest = spans.filter(pl.col("groups") > 1)["span"].max()
    return None if widest is None else float(cast("float", widest))
