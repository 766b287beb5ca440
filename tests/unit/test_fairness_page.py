"""Whom the model errs about, as a page tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from cis_ews.evaluation.equity import Audit, GroupFigure
from training.fairness import AT_CAPACITY, AT_THRESHOLD, Fairness
from training.fairness_page import fairness_sections

MISSED = "false_negative_rate"


def _figure(attribute: str, group: str, measure: str = MISSED, *, gap: float = 0.0) -> GroupFigure:
    return GroupFigure(
        decision=AT_CAPACITY,
        attribute=attribute,
        group=group,
        measure=measure,
        students=400,
        of=200,
        value=0.7 + gap,
        low=0.6 + gap,
        high=0.8 + gap,
        gap=gap,
        gap_low=gap - 0.05,
        gap_high=gap + 0.05,
        p=0.001 if gap else 0.9,
    )


LOW_INCOME = (
    _figure("low_income", "no", gap=0.08),
    _figure("low_income", "yes", gap=-0.08),
    _figure("low_income x homeless", "no x no", gap=0.09),
    _figure("gender", "X"),
    _figure("gender", "X", "calibration"),
)


def _sections(*figures: GroupFigure) -> dict[str, tuple[list[list[str]], list[list[str]]]]:
    found = Fairness(
        as_of=date(2026, 2, 2),
        students=1_000,
        beyond_school=None,
        audit=Audit(figures=figures, suppressed=0),
        curve=(),
    )
    told = fairness_sections(found)
    return {one.title.split(":")[0].split(",")[0]: ([*map(list, one.shown)], [*map(list, one.rows)]) for one in told}


def test_every_group_by_itself_stands_in_one_table() -> None:
    elsewhere = replace(LOW_INCOME[0], decision=AT_THRESHOLD, value=0.1)
    few = replace(_figure("foster", "yes"), students=None, of=None, value=None)
    shown, rows = _sections(*LOW_INCOME, elsewhere, few)["Group beside group"]
    assert [row[0] for row in rows] == ["gender: X", "low income: no", "low income: yes"], "of few nothing is told"
    assert rows[0] == ["gender: X", "-", ".70 [.60, .80]", "-", "-", "+.70 [+.60, +.80]"]
    assert shown[1] == ["low income: no", "-", ".78 [.68, .88]", "-", "-"], "a terminal has room for this interval"
    assert {len(row) for row in shown} == {5}


def test_a_terminal_shows_a_gap_once_and_the_file_every_one() -> None:
    shown, rows = _sections(*LOW_INCOME)["Whom it errs about"]
    assert [row[0] for row in shown] == ["low income: no"]
    assert [row[0] for row in rows] == ["low income: no, homeless: no", "low income: no", "low income: yes"]


def test_calibration_is_shown_once_since_no_decision_is_behind_it() -> None:
    gap = _figure("gender", "X", "calibration", gap=0.07)
    shown, rows = _sections(gap, replace(gap, decision=AT_THRESHOLD))["Whom it errs about"]
    assert [row[:3] for row in shown] == [["gender: X", "calibration", "-"]]
    assert len(rows) == 2


def test_without_a_gap_the_groups_are_told_all_the_same() -> None:
    sections = _sections(_figure("gender", "X"))
    assert sections["Whom it errs about"] == ([], [])
    assert len(sections["Group beside group"][1]) == 1


def test_a_gap_of_few_is_named_without_a_number() -> None:
    untold = _figure("foster", "yes", gap=-0.31).not_told()
    shown, rows = _sections(*LOW_INCOME, untold)["Whom it errs about"]
    assert ["foster: yes", "false negative rate", AT_CAPACITY, "-", "less"] in rows
    assert shown[-1] == ["foster: yes", "false negative rate", "list of 10 %", "-", "less"]
    assert not [each for row in rows for each in row if ".31" in each]
