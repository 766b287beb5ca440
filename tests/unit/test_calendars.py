"""School years, running counts of instructional days, ends of terms."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from cis_ews.calendars import (
    InstructionalDays,
    day_number,
    days_behind,
    instructional_days,
    is_behind,
    school_year_at,
    school_year_ends,
    school_year_starts,
    term_ends,
)
from cis_ews.errors import DataError
from tests.lib.builders import Row, frame, weekdays


def calendar(*rows: list[Row]) -> pl.DataFrame:
    return frame("calendar_days", [{**row, "school_id": row["school_id"] or "north"} for some in rows for row in some])


def positions(days: InstructionalDays, school_id: str, dates: list[date]) -> NDArray[np.int32]:
    return days.bases(pl.Series([school_id])) + np.array([day_number(each) for each in dates], dtype=np.int32)


def counts(days: InstructionalDays, school_id: str, dates: list[date]) -> list[int]:
    return days.counts[positions(days, school_id, dates)].tolist()


LAST_YEAR = weekdays("2025-05-26", "2025-06-13", school_year=2025)
THIS_YEAR = weekdays(
    "2025-09-01", "2025-09-12", terms={"T1": "2025-09-05", "T2": "2025-09-12"}, holidays=["2025-09-01"]
)


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (date(2025, 5, 26), 2025),
        (date(2025, 7, 20), 2025),
        (date(2025, 9, 1), 2026),
        (date(2026, 7, 1), 2026),
    ],
)
def test_the_school_year_is_that_of_the_last_calendar_row(as_of: date, expected: int) -> None:
    assert school_year_at(calendar(LAST_YEAR, THIS_YEAR), as_of) == expected


def test_where_two_years_meet_on_a_day_it_is_the_later_one() -> None:
    all_year_round = weekdays("2025-09-01", "2025-09-02", school="south", school_year=2025)
    assert school_year_at(calendar(THIS_YEAR, all_year_round), date(2025, 9, 2)) == 2026


def test_before_the_calendar_there_is_no_school_year() -> None:
    with pytest.raises(DataError, match="no row on or before 2025-05-25") as refused:
        school_year_at(calendar(LAST_YEAR), date(2025, 5, 25))
    assert refused.value.exit_code == 3
    assert refused.value.hint is not None


def test_instructional_days_are_counted_by_school_and_date() -> None:
    south = weekdays("2025-09-03", "2025-09-12", school="south")
    days = instructional_days(calendar(THIS_YEAR, south), school_year=2026, as_of=date(2025, 9, 8))
    assert (days.first, days.last) == (date(2025, 8, 31), date(2025, 9, 8))
    dates = [date(2025, 8, 31), date(2025, 9, 1), date(2025, 9, 2), date(2025, 9, 7), date(2025, 9, 8)]
    assert counts(days, "north", dates) == [0, 0, 1, 4, 5]
    assert counts(days, "south", dates) == [0, 0, 0, 3, 4]


def test_a_day_is_instructional_or_not() -> None:
    days = instructional_days(calendar(THIS_YEAR), school_year=2026, as_of=date(2025, 12, 1))
    dates = [date(2025, 9, 1), date(2025, 9, 2), date(2025, 9, 6), date(2025, 9, 12)]
    assert days.is_day[positions(days, "north", dates)].tolist() == [False, True, False, True]


def test_a_school_without_a_calendar_has_no_days() -> None:
    days = instructional_days(calendar(THIS_YEAR), school_year=2026, as_of=date(2025, 9, 12))
    assert counts(days, "south", [date(2025, 9, 2), date(2025, 9, 12)]) == [0, 0]
    assert not days.is_day[positions(days, "south", [date(2025, 9, 12)])].any()


def test_a_year_that_the_calendar_does_not_have_is_empty() -> None:
    days = instructional_days(calendar(THIS_YEAR), school_year=2025, as_of=date(2025, 9, 12))
    assert days.schools.is_empty()
    assert days.first == days.last


def test_years_and_terms_begin_and_end_where_the_calendar_says() -> None:
    days = calendar(LAST_YEAR, THIS_YEAR)
    assert school_year_starts(days, 2026).rows() == [("north", date(2025, 9, 1))]
    assert sorted(school_year_ends(days).rows()) == [
        ("north", 2025, date(2025, 6, 13)),
        ("north", 2026, date(2025, 9, 12)),
    ]
    assert sorted(term_ends(days).rows()) == [
        ("north", 2026, "T1", date(2025, 9, 5)),
        ("north", 2026, "T2", date(2025, 9, 12)),
    ]


def test_a_school_is_behind_by_its_own_school_days_and_without_a_calendar_by_weekdays() -> None:
    held = calendar(THIS_YEAR).filter("is_instructional")
    friday, monday = date(2025, 9, 5), date(2025, 9, 8)
    reported = {"north": friday, "nowhere": friday, "early": date(2025, 8, 1)}
    assert days_behind(held, reported, friday)["north"] == 0
    behind = days_behind(held, reported, date(2025, 9, 10))
    assert (behind["north"], behind["nowhere"]) == (3, 3)
    labor_day = days_behind(held, {"north": date(2025, 8, 29), "nowhere": date(2025, 8, 29)}, date(2025, 9, 1))
    assert labor_day == {"north": 0, "nowhere": 1}
    assert days_behind(held, {"north": monday}, friday) == {"north": 0}
    assert days_behind(held, {}, friday) == {}


def test_from_two_days_on_a_school_is_behind_and_where_they_are_a_guess_from_five() -> None:
    assert [is_behind(days, is_known=True) for days in range(4)] == [False, False, True, True]
    assert [is_behind(days, is_known=False) for days in (2, 4, 5)] == [False, False, True]
