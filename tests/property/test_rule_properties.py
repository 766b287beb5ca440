"""The engine beside a plain reading of the same rules, one student at a time, in exact fractions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from operator import eq, ge, gt, le, lt
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.risk.rule_catalog.parts import EXTERNAL_INPUTS
from cis_ews.risk.rule_engine import needed_columns
from cis_ews.risk.rule_terms import (
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    FlagRule,
    Is,
    Number,
    OneOf,
    Season,
    Share,
    inputs,
)
from cis_ews.risk.rules import RULES, RulesModel
from tests.lib.indicator_frames import indicator_frame

COMPARE: dict[str, Callable[[Any, Any], bool]] = {">=": ge, ">": gt, "<=": le, "<": lt, "==": eq}
READ = sorted({name for rule in RULES for name in needed_columns(rule)} - {"student_id", "school_year"})
YES_OR_NO = {"failing_english", "failing_math", "is_first_time_grade_9"}
TEXT = {
    "grade_level": st.sampled_from([None, "PK", "K", "1", "3", "6", "8", "9", "12"]),
    "school_level": st.sampled_from([None, "elementary", "middle", "high"]),
}
Student = dict[str, Any]


def _values(name: str) -> st.SearchStrategy[Any]:
    if name in TEXT:
        return TEXT[name]
    if name in YES_OR_NO or name.startswith("age_"):
        return st.none() | st.booleans()
    if name.startswith("absent_parts_"):
        return st.none() | st.integers(0, 50 * 4).map(lambda quarters: quarters * 6_300)
    if name.startswith("days_enrolled_"):
        return st.none() | st.sampled_from([0, 1, 19, 20, 44, 45, 50, 100])
    if name.startswith(("percent_", "reading_")):
        return st.none() | st.sampled_from([17, 18, 39, 40, 59, 60, 65, 69, 70, 72])
    return st.none() | st.integers(0, 9)


students = st.fixed_dictionaries({name: _values(name) for name in READ})
dates = st.dates(date(2020, 8, 1), date(2026, 7, 31))


def _truth(condition: Condition, student: Student, as_of: date) -> bool | None:
    if isinstance(condition, AllOf | AnyOf | AtLeast):
        return _count(condition, [_truth(part, student, as_of) for part in condition.conditions])
    if isinstance(condition, Season):
        return _in_season(condition, as_of)
    values = [student[name] for name in inputs(condition)]
    return None if None in values else _leaf(condition, values)


def _leaf(leaf: Number | Share | Is | OneOf, values: list[Any]) -> bool | None:
    if isinstance(leaf, Number):
        return COMPARE[leaf.comparison](sum(values), leaf.threshold)
    if isinstance(leaf, OneOf):
        return values[0] in leaf.values
    if isinstance(leaf, Is):
        return bool(values[0])
    part, days = values
    if days < max(1, leaf.minimum_days):
        return None
    return COMPARE[leaf.comparison](Fraction(part, leaf.units * days), Fraction(leaf.percent, 100))


def _count(condition: AllOf | AnyOf | AtLeast, truths: list[bool | None]) -> bool | None:
    needed = condition.count if isinstance(condition, AtLeast) else len(truths) if isinstance(condition, AllOf) else 1
    if truths.count(True) >= needed:
        return True
    return False if truths.count(True) + truths.count(None) < needed else None


def _in_season(season: Season, as_of: date) -> bool:
    """Days of the school year counted as (year, month, day), the year being 0 from August and 1 from January."""

    def place(month: int, day: int) -> tuple[bool, int, int]:
        return (month < 8, month, day)

    today = place(as_of.month, as_of.day)
    return place(*season.first) <= today and (season.until is None or today < place(*season.until))


def _outcome(rule: FlagRule, student: Student, as_of: date) -> tuple[str, str | None] | None:
    if not rule.in_force(as_of):
        return None
    truths = [_truth(condition, student, as_of) for condition in rule.conditions]
    if True in truths:
        return "holds", rule.levels[truths.index(True)].name
    return ("abstains", None) if None in truths else None


def _frame(roster: list[Student], as_of: date) -> pl.DataFrame:
    school_year = as_of.year + (as_of.month >= 8)
    return indicator_frame(*({**student, "school_year": school_year} for student in roster))


@given(st.lists(students, min_size=1, max_size=6), dates, st.sets(st.sampled_from(RULES), min_size=1, max_size=6))
def test_the_engine_and_a_plain_reading_agree(roster: list[Student], as_of: date, rules: set[FlagRule]) -> None:
    names = tuple(rule.name for rule in rules)
    results = RulesModel(names).evaluate(_frame(roster, as_of), as_of=as_of)
    found = {(row["student_id"], row["rule"]): (row["status"], row["level"]) for row in results.iter_rows(named=True)}
    expected = {
        (f"s{number}", rule.name): outcome
        for number, student in enumerate(roster, start=1)
        for rule in rules
        if (outcome := _outcome(rule, student, as_of))
    }
    assert found == expected


@given(st.lists(students, min_size=1, max_size=4), dates, st.sets(st.sampled_from(RULES), min_size=1, max_size=6))
def test_a_rule_abstains_if_and_only_if_it_names_what_is_missing(
    roster: list[Student], as_of: date, rules: set[FlagRule]
) -> None:
    frame = _frame(roster, as_of)
    results = RulesModel(tuple(rule.name for rule in rules)).evaluate(frame, as_of=as_of)
    for row in results.filter(pl.col("status") == "abstains").iter_rows(named=True):
        [student] = frame.filter(pl.col("student_id") == row["student_id"]).to_dicts()
        for name in row["missing"].split(","):
            assert student[name] is None or name.startswith("days_enrolled_")
    assert results.filter((pl.col("status") == "holds") == pl.col("sentence").is_null()).is_empty()


@given(students, dates, st.data())
def test_what_becomes_known_never_takes_back_a_rule_of_one_level_that_held(
    student: Student, as_of: date, data: st.DataObject
) -> None:
    rule = data.draw(st.sampled_from([rule for rule in RULES if len(rule.levels) == 1]))
    known = {name: data.draw(_values(name)) if value is None else value for name, value in student.items()}
    before, after = (_statuses(rule, each, as_of) for each in (student, known))
    assert before != ["holds"] or after == ["holds"]
    assert before or not after


def _statuses(rule: FlagRule, student: Student, as_of: date) -> list[str]:
    return RulesModel((rule.name,)).evaluate(_frame([student], as_of), as_of=as_of).get_column("status").to_list()


@given(st.lists(students, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_students_changes_no_result_and_no_reason(roster: list[Student], random: Any) -> None:
    model, as_of = RulesModel(), date(2026, 2, 27)
    frame = _frame(roster, as_of)
    order = list(range(frame.height))
    random.shuffle(order)
    results = model.evaluate(frame, as_of=as_of)
    assert model.evaluate(frame[order], as_of=as_of).equals(results)
    assert model.reasons(frame[order], results, as_of=as_of).equals(model.reasons(frame, results, as_of=as_of))


@given(st.lists(students, min_size=2, max_size=5), dates)
def test_a_student_is_told_the_same_whoever_else_is_there(roster: list[Student], as_of: date) -> None:
    model, frame = RulesModel(), _frame(roster, as_of)
    results = model.evaluate(frame, as_of=as_of)
    alone = [frame[row] for row in range(frame.height)]
    assert pl.concat(model.evaluate(each, as_of=as_of) for each in alone).equals(results)
    reasons = [model.reasons(each, results, as_of=as_of) for each in alone]
    assert pl.concat(reasons).equals(model.reasons(frame, results, as_of=as_of))


@given(st.lists(students, min_size=1, max_size=4), st.sets(st.sampled_from(RULES), min_size=1, max_size=30))
def test_only_rules_that_hold_by_the_results_give_reasons(roster: list[Student], rules: set[FlagRule]) -> None:
    every, some = RulesModel(), RulesModel(tuple(rule.name for rule in rules))
    as_of = date(2026, 6, 20)
    frame = _frame(roster, as_of)
    results = every.evaluate(frame, as_of=as_of)
    of_some = results.filter(pl.col("rule").is_in(some.rules))
    assert every.reasons(frame, of_some, as_of=as_of).equals(some.reasons(frame, results, as_of=as_of))
    abstaining = results.filter(pl.col("status") == "abstains")
    assert every.reasons(frame, abstaining, as_of=as_of).is_empty()


@given(st.lists(students, min_size=1, max_size=4))
def test_reasons_are_few_distinct_and_ranked_from_one(roster: list[Student]) -> None:
    model, as_of = RulesModel(), date(2026, 2, 27)
    frame = _frame(roster, as_of)
    reasons = model.reasons(frame, model.evaluate(frame, as_of=as_of), as_of=as_of)
    for _, shown in reasons.group_by("student_id", "direction"):
        assert shown.get_column("rank").to_list() == list(range(1, shown.height + 1))
        assert shown.height <= 5


def test_every_external_input_is_drawn() -> None:
    assert set(READ) >= EXTERNAL_INPUTS.keys()
