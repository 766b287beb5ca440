"""Worked examples of the indicators: days or marks in, numbers out. The page docs/indicators.md shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cis_ews.enums import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCase:
    """A student's days in a row and what they come to."""

    title: str
    days: str
    expected: dict[str, object]
    domain: Domain = Domain.ATTENDANCE
    grade_level: str = "5"
    why: str = ""

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkCase:
    """A student's marks on a date and what they come to. Terms: S1 until 30 January, S2 until 12 June."""

    title: str
    marks: str
    expected: dict[str, object]
    as_of: date = date(2026, 6, 20)
    grade_level: str = "9"
    why: str = ""

    def __str__(self) -> str:
        return self.title


DAY_CASES = (
    DayCase(
        title="Two weeks",
        days="P P A A E / P T H P P",
        expected={
            "days_enrolled_ytd": 9,
            "days_absent_ytd": 3.0,
            "days_unexcused_ytd": 2.0,
            "days_excused_ytd": 1.0,
            "tardies_ytd": 1,
            "absence_rate_ytd": 3 / 9,
            "longest_absence_run": 3,
            "current_absence_run": 0,
            "days_since_last_absence": 4,
            "absence_band": "severe",
        },
        why="Excused and unexcused days are both missed; a late arrival is not.",
    ),
    DayCase(
        title="A student without a single event",
        days="P*20",
        expected={
            "days_enrolled_ytd": 20,
            "days_absent_ytd": 0.0,
            "absence_rate_ytd": 0.0,
            "absence_band": "satisfactory",
            "chronically_absent": False,
            "days_since_last_absence": None,
            "incidents_ytd": 0,
            "days_since_last_incident": None,
        },
        why="Days come from enrollment and calendar, so perfect attendance has a row: zeros, not gaps.",
    ),
    DayCase(
        title="Parts of days",
        days="A1/2 A1/3 A1/6 E1/4 P / P*5",
        expected={
            "days_absent_ytd": 1.25,
            "days_unexcused_ytd": 1.0,
            "days_excused_ytd": 0.25,
            "absent_parts_ytd": 31_500,
            "full_days_absent_ytd": 1,
            "longest_absence_run": 1,
        },
        why="Half, a third and a sixth add up to exactly one day. Only the half counts as a full-day absence.",
    ),
    DayCase(
        title="Exactly 90.0 % attended: 18 of 180 days missed",
        days="P*162 A*18",
        expected={"absence_rate_ytd": 0.1, "chronically_absent": True, "absence_band": "moderate"},
        why="Ten percent missed is chronic absence, and the comparison is made in whole numbers.",
    ),
    DayCase(
        title="One sixth of a day less than that",
        days="P*162 A*17 A5/6",
        expected={"chronically_absent": False, "absence_band": "at_risk"},
    ),
    DayCase(
        title="Exactly 90.0 % in sixths and thirds of days",
        days="P*6 A1/6 A1/6 A1/3 A1/3",
        expected={"days_absent_ytd": 1.0, "absence_rate_ytd": 0.1, "chronically_absent": True},
    ),
    DayCase(
        title="Exactly 5 % belongs to the higher band",
        days="P*19 A",
        expected={"absence_rate_ytd": 0.05, "absence_band": "at_risk", "chronically_absent": False},
    ),
    DayCase(title="So does exactly 20 %", days="P*4 A", expected={"absence_band": "severe"}),
    DayCase(
        title="A transfer does not reset anything",
        days="A A P P P / P P P A A / > A P P P P / P P P P P",
        expected={
            "days_enrolled_ytd": 20,
            "days_absent_ytd": 5.0,
            "absence_rate_ytd": 0.25,
            "longest_absence_run": 3,
            "days_absent_last_10": 1.0,
            "school_changes_ytd": 1,
            "school_id": "south",
        },
        why="The child's own days count in a row; the run of three goes over a weekend and a change of school.",
    ),
    DayCase(
        title="School days, not calendar days",
        days="P*10 / A H H H H / H H H H H / A P P P P",
        expected={
            "days_enrolled_ytd": 16,
            "longest_absence_run": 2,
            "days_absent_last_10": 2.0,
            "days_since_last_absence": 4,
        },
        why="The day before a holiday week and the day after it are two days in a row.",
    ),
    DayCase(
        title="A late entry",
        days="- - - - - / - - P A P / P P P P P",
        expected={"days_enrolled_ytd": 8, "absence_rate_ytd": 1 / 8, "days_enrolled_first_20": 8},
        why="Days before the entry are nobody's absences.",
    ),
    DayCase(
        title="A school that stopped reporting two weeks ago",
        days="P A P P P / P P P P P / ? ? ? ? ? / ? ? ? ? ?",
        expected={
            "days_enrolled_ytd": 10,
            "days_absent_ytd": 1.0,
            "absence_rate_ytd": 0.1,
            "days_unreported_ytd": 10,
            "current_absence_run": 0,
            "days_since_last_absence": 8,
        },
        why="Silence is not presence: days count up to the last one that the school has reported.",
    ),
    DayCase(
        title="What happens after the as-of date is not known",
        days="P P A P P ) A A A+M+S3 A A",
        expected={"days_enrolled_ytd": 5, "days_absent_ytd": 1.0, "incidents_ytd": 0, "suspensions_ytd": 0},
    ),
    DayCase(
        title="September, October and the first 20 days",
        days="P P A P P / P P P P P / A P P P P / P P P A P / P A H H H / P P A P P",
        expected={
            "days_enrolled_september": 22,
            "days_absent_september": 4.0,
            "days_enrolled_october": 5,
            "days_absent_october": 1.0,
            "days_enrolled_november": 0,
            "absence_rate_november": None,
            "days_absent_first_20": 3.0,
            "full_days_unexcused_month_max": 4,
            "full_days_unexcused_this_month": 1,
        },
    ),
    DayCase(
        title="Getting worse",
        days="P*18 A A / P*10 A*10",
        expected={
            "absence_rate_last_10": 1.0,
            "absence_rate_last_20": 0.5,
            "absence_rate_last_45": 0.3,
            "absence_trend": 0.4,
            "current_absence_run": 10,
            "days_since_last_absence": 0,
        },
        why="The trend is the rate of the last 20 days less that of the 20 days before.",
    ),
    DayCase(
        title="A child in PreK has a row like any other",
        days="P A A P P",
        grade_level="PK",
        expected={"grade_level": "PK", "days_absent_ytd": 2.0, "chronically_absent": True},
        why="Indicators say what was recorded; the cohort leaves PreK out, so that no alarm counts it.",
    ),
    DayCase(
        title="Suspension days that count as excused absence",
        days="P P+M+S2 E E P / P A P P P",
        domain=Domain.BEHAVIOR,
        expected={
            "suspensions_ytd": 1,
            "out_of_school_days_ytd": 2.0,
            "exclusion_days_ytd": 2.0,
            "days_absent_ytd": 3.0,
            "days_excused_ytd": 2.0,
            "days_absent_suspended_ytd": 1.0,
        },
        why="The suspension starts on the day of the incident: of its two days one was attended and one was missed.",
    ),
    DayCase(
        title="Incidents and what followed",
        days="P+m P+m+C1/2 P P P / P P+M+I1 P P P / P*10 / P+M+L12 E*9",
        domain=Domain.BEHAVIOR,
        expected={
            "incidents_minor_ytd": 2,
            "incidents_major_ytd": 2,
            "incidents_major_last_10": 1,
            "incidents_minor_first_20": 2,
            "classroom_exclusions_ytd": 1,
            "in_school_suspensions_ytd": 1,
            "suspensions_ytd": 1,
            "exclusion_days_ytd": 13.5,
            "exclusion_days_last_10": 12.0,
            "out_of_school_days_ytd": 12.0,
            "days_absent_suspended_ytd": 9.0,
            "days_since_last_incident": 9,
            "share_of_days_with_incident_ytd": 4 / 30,
        },
        why="Days imposed count from the day the action started, also those that lie ahead.",
    ),
    DayCase(
        title="Two incidents on one day",
        days="P+m+M P P P P",
        domain=Domain.BEHAVIOR,
        expected={"incidents_ytd": 2, "share_of_days_with_incident_ytd": 0.2, "days_since_last_incident": 4},
    ),
)

MARK_CASES = (
    MarkCase(
        title="A first semester",
        as_of=date(2026, 2, 27),
        marks="""
            English 9 | english | S1 | F  | 52 | 0.0 | 0 of 0.5   | 2026-02-03
            Algebra   | math    | S1 | D+ | 68 | 1.3 | 0.5 of 0.5 | 2026-02-03
            Biology   | science | S1 | B  | 85 | 3.0 | 0.5 of 0.5 | 2026-02-03
            Art       | other   | S1 |    | 58 |     | 0 of 0.5   | 2026-02-03
        """,
        expected={
            "latest_term": "S1",
            "courses_latest_term": 4,
            "failing_courses": 2,
            "failing_core_courses": 1,
            "near_failing_core_courses": 1,
            "failing_english": True,
            "failing_math": False,
            "percent_average_latest_term": 65.75,
            "gpa_latest_term": 4.3 / 3,
            "f_marks_latest_term": 2,
            "d_marks_latest_term": 1,
            "credits_attempted_ytd": 2.0,
            "credits_earned_ytd": 1.0,
            "course_failures_ytd": 2,
            "core_semester_failures_ytd": 1,
        },
        why="A mark decides; where there is none, the percent does. Art is no core course.",
    ),
    MarkCase(
        title="A grade that is not known yet",
        as_of=date(2026, 2, 2),
        marks="""
            English 9 | english | S1 | F | 52 | | | 2026-02-03
            Algebra   | math    | S1 | C | 75 | | |
            Biology   | science | S2 | F | 40 | | |
        """,
        expected={"courses_latest_term": 1, "failing_courses": 0, "failing_english": None, "failing_math": False},
        why="English is graded the day after; Algebra has no date and is known since the last day of its term.",
    ),
    MarkCase(
        title="Two terms",
        marks="""
            English 9 | english | (S1) | | 80 | 3.0 | |
            Algebra   | math    | (S1) | | 90 | 4.0 | |
            English 9 | english | (S2) | | 70 | 2.0 | |
            Algebra   | math    | (S2) | |    |     | |
        """,
        expected={
            "latest_term": "S2",
            "courses_latest_term": 1,
            "missing_marks": 1,
            "percent_average_latest_term": 70.0,
            "percent_average_previous_term": 85.0,
            "mark_trend": -15.0,
            "gpa_trend": -1.5,
            "percent_average_ytd": 80.0,
            "failing_math": None,
            "course_failures_ytd": None,
        },
        why="A blank grade is not zero: Algebra is missing, not failed. Marks that are not final are no failures yet.",
    ),
    MarkCase(
        title="Marks at the cut-offs",
        marks="""
            a | other | S2 | | 60    | | |
            b | other | S2 | | 59.99 | | |
            c | other | S2 | | 65    | | |
            d | other | S2 | | 69    | | |
            e | other | S2 | | 69.5  | | |
        """,
        expected={"failing_courses": 1, "f_marks_latest_term": 2, "d_marks_latest_term": 1},
        why="Failing is below 60. Student Insights: F below 65, D above 65 and up to 69; 65 is neither.",
    ),
    MarkCase(
        title="Marks that are no grades",
        marks="""
            English 9 | english | S2 | 2 | | | |
            Algebra   | math    | S2 | 1 | | | |
            Art       | other   | S2 | I | | | |
        """,
        expected={
            "courses_latest_term": 3,
            "failing_courses": None,
            "failing_core_courses": None,
            "near_failing_core_courses": None,
            "f_marks_latest_term": None,
            "d_marks_latest_term": None,
            "course_failures_ytd": None,
            "core_semester_failures_ytd": None,
        },
        why="A standard from 1 to 4 without a percent says nothing of failing: no count is made of it, not even zero.",
    ),
    MarkCase(
        title="Missing and late assignments",
        marks="""
            English 9 | english | (S1) | | 88 | | | 2026-01-12 | 1 of 9
            English 9 | english | (S2) | | 70 | | | 2026-03-02 | 3 of 8
            Algebra   | math    | (S2) | |    | | | 2026-03-05 | 4 of 4
            Biology   | science | (S2) | | 91 | | | 2026-03-04 | 0 of 4
            Art       | other   | (S2) | | 95 | | | 2026-03-04 |
        """,
        as_of=date(2026, 3, 6),
        expected={
            "assignments_latest_term": 16,
            "missing_or_late_assignments": 7,
            "missing_or_late_share": 7 / 16,
            "courses_latest_term": 3,
            "missing_marks": 1,
        },
        why="Of the term so far, in all courses whose gradebook tells of it; a course without any score counts too.",
    ),
    MarkCase(
        title="A new term in which nothing is marked yet",
        marks="""
            English 9 | english | (S1) | | 88 | | | 2026-01-12 | 1 of 9
            English 9 | english | (S2) | |    | | | 2026-02-05 | 2 of 2
        """,
        as_of=date(2026, 2, 6),
        expected={"latest_term": "S1", "assignments_latest_term": 2, "missing_or_late_share": 1.0},
        why="Missing work is told before there is any mark: its term need not be the latest one with marks.",
    ),
    MarkCase(
        title="A gradebook that does not tell of missing work",
        marks="""
            English 9 | english | (S2) | | 88 | | | 2026-03-02 |
        """,
        as_of=date(2026, 3, 6),
        expected={"assignments_latest_term": None, "missing_or_late_assignments": None, "missing_or_late_share": None},
        why="Silence is not zero: nothing is known.",
    ),
    MarkCase(
        title="Incomplete and withdrawn",
        marks="""
            English 9 | english | S2 | I | | | 0 of 0.5   |
            Algebra   | math    | S2 | W | | | 0 of 0.5   |
            Biology   | science | S2 | P | | | 0.5 of 0.5 |
        """,
        expected={
            "incomplete_marks_ytd": 1,
            "course_failures_ytd": 0,
            "failing_english": None,
            "credits_attempted_ytd": 1.0,
            "credits_earned_ytd": 0.5,
            "credits_attempted_not_earned_ytd": 0.5,
        },
        why="An incomplete course was attempted, a withdrawn one was not, and neither is a failing mark.",
    ),
    MarkCase(
        title="Credits behind",
        grade_level="11",
        marks="""
            Year 9  | other | 2024 S2 | C | | | 5 of 6   |
            Year 10 | other | 2025 S2 | D | | | 4.5 of 6 |
        """,
        expected={
            "credits_earned_total": 9.5,
            "credits_expected": 12.0,
            "credits_gap": 2.5,
            "course_failures_last_year": 0,
            "latest_term": None,
        },
        why="Six credits for every completed high-school year are expected: 12 at the start of grade 11.",
    ),
    MarkCase(
        title="A transcript that begins too late says nothing about a gap",
        grade_level="11",
        marks="Year 10 | other | 2025 S2 | C | | | 6 of 6 |",
        expected={"credits_earned_total": 6.0, "credits_expected": 12.0, "credits_gap": None},
    ),
)
