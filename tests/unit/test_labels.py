"""Labels: what counts as an outcome, who is not judged and why, and what is refused."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from cis_ews.errors import ConfigError, DataError
from cis_ews.indicators import compute_indicators
from cis_ews.risk.labels import LABELS, Censored, horizon_end, known_through, make_labels
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import (
    Row,
    absence,
    action,
    district,
    enrollment,
    grade,
    incident,
    reported,
    school,
    weekdays,
)
from tests.lib.label_page import PAGE, render_page

AS_OF = date(2026, 3, 2)
TERMS = {"S1": "2026-01-30", "S2": "2026-06-12"}
THIS_YEAR = weekdays("2025-09-03", "2026-06-12", terms=TERMS)
NEXT_YEAR = weekdays("2026-09-02", "2027-06-11", school_year=2027)
LAST_DAY, NEXT_LAST_DAY = date(2026, 6, 12), date(2027, 6, 11)
DAYS_LEFT = [row["date"] for row in THIS_YEAR if row["is_instructional"] and row["date"] > AS_OF]


def make(*enrollments: Row, years: int = 1, **tables: list[Row]) -> SchoolData:
    """A district of one or two years, reported through its last day."""
    calendar = THIS_YEAR if years == 1 else [*THIS_YEAR, *NEXT_YEAR]
    schools = {row["school_id"] for row in enrollments}
    through = LAST_DAY if years == 1 else NEXT_LAST_DAY
    complete = {"attendance": [], "reporting": [reported(through, each) for each in sorted(schools)], **tables}
    return district(calendar=calendar, enrollments=list(enrollments), **complete)


def judged(data: SchoolData, label: str, *, as_of: date = AS_OF, student_id: str = "ann") -> bool | str:
    """The label of one student, or the reason why there is none."""
    row = make_labels(data, as_of, label=label).row(by_predicate=pl.col("student_id") == student_id, named=True)
    assert (row["label"] is None) == (row["censored"] is not None)
    return row["censored"] if row["label"] is None else row["label"]


def missing(count: int, *, student_id: str = "ann", days: list[date] = DAYS_LEFT) -> list[Row]:
    return [absence(student_id, each) for each in days[:count]]


# Chronic absence


def test_exactly_a_tenth_of_the_days_is_chronic() -> None:
    ends = [enrollment("ann", entry="2026-03-02", exit=DAYS_LEFT[69], exit_type="graduated")]
    assert judged(make(*ends, attendance=missing(7)), "chronic_absence") is True
    assert judged(make(*ends, attendance=missing(6)), "chronic_absence") is False


def test_what_was_missed_by_the_as_of_date_does_not_count_in_the_rest_of_the_year() -> None:
    before = [absence("ann", row["date"]) for row in THIS_YEAR if row["is_instructional"] and row["date"] <= AS_OF]
    data = make(enrollment("ann"), attendance=before)
    assert judged(data, "chronic_absence") is False
    assert judged(data, "chronic_absence_whole_year") is True


@pytest.mark.parametrize(("left", "outcome"), [(10, True), (9, Censored.FEW_DAYS)])
def test_a_rate_is_asked_of_ten_days_or_more(left: int, outcome: bool | str) -> None:
    as_of = DAYS_LEFT[-left - 1]
    data = make(enrollment("ann"), attendance=missing(5, days=DAYS_LEFT[-left:]))
    assert judged(data, "chronic_absence", as_of=as_of) == outcome


def test_a_school_that_stopped_reporting_gives_no_negative() -> None:
    data = make(
        enrollment("ann"),
        enrollment("bob", "south"),
        attendance=missing(50),
        reporting=[reported("2026-06-11"), reported(LAST_DAY, "south")],
        grades=[grade("ann", "c", "S2", mark="A")],
    )
    assert judged(data, "chronic_absence") == Censored.NOT_REPORTED
    assert judged(data, "off_track") == Censored.NOT_REPORTED
    assert judged(data, "chronic_absence", student_id="bob") is False


@pytest.mark.parametrize("variant", ["", "_whole_year"])
def test_a_school_that_stopped_reporting_gives_no_positive_either(variant: str) -> None:
    """Else only those to whom something happened would be judged."""
    data = make(
        enrollment("ann"),
        enrollment("bob"),
        enrollment("cy", exit="2026-04-30", exit_type="dropped_out", grade="11"),
        enrollment("dee", exit="2026-04-30", exit_type="graduated", grade="12"),
        enrollment("eve", "south"),
        attendance=missing(50),
        reporting=[reported("2026-05-29"), reported(LAST_DAY, "south")],
        grades=[grade(each, "c", "S2", mark="F") for each in ("ann", "bob", "cy")],
        incidents=[incident("bob", "2026-05-04")],
        actions=[action("bob", "2026-05-04")],
    )
    for label in ("chronic_absence", "off_track"):
        found = make_labels(data, AS_OF, label=label + variant).get_column("censored")
        assert found.to_list() == [Censored.NOT_REPORTED] * 4 + [None]
    assert judged(data, "course_failure" + variant) is True
    assert judged(data, "exclusion" + variant, student_id="bob") is True
    assert judged(data, "exclusion" + variant) is False


def test_reporting_says_nothing_of_marks_and_actions_where_there_is_no_attendance() -> None:
    data = district(
        calendar=THIS_YEAR,
        enrollments=[enrollment("ann"), enrollment("bob")],
        grades=[grade("ann", "c", "S2", mark="F"), grade("bob", "c", "S2", mark="A")],
        reporting=[reported("2026-05-29")],
        incidents=[incident("bob", "2026-06-12")],
    )
    assert judged(data, "off_track") is True
    assert judged(data, "off_track", student_id="bob") is False


# Marks and actions


@pytest.mark.parametrize(
    ("graded_on", "outcome"),
    [
        ("2026-03-02", Censored.NO_FINAL_MARK),
        ("2026-03-03", True),
        (None, True),
        ("2026-06-20", True),
        ("2026-08-31", True),
        ("2026-09-01", Censored.NO_FINAL_MARK),
    ],
)
def test_a_failure_has_to_become_known_after_the_as_of_date(graded_on: str | None, outcome: bool | str) -> None:
    data = make(enrollment("ann"), years=2, grades=[grade("ann", "c", "S2", mark="F", graded_on=graded_on)])
    assert judged(data, "course_failure") == outcome


def test_a_mark_of_the_first_semester_counts_in_the_whole_year_alone() -> None:
    marks = [grade("ann", "c", "S1", mark="F"), grade("ann", "d", "S2", mark="B")]
    data = make(enrollment("ann"), grades=marks)
    assert judged(data, "course_failure") is False
    assert judged(data, "course_failure_whole_year") is True


@pytest.mark.parametrize("unfit", [{"mark": "W"}, {"mark": "F", "final": False}, {"mark": "F", "school_year": 2025}])
def test_without_a_final_grade_of_the_year_nothing_is_known(unfit: dict[str, object]) -> None:
    data = make(enrollment("ann"), grades=[grade("ann", "c", "S2", graded_on="2026-06-01", **unfit)])
    assert judged(data, "course_failure") == Censored.NO_FINAL_MARK


@pytest.mark.parametrize(("starts", "outcome"), [("2026-03-02", False), ("2026-03-03", True), ("2026-06-12", True)])
def test_a_suspension_has_to_start_after_the_as_of_date(starts: str, outcome: bool) -> None:
    happened = incident("ann", "2026-03-02", incident_id="i")
    data = make(enrollment("ann"), incidents=[happened], actions=[action("ann", starts, incident_id="i")])
    assert judged(data, "exclusion") is outcome
    assert judged(data, "exclusion_whole_year") is True


def test_a_milder_action_is_no_exclusion() -> None:
    actions = [action("ann", "2026-04-01", kind=kind) for kind in ("in_school_suspension", "classroom_exclusion")]
    data = make(enrollment("ann"), incidents=[incident("ann", "2026-04-01")], actions=actions)
    assert judged(data, "exclusion") is False


# Leaving


YEAR_LABELS = ("chronic_absence", "course_failure", "exclusion", "off_track")
OTHER_TABLES: dict[str, list[Row]] = {
    "attendance": missing(40),
    "grades": [grade("ann", "c", "Q3", mark="A", graded_on="2026-04-01")],
    "incidents": [],
    "actions": [],
}


@pytest.mark.parametrize("label", YEAR_LABELS)
@pytest.mark.parametrize(
    ("exit_type", "reason"), [("transfer", Censored.TRANSFERRED), ("other", Censored.LEFT), (None, Censored.LEFT)]
)
def test_who_left_is_no_negative_whatever_the_rate_was(label: str, exit_type: str | None, reason: str) -> None:
    data = make(enrollment("ann", exit="2026-05-01", exit_type=exit_type), **OTHER_TABLES)
    assert judged(data, label) == reason


@pytest.mark.parametrize(
    ("exit_type", "reason"), [("transfer", Censored.TRANSFERRED), ("other", Censored.LEFT), (None, Censored.LEFT)]
)
@pytest.mark.parametrize("variant", ["", "_whole_year"])
def test_an_event_seen_before_leaving_is_no_outcome(variant: str, exit_type: str | None, reason: str) -> None:
    """Else of those who leave only they would be judged to whom something happened."""
    data = make(
        enrollment("ann", exit="2026-05-01", exit_type=exit_type),
        grades=[grade("ann", "c", "Q3", mark="F", graded_on="2026-04-01")],
        incidents=[incident("ann", "2026-04-01")],
        actions=[action("ann", "2026-04-01")],
    )
    assert {judged(data, label + variant) for label in YEAR_LABELS} == {reason}


@pytest.mark.parametrize("leaves", ["2026-06-12", "2026-06-30"])
def test_an_enrollment_closed_when_the_year_ends_has_not_left_it(leaves: str) -> None:
    data = make(enrollment("ann", exit=leaves, exit_type="transfer"), **OTHER_TABLES)
    assert judged(data, "chronic_absence") is True
    assert judged(data, "exclusion") is False


def test_who_moves_inside_the_extract_or_comes_back_is_followed() -> None:
    moved = make(
        enrollment("ann", exit="2026-04-01", exit_type="transfer"),
        enrollment("ann", "south", "2026-04-02"),
        attendance=[absence("ann", each, "south") for each in DAYS_LEFT[40:48]],
    )
    back = make(
        enrollment("ann", exit="2026-04-01", exit_type="transfer"), enrollment("ann", entry="2026-05-20"), attendance=[]
    )
    assert len(DAYS_LEFT) == 74
    assert judged(moved, "chronic_absence") is True
    assert judged(back, "chronic_absence") is False


def test_who_comes_back_in_the_next_school_year_was_not_seen_in_this_one() -> None:
    data = make(
        enrollment("ann", exit="2026-04-01", exit_type="transfer"),
        enrollment("ann", entry="2026-09-02", school_year=2027),
        years=2,
    )
    assert judged(data, "chronic_absence") == Censored.TRANSFERRED


@pytest.mark.parametrize("label", ["off_track", "off_track_whole_year"])
def test_who_ends_the_year_of_one_school_and_leaves_the_next_has_not_stayed(label: str) -> None:
    """A school whose year ends in December, then one whose year goes on."""
    data = two_calendars(
        enrollment("ann"), enrollment("ann", "south", "2026-01-07", exit="2026-04-30", exit_type="transfer")
    )
    assert judged(data, label, as_of=date(2025, 11, 3)) == Censored.TRANSFERRED
    assert judged(data, label) == Censored.TRANSFERRED


def test_leaving_one_of_two_schools_is_not_leaving() -> None:
    data = make(enrollment("ann"), enrollment("ann", "south", "2026-01-07", exit="2026-04-01", exit_type="dropped_out"))
    assert judged(data, "chronic_absence") is False
    assert judged(data, "off_track") is False


def test_who_dropped_out_is_judged_on_what_was_seen_and_is_off_track() -> None:
    gone = enrollment("ann", exit="2026-05-01", exit_type="dropped_out", grade="11")
    failed = make(gone, grades=[grade("ann", "c", "Q3", mark="F", graded_on="2026-04-01")])
    assert judged(failed, "course_failure") is True
    data = make(gone, attendance=missing(3), incidents=[], actions=[])
    assert judged(data, "chronic_absence") is False
    assert judged(data, "exclusion") is False
    assert judged(data, "off_track") is True
    back = make(gone, enrollment("ann", entry="2026-05-18", grade="11"), attendance=[])
    assert judged(back, "off_track") is False


def test_who_dropped_out_on_the_as_of_date_itself_is_no_outcome_of_what_follows() -> None:
    data = make(enrollment("ann", exit=AS_OF, exit_type="dropped_out", grade="11"))
    assert judged(data, "off_track") == Censored.LEFT_ON_THE_DAY
    failed = make(*data.enrollments.to_dicts(), grades=[grade("ann", "c", "S2", mark="F")])
    assert judged(failed, "course_failure") == Censored.LEFT_ON_THE_DAY
    assert judged(data, "off_track_whole_year") is True


def test_who_graduates_early_or_in_june_is_complete() -> None:
    for leaves in ("2026-04-30", "2026-06-12"):
        data = make(enrollment("ann", exit=leaves, exit_type="graduated", grade="12"))
        assert judged(data, "off_track") is False


# Off track


def test_parts_of_which_the_records_do_not_speak_are_left_out() -> None:
    kindergarten = enrollment("ann", grade="K")
    assert judged(make(kindergarten, grades=[]), "off_track") is False
    assert judged(make(kindergarten, attendance=missing(8), grades=[]), "off_track") is True
    marks_alone = district(
        calendar=THIS_YEAR,
        enrollments=[enrollment("ann"), enrollment("bob")],
        grades=[grade("bob", "c", "S2", mark="A")],
    )
    assert judged(marks_alone, "off_track") == Censored.NOTHING_KNOWN
    assert judged(marks_alone, "off_track", student_id="bob") is False


def test_any_part_makes_off_track() -> None:
    stays = enrollment("ann")
    assert judged(make(stays, attendance=missing(8)), "off_track") is True
    assert judged(make(stays, grades=[grade("ann", "c", "S2", mark="F")]), "off_track") is True
    suspended = {"incidents": [incident("ann", "2026-05-04")], "actions": [action("ann", "2026-05-04")]}
    assert judged(make(stays, **suspended), "off_track") is True


# Dropping out within 12 months


@pytest.mark.parametrize(
    ("exit", "exit_type", "outcome"),
    [
        ("2026-03-02", "dropped_out", Censored.LEFT_ON_THE_DAY),
        ("2026-03-03", "dropped_out", True),
        ("2026-06-12", "dropped_out", True),
        ("2026-07-20", "dropped_out", True),
        ("2026-06-12", "graduated", False),
        ("2026-04-01", "transfer", Censored.TRANSFERRED),
        ("2026-06-12", "transfer", Censored.TRANSFERRED),
        ("2026-06-12", None, Censored.LEFT),
        (None, None, Censored.LEFT),
    ],
)
def test_how_a_last_enrollment_ends(exit: str | None, exit_type: str | None, outcome: bool | str) -> None:  # noqa: A002
    data = make(
        enrollment("ann", exit=exit, exit_type=exit_type, grade="12"),
        enrollment("bob", entry="2026-09-02", school_year=2027),
        years=2,
    )
    assert judged(data, "dropped_out") == outcome


@pytest.mark.parametrize(
    ("comes_back", "leaves", "exit_type", "outcome"),
    [
        ("2027-03-02", None, None, False),
        ("2027-03-03", None, None, True),
        ("2026-09-02", "2027-03-01", "transfer", Censored.TRANSFERRED),
        ("2026-09-02", "2027-03-02", "transfer", False),
        ("2026-09-02", "2027-03-02", "dropped_out", True),
        ("2026-09-02", "2027-03-03", "dropped_out", False),
    ],
)
def test_a_return_within_the_horizon_undoes_it(
    comes_back: str, leaves: str | None, exit_type: str | None, outcome: bool | str
) -> None:
    later = enrollment("ann", entry=comes_back, exit=leaves, exit_type=exit_type, school_year=2027, grade="9")
    data = make(enrollment("ann", exit="2026-04-01", exit_type="dropped_out", grade="8"), later, years=2)
    assert judged(data, "dropped_out") == outcome


def test_dropping_out_on_the_as_of_date_is_not_after_it() -> None:
    data = make(
        enrollment("ann", exit=AS_OF, exit_type="dropped_out", grade="8"),
        enrollment("ann", entry="2027-03-08", grade="8", school_year=2027),
        years=2,
    )
    assert judged(data, "dropped_out") is False


@pytest.mark.parametrize(("north", "south"), [("dropped_out", "transfer"), ("transfer", "dropped_out")])
def test_of_stays_that_end_on_one_day_the_lowest_school_decides(north: str, south: str) -> None:
    exits = {"north": north, "south": south}
    stays = [enrollment("ann", each, exit="2026-05-01", exit_type=how, grade="9") for each, how in exits.items()]
    data = make(*stays, enrollment("bob", entry="2026-09-02", school_year=2027), years=2)
    assert judged(data, "dropped_out") == (True if north == "dropped_out" else Censored.TRANSFERRED)


def test_dropping_out_is_asked_of_grades_7_to_12_and_in_summer_too() -> None:
    data = make(
        enrollment("ann", grade="6"),
        enrollment("bob", grade="8"),
        enrollment("bob", entry="2026-09-02", grade="9", school_year=2027),
        years=2,
    )
    assert judged(data, "dropped_out") == Censored.OTHER_GRADE
    assert judged(data, "dropped_out", as_of=date(2026, 6, 12), student_id="bob") is False


def test_twelve_months_from_a_leap_day_end_on_28_february() -> None:
    stays = [enrollment("ann", entry="2023-09-04", school_year=2024)]
    data = district(calendar=weekdays("2023-09-04", "2025-06-13"), enrollments=stays, attendance=[])
    assert horizon_end(data, date(2024, 2, 29), label="dropped_out") == date(2025, 2, 28)


# Graduating on time


def high_school(*grades: str, exit_type: str | None, first_year: int = 2023) -> SchoolData:
    """Years of high school in these grades; the last one ends with the extract, in this way."""
    ends = {year: f"{year}-06-12" for year in range(first_year, first_year + len(grades))}
    last = max(ends)
    stays = [
        enrollment(
            "ann",
            entry=f"{year - 1}-09-04",
            exit=ends[year],
            grade=grade_level,
            school_year=year,
            exit_type=exit_type if year == last else None,
        )
        for year, grade_level in zip(ends, grades, strict=True)
    ]
    calendar = [row for year in ends for row in weekdays(f"{year - 1}-09-04", ends[year], school_year=year)]
    return district(calendar=calendar, enrollments=stays, attendance=[], reporting=[reported(ends[last])])


@pytest.mark.parametrize(
    ("grades", "exit_type", "outcome"),
    [
        (("9", "10", "11", "12"), "graduated", False),
        (("9", "10", "11", "12"), None, True),
        (("9", "10", "11", "12"), "transfer", Censored.TRANSFERRED),
        (("9", "10", "11"), "dropped_out", Censored.EXTRACT_ENDS),
        (("9", "10", "11"), "graduated", False),
        (("9", "9", "10", "11", "12"), "graduated", True),
        (("10", "11", "12"), "graduated", False),
        (("10", "11", "12", "12"), "graduated", True),
        (("8", "9", "10", "11"), None, Censored.OTHER_GRADE),
        (("9", "11", "12"), "dropped_out", Censored.EXTRACT_ENDS),
    ],
)
def test_on_time_is_the_fourth_year_since_grade_9(
    grades: tuple[str, ...], exit_type: str | None, outcome: bool | str
) -> None:
    first_year = 2027 - len(grades)
    data = high_school(*grades, exit_type=exit_type, first_year=first_year)
    assert judged(data, "not_graduated_on_time", as_of=date(first_year, 3, 2)) == outcome


def test_the_first_year_in_grade_9_counts_and_not_the_pace_since() -> None:
    data = high_school("9", "11", "12", "12", exit_type=None)
    assert judged(data, "not_graduated_on_time", as_of=date(2024, 3, 1)) is True
    short = high_school("9", "11", "12", exit_type=None)
    assert judged(short, "not_graduated_on_time", as_of=date(2024, 3, 1)) == Censored.EXTRACT_ENDS


def test_a_fifth_year_that_begins_in_august_does_not_graduate_on_time() -> None:
    data = make(
        enrollment("ann", grade="12"),
        enrollment("ann", entry="2026-08-25", exit="2027-06-11", exit_type="graduated", grade="12", school_year=2027),
        years=2,
    )
    assert judged(data, "not_graduated_on_time") is True


def test_who_was_due_before_the_as_of_date_is_not_asked() -> None:
    data = high_school("9", "10", "11", "12", "12", exit_type="graduated", first_year=2022)
    assert judged(data, "not_graduated_on_time", as_of=date(2026, 3, 2)) == Censored.WAS_DUE_BEFORE


# Who has a row, and what is refused


def test_rows_are_those_of_the_cohort_in_order() -> None:
    data = make(
        enrollment("dee", grade="PK"),
        enrollment("cy", entry="2026-03-03"),
        enrollment("bob", exit="2026-02-27", exit_type="transfer"),
        enrollment("eve"),
        enrollment("ann"),
    )
    labels = make_labels(data, AS_OF, label="chronic_absence")
    assert labels.get_column("student_id").to_list() == ["ann", "eve"]
    assert labels.schema == {"student_id": pl.String, "label": pl.Boolean, "censored": pl.String}


def test_an_unknown_label_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        make_labels(make(enrollment("ann")), AS_OF, label="off_trak")
    assert caught.value.hint == "did you mean off_track?"
    with pytest.raises(ConfigError, match="not_graduated_on_time"):
        horizon_end(make(enrollment("ann")), AS_OF, label="zzz")


@pytest.mark.parametrize(
    ("label", "table"), [("course_failure", "course_grades"), ("exclusion_whole_year", "discipline_actions")]
)
def test_a_domain_that_the_extract_does_not_cover_is_refused(label: str, table: str) -> None:
    with pytest.raises(DataError, match=f"has no {table}"):
        make_labels(make(enrollment("ann"), incidents=[]), AS_OF, label=label)


def test_in_summer_no_day_of_the_year_is_left() -> None:
    data = make(enrollment("ann", grade="12"), years=2)
    with pytest.raises(DataError, match="no school day is left after 2026-07-01"):
        make_labels(data, date(2026, 7, 1), label="off_track")
    with pytest.raises(DataError, match="no school day is left after 2026-06-12"):
        make_labels(data, LAST_DAY, label="off_track")
    assert judged(data, "off_track_whole_year", as_of=date(2026, 7, 1)) is False


@pytest.mark.parametrize("label", ["off_track", "off_track_whole_year", "dropped_out", "not_graduated_on_time"])
def test_an_extract_that_ends_too_early_is_refused(label: str) -> None:
    for told in ({"reporting": [reported("2026-03-13")]}, {"attendance": missing(5)}):
        data = district(calendar=THIS_YEAR, enrollments=[enrollment("ann", grade="12")], **{"attendance": [], **told})
        with pytest.raises(DataError, match="the extract is taken to speak until 2026-03-"):
            make_labels(data, AS_OF, label=label)


def test_without_reporting_records_of_the_last_two_weeks_reach_the_end() -> None:
    stays, seen = [enrollment("ann"), enrollment("bob")], [absence("bob", "2026-05-29")]
    assert judged(district(calendar=THIS_YEAR, enrollments=stays, attendance=seen), "chronic_absence") is False


def test_an_extract_without_any_dated_record_is_refused() -> None:
    data = district(calendar=THIS_YEAR, enrollments=[enrollment("ann")], attendance=[])
    with pytest.raises(DataError, match="no dated record"):
        make_labels(data, AS_OF)


@pytest.mark.parametrize("label", YEAR_LABELS)
@pytest.mark.parametrize("as_of", ["2025-12-19", "2026-02-28", "2026-04-15"])
def test_where_the_school_s_year_is_over_there_is_no_rest_of_it(label: str, as_of: str) -> None:
    happened = {
        "attendance": missing(9, days=[date(2025, 9, each) for each in (*range(8, 13), *range(15, 19))]),
        "grades": [grade("ann", "c", "S1", mark="F", graded_on="2026-05-04")],
        "incidents": [incident("ann", "2026-05-04")],
        "actions": [action("ann", "2026-05-04")],
    }
    data = two_calendars(enrollment("ann"), enrollment("bob"), enrollment("cy", "south"), **happened)
    found = make_labels(data, date.fromisoformat(as_of), label=label)
    assert found.get_column("censored").to_list()[:2] == [Censored.YEAR_IS_OVER, Censored.YEAR_IS_OVER]
    assert judged(data, label, as_of=date.fromisoformat(as_of), student_id="cy") != Censored.YEAR_IS_OVER
    assert judged(data, f"{label}_whole_year", as_of=date.fromisoformat(as_of)) is True


def test_the_day_before_the_school_s_year_ends_is_judged() -> None:
    late = [grade("ann", "c", "S1", mark="F", graded_on="2025-12-19")]
    data = two_calendars(enrollment("ann"), grades=late)
    assert judged(data, "course_failure", as_of=date(2025, 12, 18)) is True
    assert judged(data, "exclusion_whole_year", as_of=date(2026, 2, 28)) is False


def test_who_goes_on_in_a_school_whose_year_is_not_over_is_followed() -> None:
    data = two_calendars(enrollment("ann"), enrollment("ann", "south", "2026-03-09"))
    assert judged(data, "off_track", as_of=date(2026, 2, 28)) is False


def two_calendars(*enrollments: Row, **tables: list[Row]) -> SchoolData:
    """The year of the school north ends on 19 December, that of the school south in June; all is reported."""
    calendar = [
        *weekdays("2025-09-03", "2025-12-20", school="north"),
        *weekdays("2025-09-03", "2026-06-12", school="south"),
    ]
    complete: dict[str, list[Row]] = {"attendance": [], "incidents": [], "actions": [], **tables}
    reports = [reported(LAST_DAY), reported(LAST_DAY, "south")]
    schools = [school("north"), school("south")]
    return district(calendar=calendar, schools=schools, enrollments=list(enrollments), reporting=reports, **complete)


def test_schools_that_end_later_than_the_extract_are_left_open() -> None:
    late = weekdays("2025-09-03", "2026-06-26", school="south")
    data = district(
        calendar=[*weekdays("2025-09-03", "2026-06-12", school="north"), *late],
        enrollments=[enrollment("ann"), enrollment("bob", "south")],
        attendance=[],
        grades=[grade("bob", "c", "S2", school_id="south", mark="F", graded_on="2026-06-01")],
        reporting=[reported("2026-06-15"), reported("2026-06-15", "south")],
    )
    assert judged(data, "chronic_absence") is False
    for label in ("chronic_absence", "course_failure", "off_track"):
        assert judged(data, label, student_id="bob") == Censored.EXTRACT_ENDS


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ({"reporting": [reported("2026-03-13")]}, date(2026, 3, 13)),
        ({"attendance": [absence("ann", "2026-03-09")]}, date(2026, 3, 23)),
        ({"reporting": [reported("2026-06-11")]}, date(2026, 6, 11)),
        ({"reporting": [reported("2026-06-12")]}, date(2026, 8, 31)),
    ],
)
def test_the_last_day_of_which_an_extract_can_speak(told: dict[str, list[Row]], known: date) -> None:
    data = district(calendar=THIS_YEAR, enrollments=[enrollment("ann")], **{"attendance": [], **told})
    assert known_through(data) == known


@pytest.mark.parametrize(
    ("label", "end"),
    [
        ("off_track", LAST_DAY),
        ("course_failure_whole_year", LAST_DAY),
        ("dropped_out", date(2027, 3, 2)),
        ("not_graduated_on_time", date(2029, 8, 31)),
    ],
)
def test_the_last_day_that_a_label_looks_at(label: str, end: date) -> None:
    assert horizon_end(make(enrollment("ann")), AS_OF, label=label) == end


def test_the_next_year_that_begins_early_somewhere_does_not_end_this_one() -> None:
    early = weekdays("2026-06-08", "2026-07-31", school="south", school_year=2027)
    data = district(
        calendar=[*weekdays("2025-09-03", "2026-06-12", school="north"), *early],
        enrollments=[enrollment("ann"), enrollment("bob", "south", "2026-06-08", school_year=2027)],
        attendance=missing(7),
        reporting=[reported("2026-07-31"), reported("2026-07-31", "south")],
    )
    assert judged(data, "chronic_absence") is False
    late = [*missing(7), absence("ann", "2026-06-12")]
    assert judged(_with_attendance(data, late), "chronic_absence") is True


def _with_attendance(data: SchoolData, rows: list[Row]) -> SchoolData:
    tables = {name: data.table(name) for name in ("schools", "calendar_days", "students", "enrollments", "reporting")}
    return SchoolData.from_frames(tables | {"attendance_events": pl.DataFrame(rows)})


def test_labels_and_indicators_mean_the_same_by_a_failure() -> None:
    """The whole-year labels are the indicators of the last day, for those who stayed."""
    marks = [grade("ann", "c", "S1", mark="F"), grade("ann", "d", "S2", mark="A"), grade("bob", "c", "S2", percent=61)]
    data = make(enrollment("ann"), enrollment("bob"), grades=marks, attendance=missing(30))
    at_end = compute_indicators(data, LAST_DAY)
    failed = make_labels(data, AS_OF, label="course_failure_whole_year").get_column("label")
    chronic = make_labels(data, AS_OF, label="chronic_absence_whole_year").get_column("label")
    assert failed.to_list() == (at_end["course_failures_ytd"] > 0).to_list() == [True, False]
    assert chronic.to_list() == at_end["chronically_absent"].to_list() == [True, False]


def test_labels_are_declared_under_their_own_names() -> None:
    assert {name: label.name for name, label in LABELS.items()} == {name: name for name in LABELS}
    assert [name for name in LABELS if name.endswith("_whole_year")] == [f"{name}_whole_year" for name in YEAR_LABELS]


def test_the_page_of_labels_is_fresh() -> None:
    renew = "run: python -m tests.lib.label_page"
    assert PAGE.exists(), renew
    assert PAGE.read_text(encoding="utf-8") == render_page(), renew
