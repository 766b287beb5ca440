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

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

import numpy as np
import polars as pl

from cis_ews.enums import EnglishLearner
from cis_ews.errors import ModelError
from cis_ews.evaluation.bootstrap import LEVEL, Bootstrap, Estimate
from cis_ews.evaluation.capacity import chosen
from cis_ews.evaluation.clustering import Sums, clustered_gap
from cis_ews.evaluation.intervals import Z, difference, holm, p_of_difference, wilson
from cis_ews.evaluation.outcomes import Values, checked_outcomes
from cis_ews.evaluation.suppression import FEWEST, told_cells
from cis_ews.wording import counted

ATTRIBUTES = ("gender", "race_ethnicity", "english_learner", "disability", "low_income", "homeless", "foster")
"""The columns of `Demographics` that are audited, each by itself and in pairs."""
MEASURES = ("selection_rate", "false_positive_rate", "false_negative_rate", "precision", "calibration", "served")
NOT_RECORDED = "not recorded"
LONG_TERM = "long-term"
"""An English learner who is no newcomer; they differ as much from each other as both from those who never were one."""
BETWEEN = " x "
"""Between the attributes of a pair, and between its values."""
_KEY, _SCHOOL = "student_id", "school_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigure:
    """One measure of one group, at one decision.

    `attribute`, `group`: "gender", "F"; of a pair "gender x disability", "F x yes". `students`: in the group. `of`: in
    the denominator. `value` with its 95 % interval; None, all of them, where fewer than 10 students would stand behind
    a figure. `gap`: the value less that of all other students, `gap_low` to `gap_high` its interval. `p`: how likely a
    gap as large is by chance, adjusted for all gaps of the audit (Holm; the gaps of two groups are one); `is_gap`: it
    is below one in twenty. Where schools are known, students of one school may be alike, as both then consider.
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

    @property
    def is_gap(self) -> bool:
        """Whether chance alone does not explain the gap, all gaps of the audit considered."""
        return self.p is not None and self.p < 1.0 - LEVEL


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
    """Every figure of an audit. `suppressed`: how many are not told, since fewer than 10 students stand behind them."""

    figures: tuple[GroupFigure, ...]
    suppressed: int

    @property
    def gaps(self) -> tuple[GroupFigure, ...]:
        """The gaps that chance does not explain, the widest first."""
        found = (figure for figure in self.figures if figure.is_gap)
        return tuple(sorted(found, key=lambda figure: -abs(figure.gap or 0.0)))

    def table(self) -> pl.DataFrame:
        """One row a figure, in the order of decision, attribute, group and measure."""
        names = GroupFigure.__slots__
        rows = [{**{name: getattr(each, name) for name in names}, "is_gap": each.is_gap} for each in self.figures]
        kinds = {"students": pl.Int64, "of": pl.Int64, "is_gap": pl.Boolean}
        texts = ("decision", "attribute", "group", "measure")
        schema = {name: pl.String if name in texts else kinds.get(name, pl.Float64) for name in (*names, "is_gap")}
        return pl.DataFrame(rows, schema=schema)


def groups_of(demographics: pl.DataFrame, students: pl.Series) -> pl.DataFrame:
    """The audited attributes of students, as text: `student_id` and a column an attribute.

    `demographics`: a table of that name (`SchoolData.demographics`). A value that is not there is a group of its own,
    `not recorded`: whom no one asked may fare differently too. English learners are told apart by their history.
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
        text = column.cast(pl.String)
    if name == "english_learner":
        text = text.replace(EnglishLearner.CURRENT.value, LONG_TERM)
    return text.fill_null(NOT_RECORDED).alias(name)


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
    known = _checked(rows, decisions)
    texts = known.select(_KEY).join(groups, on=_KEY, how="left", maintain_order="left").fill_null(NOT_RECORDED)
    every = [(name,) for name in attributes] + (list(combinations(attributes, 2)) if pairs else [])
    told_alone = dict[_Told, frozenset[str]]()
    tested = list[tuple[GroupFigure, _Test]]()
    for by in every:
        tested += _figures(_cells(known, texts, by, decisions=decisions), by, texts, told_alone=told_alone)
    tests = {test: figure.p for figure, test in tested if figure.p is not None}
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    figures = tuple(figure if figure.p is None else replace(figure, p=adjusted[test]) for figure, test in tested)
    return Audit(figures=figures, suppressed=sum(figure.value is None for figure in figures))


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
    label: Values, risk: Values, school_average: Values, *, schools: Values, share: float, bootstrap: Bootstrap
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


@dataclass(frozen=True, slots=True)
class _Cell:
    """The sum of a measure in a group, of how many, and the spread of one student's part of it; and by school, where
    schools are known."""

    total: float
    of: float
    spread: float = 0.0
    schools: Sums | None = None

    @property
    def value(self) -> float:
        return self.total / self.of

    def without(self, other: _Cell) -> _Cell:
        rest = self.schools.without(other.schools) if self.schools and other.schools else None
        return _Cell(self.total - other.total, self.of - other.of, self.spread - other.spread, rest)


_Told = tuple[str, str, str]
"""(decision, measure, attribute)"""
_Test = tuple[str, str, tuple[str, ...], tuple[str, ...]]
"""(decision, measure, attributes, group): the same for both of two groups, since their gaps are one."""
_Cells = Mapping[tuple[str, str, tuple[str, ...]], _Cell]
"""(decision, measure, values of the attributes) -> the cell; the empty group is everybody."""


def _cells(rows: pl.DataFrame, texts: pl.DataFrame, by: tuple[str, ...], *, decisions: Sequence[str]) -> _Cells:
    """Totals and denominators of every group, and of everybody."""
    found = dict[tuple[str, str, tuple[str, ...]], _Cell]()
    clustered = _SCHOOL in rows.columns
    keys = texts.select(by).with_columns(rows[_SCHOOL].rank("dense").alias(_SCHOOL) - 1 if clustered else [])
    count = keys[_SCHOOL].n_unique() if clustered else 0
    for decision in decisions:
        parts = keys.hstack(rows.select(**_parts(decision, has_served="served" in rows.columns)))
        for names in ((), by):
            groups = {(): parts} if not names else parts.partition_by(names, as_dict=True)
            for values, frame in groups.items():
                said = frame.select(pl.exclude(by, _SCHOOL).sum()).row(0, named=True)
                for measure in (measure for measure in MEASURES if measure in said):
                    found[decision, measure, tuple(map(str, values))] = _Cell(
                        said[measure],
                        said[f"{measure} of"],
                        said.get(f"{measure} spread", 0.0),
                        _by_school(frame, measure, count) if clustered else None,
                    )
    return found


def _by_school(frame: pl.DataFrame, measure: str, count: int) -> Sums:
    place = frame[_SCHOOL].to_numpy()
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


def _figures(
    cells: _Cells, by: tuple[str, ...], texts: pl.DataFrame, *, told_alone: dict[_Told, frozenset[str]]
) -> list[tuple[GroupFigure, _Test]]:
    """The figures of an attribute or pair, each with its test. `told_alone`: which groups of each attribute by itself
    are told."""
    sizes: dict[tuple[str, ...], int] = {
        tuple(values): count for *values, count in texts.group_by(by).len().sort(by).iter_rows()
    }
    figures = list[tuple[GroupFigure, _Test]]()
    for decision, measure in sorted({(decision, measure) for decision, measure, _ in cells}):
        here = {values: cell for (*of, values), cell in cells.items() if tuple(of) == (decision, measure)}
        everybody = here.pop(())
        told = _told({values: cell.of for values, cell in here.items()}, sizes)
        if len(by) == 1:
            told_alone[decision, measure, by[0]] = frozenset(group for (group,) in told)
        else:  # a group that is not told by itself could be added up from its pairs
            known = [told_alone[decision, measure, name] for name in by]
            told = {values for values in told if all(value in of for value, of in zip(values, known, strict=True))}
        for values, cell in sorted(here.items()):
            blank = GroupFigure(
                decision=decision,
                attribute=BETWEEN.join(by),
                group=BETWEEN.join(values),
                measure=measure,
                students=None,
            )
            figure = _figure(blank, cell, everybody, students=sizes[values]) if values in told else blank
            figures.append((figure, (decision, measure, by, () if len(here) == 2 else values)))
    return figures


def _told(of: Mapping[tuple[str, ...], float], sizes: Mapping[tuple[str, ...], int]) -> Collection[tuple[str, ...]]:
    """Groups of which neither the size, nor those in the denominator, nor the others are few, or come out by
    subtraction."""
    inside = {values: round(number) for values, number in of.items()}
    outside = {values: sizes[values] - number for values, number in inside.items()}
    told = told_cells(sizes)
    for counts in (inside, outside):  # of whom there is nobody, nobody is found
        told &= told_cells({values: count for values, count in counts.items() if count}) | {
            values for values, count in counts.items() if not count
        }
    return {values for values in told if inside[values]}


def _figure(blank: GroupFigure, cell: _Cell, everybody: _Cell, *, students: int) -> GroupFigure:
    """A figure with its interval and its gap, unless fewer than 10 students stand behind its rest."""
    named, rest = replace(blank, students=students), everybody.without(cell)
    interval, test = (_mean_gap, _mean_gap_p) if named.measure == "calibration" else (_share_gap, _share_gap_p)
    low, high = _mean(cell) if named.measure == "calibration" else wilson(cell.value, cell.of)
    figure = replace(named, of=round(cell.of), value=cell.value, low=low, high=high)
    if rest.of < FEWEST:
        return figure
    gap, (gap_low, gap_high), p = cell.value - rest.value, interval(cell, rest), test(cell, rest)
    clustered = clustered_gap(cell.schools, rest.schools) if cell.schools and rest.schools else None
    if clustered is not None:  # never more certain than of students who have nothing to do with each other
        half = clustered.half_width
        gap_low, gap_high = max(-1.0, min(gap_low, gap - half)), min(1.0, max(gap_high, gap + half))
        p = max(p, clustered.p_of(gap))
    return replace(figure, gap=gap, gap_low=gap_low, gap_high=gap_high, p=p)


def _share_gap(cell: _Cell, rest: _Cell) -> tuple[float, float]:
    return difference(cell.value, cell.of, other=rest.value, of_other=rest.of)


def _share_gap_p(cell: _Cell, rest: _Cell) -> float:
    return p_of_difference(cell.value, cell.of, other=rest.value, of_other=rest.of)


def _mean(cell: _Cell) -> tuple[float, float]:
    half = Z * np.sqrt(cell.spread) / cell.of
    return cell.value - half, cell.value + half


def _deviation(cell: _Cell, rest: _Cell) -> float:
    """Of the difference of two means, where each outcome is as uncertain as its risk says."""
    return float(np.sqrt(cell.spread / cell.of**2 + rest.spread / rest.of**2))


def _mean_gap(cell: _Cell, rest: _Cell) -> tuple[float, float]:
    gap, half = cell.value - rest.value, Z * _deviation(cell, rest)
    return gap - half, gap + half


def _mean_gap_p(cell: _Cell, rest: _Cell) -> float:
    from scipy.special import erfc

    deviation = _deviation(cell, rest)
    return 1.0 if deviation == 0.0 else float(erfc(abs(cell.value - rest.value) / deviation / np.sqrt(2.0)))


def _widest(found: Audit, measure: str) -> float | None:
    table = found.table().filter(pl.col("measure") == measure, pl.col("value").is_not_null())
    spans = table.group_by("attribute").agg(span=pl.col("value").max() - pl.col("value").min(), groups=pl.len())
    widest = spans.filter(pl.col("groups") > 1)["span"].max()
    return None if widest is None else float(cast("float", widest))
