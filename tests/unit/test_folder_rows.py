"""The plain folder format, row by row: what is rejected, by which rule, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cis_ews.enums import CoverageLevel
from cis_ews.errors import ToleranceError
from cis_ews.readers import read_school_data
from tests.lib.dirt import (
    accounted,
    leaks,
    lines_of,
    read_spoiled,
    rules_broken,
    spoil,
    student_id,
    write_lines,
    write_plain,
)

CASES = [
    # table, cells of row 5, rule, column
    ("attendance_events", {"date": "09/05/2025"}, "unreadable_date", "date"),
    ("attendance_events", {"date": "5.9.2025"}, "unreadable_date", "date"),
    ("attendance_events", {"date": "2025-09-05T00:00:00"}, "unreadable_date", "date"),
    ("attendance_events", {"date": "2025-02-30"}, "unreadable_date", "date"),
    ("attendance_events", {"date": "2025-13-01"}, "unreadable_date", "date"),
    ("attendance_events", {"date": "0205-09-05"}, "out_of_range", "date"),
    ("attendance_events", {"date": ""}, "missing", "date"),
    ("attendance_events", {"date": "2026-02-02"}, "after_last_calendar_day", "date"),
    ("attendance_events", {"date": "2025-09-06"}, "instructional_day", "school_id, date"),
    ("attendance_events", {"date": "2025-09-02"}, "inside_enrollment", "student_id, school_id, date"),
    ("attendance_events", {"student_id": "nobody"}, "student_known", "student_id"),
    ("attendance_events", {"student_id": "  "}, "missing", "student_id"),
    ("attendance_events", {"school_id": "nowhere"}, "school_known", "school_id"),
    ("attendance_events", {"status": "sick"}, "unknown_code", "status"),
    ("attendance_events", {"status": "Excused"}, "unknown_code", "status"),
    ("attendance_events", {"status": "present"}, "present_misses_nothing", "status, fraction_absent"),
    ("attendance_events", {"fraction_absent": "0"}, "absent_misses_something", "status, fraction_absent"),
    ("attendance_events", {"fraction_absent": "1.5"}, "out_of_range", "fraction_absent"),
    ("attendance_events", {"fraction_absent": "-1"}, "out_of_range", "fraction_absent"),
    ("attendance_events", {"fraction_absent": "nan"}, "unreadable_number", "fraction_absent"),
    ("attendance_events", {"fraction_absent": "inf"}, "unreadable_number", "fraction_absent"),
    ("attendance_events", {"fraction_absent": "half"}, "unreadable_number", "fraction_absent"),
    ("discipline_actions", {"days": "-3"}, "out_of_range", "days"),
    ("discipline_actions", {"days": "821"}, "out_of_range", "days"),
    ("discipline_actions", {"incident_id": "unknown"}, "incident_known", "incident_id, student_id"),
    ("discipline_actions", {"start_date": "2026-06-01"}, "after_last_calendar_day", "start_date"),
    ("incidents", {"severity": "awful"}, "unknown_code", "severity"),
    ("incidents", {"date": "2025-09-01"}, "inside_enrollment", "student_id, school_id, date"),
    ("incidents", {"behavior": "x" * 501}, "too_long", "behavior"),
    ("incidents", {"behavior": "ta\0rdy"}, "null_character", "behavior"),
    ("students", {"last_name": "\0"}, "null_character", "last_name"),
    ("enrollments", {"grade_level": "17"}, "unknown_code", "grade_level"),
    ("enrollments", {"school_year": "2026.5"}, "unreadable_number", "school_year"),
    ("enrollments", {"school_year": "70000"}, "out_of_range", "school_year"),
    ("enrollments", {"exit_date": "2025-09-02"}, "exit_not_before_entry", "entry_date, exit_date"),
    ("enrollments", {"school_id": "nowhere"}, "school_known", "school_id"),
    ("enrollments", {"entry_date": "2026-02-01"}, "after_last_calendar_day", "entry_date"),
    ("calendar_days", {"is_instructional": "perhaps"}, "unreadable_boolean", "is_instructional"),
    ("calendar_days", {"school_id": "nowhere"}, "school_known", "school_id"),
    ("students", {"birth_date": "unknown"}, "unreadable_date", "birth_date"),
    ("course_grades", {"percent": "130"}, "out_of_range", "percent"),
    ("course_grades", {"credits_attempted": "0.5", "credits_earned": "1"}, "earns_no_more_than_attempted", None),
    (
        "course_grades",
        {"assignments": "3", "assignments_missing_or_late": "4"},
        "missing_or_late_no_more_than_all",
        "assignments_missing_or_late, assignments",
    ),
    ("course_grades", {"student_id": "nobody"}, "student_known", "student_id"),
    ("course_grades", {"school_id": "nowhere"}, "school_known", "school_id"),
    ("course_grades", {"graded_on": "2026-06-30"}, "after_last_calendar_day", "graded_on"),
    ("demographics", {"student_id": "nobody"}, "student_known", "student_id"),
    ("demographics", {"english_learner": "sometimes"}, "unknown_code", "english_learner"),
]


@pytest.mark.parametrize(("table", "cells", "rule", "column"), CASES, ids=lambda value: str(value)[:40])
def test_a_row_that_breaks_a_rule_is_rejected_and_the_rest_goes_on(
    tmp_path: Path, table: str, cells: dict[str, str], rule: str, column: str | None
) -> None:
    spoil(write_plain(tmp_path), table, 5, **cells)
    data = read_school_data(tmp_path, tolerance=0.1)
    broken = rules_broken(data, table)
    assert broken == [(rule, 5, column or "credits_attempted, credits_earned")]
    assert data.table(table).height == len(lines_of(tmp_path, table)) - 2
    assert all(read == kept for read, kept in accounted(data).values())
    assert leaks(data.rejections.rows()) == []


def test_an_exact_duplicate_is_kept_once(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    write_lines(tmp_path, "attendance_events", [*lines, lines[3]])
    data = read_school_data(tmp_path)
    assert rules_broken(data, "attendance_events") == [("duplicate_row", 82, None)]
    assert data.attendance_events.height == 80


def test_rows_that_share_a_key_and_differ_are_all_rejected(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    write_lines(tmp_path, "attendance_events", [*lines, lines[3].replace("unexcused", "excused")])
    data = read_school_data(tmp_path)
    assert [(rule, row) for rule, row, _ in rules_broken(data, "attendance_events")] == [
        ("primary_key", 4),
        ("primary_key", 82),
    ]
    assert data.attendance_events.height == 79


def test_one_calendar_row_a_school_and_day(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "calendar_days")
    write_lines(tmp_path, "calendar_days", [*lines, lines[9].replace("S1", "S2")])
    assert [rule for rule, _, _ in rules_broken(read_school_data(tmp_path), "calendar_days")] == ["primary_key"] * 2


def test_overlapping_enrollments_lose_the_later_one(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "enrollments")
    write_lines(tmp_path, "enrollments", [*lines, lines[1].replace("2025-09-03", "2025-10-01")])
    data = read_school_data(tmp_path)
    assert [(rule, row) for rule, row, _ in rules_broken(data, "enrollments")] == [("no_overlap", 42)]
    assert data.enrollments.height == 40


def test_an_enrollment_that_last_year_left_open_does_not_cost_this_year_s(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "enrollments")
    last_year = lines[1].replace("2025-09-03", "2024-09-04").replace("2026", "2025", 1)
    assert last_year.count("2025") == 1
    write_lines(tmp_path, "enrollments", [*lines, last_year])
    data = read_school_data(tmp_path)
    assert rules_broken(data, "enrollments") == []
    assert data.enrollments.height == 41


def test_a_student_who_comes_back_and_one_in_two_schools_do_not_overlap(tmp_path: Path) -> None:
    write_plain(tmp_path)
    spoil(tmp_path, "enrollments", 2, exit_date="2025-09-30")
    lines = lines_of(tmp_path, "enrollments")
    back = lines[1].replace("2025-09-03", "2025-10-01").replace("2025-09-30", "")
    other = lines[2].replace("north", "south")
    write_lines(tmp_path, "enrollments", [*lines, back, other])
    data = read_school_data(tmp_path)
    assert data.enrollments.height == 42
    assert data.rejections.height == 0


def test_the_last_day_enrolled_is_inside_and_the_next_is_not(tmp_path: Path) -> None:
    write_plain(tmp_path)
    spoil(tmp_path, "enrollments", 2, exit_date="2025-09-05")
    data = read_school_data(tmp_path)
    absent_on_the_last_day, late_after_it = 2, 42
    assert [(rule, row) for rule, row, _ in rules_broken(data, "attendance_events")] == [
        ("inside_enrollment", late_after_it)
    ]
    assert student_id(0) in lines_of(tmp_path, "attendance_events")[absent_on_the_last_day - 1]


def test_a_student_without_an_enrollment(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "students")
    write_lines(tmp_path, "students", [*lines, "MARKERID999,,,"])
    data = read_school_data(tmp_path)
    assert rules_broken(data, "students") == [("enrolled_somewhere", 42, "student_id")]


def test_an_enrollment_of_nobody(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "enrollments")
    write_lines(tmp_path, "enrollments", [*lines, lines[1].replace(student_id(0), "MARKERID999")])
    assert rules_broken(read_school_data(tmp_path), "enrollments") == [("student_known", 42, "student_id")]


def test_mixed_date_formats_lose_the_rows_that_are_not_iso(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    for row in (10, 11, 12):
        lines[row - 1] = lines[row - 1].replace("2025-09-05", "05-SEP-2025")
    write_lines(tmp_path, "attendance_events", lines)
    data = read_school_data(tmp_path)
    assert rules_broken(data, "attendance_events") == [("unreadable_date", row, "date") for row in (10, 11, 12)]
    assert not any("no cell of column" in note for note in data.coverage.notes)


def test_a_column_without_one_readable_date_says_so(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "enrollments")
    write_lines(tmp_path, "enrollments", [line.replace("2025-09-03", "9/3/2025") for line in lines])
    with pytest.raises(ToleranceError, match="enrollments: no cell of column entry_date can be read") as caught:
        read_school_data(tmp_path)
    assert caught.value.details["by_rule"] == {"unreadable_date (entry_date)": 40}


def test_rows_after_an_as_of_date_are_kept_by_the_reader(tmp_path: Path) -> None:
    """The night ignores them; a date lies in the future only after the last day of any calendar."""
    data = read_spoiled(write_plain(tmp_path), "attendance_events", 5, date="2026-01-30")
    assert data.rejections.height == 0
    assert data.attendance_events.height == 80


def test_leading_zeros_are_kept_and_another_spelling_is_said(tmp_path: Path) -> None:
    lines = {table: lines_of(write_plain(tmp_path), table) for table in ("students", "enrollments")}
    write_lines(tmp_path, "students", [*lines["students"], "007,,,", "7,,,"])
    seven = lines["enrollments"][1].replace(student_id(0), "007")
    write_lines(tmp_path, "enrollments", [*lines["enrollments"], seven, seven.replace("007", "7")])
    data = read_school_data(tmp_path)
    assert {"007", "7"} <= set(data.students["student_id"])
    assert (
        "students: 2 student ids differ from another only by leading zeros, case or spaces; kept apart"
        in data.coverage.notes
    )


def test_an_orphan_that_is_known_under_another_spelling_is_counted_without_its_id(tmp_path: Path) -> None:
    data = read_spoiled(write_plain(tmp_path), "attendance_events", 5, student_id="0markerid003 ")
    assert rules_broken(data, "attendance_events") == [("student_known", 5, "student_id")]
    notes = [note for note in data.coverage.notes if "unknown as they are written" in note]
    assert notes == [
        "attendance_events: 1 student ids are unknown as they are written, and known but for leading zeros, case or "
        "spaces"
    ]


def test_presence_is_accepted_reduced_and_counted(tmp_path: Path) -> None:
    lines = lines_of(write_plain(tmp_path), "attendance_events")
    present = [line.replace("2025-09-05,unexcused,1.0", "2025-09-12,present,0") for line in lines[1:41]]
    write_lines(tmp_path, "attendance_events", [*lines, *present])
    data = read_school_data(tmp_path)
    assert data.attendance_events.height == 80
    assert (data.rows_read["attendance_events"], data.rows_reduced) == (120, {"attendance_events": 40})
    assert "attendance_events: 40 of 120 days record presence; absences and tardies are kept" in data.coverage.notes
    assert str(data.coverage.attendance.last) == "2025-09-12"


def test_past_the_tolerance_a_required_table_refuses_the_night_with_a_report_by_rule(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for row in (2, 3, 4):
        spoil(tmp_path, "enrollments", row, entry_date="2025-02-30")
    with pytest.raises(ToleranceError) as caught:
        read_school_data(tmp_path)
    error = caught.value
    assert error.message == (
        "enrollments: 3 of 40 rows break a rule (7.5%, tolerance 5.0%): unreadable_date (entry_date): 3"
    )
    assert error.exit_code == 3
    assert error.details["by_rule"] == {"unreadable_date (entry_date)": 3}
    assert error.details["places"] == {
        "unreadable_date (entry_date)": ["enrollments.csv:2", "enrollments.csv:3", "enrollments.csv:4"]
    }
    assert leaks(error) == leaks(error.details) == []


def test_the_tolerance_is_configurable(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for row in (2, 3, 4):
        spoil(tmp_path, "demographics", row, student_id="nobody")
        spoil(tmp_path, "enrollments", row, grade_level="17")
    data = read_school_data(tmp_path, tolerance=0.1)
    assert data.enrollments.height == 37


def test_past_the_tolerance_an_optional_table_is_left_out_whole(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for row in (2, 3, 4):
        spoil(tmp_path, "course_grades", row, percent="821")
    data = read_school_data(tmp_path)
    assert data.course_grades.height == 0
    assert data.coverage.coursework.level is CoverageLevel.NONE
    assert data.coverage.coursework.reason == (
        "course_grades was left out whole: 3 of 40 rows break a rule (7.5%, tolerance 5.0%): out_of_range (percent): 3"
    )
    assert len(rules_broken(data, "course_grades")) == 3


def test_actions_of_incidents_that_were_left_out_are_left_out_too(tmp_path: Path) -> None:
    write_plain(tmp_path)
    for row in (2, 3, 4):
        spoil(tmp_path, "incidents", row, severity="awful")
    data = read_school_data(tmp_path)
    assert (data.incidents.height, data.discipline_actions.height) == (0, 0)
    assert data.coverage.behavior.level is CoverageLevel.NONE


def test_rows_arrive_sorted_whatever_their_order_in_the_file(tmp_path: Path) -> None:
    expected = read_school_data(write_plain(tmp_path))
    for table in ("students", "attendance_events", "calendar_days"):
        lines = lines_of(tmp_path, table)
        write_lines(tmp_path, table, [lines[0], *reversed(lines[1:])])
    data = read_school_data(tmp_path)
    assert data.attendance_events.equals(expected.attendance_events)
    assert data.calendar_days.equals(expected.calendar_days)
