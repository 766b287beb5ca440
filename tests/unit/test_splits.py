"""Splits that cannot flatter: no outcome crosses them, no student-year is on both sides, and dates mean school days."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from cis_ews.errors import DataError
from training.dates import as_of_dates
from training.matrices import Matrices, MatrixSummary
from training.splits import Part, held_back_years, leave_future_out, other_groups, rows_on, strangers


def _matrices(*dates: tuple[int, date, date]) -> Matrices:
    summaries = tuple(
        MatrixSummary(
            school_year=year,
            as_of=as_of,
            horizon_end=end,
            students=9,
            few_days=0,
            censored={},
            labeled=9,
            positives=3,
        )
        for year, as_of, end in dates
    )
    ids = [f"s{number}" for number in range(9)]
    rows = pl.concat(
        [pl.DataFrame({"student_id": ids, "school_year": year, "as_of": as_of}) for year, as_of, _ in dates]
    )
    return Matrices(rows=rows, indicators=rows, summaries=summaries, skipped={})


def test_no_outcome_of_the_held_back_year_is_learned() -> None:
    """A label that looks twelve months ahead sees the year that is measured on."""
    learned = _matrices(
        (2023, date(2022, 11, 30), date(2023, 11, 30)),
        (2024, date(2023, 11, 30), date(2024, 11, 30)),
        (2025, date(2024, 11, 29), date(2025, 11, 29)),
    )
    measured = _matrices((2025, date(2024, 10, 1), date(2025, 10, 1)))
    (split,) = leave_future_out(learned, measured, label="dropped_out")
    assert split.train == (date(2022, 11, 30),)
    assert split.test == (date(2024, 10, 1),)
    assert split.between == (date(2023, 11, 30),)
    assert (split.learned_through, split.clear_days) == (date(2023, 11, 30), 306)
    short = _matrices((2024, date(2023, 11, 30), date(2024, 11, 30)))
    with pytest.raises(DataError, match="2024-25 is held back to measure on, and none is left to learn from"):
        leave_future_out(short, measured, label="dropped_out")


def test_each_held_back_year_is_asked_of_the_years_before_it_alone() -> None:
    dates = [(year, date(year - 1, 10, 1), date(year, 6, 10)) for year in (2022, 2023, 2024, 2025)]
    learned = _matrices(*dates)
    assert held_back_years(learned, 2) == [2024, 2025]
    splits = leave_future_out(learned, _matrices(*dates[2:]), label="off_track")
    assert [split.train for split in splits] == [tuple(day for _, day, _ in dates[:n]) for n in (2, 3)]
    for split in splits:
        train, test = (
            learned.rows.filter(pl.Series(rows_on(learned.rows, days))) for days in (split.train, split.test)
        )
        assert train.join(test, on=["student_id", "school_year"]).is_empty()
        ends = {one.as_of: one.horizon_end for one in learned.summaries}
        assert split.learned_through == max(ends[day] for day in split.train) < min(split.test)
        assert split.clear_days == (min(split.test) - split.learned_through).days


def _rows(students: int = 50) -> tuple[pl.DataFrame, pl.DataFrame, Part]:
    ids = [f"s{number}" for number in range(students)]
    schools = [f"school {number % 5}" for number in range(students)]
    learned = pl.DataFrame({"student_id": ids * 2, "school_id": schools * 2, "year": [1] * students + [2] * students})
    measured = pl.DataFrame({"student_id": ids, "school_id": schools, "year": [3] * students})
    return learned, measured, Part((learned["year"] == 1).to_numpy(), np.ones(students, dtype=bool))


def test_strangers_have_no_earlier_row_that_is_learned_from() -> None:
    learned, measured, later = _rows()
    (part,) = strangers(learned, measured, later, seed=3)
    train, test = learned.filter(pl.Series(part.train)), measured.filter(pl.Series(part.test))
    assert test.height == 10
    assert not set(train["student_id"]) & set(test["student_id"])
    assert set(train["year"]) == {1}
    assert train.height == 40


def test_another_school_has_no_row_that_is_learned_from_and_every_school_is_asked() -> None:
    learned, measured, later = _rows()
    parts = other_groups(learned["school_id"], measured["school_id"], later, most=2)
    assert len(parts) == 2
    assert sum(part.test for part in parts).tolist() == [1] * 50
    for part in parts:
        train, test = learned.filter(pl.Series(part.train)), measured.filter(pl.Series(part.test))
        assert not set(train["school_id"]) & set(test["school_id"])
        assert set(train["year"]) == {1}
    alone = pl.Series(["one"] * 3)
    assert other_groups(alone, alone, Part(np.ones(3, dtype=bool), np.ones(3, dtype=bool)), most=2) == []


def _calendar(starts: dict[str, date], *, days: int = 100, term: int = 25) -> pl.DataFrame:
    """Schools that begin on different days, every day a school day but Sundays, terms of equal length."""
    rows = [
        (school, start + timedelta(place), (start + timedelta(place)).weekday() != 6, 2026, f"T{1 + place // term}")
        for school, start in starts.items()
        for place in range(days)
    ]
    return pl.DataFrame(rows, schema=["school_id", "date", "is_instructional", "school_year", "term"], orient="row")


def test_the_nth_day_and_the_ends_of_terms_are_those_of_the_median_school() -> None:
    first = date(2025, 9, 1)
    calendar = _calendar({"a": first, "b": first + timedelta(1), "c": first + timedelta(9)})
    of_b = calendar.filter(pl.col("school_id") == "b", pl.col("is_instructional")).sort("date")
    assert as_of_dates(calendar, ["day 20"], 2026) == [of_b["date"][19]]
    ends = of_b.group_by("term").agg(pl.col("date").max())["date"].sort().to_list()
    assert as_of_dates(calendar, ["term ends"], 2026) == ends[:-1]
    assert as_of_dates(calendar, ["day 200"], 2026) == []
    assert as_of_dates(calendar, ["day 20"], 2025) == []


def test_days_of_a_school_year_turn_in_august_and_lie_in_it() -> None:
    calendar = _calendar({"a": date(2025, 8, 30)}, days=300)
    asked = ["02-28", "08-31", "07-31", "day 2"]
    # The second school day is September 1: the calendar begins on a Saturday, and Sundays are free.
    assert as_of_dates(calendar, asked, 2026) == [date(2025, 8, 31), date(2025, 9, 1), date(2026, 2, 28)]
