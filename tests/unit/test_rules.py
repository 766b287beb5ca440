"""The engine of the flag rules: three-valued logic, what is missing, sentences, reasons, versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any

import polars as pl
import pytest

from cis_ews.errors import ConfigError, ModelError
from cis_ews.risk.rule_engine import Mark, on_date, truths_of
from cis_ews.risk.rule_results import Evaluated, results_of
from cis_ews.risk.rule_terms import AllOf, AnyOf, AtLeast, Condition, FlagRule, Is, Level, Number, Share
from cis_ews.risk.rules import RULES, RulesModel, rules_named
from cis_ews.risk.sentences import FACTS
from tests.lib.indicator_frames import indicator_frame

WINTER = date(2026, 2, 27)
VALUES = (True, False, None)
Truth = bool | None


def _asked(condition: Condition, **columns: Truth | float) -> Truth:
    frame = on_date(pl.DataFrame({name: [value] for name, value in columns.items()}), WINTER)
    truths = truths_of(frame, [condition])
    is_unknown = truths.where(condition, Mark.UNKNOWN).item()
    return None if is_unknown else truths.where(condition, Mark.HOLDS).item()


def _rule(name: str, **changes: Any) -> FlagRule:
    return replace(rules_named([name])[0], **changes)


@pytest.mark.parametrize(("left", "right"), list(product(VALUES, repeat=2)))
def test_all_of_is_false_if_one_is_false_whatever_is_missing(left: Truth, right: Truth) -> None:
    expected = False if False in (left, right) else None if None in (left, right) else True
    assert _asked(AllOf((Is("a"), Is("b"))), a=left, b=right) is expected


@pytest.mark.parametrize(("left", "right"), list(product(VALUES, repeat=2)))
def test_any_of_is_true_if_one_is_true_whatever_is_missing(left: Truth, right: Truth) -> None:
    expected = True if True in (left, right) else None if None in (left, right) else False
    assert _asked(AnyOf((Is("a"), Is("b"))), a=left, b=right) is expected


@pytest.mark.parametrize("values", list(product(VALUES, repeat=3)))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_at_least_is_decided_as_soon_as_it_can_be(values: tuple[Truth, Truth, Truth], count: int) -> None:
    held, possible = values.count(True), values.count(True) + values.count(None)
    expected = True if held >= count else False if possible < count else None
    condition = AtLeast(count, (Is("a"), Is("b"), Is("c")))
    assert _asked(condition, a=values[0], b=values[1], c=values[2]) is expected


@pytest.mark.parametrize(
    ("comparison", "below", "on", "above"),
    [
        (">=", False, True, True),
        (">", False, False, True),
        ("<=", True, True, False),
        ("<", True, False, False),
        ("==", False, True, False),
    ],
)
def test_comparisons_take_the_line_in_or_leave_it_out(comparison: Any, below: bool, on: bool, above: bool) -> None:
    condition = Number("days", comparison, 4)
    assert [_asked(condition, days=days) for days in (3.99, 4.0, 4.01)] == [below, on, above]


def test_a_share_is_compared_in_whole_numbers_and_unknown_for_few_days() -> None:
    third = Share(
        indicator="rate", part="parts", units=25_200, whole="days", comparison=">=", percent=10, minimum_days=20
    )
    assert _asked(third, parts=25_200 * 3, days=30) is True
    assert _asked(third, parts=25_200 * 3 - 1, days=30) is False
    assert _asked(third, parts=25_200 * 19, days=19) is None


def _results(*students: dict[str, Any], rule: str, as_of: date = WINTER) -> list[dict[str, Any]]:
    return RulesModel((rule,)).evaluate(indicator_frame(*students), as_of=as_of).to_dicts()


def test_a_rule_without_its_inputs_abstains_and_names_them() -> None:
    [result] = _results({"days_enrolled_ytd": 100}, rule="chronic_absence")
    assert (result["status"], result["missing"], result["sentence"]) == ("abstains", "absent_parts_ytd", None)


def test_too_few_days_are_named_as_missing_days() -> None:
    [result] = _results({"days_absent_ytd": 8, "days_enrolled_ytd": 10}, rule="chronic_absence")
    assert (result["status"], result["missing"]) == ("abstains", "days_enrolled_ytd")


def test_an_unknown_grade_abstains_unless_the_numbers_decide() -> None:
    unknown: dict[str, Any] = {"grade_level": None}
    [result] = _results({**unknown, "gpa_ytd": 1.5}, rule="ewims_gpa")
    assert (result["status"], result["missing"]) == ("abstains", "grade_level")
    assert _results({**unknown, "gpa_ytd": 3.5}, rule="ewims_gpa") == []


def test_an_input_that_school_data_never_have_does_not_matter_once_the_others_decide() -> None:
    grade_6 = {"grade_level": "6", "failing_english": False, "suspensions_ytd": 0}
    days = {"days_absent_ytd": 3, "days_enrolled_ytd": 100}
    [held] = _results({**grade_6, **days, "failing_math": True}, rule="balfanz_grade_6")
    [open_] = _results({**grade_6, **days, "failing_math": False}, rule="balfanz_grade_6")
    assert (held["status"], held["level"], held["missing"]) == ("holds", "signs_1", "unsatisfactory_behavior_mark")
    assert (open_["status"], open_["missing"]) == ("abstains", "unsatisfactory_behavior_mark")


def test_the_most_severe_level_that_is_known_holds_and_what_could_raise_it_is_named() -> None:
    [result] = _results({"days_absent_last_45": 5, "days_enrolled_last_45": 45}, rule="student_insights_levels")
    assert (result["status"], result["level"]) == ("holds", "L3")
    assert result["missing"] == "f_marks_latest_term,incidents_major_last_45,incidents_minor_last_45"
    assert result["sentence"] == "Missed 5 of the last 45 school days (Student Insights level 3 of 4)"


def test_the_truancy_limit_is_never_decided_by_the_program() -> None:
    reached = {"full_days_unexcused_month_max": 7, "full_days_unexcused_ytd": 20}
    [result] = _results(reached, rule="truancy_limit")
    assert (result["status"], result["missing"], result["sentence"]) == ("abstains", "age_under_17", None)


def test_the_sentence_has_the_students_numbers() -> None:
    [result] = _results({"days_absent_september": 9, "days_enrolled_september": 20}, rule="september_rule")
    assert result["sentence"] == (
        "Missed 9 of 20 days in September; 9 in 10 students who miss more than 4 become chronically absent"
    )


def test_shares_in_sentences_are_cut_and_never_reach_a_line_by_rounding() -> None:
    [result] = _results({"days_absent_ytd": 19.99, "days_enrolled_ytd": 100}, rule="chronic_absence")
    assert result["sentence"] == "Missed 19.99 of 100 school days this year (19.9 %); 10 % or more is chronic absence"


def test_a_sentence_joins_the_facts_that_hold_and_only_these() -> None:
    referral = {"incidents_major_ytd": 1, "incidents_minor_ytd": 3}
    [result] = _results(referral, rule="pasco_cis_referral")
    assert result["sentence"] == (
        "Had 1 major incident this year; had 3 minor incidents this year; this is when the site coordinator is asked "
        "to meet the student"
    )


def test_a_sentence_without_its_numbers_is_the_title() -> None:
    frame = indicator_frame({"days_absent_september": 9})
    results = results_of(Evaluated.of(on_date(frame, WINTER), [_rule("september_rule")])).decoded()
    assert results.item(0, "sentence") == "September rule"


def test_a_column_that_the_indicators_lack_is_an_error_and_not_an_abstention() -> None:
    frame = indicator_frame({}).drop("gpa_ytd")
    with pytest.raises(ModelError, match="lack 1 column that flag rules read: gpa_ytd"):
        RulesModel(("ewims_gpa",)).evaluate(frame, as_of=WINTER)


def test_results_are_sorted_and_unchanged_by_the_order_of_students() -> None:
    students = [{"student_id": name, "suspensions_ytd": count} for name, count in (("c", 1), ("a", 2), ("b", None))]
    model = RulesModel(("ewims_suspension", "local_suspensions", "chronic_absence"))
    forward = model.evaluate(indicator_frame(*students), as_of=WINTER)
    backward = model.evaluate(indicator_frame(*reversed(students)), as_of=WINTER)
    assert forward.equals(backward)
    assert forward.select("student_id", "rule").rows() == sorted(forward.select("student_id", "rule").rows())


def test_no_student_gives_no_result() -> None:
    empty = indicator_frame({}).clear()
    model = RulesModel()
    results = model.evaluate(empty, as_of=WINTER)
    assert (results.height, model.reasons(empty, results, as_of=WINTER).height) == (0, 0)


def test_an_unknown_rule_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="unknown flag rules: septembre_rule"):
        RulesModel(("septembre_rule",))


def test_the_version_follows_the_rules_and_not_their_order() -> None:
    both = RulesModel(("chronic_absence", "september_rule")).version
    assert both == RulesModel(("september_rule", "chronic_absence")).version
    assert both != RulesModel(("chronic_absence",)).version
    assert RulesModel().version == RulesModel().version
    assert both.startswith("rules-")
    assert len(both) == len("rules-") + 12


@pytest.mark.parametrize(
    "change",
    [
        {"source": "another edition"},
        {"effective_from": date(2026, 1, 1)},
        {"levels": (Level(concern=2, when=Number("days_absent_september", ">", 5), sentence="{facts}"),)},
    ],
    ids=["source", "date", "cut-off"],
)
def test_the_version_changes_with_anything_that_a_rule_says(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = RulesModel(("september_rule",))
    before = model.version
    changed = tuple(replace(rule, **change) if rule.name == "september_rule" else rule for rule in RULES)
    monkeypatch.setattr("cis_ews.risk.rules.RULES", changed)
    assert model.version != before


def _reasons(*students: dict[str, Any], limit: int = 5, as_of: date = WINTER) -> list[dict[str, Any]]:
    frame, model = indicator_frame(*students), RulesModel()
    return model.reasons(frame, model.evaluate(frame, as_of=as_of), as_of=as_of, limit=limit).to_dicts()


def test_rules_that_speak_of_the_same_number_give_one_reason_that_of_most_concern() -> None:
    missed = {"days_absent_ytd": 38, "days_enrolled_ytd": 110, "full_days_absent_ytd": 38}
    reasons = _reasons(missed)
    assert [(reason["rank"], reason["direction"], reason["indicator"]) for reason in reasons] == [
        (1, "risk", "absence_rate_ytd")
    ]
    assert reasons[0]["sentence"] == (
        "Missed 38 of 110 school days this year (34.5 %); from 20 % on, one-on-one support is advised"
    )
    assert reasons[0]["value"] == pytest.approx(38 / 110)


def test_reasons_are_ordered_by_concern_and_then_by_what_can_change_soonest() -> None:
    student = {
        "grade_level": "8",
        "days_absent_ytd": 12,
        "days_enrolled_ytd": 100,
        "days_absent_last_year": 40,
        "days_enrolled_last_year": 180,
        "suspensions_ytd": 2,
        "failing_math": True,
    }
    indicators = [reason["indicator"] for reason in _reasons(student) if reason["direction"] == "risk"]
    assert indicators == ["suspensions_ytd", "absence_rate_ytd", "failing_math", "absence_rate_last_year"]


def test_a_combined_rule_gives_each_of_its_facts_a_reason() -> None:
    reasons = _reasons({"grade_level": "2", "incidents_major_ytd": 1, "incidents_minor_ytd": 3})
    assert [(reason["indicator"], reason["value"]) for reason in reasons] == [
        ("incidents_major_ytd", 1.0),
        ("incidents_minor_ytd", 3.0),
    ]
    assert reasons[1]["sentence"].startswith("Had 3 minor incidents this year; ")


def test_early_in_the_year_all_windows_are_the_same_days_and_give_one_reason() -> None:
    windows = {"days_absent_first_20": 4, "days_enrolled_first_20": 20, "days_absent_september": 4}
    student = {"days_absent_ytd": 4, "days_enrolled_ytd": 44, **windows, "days_enrolled_september": 20}
    later = {**student, "days_absent_ytd": 10, "days_enrolled_ytd": 100}
    assert [reason["indicator"] for reason in _reasons(student)] == ["absence_rate_first_20"]
    assert [reason["indicator"] for reason in _reasons(later)] == ["absence_rate_ytd", "absence_rate_first_20"]


def test_only_so_many_reasons_and_strengths_are_shown() -> None:
    student = {
        "days_absent_ytd": 30,
        "days_enrolled_ytd": 100,
        "days_absent_last_20": 0,
        "days_enrolled_last_20": 20,
        "incidents_ytd": 0,
        "gpa_ytd": 3.5,
        "failing_courses": 0,
        "courses_latest_term": 6,
        "mark_trend": 4.0,
        "suspensions_ytd": 1,
        "days_absent_september": 6,
        "days_enrolled_september": 19,
        "days_unexcused_ytd": 0,
    }
    reasons = _reasons(student, limit=2)
    assert [(reason["direction"], reason["rank"]) for reason in reasons] == [
        ("risk", 1),
        ("risk", 2),
        ("strength", 1),
        ("strength", 2),
    ]


def test_strengths_are_told_by_the_same_engine() -> None:
    student = {"days_absent_ytd": 1, "days_enrolled_ytd": 100, "failing_courses": 0, "courses_latest_term": 6}
    assert [(reason["direction"], reason["sentence"]) for reason in _reasons(student)] == [
        ("strength", "Came to school nearly every day: missed 1 of 100 days this year"),
        ("strength", "Is passing every course right now (6)"),
    ]


def test_the_last_rung_of_the_ladder_speaks_for_the_others() -> None:
    absent = {"full_days_unexcused_this_month": 3, "full_days_unexcused_month_max": 7, "full_days_unexcused_ytd": 6}
    [reason] = _reasons(absent)
    assert reason["sentence"].endswith("agree on a plan, or meet with a community engagement board")


def test_the_version_changes_with_the_words_of_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RulesModel().version
    fact = FACTS["failing_courses"]
    monkeypatch.setitem(FACTS, "failing_courses", replace(fact, sentence="Has {failing_courses} to catch up on"))
    assert RulesModel().version != before
