"""Who owns which day, and the number that a date has among a student's days."""

from __future__ import annotations

from datetime import date

import numpy as np

from cis_ews.calendars import day_number
from cis_ews.indicators.roster import build_roster
from cis_ews.indicators.windows import DatedRows, EnrolledYear, StudentDays, enrolled_year, month_days
from cis_ews.schema.school_data import SchoolData
from tests.lib.builders import Row, day, district, enrollment, reported, weekdays

WEEKS = weekdays("2025-09-01", "2025-10-31")


def year_of(*spells: Row, as_of: str = "2025-09-26", through: list[Row] | None = None) -> EnrolledYear:
    school_data: SchoolData = district(calendar=WEEKS, enrollments=spells, attendance=[], reporting=through)
    roster = build_roster(school_data, school_year=2026, as_of=day(as_of))
    return enrolled_year(school_data, roster, school_year=2026, as_of=day(as_of))


def pieces(year: EnrolledYear) -> list[tuple[str, date, date]]:
    return year.owned.select("owner", "start", "end").rows()


def on(*dates: date) -> DatedRows:
    """Rows of the only student."""
    days = np.array([day_number(each) for each in dates], dtype=np.int32)
    return DatedRows(student=np.zeros(days.size, dtype=np.int32), date=days)


def numbers(days: StudentDays, *dates: str) -> list[int]:
    return days.number(on(*map(day, dates))).tolist()


def test_one_enrollment_is_one_piece_that_ends_on_the_as_of_date() -> None:
    assert pieces(year_of(enrollment("ann"))) == [("north", date(2025, 9, 3), date(2025, 9, 26))]


def test_an_exit_after_the_as_of_date_is_not_known() -> None:
    leaving = year_of(enrollment("ann", exit="2025-09-30"))
    assert pieces(leaving) == pieces(year_of(enrollment("ann")))


def test_the_school_entered_last_owns_the_days_while_both_last() -> None:
    both = year_of(
        enrollment("ann", "north", "2025-09-03"),
        enrollment("ann", "south", "2025-09-10", exit="2025-09-12"),
    )
    assert pieces(both) == [
        ("north", date(2025, 9, 3), date(2025, 9, 9)),
        ("south", date(2025, 9, 10), date(2025, 9, 12)),
        ("north", date(2025, 9, 13), date(2025, 9, 26)),
    ]


def test_of_two_entered_on_one_day_the_lowest_school_id_owns_the_days() -> None:
    both = year_of(enrollment("ann", "south"), enrollment("ann", "north", exit="2025-09-12"))
    assert pieces(both) == [
        ("north", date(2025, 9, 3), date(2025, 9, 12)),
        ("south", date(2025, 9, 13), date(2025, 9, 26)),
    ]


def test_days_are_numbered_across_a_gap_between_two_schools() -> None:
    days = year_of(
        enrollment("ann", "north", "2025-09-03", exit="2025-09-05"),
        enrollment("ann", "south", "2025-09-15"),
    ).elapsed
    assert numbers(days, "2025-09-02", "2025-09-03", "2025-09-05", "2025-09-10", "2025-09-15", "2025-09-20") == [
        *(0, 1, 3, 3, 4, 8),
    ]
    assert days.totals().to_list() == [13]


def test_only_school_days_while_enrolled_are_days_of_the_student() -> None:
    days = year_of(enrollment("ann", "north", "2025-09-03", exit="2025-09-09")).elapsed
    dates = [date(2025, 9, each) for each in range(1, 15)]
    own = {each.day: number for each, number in zip(dates, days.on_days(on(*dates)).tolist(), strict=True) if number}
    assert own == {3: 1, 4: 2, 5: 3, 8: 4, 9: 5}


def test_reported_days_end_where_the_school_stopped_and_go_on_in_the_next_school() -> None:
    year = year_of(
        enrollment("ann", "north", "2025-09-03", exit="2025-09-12"),
        enrollment("ann", "south", "2025-09-15"),
        through=[reported("2025-09-08", "north")],
    )
    assert year.elapsed.totals().to_list() == [18]
    assert year.reported.totals().to_list() == [14]
    assert numbers(year.reported, "2025-09-08", "2025-09-12", "2025-09-15") == [4, 4, 5]


def test_a_school_that_reported_nothing_of_the_enrollment_gives_no_days() -> None:
    year = year_of(enrollment("ann", "north", "2025-09-10"), through=[reported("2025-09-02", "north")])
    assert year.reported.totals().to_list() == [0]


def test_days_of_a_month_are_those_of_all_schools() -> None:
    year = year_of(
        enrollment("ann", "north", "2025-09-03", exit="2025-10-03"),
        enrollment("ann", "south", "2025-10-06"),
        as_of="2025-10-10",
    )
    months = month_days(year.elapsed).row(0, named=True)
    assert {name: days for name, days in months.items() if days} == {
        "days_enrolled_september": 20,
        "days_enrolled_october": 8,
    }


def test_a_year_before_the_calendar_has_no_days() -> None:
    school_data = district(calendar=WEEKS, enrollments=[enrollment("ann")], attendance=[])
    roster = build_roster(school_data, school_year=2026, as_of=date(2025, 9, 26))
    last_year = enrolled_year(school_data, roster, school_year=2025, as_of=date(2025, 9, 26))
    assert last_year.elapsed.totals().to_list() == [None]
    assert set(month_days(last_year.elapsed).row(0)) == {0}
