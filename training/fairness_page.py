"""Whom the model errs about, as sections: group beside group, the gaps that chance does not explain, other lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cis_ews.evaluation.bootstrap import Estimate
from cis_ews.evaluation.equity import ATTRIBUTES, BETWEEN, Audit, GroupFigure, in_words
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.wording import counted
from training.fairness import AT_CAPACITY, BRIEFLY, Fairness
from training.section import Section, short, three_decimals
from training.served import served_section

GAPS_SHOWN = 6
NONE = "-"
GROUP_COLUMNS: Mapping[str, str] = {
    "selection_rate": "listed",
    "false_negative_rate": "missed",
    "false_positive_rate": "false alarms",
    "precision": "precision",
    "calibration": "beyond its risks",
}
"""Measure -> its column in the table of groups; a terminal has no room for the last."""
WITH_INTERVAL = "false_negative_rate"
"""The interval for which a terminal has room: of help that does not come."""


def fairness_sections(found: Fairness) -> list[Section]:
    """Whom the model errs about, what lists of other lengths would do, and whether it does more than naming schools."""
    gaps = () if found.audit is None else found.audit.gaps
    audited = Section(
        title=f"Whom it errs about: {counted(found.students, 'student')} on {found.as_of}",
        columns=("group", "measure", "flagged by", "value", "less all others"),
        rows=[_gap_row(gap, flagged_by=gap.decision) for gap in gaps],
        brief=[_gap_row(gap, flagged_by=_briefly(gap)) for gap in _one_of_each(gaps)[:GAPS_SHOWN]],
        notes=[*_audited(found), *_beyond_school(found)],
        brief_notes=["of groups by themselves, the widest of each measure; validation.md has every gap"] * bool(gaps),
    )
    groups = [] if found.audit is None else [_groups(found.audit)]
    return [*groups, audited, *([_trade_off(found)] if found.curve else []), served_section(found.served)]


def _groups(found: Audit) -> Section:
    by_group: dict[tuple[str, str], dict[str, GroupFigure]] = {}
    for one in found.figures:
        if one.decision == AT_CAPACITY and BETWEEN not in one.attribute:
            by_group.setdefault((one.attribute, one.group), {})[one.measure] = one
    ordered = sorted(by_group.items(), key=lambda pair: (ATTRIBUTES.index(pair[0][0]), pair[0][1]))
    told = [figures for _, figures in ordered if any(one.value is not None for one in figures.values())]
    *brief, _ = GROUP_COLUMNS
    return Section(
        title=f"Group beside group, on a list of {AT_CAPACITY}",
        columns=("group", *GROUP_COLUMNS.values()),
        rows=[_group_row(figures, tuple(GROUP_COLUMNS), intervals=tuple(GROUP_COLUMNS)) for figures in told],
        brief_columns=("group", *(GROUP_COLUMNS[name] for name in brief)),
        brief=[
            _group_row(figures, brief, intervals=(WITH_INTERVAL,))
            for figures in told
            if any(figures[name].value is not None for name in brief if name in figures)
        ],
        notes=[
            "listed: of all; missed: of those whom the outcome met, who are not on the list; false alarms: of those "
            "whom it spared, who are; precision: of the listed, whom it met",
            f"{NONE}: 1 to {FEWEST - 1} students stand behind it, or would come out by it",
        ],
    )


def _group_row(figures: Mapping[str, GroupFigure], measures: Sequence[str], *, intervals: Sequence[str]) -> list[str]:
    first = next(iter(figures.values()))
    return [
        in_words(first.attribute, first.group),
        *(_two(figures.get(measure), interval=measure in intervals) for measure in measures),
    ]


def _two(one: GroupFigure | None, *, interval: bool) -> str:
    if one is None or one.value is None:
        return NONE
    signed = one.measure == "calibration"
    value = short(one.value, sign=signed, decimals=2)
    if not interval or one.low is None or one.high is None:
        return value
    return f"{value} [{short(one.low, sign=signed, decimals=2)}, {short(one.high, sign=signed, decimals=2)}]"


def _one_of_each(gaps: Sequence[GroupFigure]) -> list[GroupFigure]:
    """The widest gap of each attribute, measure and decision (calibration hangs on none): of two groups each is the
    other's mirror. Pairs of attributes are left out: they show the gaps of each again."""
    first: dict[tuple[str, str, str], GroupFigure] = {}
    for gap in gaps:
        if BETWEEN not in gap.attribute:
            first.setdefault((gap.attribute, gap.measure, _briefly(gap)), gap)
    return list(first.values())


def _briefly(gap: GroupFigure) -> str:
    return NONE if gap.measure == "calibration" else BRIEFLY[gap.decision]


def _gap_row(gap: GroupFigure, *, flagged_by: str) -> list[str]:
    value = Estimate(value=gap.gap or 0.0, low=gap.gap_low, high=gap.gap_high)
    measure, told = gap.measure.replace("_", " "), NONE if gap.value is None else short(gap.value)
    return [
        in_words(gap.attribute, gap.group),
        measure,
        flagged_by,
        told,
        gap.untold or three_decimals(value, sign=True),
    ]


def _beyond_school(found: Fairness) -> list[str]:
    if found.beyond_school is None:
        return ["the outcome met everybody or nobody on this date: there is nothing to compare"]
    return [
        f"a list of one in ten finds {three_decimals(found.beyond_school, sign=True)} more of those whom the outcome "
        "met by risk than by the rate of their school in earlier years"
    ]


def _trade_off(found: Fairness) -> Section:
    return Section(
        title="Lists of other lengths, and how far apart groups are on them, in points",
        columns=("list", "finds", "precision", "in misses", "in false alarms"),
        rows=[
            [
                f"{one.share:.0%}",
                f"{one.recall:.0%}",
                f"{one.precision:.0%}",
                _points(one.widest_miss),
                _points(one.widest_false_alarm),
            ]
            for one in found.curve
        ],
    )


def _audited(found: Fairness) -> list[str]:
    if found.audit is None:
        return ["the source has no demographics: groups cannot be compared"] * (found.beyond_school is not None)
    told = len(found.audit.figures) - found.audit.suppressed
    gaps, untold = counted(len(found.audit.gaps), "gap"), sum(each.untold is not None for each in found.audit.gaps)
    return [
        f"{gaps} that chance does not explain; {told:,} figures are told, {found.audit.suppressed:,} more are not: 1 "
        f"to {FEWEST - 1} students, flagged or not, stand behind them or would come out by them",
        *[f"of these gaps {untold} among what is not told: more, or less, than all others is all that is said"]
        * bool(untold),
    ]


def _points(gap: float | None) -> str:
    return NONE if gap is None else f"{100.0 * gap:.0f}"
