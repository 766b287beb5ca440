"""What an extract does not say is null, and cases of two schools at once, summers and the year before."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from cis_ews.enums import Domain
from cis_ews.errors import DataError
from cis_ews.indicators import INDICATORS, INDICATORS_SCHEMA, compute_indicators
from cis_ews.indicators.catalog import names_of
from cis_ews.indicators.coverage import COUNTING
from cis_ews.schema.school_data import SchoolData
from cis_ews.schema.validation import SourceNotes
from tests.lib.builders import (
    Row,
    absence,
    action,
    day,
    district,
    enrollment,
    excused,
    frames,
    grade,
    incident,
    instructional,
    school,
    student_year,
    tardy,
    weekdays,
)

WEEKS = weekdays("2025-09-01", "2025-10-31")
LAST_YEAR = weekdays("2025-05-26", "2025-06-13", school_year=2025)
AS_OF = date(2025, 9, 26)
ANN = [enrollment("ann", entry="2025-09-01")]


def row_of(school_data: SchoolData, student_id: str = "ann", *, as_of: date = AS_OF) -> Row:
    indicators = compute_indicators(school_data, as_of)
    return indicators.row(by_predicate=pl.col("student_id") == student_id, named=True)


def of(row: Row, *names: str) -> list[object]:
    return [row[name] for name in names]


# The catalog


def test_every_indicator_has_a_name_of_its_own_and_is_explained() -> None:
    names = [each.name for each in INDICATORS]
    assert len(set(names)) == len(names) == len(INDICATORS_SCHEMA)
    assert [each.name for each in INDICATORS if not (each.unit and each.window and each.definition)] == []


def test_a_covered_student_with_records_has_a_value_in_every_column_that_is_always_there() -> None:
    """Completeness: a column of the catalog that no module computes would stay null."""
    school_data = district(
        schools=[school(level="high")],
        calendar=LAST_YEAR + weekdays("2025-09-01", "2026-08-31", terms={"T1": "2025-12-05", "T2": "2026-08-31"}),
        enrollments=[
            enrollment("ann", entry="2025-05-26", exit="2025-06-13", grade="9", school_year=2025),
            enrollment("ann", entry="2025-09-01", grade="10"),
        ],
        attendance=[absence("ann", "2025-06-02"), absence("ann", "2025-09-02")],
        incidents=[incident("ann", "2025-06-02"), incident("ann", "2025-09-02", behavior="late")],
        actions=[action("ann", "2025-09-02")],
        grades=[
            grade(
                "ann",
                course,
                term,
                subject=course,
                mark="C",
                percent=75,
                points=2,
                credits=(1, 1),
                school_year=year,
                assignments=(4, 1),
            )
            for course in ("english", "math")
            for term, year in (("T1", 2026), ("T2", 2026), ("T1", 2025))
        ],
    )
    row = row_of(school_data, as_of=date(2026, 8, 31))
    assert [name for name, value in row.items() if value is None] == []


# What the extract does not cover


@pytest.mark.parametrize(
    ("tables", "silent"),
    [
        ({"incidents": [], "actions": [], "grades": []}, Domain.ATTENDANCE),
        ({"attendance": [], "grades": []}, Domain.BEHAVIOR),
        ({"attendance": [], "incidents": [], "actions": []}, Domain.COURSEWORK),
    ],
)
def test_a_domain_that_is_not_covered_is_null(tables: dict[str, list[Row]], silent: Domain) -> None:
    row = row_of(district(calendar=WEEKS, enrollments=ANN, **tables))
    assert {row[name] for name in names_of(silent)} == {None}
    assert row["days_enrolled_ytd"] == 20


def test_a_domain_that_is_covered_and_empty_is_zero() -> None:
    row = row_of(district(calendar=WEEKS, enrollments=ANN, attendance=[], incidents=[], actions=[]))
    zeros = ["days_absent_ytd", "absence_rate_ytd", "tardies_ytd", "incidents_ytd", "suspensions_ytd"]
    assert of(row, *zeros) == [0, 0, 0, 0, 0]


def test_without_actions_incidents_are_counted_and_suspensions_are_not_known() -> None:
    school_data = district(calendar=WEEKS, enrollments=ANN, attendance=[], incidents=[incident("ann", "2025-09-02")])
    unknown = ["suspensions_ytd", "exclusion_days_ytd", "out_of_school_days_ytd", "days_absent_suspended_ytd"]
    row = row_of(school_data)
    assert of(row, "incidents_ytd", *unknown) == [1, None, None, None, None]


def test_what_the_source_never_records_is_not_known_and_the_rest_is_counted() -> None:
    tables = frames(
        calendar=WEEKS,
        enrollments=ANN,
        attendance=[excused("ann", "2025-09-03")],
        incidents=[incident("ann", "2025-09-02", severity="major", behavior="fight")],
        actions=[action("ann", "2025-09-02")],
    )
    lacks = {Domain.ATTENDANCE: ("tardy",), Domain.BEHAVIOR: ("minor",)}
    row = row_of(SchoolData.from_frames(tables, source=SourceNotes(missing_kinds=lacks)))
    unknown = [name for kind in COUNTING.values() for name in kind]
    assert set(of(row, *unknown)) == {None}
    assert of(row, "incidents_major_ytd", "suspensions_ytd", "days_absent_ytd") == [1, 1, 1.0]
    assert not set(of(row_of(SchoolData.from_frames(tables)), *unknown)[:-1]) & {None}


def test_kinds_of_behavior_are_not_known_where_no_incident_says_its_kind() -> None:
    def kinds(*said: str | None) -> object:
        incidents = [incident("ann", "2025-09-02", incident_id=str(at), behavior=each) for at, each in enumerate(said)]
        return row_of(district(calendar=WEEKS, enrollments=ANN, incidents=incidents))["distinct_behaviors_ytd"]

    assert [kinds(), kinds(None), kinds(None, "late"), kinds("late", "late", "loud")] == [0, None, 1, 2]


def test_last_year_is_not_known_where_the_extract_has_no_attendance_of_it() -> None:
    spells = [enrollment("ann", entry="2025-05-26", exit="2025-06-13", school_year=2025), *ANN]
    calendar = LAST_YEAR + WEEKS
    without = row_of(district(calendar=calendar, enrollments=spells, attendance=[absence("ann", "2025-09-02")]))
    assert of(without, "days_enrolled_last_year", "absence_rate_last_year") == [None, None]
    with_it = row_of(district(calendar=calendar, enrollments=spells, attendance=[absence("ann", "2025-06-02")]))
    assert of(with_it, "days_enrolled_last_year", "days_absent_last_year") == [15, 1.0]


def test_a_student_who_was_not_here_last_year_has_no_last_year() -> None:
    spells = [enrollment("bob", entry="2025-05-26", exit="2025-06-13", school_year=2025), *ANN]
    data = district(
        calendar=LAST_YEAR + WEEKS,
        enrollments=spells,
        attendance=[absence("bob", "2025-06-02")],
        incidents=[incident("bob", "2025-06-02")],
        actions=[],
    )
    names = ["days_enrolled_last_year", "incidents_last_year", "suspensions_last_year", "school_changes_last_year"]
    assert of(row_of(data), *names) == [None, None, None, None]


SUMMARY = {
    "days_enrolled": 170,
    "days_absent": 8.5,
    "incidents": 3,
    "suspensions": 1,
    "grade_points": 2.5,
    "course_failures": 2,
    "school_changes": 1,
}
OF_LAST_YEAR = [
    *("days_enrolled_last_year", "days_absent_last_year", "absence_rate_last_year", "incidents_last_year"),
    *("suspensions_last_year", "gpa_last_year", "course_failures_last_year", "school_changes_last_year"),
]


def test_a_summary_tells_of_last_year_where_no_record_of_it_is_there() -> None:
    data = district(calendar=WEEKS, enrollments=ANN, attendance=[], student_years=[student_year("ann", **SUMMARY)])
    assert of(row_of(data), *OF_LAST_YEAR) == [170, 8.5, 0.05, 3, 1, 2.5, 2, 1]


def test_the_records_of_last_year_come_before_its_summary() -> None:
    data = district(
        calendar=LAST_YEAR + WEEKS,
        enrollments=[enrollment("ann", entry="2025-05-26", exit="2025-06-13", school_year=2025), *ANN],
        attendance=[absence("ann", "2025-06-02")],
        incidents=[incident("ann", "2025-06-03")],
        student_years=[student_year("ann", **SUMMARY)],
    )
    # No disciplinary actions and no grades: of these, only the summary speaks.
    assert of(row_of(data), *OF_LAST_YEAR) == [15, 1.0, 1 / 15, 1, 1, 2.5, 2, 0]


def test_a_summary_of_another_year_says_nothing_of_last_year() -> None:
    summaries = [student_year("ann", 2024, **SUMMARY), student_year("ann", 2026, **SUMMARY)]
    data = district(calendar=WEEKS, enrollments=ANN, attendance=[], student_years=summaries)
    assert of(row_of(data), *OF_LAST_YEAR) == [None] * 8


def test_a_summary_counts_only_when_its_year_is_over_in_every_school() -> None:
    schools = [school("early"), school("late")]
    calendar = [
        *weekdays("2025-09-01", "2025-10-31", school="early"),
        *weekdays("2024-10-01", "2025-09-10", school="late", school_year=2025),
        *weekdays("2025-09-15", "2025-10-31", school="late"),
    ]
    data = district(
        schools=schools,
        calendar=calendar,
        enrollments=[enrollment("ann", "early", "2025-09-01")],
        attendance=[],
        student_years=[student_year("ann", incidents=3)],
    )
    known = [row_of(data, as_of=date(2025, 9, on))["incidents_last_year"] for on in (9, 10)]
    assert known == [None, 3]
    assert data.rows_after(date(2025, 9, 9)) == {"student_years": 1}
    assert data.rows_after(date(2025, 9, 10)) == {}


def test_a_summary_without_a_day_enrolled_says_nothing_of_attendance() -> None:
    summary = student_year("ann", days_enrolled=0, days_absent=0.0, incidents=0)
    data = district(calendar=WEEKS, enrollments=ANN, attendance=[], student_years=[summary])
    assert of(row_of(data), *OF_LAST_YEAR[:4]) == [None, None, None, 0]


def test_nobody_is_there_who_was_not_enrolled_this_year_by_then() -> None:
    spells = [
        *ANN,
        enrollment("bob", entry="2025-05-26", exit="2025-06-13", school_year=2025),
        enrollment("cy", entry="2025-10-06"),
        enrollment("dee", entry="2025-09-01", exit="2025-09-05"),
    ]
    data = district(calendar=LAST_YEAR + WEEKS, enrollments=spells, attendance=[])
    indicators = compute_indicators(data, AS_OF)
    assert indicators.select("student_id", "is_enrolled").rows() == [("ann", True), ("dee", False)]


def test_before_the_calendar_begins_the_date_is_refused() -> None:
    with pytest.raises(DataError):
        compute_indicators(district(calendar=WEEKS, enrollments=ANN, attendance=[]), date(2025, 8, 1))


def test_on_a_day_before_the_first_school_day_there_are_no_rates() -> None:
    calendar = weekdays("2025-09-01", "2025-10-31", holidays=["2025-09-01", "2025-09-02"])
    row = row_of(district(calendar=calendar, enrollments=ANN, attendance=[], incidents=[]), as_of=date(2025, 9, 2))
    assert of(row, "days_enrolled_ytd", "days_absent_ytd", "absence_rate_ytd", "chronically_absent") == [
        0,
        0,
        None,
        None,
    ]
    assert of(row, "absence_band", "share_of_days_with_incident_ytd") == [None, None]


def test_in_summer_the_year_that_ended_counts() -> None:
    data = district(calendar=WEEKS, enrollments=ANN, attendance=[absence("ann", "2025-10-31")])
    row = row_of(data, as_of=date(2026, 7, 15))
    assert of(row, "days_enrolled_ytd", "current_absence_run", "full_days_unexcused_this_month") == [45, 1, 0]


# Two schools at once


def test_a_student_of_two_schools_is_not_absent_twice() -> None:
    both = [*ANN, enrollment("ann", "south", "2025-09-01")]
    events = [absence("ann", "2025-09-02", fraction=0.5), excused("ann", "2025-09-02", "south")]
    row = row_of(district(calendar=WEEKS, enrollments=both, attendance=events))
    assert of(row, "days_enrolled_ytd", "days_absent_ytd", "days_excused_ytd", "days_unexcused_ytd") == [
        20,
        1.0,
        1.0,
        0.0,
    ]


def test_late_at_one_school_and_absent_at_the_other_is_both() -> None:
    both = [*ANN, enrollment("ann", "south", "2025-09-01")]
    events = [
        tardy("ann", "2025-09-02"),
        absence("ann", "2025-09-02", "south"),
        *(tardy("ann", "2025-09-03", where) for where in ("north", "south")),
    ]
    assert of(
        row_of(district(calendar=WEEKS, enrollments=both, attendance=events)), "tardies_ytd", "days_absent_ytd"
    ) == [2, 1]


def test_an_event_on_a_day_without_school_at_the_owning_school_is_not_a_day_missed() -> None:
    calendar = [
        *weekdays("2025-09-01", "2025-10-31", school="north", holidays=["2025-09-02"]),
        *weekdays("2025-09-01", "2025-10-31", school="south"),
    ]
    both = [*ANN, enrollment("ann", "south", "2025-09-01")]
    events = [absence("ann", "2025-09-02", "south"), absence("ann", "2025-09-03", "south")]
    row = row_of(district(calendar=calendar, enrollments=both, attendance=events))
    assert of(row, "days_enrolled_ytd", "days_absent_ytd") == [19, 1.0]


def test_school_and_grade_are_those_of_the_current_enrollment() -> None:
    spells = [
        enrollment("ann", "north", "2025-09-01", grade="8"),
        enrollment("ann", "south", "2025-09-08", exit="2025-09-12", grade="9"),
        enrollment("ann", "west", "2025-09-01", grade="7"),
    ]
    row = row_of(district(calendar=WEEKS, enrollments=spells, attendance=[]))
    assert of(row, "school_id", "grade_level", "is_enrolled", "school_changes_ytd") == ["north", "8", True, 1]


def test_the_last_day_enrolled_is_a_day_enrolled() -> None:
    leaving = [enrollment("ann", entry="2025-09-01", exit="2025-09-26")]
    data = district(calendar=WEEKS, enrollments=leaving, attendance=[])
    assert of(row_of(data), "is_enrolled", "days_enrolled_ytd") == [True, 20]
    assert of(row_of(data, as_of=date(2025, 9, 27)), "is_enrolled", "days_enrolled_ytd") == [False, 20]


# Behavior by date


def test_an_incident_on_a_weekend_counts_with_the_school_day_before() -> None:
    data = district(calendar=WEEKS, enrollments=ANN, incidents=[incident("ann", "2025-09-13")], actions=[])
    row = row_of(data)
    assert of(row, "incidents_minor_last_10", "incidents_minor_last_20", "days_since_last_incident") == [0, 1, 10]


def test_incidents_of_the_summer_belong_to_the_year_that_ended() -> None:
    spells = [enrollment("ann", entry="2025-05-26", exit="2025-08-29", school_year=2025), *ANN]
    data = district(
        calendar=LAST_YEAR + WEEKS, enrollments=spells, incidents=[incident("ann", "2025-07-04")], actions=[]
    )
    assert of(row_of(data), "incidents_ytd", "incidents_last_year") == [0, 1]


def test_days_imposed_beyond_the_as_of_date_count_and_days_missed_beyond_it_do_not() -> None:
    data = district(
        calendar=WEEKS,
        enrollments=ANN,
        attendance=[excused("ann", each) for each in ("2025-09-25", "2025-09-26", "2025-09-29", "2025-09-30")],
        incidents=[incident("ann", "2025-09-25")],
        actions=[action("ann", "2025-09-25", days=8.5)],
    )
    assert of(row_of(data), "exclusion_days_ytd", "days_absent_suspended_ytd", "days_absent_ytd") == [8.5, 2.0, 2.0]


def test_overlapping_suspensions_do_not_count_a_day_missed_twice() -> None:
    data = district(
        calendar=WEEKS,
        enrollments=ANN,
        attendance=[excused("ann", "2025-09-03")],
        incidents=[incident("ann", "2025-09-02", incident_id=each) for each in ("one", "two")],
        actions=[action("ann", "2025-09-02", incident_id=each, days=3) for each in ("one", "two")],
    )
    assert of(row_of(data), "suspensions_ytd", "out_of_school_days_ytd", "days_absent_suspended_ytd") == [2, 6.0, 1.0]


def test_a_suspension_of_unknown_length_is_counted_and_its_days_are_not_known() -> None:
    data = district(
        calendar=WEEKS,
        enrollments=[*ANN, enrollment("bob", entry=ANN[0]["entry_date"])],
        attendance=[excused("ann", "2025-09-03"), excused("bob", "2025-09-03")],
        incidents=[incident(each, "2025-09-02", incident_id=each) for each in ("ann", "bob")],
        actions=[
            action("ann", "2025-09-02", incident_id="ann", days=None),
            action("bob", "2025-09-02", incident_id="bob", kind="classroom_exclusion", days=None),
        ],
    )
    names = ["exclusion_days_ytd", "out_of_school_days_ytd", "days_absent_suspended_ytd"]
    assert of(row_of(data), "suspensions_ytd", *names) == [1, None, None, None]
    assert of(row_of(data, student_id="bob"), "suspensions_ytd", *names) == [0, None, 0.0, 0.0]


def test_in_school_suspension_is_no_absence_from_school() -> None:
    data = district(
        calendar=WEEKS,
        enrollments=ANN,
        attendance=[excused("ann", "2025-09-02")],
        incidents=[incident("ann", "2025-09-02")],
        actions=[action("ann", "2025-09-02", kind="in_school_suspension")],
    )
    names = ["in_school_suspensions_ytd", "suspensions_ytd", "out_of_school_days_ytd", "days_absent_suspended_ytd"]
    assert of(row_of(data), *names) == [1, 0, 0.0, 0.0]


# Coursework by date


def test_a_term_that_the_calendar_does_not_know_ends_with_the_year() -> None:
    marks = [grade("ann", "art", "Q9", percent=50)]
    calendar = weekdays("2025-09-01", "2025-10-31", terms={"T1": "2025-10-31"})
    data = district(calendar=calendar, enrollments=ANN, grades=marks)
    assert row_of(data, as_of=date(2025, 10, 30))["failing_courses"] is None
    assert row_of(data, as_of=date(2025, 10, 31))["failing_courses"] == 1


def test_a_late_grade_does_not_bring_an_old_term_back() -> None:
    calendar = weekdays("2025-09-01", "2025-10-31", terms={"T1": "2025-09-12", "T2": "2025-10-31"})
    marks = [
        grade("ann", "art", "T1", percent=50, graded_on="2025-09-25"),
        grade("ann", "gym", "T2", percent=90, graded_on="2025-09-20"),
    ]
    row = row_of(district(calendar=calendar, enrollments=ANN, grades=marks))
    assert of(row, "latest_term", "percent_average_latest_term", "percent_average_previous_term") == ["T2", 90.0, 50.0]


def test_of_two_terms_that_end_on_one_day_the_last_by_name_is_the_latest() -> None:
    marks = [grade("ann", "art", term, percent=70, graded_on="2025-09-20") for term in ("Q1", "S1", "P1")]
    assert row_of(district(calendar=WEEKS, enrollments=ANN, grades=marks))["latest_term"] == "S1"


def test_an_action_of_an_incident_that_is_not_known_yet_is_not_known() -> None:
    data = district(
        calendar=WEEKS,
        enrollments=ANN,
        attendance=[excused("ann", "2025-09-25")],
        incidents=[incident("ann", "2025-09-29")],
        actions=[action("ann", "2025-09-25", incident_id="ann-2025-09-29")],
    )
    assert of(row_of(data), "suspensions_ytd", "days_absent_suspended_ytd") == [0, 0.0]
    assert of(row_of(data, as_of=date(2025, 9, 30)), "suspensions_ytd", "days_absent_suspended_ytd") == [1, 1.0]


def test_the_year_of_grade_9_is_the_first_one_unless_there_was_one_before() -> None:
    spells = [
        enrollment("ann", entry="2025-05-26", exit="2025-06-13", school_year=2025, grade="9"),
        enrollment("bob", entry="2025-05-26", exit="2025-06-13", school_year=2025, grade="8"),
        *(enrollment(each, entry="2025-09-01", grade="9") for each in ("ann", "bob", "cy")),
        enrollment("dee", entry="2025-09-01", grade="10"),
        enrollment("eve", entry="2025-09-01", grade=None),
    ]
    data = district(calendar=LAST_YEAR + WEEKS, enrollments=spells, attendance=[])
    first_time = compute_indicators(data, AS_OF)["is_first_time_grade_9"].to_list()
    assert first_time == [False, True, True, False, None]
    this_year_only = district(calendar=WEEKS, enrollments=[enrollment("cy", grade="9")], attendance=[])
    assert compute_indicators(this_year_only, AS_OF)["is_first_time_grade_9"].to_list() == [None]


def test_a_calendar_of_a_few_days_is_enough() -> None:
    data = district(calendar=instructional(["2025-09-01", "2025-09-04"]), enrollments=ANN, attendance=[])
    assert row_of(data, as_of=day("2025-09-04"))["days_enrolled_ytd"] == 2
