"""Enrollments in numbers say of every day what the enrollments say one by one."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cis_ews.schema.spells import Spells, overlapping

DAY = date(2025, 9, 1)
LONG = "a school of more than twelve bytes"

days = st.integers(0, 12).map(lambda number: DAY + timedelta(days=number))
ids = st.sampled_from(["1", "2", "10"])
schools = st.sampled_from(["A", "B", LONG])
spells = st.lists(
    st.tuples(ids, schools, days, st.none() | st.integers(0, 6), st.sampled_from([2025, 2026])),
    max_size=12,
    unique_by=lambda spell: spell[:3],
)
events = st.lists(st.tuples(st.sampled_from(["0", "1", "2", "10"]), schools | st.just("C"), days), max_size=20)
Spell = tuple[str, str, date, int | None, int]


def enrollments(found: list[Spell]) -> pl.DataFrame:
    """Sorted by their key, as checked rows are."""
    rows = [
        (student, school, entry, None if length is None else entry + timedelta(days=length), year)
        for student, school, entry, length, year in found
    ]
    schema = {
        "student_id": pl.String,
        "school_id": pl.String,
        "entry_date": pl.Date,
        "exit_date": pl.Date,
        "school_year": pl.Int16,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sort("student_id", "school_id", "entry_date")


@given(spells, events)
def test_a_day_is_held_where_an_enrollment_of_the_student_in_the_school_has_it(
    found: list[Spell], asked: list[tuple[str, str, date]]
) -> None:
    rows = enrollments(found)
    of_events = pl.DataFrame(
        asked, schema={"student_id": pl.String, "school_id": pl.String, "date": pl.Date}, orient="row"
    )
    expected = [
        any(
            entry <= day and (end is None or day <= end)
            for one, other, entry, end, _ in rows.iter_rows()
            if (one, other) == (student, school)
        )
        for student, school, day in asked
    ]
    assert Spells.of(rows).hold(of_events).tolist() == expected


@given(spells)
def test_an_enrollment_overlaps_where_an_earlier_one_of_its_school_and_year_has_not_ended(found: list[Spell]) -> None:
    rows = enrollments(found)
    every = list(rows.iter_rows())
    expected = [
        any(
            (one, other, of) == (student, school, year) and begun < entry and (end is None or entry <= end)
            for one, other, begun, end, of in every
        )
        for student, school, entry, _, year in every
    ]
    assert overlapping(rows).tolist() == expected


def test_a_student_may_have_very_many_enrollments() -> None:
    first, many = date(1950, 1, 1), 3_000
    rows = pl.DataFrame(
        {"student_id": "1", "school_id": "A", "entry_date": [first + timedelta(days=2 * at) for at in range(many)]}
    ).with_columns(exit_date="entry_date", school_year=pl.lit(2026, pl.Int16))
    asked = rows.select("student_id", "school_id", date="entry_date")
    assert Spells.of(rows).hold(asked).all()
    assert not Spells.of(rows).hold(asked.with_columns(pl.col("date") + timedelta(days=1))).any()
    assert not overlapping(rows).any()
