"""Every rule at its cut-off: what holds on the line, and what does not hold one step beside it.

A line of the table: the rule, the student's numbers, and what is expected: the level that holds, `HOLDS` where a rule
has one level without a name, `NO` where the rule gives no result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from tests.lib.indicator_frames import indicator_frame

HOLDS = "holds"
NO = "no result"
WINTER = date(2026, 2, 27)
SUMMER = date(2026, 6, 20)

Numbers = dict[str, Any]


@dataclass(frozen=True)
class RuleCase:
    """One student before one rule."""

    rule: str
    expected: str
    numbers: Numbers = field(hash=False)
    grade: str | None = "9"
    as_of: date = WINTER

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        return f"{self.rule}: {said} -> {self.expected}"


def frame_of(case: RuleCase) -> pl.DataFrame:
    """The indicators of the case's student."""
    school_year = case.as_of.year + (case.as_of.month >= 8)
    return indicator_frame({**case.numbers, "grade_level": case.grade, "school_year": school_year})


def _missed(days: float, enrolled: int, window: str = "ytd") -> Numbers:
    return {f"days_absent_{window}": days, f"days_enrolled_{window}": enrolled}


def _pairs(
    rule: str, expected: str, *, on: Numbers, beside: Numbers, grade: str | None = "9", otherwise: str = NO
) -> list[RuleCase]:
    """The line itself, and one step beside it."""
    return [RuleCase(rule, expected, on, grade), RuleCase(rule, otherwise, beside, grade)]


def _first_months() -> list[RuleCase]:
    """Two days for each month of school; the first month ends on September 30."""
    days = {
        date(2025, 8, 28): 2,
        date(2025, 9, 30): 2,
        date(2025, 10, 1): 4,
        date(2025, 10, 31): 4,
        date(2025, 11, 30): 6,
        date(2025, 12, 31): 8,
        date(2026, 1, 1): 10,
        date(2026, 2, 28): 12,
        date(2026, 3, 1): 14,
        date(2026, 4, 30): 16,
        date(2026, 5, 31): 18,
        date(2026, 6, 1): 20,
        date(2026, 7, 31): 20,
    }
    name = "attendance_works_first_months"
    held = [RuleCase(name, "tier_2", _missed(needed, 60), None, on) for on, needed in days.items()]
    return held + [RuleCase(name, NO, _missed(needed - 0.5, 60), None, on) for on, needed in days.items()]


def _september() -> list[RuleCase]:
    name = "september_rule"
    counts = {4.5: "high", 4.0: "mid", 2.0: "mid", 1.5: NO}
    asked = [RuleCase(name, level, _missed(days, 19, "september"), None) for days, level in counts.items()]
    too_early = RuleCase(name, NO, _missed(9, 19, "september"), None, date(2025, 9, 29))
    first_day = RuleCase(name, "high", _missed(9, 19, "september"), "PK", date(2025, 9, 30))
    return [*asked, too_early, first_day]


MARKED = {"f_marks_latest_term": 0, "d_marks_latest_term": 0}
NO_INCIDENTS = {"incidents_major_last_45": 0, "incidents_minor_last_45": 0}


def _student_insights() -> list[RuleCase]:
    """(32 - absences) / 32 below 80, 85, 90 and 95 %: more than 6.4, 4.8, 3.2 and 1.6 days."""
    well = {**MARKED, **NO_INCIDENTS, "days_absent_last_45": 0, "days_enrolled_last_45": 45}
    lines: list[tuple[str, Numbers]] = [
        ("L4", {"days_absent_last_45": 6.5}),
        ("L3", {"days_absent_last_45": 6.4}),
        ("L3", {"days_absent_last_45": 5}),
        ("L2", {"days_absent_last_45": 4.8}),
        ("L2", {"days_absent_last_45": 3.5}),
        ("L1", {"days_absent_last_45": 3.2}),
        ("L1", {"days_absent_last_45": 2}),
        (NO, {"days_absent_last_45": 1.6}),
        ("L4", {"f_marks_latest_term": 4}),
        ("L3", {"f_marks_latest_term": 3}),
        ("L2", {"f_marks_latest_term": 2}),
        ("L1", {"f_marks_latest_term": 1, "d_marks_latest_term": 2}),
        (NO, {"f_marks_latest_term": 1, "d_marks_latest_term": 1}),
        (NO, {"f_marks_latest_term": 0, "d_marks_latest_term": 5}),
        ("L4", {"incidents_major_last_45": 3, "incidents_minor_last_45": 4}),
        ("L3", {"incidents_major_last_45": 2, "incidents_minor_last_45": 4}),
        ("L3", {"incidents_minor_last_45": 5}),
        (NO, {"incidents_minor_last_45": 4}),
    ]
    return [RuleCase("student_insights_levels", level, {**well, **numbers}) for level, numbers in lines]


def _balfanz() -> list[RuleCase]:
    name = "balfanz_grade_6"
    fine = {**_missed(19, 100), "failing_math": False, "failing_english": False, "suspensions_ytd": 0}
    marked = {**fine, "unsatisfactory_behavior_mark": 0}
    lines: list[tuple[str, Numbers]] = [
        (NO, {}),
        ("signs_1", _missed(20, 100)),
        ("signs_1", {"failing_math": True}),
        ("signs_1", {"suspensions_ytd": 1}),
        ("signs_2", {"failing_math": True, "failing_english": True}),
        ("signs_3", {"failing_math": True, "failing_english": True, "suspensions_ytd": 1}),
        ("signs_4", {**_missed(20, 100), "failing_math": True, "failing_english": True, "suspensions_ytd": 1}),
        (
            "signs_5",
            {
                **_missed(20, 100),
                "failing_math": True,
                "failing_english": True,
                "suspensions_ytd": 1,
                "unsatisfactory_behavior_mark": 1,
            },
        ),
    ]
    cases = [RuleCase(name, level, {**marked, **numbers}, "6") for level, numbers in lines]
    return [*cases, RuleCase(name, NO, {**marked, "failing_math": True}, "7")]


def _florida() -> list[RuleCase]:
    name = "florida_middle_grades"
    fine = {
        **_missed(10, 100),
        "suspensions_ytd": 0,
        "in_school_suspensions_ytd": 0,
        "failing_english": False,
        "failing_math": False,
        "state_test_level_english": 3,
        "state_test_level_math": 3,
    }
    lines: list[tuple[str, Numbers]] = [
        (NO, {"suspensions_ytd": 1}),
        (HOLDS, {**_missed(10.5, 100), "suspensions_ytd": 1}),
        (HOLDS, {"in_school_suspensions_ytd": 1, "failing_math": True}),
        (NO, {"failing_english": True, "failing_math": True}),
        (HOLDS, {"failing_english": True, "state_test_level_math": 1}),
        (NO, {"failing_english": True, "state_test_level_math": 2}),
    ]
    cases = [RuleCase(name, level, {**fine, **numbers}, "6") for level, numbers in lines]
    return [*cases, RuleCase(name, NO, {**fine, "suspensions_ytd": 1, "failing_math": True}, "9")]


def _on_track() -> list[RuleCase]:
    chicago, washington = "chicago_on_track", "washington_grade_9"
    first = {"is_first_time_grade_9": True}
    again = {"is_first_time_grade_9": False}
    return [
        RuleCase(chicago, "off_track", {**first, "core_semester_failures_ytd": 2, "credits_earned_ytd": 5.5}),
        RuleCase(chicago, NO, {**first, "core_semester_failures_ytd": 1, "credits_earned_ytd": 2.0}),
        RuleCase(
            chicago, "off_track", {**first, "core_semester_failures_ytd": 1, "credits_earned_ytd": 4.5}, as_of=SUMMER
        ),
        RuleCase(chicago, NO, {**first, "core_semester_failures_ytd": 1, "credits_earned_ytd": 5.0}, as_of=SUMMER),
        RuleCase(chicago, NO, {**again, "core_semester_failures_ytd": 4, "credits_earned_ytd": 0.0}),
        RuleCase(
            washington, "off_track", {**first, "credits_attempted_not_earned_ytd": 0.25, "incomplete_marks_ytd": 0}
        ),
        RuleCase(washington, NO, {**first, "credits_attempted_not_earned_ytd": 0.0, "incomplete_marks_ytd": 1}),
        RuleCase(
            washington,
            "off_track",
            {**first, "credits_attempted_not_earned_ytd": 0.0, "incomplete_marks_ytd": 1},
            as_of=SUMMER,
        ),
        RuleCase(washington, NO, {**again, "credits_attempted_not_earned_ytd": 3.0, "incomplete_marks_ytd": 1}),
        RuleCase(
            "on_track_chicago",
            HOLDS,
            {**first, "core_semester_failures_ytd": 1, "credits_earned_ytd": 5.0},
            as_of=SUMMER,
        ),
        RuleCase(
            "on_track_chicago", NO, {**first, "core_semester_failures_ytd": 2, "credits_earned_ytd": 5.0}, as_of=SUMMER
        ),
        RuleCase("on_track_chicago", NO, {**first, "core_semester_failures_ytd": 0, "credits_earned_ytd": 5.0}),
    ]


def _attendance() -> list[RuleCase]:
    washington = "chronic_absence_washington"
    last_year = "attendance_works_prior_year"
    band = "attendance_band"
    ended = {"no_improvement_under_tier_2": 0}
    return [
        RuleCase("attendance_works_this_year", "tier_3", {**_missed(22, 110), **ended}, None),
        RuleCase("attendance_works_this_year", NO, {**_missed(21.5, 110), **ended}, None),
        RuleCase("attendance_works_this_year", "tier_3", {**_missed(1, 110), "no_improvement_under_tier_2": 1}, None),
        *_pairs("chronic_absence", HOLDS, on=_missed(18, 180), beside=_missed(17.99, 180), grade=None),
        *_pairs("chronic_absence", HOLDS, on=_missed(2, 20), beside=_missed(1.75, 20), grade="PK"),
        RuleCase(last_year, "tier_3", _missed(36, 180, "last_year"), None),
        RuleCase(last_year, "tier_2", _missed(35.5, 180, "last_year"), None),
        RuleCase(last_year, "tier_2", _missed(18, 180, "last_year"), None),
        RuleCase(last_year, NO, _missed(17.5, 180, "last_year"), None),
        RuleCase(washington, HOLDS, {"full_days_absent_ytd": 18, "days_enrolled_ytd": 180}),
        RuleCase(washington, NO, {"full_days_absent_ytd": 17, "days_enrolled_ytd": 180}),
        RuleCase(washington, NO, {"full_days_absent_ytd": 90, "days_enrolled_ytd": 180}, "PK"),
        *_pairs("chronic_absence_federal", HOLDS, on={"full_days_absent_ytd": 15}, beside={"full_days_absent_ytd": 14}),
        RuleCase(band, "severe", _missed(20, 100), None),
        RuleCase(band, "moderate", _missed(19.5, 100), None),
        RuleCase(band, "moderate", _missed(10, 100), None),
        RuleCase(band, "at_risk", _missed(9.5, 100), None),
        RuleCase(band, "at_risk", _missed(5, 100), None),
        RuleCase(band, NO, _missed(4.5, 100), None),
        RuleCase(band, NO, {**_missed(0, 20), **_missed(90, 180, "last_year")}, None),
        RuleCase(band, "severe", {**_missed(0, 19), **_missed(36, 180, "last_year")}, None),
        *_pairs("ewims_first_20_days", HOLDS, on=_missed(2, 20, "first_20"), beside=_missed(1.5, 20, "first_20")),
        RuleCase("ewims_first_20_days", NO, _missed(9, 20, "first_20"), "8"),
        *_pairs("ewims_attendance", HOLDS, on=_missed(10, 100), beside=_missed(9.5, 100)),
        RuleCase(
            "michigan_attendance",
            HOLDS,
            {"days_enrolled_ytd": 44, **_missed(2, 20, "first_20"), **_missed(0, 44, "last_45")},
        ),
        RuleCase(
            "michigan_attendance",
            NO,
            {"days_enrolled_ytd": 44, **_missed(1.5, 20, "first_20"), **_missed(9, 44, "last_45")},
        ),
        RuleCase(
            "michigan_attendance",
            NO,
            {"days_enrolled_ytd": 45, **_missed(9, 20, "first_20"), **_missed(4, 45, "last_45")},
        ),
        RuleCase(
            "michigan_attendance",
            HOLDS,
            {"days_enrolled_ytd": 45, **_missed(0, 20, "first_20"), **_missed(4.5, 45, "last_45")},
        ),
        *_pairs("diplomas_now_attendance", HOLDS, on=_missed(15, 100), beside=_missed(14.5, 100), grade="6"),
        RuleCase("diplomas_now_attendance", NO, _missed(50, 100), "7"),
        RuleCase("local_absence", "tier_3", _missed(10, 100), "3"),
        RuleCase("local_absence", "tier_2", _missed(9.5, 100), "3"),
        RuleCase("local_absence", "tier_2", _missed(5, 100), "3"),
        RuleCase("local_absence", NO, _missed(4.5, 100), "3"),
        RuleCase("local_absence", NO, _missed(50, 100), "9"),
        RuleCase("ed_fi_attendance", "at_risk", _missed(20.5, 100)),
        RuleCase("ed_fi_attendance", "early_warning", _missed(20, 100)),
        RuleCase("ed_fi_attendance", "early_warning", _missed(12.5, 100)),
        RuleCase("ed_fi_attendance", NO, _missed(12, 100)),
    ]


def _behavior() -> list[RuleCase]:
    referral, local = "pasco_cis_referral", "local_referrals"
    term = {
        "suspensions_ytd": 1,
        "in_school_suspensions_ytd": 0,
        "exclusion_days_first_20": 0,
        "exclusion_days_last_45": 0,
    }

    def incidents(major: int, minor: int) -> Numbers:
        return {"incidents_major_ytd": major, "incidents_minor_ytd": minor}

    return [
        RuleCase(referral, "tier_2", incidents(2, 0), None),
        RuleCase(referral, "tier_2", incidents(0, 6), None),
        RuleCase(referral, "tier_2", incidents(1, 3), None),
        RuleCase(referral, NO, incidents(1, 2), None),
        RuleCase(referral, NO, incidents(0, 5), None),
        *_pairs("ewims_suspension", HOLDS, on={"suspensions_ytd": 1}, beside={"suspensions_ytd": 0}),
        RuleCase("michigan_suspension", HOLDS, {**term, "days_enrolled_ytd": 44, "exclusion_days_first_20": 0.5}),
        RuleCase("michigan_suspension", NO, {**term, "days_enrolled_ytd": 45, "exclusion_days_first_20": 0.5}),
        RuleCase("michigan_suspension", HOLDS, {**term, "days_enrolled_ytd": 45, "exclusion_days_last_45": 0.5}),
        RuleCase(
            "michigan_suspension",
            NO,
            {**term, "days_enrolled_ytd": 45, "suspensions_ytd": 0, "exclusion_days_last_45": 3},
        ),
        *_pairs(
            "diplomas_now_suspension",
            HOLDS,
            on={"out_of_school_days_ytd": 3.0},
            beside={"out_of_school_days_ytd": 2.5},
            grade="6",
        ),
        RuleCase(local, "tier_3", incidents(6, 0), "8"),
        RuleCase(local, "tier_3", incidents(0, 11), "8"),
        RuleCase(local, "tier_2", incidents(5, 0), "8"),
        RuleCase(local, "tier_2", incidents(2, 0), "8"),
        RuleCase(local, "tier_2", incidents(0, 10), "8"),
        RuleCase(local, "tier_2", incidents(0, 4), "8"),
        RuleCase(local, NO, incidents(1, 3), "8"),
        RuleCase("local_suspensions", "tier_3", {"suspensions_ytd": 2}, "K"),
        RuleCase("local_suspensions", "tier_2", {"suspensions_ytd": 1}, "K"),
        RuleCase("local_suspensions", NO, {"suspensions_ytd": 0}, "K"),
        RuleCase("ed_fi_behavior", "at_risk", incidents(1, 0)),
        RuleCase("ed_fi_behavior", "at_risk", incidents(0, 6)),
        RuleCase("ed_fi_behavior", "early_warning", incidents(0, 5)),
        RuleCase("ed_fi_behavior", "early_warning", incidents(0, 3)),
        RuleCase("ed_fi_behavior", NO, incidents(0, 2)),
        RuleCase("montgomery_grade_1", "suspended", {"suspensions_ytd": 1}, "1"),
        RuleCase("montgomery_grade_1", "other_signs", {"suspensions_ytd": 0, "gpa_ytd": 1.19}, "1"),
        RuleCase("montgomery_grade_1", "other_signs", {"suspensions_ytd": 0, "days_absent_ytd": 9}, "1"),
        RuleCase(
            "montgomery_grade_1",
            NO,
            {"suspensions_ytd": 0, "gpa_ytd": 1.2, "days_absent_ytd": 8.5, "below_grade_level": 0},
            "1",
        ),
        RuleCase(
            "ed_fi_overall",
            "at_risk",
            {**_missed(0, 100), **incidents(1, 0), "percent_math": 90, "percent_english": 90},
        ),
        RuleCase(
            "ed_fi_overall",
            "early_warning",
            {**_missed(0, 100), **incidents(0, 0), "percent_math": 71.9, "percent_english": 90},
        ),
        RuleCase(
            "ed_fi_overall", NO, {**_missed(12, 100), **incidents(0, 2), "percent_math": 72, "percent_english": 72}
        ),
    ]


def _coursework() -> list[RuleCase]:
    fine = {"percent_english": 90, "percent_math": 90}
    return [
        *_pairs("ewims_course_failures", HOLDS, on={"failing_courses": 1}, beside={"failing_courses": 0}),
        *_pairs("ewims_gpa", HOLDS, on={"gpa_ytd": 2.0}, beside={"gpa_ytd": 2.01}),
        *_pairs("diplomas_now_english", HOLDS, on={"failing_english": True}, beside={"failing_english": False}),
        *_pairs("diplomas_now_math", HOLDS, on={"failing_math": True}, beside={"failing_math": False}),
        RuleCase("local_marks", "tier_3", {**fine, "percent_math": 59.9}, "5"),
        RuleCase("local_marks", "tier_2", {**fine, "percent_math": 60}, "5"),
        RuleCase("local_marks", "tier_2", {**fine, "percent_english": 69.9}, "5"),
        RuleCase("local_marks", NO, {**fine, "percent_english": 70}, "5"),
        RuleCase("local_reading", "tier_3", {"reading_percentile": 17}, "5"),
        RuleCase("local_reading", "tier_2", {"reading_percentile": 18}, "5"),
        RuleCase("local_reading", "tier_2", {"reading_percentile": 39}, "5"),
        RuleCase("local_reading", NO, {"reading_percentile": 40}, "5"),
        RuleCase("ed_fi_coursework", "at_risk", {**fine, "percent_math": 64.9}),
        RuleCase("ed_fi_coursework", "early_warning", {**fine, "percent_math": 65}),
        RuleCase("ed_fi_coursework", "early_warning", {**fine, "percent_english": 71.9}),
        RuleCase("ed_fi_coursework", NO, {**fine, "percent_english": 72}),
    ]


MONTH, WORST, YEAR = "full_days_unexcused_this_month", "full_days_unexcused_month_max", "full_days_unexcused_ytd"
LAST_DAY_OF_THE_OLD_TEXT = date(2021, 7, 24)
FIRST_DAY_OF_THE_NEW_TEXT = date(2021, 7, 25)


def _truancy() -> list[RuleCase]:
    elementary = {"school_level": "elementary", "full_days_excused_month_max": 0, "full_days_excused_ytd": 0}
    young = {"age_under_17": 1, WORST: 0, YEAR: 0}
    middle = {"school_level": "middle"}
    old, new = LAST_DAY_OF_THE_OLD_TEXT, FIRST_DAY_OF_THE_NEW_TEXT
    return [
        *_pairs("truancy_notice", HOLDS, on={MONTH: 1}, beside={MONTH: 0}),
        *_pairs("truancy_conference", HOLDS, on={WORST: 3}, beside={WORST: 2}),
        *_pairs("truancy_steps", HOLDS, on={YEAR: 2}, beside={YEAR: 1}),
        *_pairs("truancy_steps", HOLDS, on={YEAR: 6}, beside={YEAR: 7}),
        *_pairs("truancy_assessment", HOLDS, on={**middle, YEAR: 6}, beside={**middle, YEAR: 7}),
        RuleCase("truancy_assessment", NO, {"school_level": "elementary", YEAR: 6}),
        *_pairs("truancy_agreement", HOLDS, on={WORST: 7}, beside={WORST: 6}),
        *_pairs("truancy_limit", HOLDS, on={**young, WORST: 7}, beside={**young, WORST: 6}),
        *_pairs("truancy_limit", HOLDS, on={**young, YEAR: 15}, beside={**young, YEAR: 14}),
        RuleCase("truancy_limit", NO, {"age_under_17": 0, WORST: 9, YEAR: 20}),
        *_pairs(
            "truancy_ages_6_and_7", HOLDS, on={"age_6_or_7": 1, MONTH: 1}, beside={"age_6_or_7": 0, MONTH: 1}, grade="1"
        ),
        RuleCase("truancy_barriers", HOLDS, {**elementary, "full_days_excused_month_max": 5}, "3"),
        RuleCase("truancy_barriers", NO, {**elementary, "full_days_excused_month_max": 4}, "3"),
        RuleCase("truancy_barriers", HOLDS, {**elementary, "full_days_excused_ytd": 10}, "3"),
        RuleCase("truancy_barriers", NO, {**elementary, "full_days_excused_ytd": 9}, "3"),
        RuleCase("truancy_barriers", NO, {**elementary, "school_level": "high", "full_days_excused_ytd": 30}),
        RuleCase("truancy_agreement_before_2021", HOLDS, {WORST: 5}, as_of=old),
        RuleCase("truancy_agreement_before_2021", NO, {WORST: 4}, as_of=old),
        RuleCase("truancy_agreement_before_2021", NO, {WORST: 5}, as_of=new),
        RuleCase("truancy_agreement", NO, {WORST: 7}, as_of=old),
        RuleCase("truancy_agreement", HOLDS, {WORST: 7}, as_of=new),
        RuleCase("truancy_steps_before_2021", HOLDS, {YEAR: 4}, as_of=old),
        RuleCase("truancy_steps_before_2021", NO, {YEAR: 5}, as_of=old),
        RuleCase("truancy_assessment_before_2021", HOLDS, {**middle, YEAR: 4}, as_of=old),
        RuleCase("truancy_assessment_before_2021", NO, {**middle, YEAR: 5}, as_of=old),
        RuleCase("truancy_limit_before_2021", HOLDS, {**young, YEAR: 10}, as_of=old),
        RuleCase("truancy_limit_before_2021", NO, {**young, YEAR: 9}, as_of=old),
    ]


def _strengths() -> list[RuleCase]:
    lately = _missed(1, 20, "last_20")
    clean = {**NO_INCIDENTS, "days_enrolled_last_45": 45, "incidents_ytd": 1}
    return [
        *_pairs("no_absence_lately", HOLDS, on=_missed(0, 20, "last_20"), beside=_missed(0, 19, "last_20")),
        RuleCase("no_absence_lately", NO, _missed(0.01, 20, "last_20")),
        *_pairs(
            "absence_falling", HOLDS, on={**lately, "absence_trend": -0.05}, beside={**lately, "absence_trend": 0.0}
        ),
        *_pairs("attended_over_95_percent", HOLDS, on=_missed(4.5, 100), beside=_missed(5, 100)),
        *_pairs(
            "no_unexcused_absence",
            HOLDS,
            on={"days_enrolled_ytd": 20, "days_unexcused_ytd": 0},
            beside={"days_enrolled_ytd": 20, "days_unexcused_ytd": 0.5},
        ),
        *_pairs("strong_september", HOLDS, on=_missed(1.5, 19, "september"), beside=_missed(2, 19, "september")),
        RuleCase("strong_september", NO, _missed(0, 9, "september")),
        *_pairs(
            "no_incident_this_year",
            HOLDS,
            on={"days_enrolled_ytd": 20, "incidents_ytd": 0},
            beside={"days_enrolled_ytd": 20, "incidents_ytd": 1},
        ),
        *_pairs("no_incident_lately", HOLDS, on=clean, beside={**clean, "incidents_minor_last_45": 1}),
        RuleCase("no_incident_lately", NO, {**clean, "incidents_ytd": 0}),
        *_pairs(
            "passing_every_course",
            HOLDS,
            on={"courses_latest_term": 1, "failing_courses": 0},
            beside={"courses_latest_term": 6, "failing_courses": 1},
        ),
        *_pairs("marks_rising", HOLDS, on={"mark_trend": 1.0}, beside={"mark_trend": 0.9}),
        *_pairs(
            "every_credit_earned",
            HOLDS,
            on={"credits_earned_ytd": 3.0, "credits_attempted_not_earned_ytd": 0.0},
            beside={"credits_earned_ytd": 2.5, "credits_attempted_not_earned_ytd": 0.5},
        ),
        *_pairs("solid_average", HOLDS, on={"gpa_ytd": 3.0}, beside={"gpa_ytd": 2.99}),
    ]


CASES: list[RuleCase] = [
    *_attendance(),
    *_first_months(),
    *_september(),
    *_behavior(),
    *_coursework(),
    *_on_track(),
    *_balfanz(),
    *_florida(),
    *_student_insights(),
    *_truancy(),
    *_strengths(),
]
