"""School years, instructional days and term ends, read from the calendar of an extract.

A school year is named by the year in which it ends: 2026 is 2025-26. Dates after the as-of date are plans: they are
never counted as days, and are looked at for one thing only, the planned last day of a term.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import DataError
from cis_ews.texts import places_of

BEHIND, BEHIND_GUESSED = 2, 5
"""School days not reported from which on a school is behind; where the source does not say through which day it has
reported, and its last recorded day stands for that."""

Asked = ParamSpec("Asked")
Made = TypeVar("Made")


def once_a_calendar(
    make: Callable[Concatenate[pl.DataFrame, Asked], Made],
) -> Callable[Concatenate[pl.DataFrame, Asked], Made]:
    """Remember what was made of a calendar for as long as that very frame is there.

    The calendar of a state has more rows than a part of it has students, and every part asks the same of it. Frames are
    never changed in place here, so the same frame says the same.
    """
    made: dict[int, tuple[weakref.ref[pl.DataFrame], dict[Any, Made]]] = {}

    @wraps(make)
    def remembered(calendar_days: pl.DataFrame, *given: Asked.args, **named: Asked.kwargs) -> Made:
        key = id(calendar_days)
        if key not in made or made[key][0]() is not calendar_days:
            made[key] = weakref.ref(calendar_days, lambda _: made.pop(key, None)), {}
        answers, asked = made[key][1], (given, tuple(sorted(named.items())))
        if asked not in answers:
            answers[asked] = make(calendar_days, *given, **named)
        return answers[asked]

    return remembered


@once_a_calendar
def school_year_at(calendar_days: pl.DataFrame, as_of: date) -> int:
    """The school year of the last calendar row on or before `as_of`: in summer, the one that ended.

    Where two years meet on that day, the later one. Raises `DataError` where the calendar begins after `as_of`.
    """
    date = pl.col("date")
    is_latest = date == date.filter(date <= as_of).max()
    year = calendar_days.select(pl.col("school_year").filter(is_latest).max()).item()
    if year is None:
        raise DataError(
            f"calendar_days has no row on or before {as_of.isoformat()}",
            hint="choose an as-of date inside the calendar of the extract",
            rows=calendar_days.height,
        )
    return int(year)


def instructional_so_far(calendar_days: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The instructional days of the school year of `as_of`, up to that day. Raises `DataError` as `school_year_at`."""
    year = school_year_at(calendar_days, as_of)
    return calendar_days.filter(pl.col("school_year") == year, pl.col("date") <= as_of, pl.col("is_instructional"))


def days_behind(school_days: pl.DataFrame, reported: Mapping[str, date], day: date) -> dict[str, int]:
    """School -> its school days after the last one reported, up to `day`. `reported`: school -> that last one.

    `school_days`: `school_id`, `date`, a row an instructional day; of a school that is not there weekdays are counted.
    """
    one = timedelta(days=1)
    late = {school: max(0, int(np.busday_count(last + one, day + one))) for school, last in reported.items()}
    through = pl.DataFrame(list(reported.items()), schema={"school_id": pl.String, "through": pl.Date}, orient="row")
    held = school_days.select("school_id", "date").join(through, on="school_id")
    since = pl.col("date").gt(pl.col("through")) & pl.col("date").le(day)
    return {**late, **dict(held.group_by("school_id").agg(since.sum()).iter_rows())}


def is_behind(days: int, *, is_known: bool) -> bool:
    """Whether a school is behind by so many school days. `is_known`: the source says through which day it reported."""
    return days >= (BEHIND if is_known else BEHIND_GUESSED)


@once_a_calendar
def school_year_starts(calendar_days: pl.DataFrame, school_year: int) -> pl.DataFrame:
    """First calendar day of a school year: `school_id`, `starts`; a school without a calendar for it has no row."""
    year = calendar_days.filter(pl.col("school_year") == school_year)
    return year.group_by("school_id").agg(starts=pl.col("date").min())


@once_a_calendar
def term_ends(calendar_days: pl.DataFrame) -> pl.DataFrame:
    """Last calendar day of every term: `school_id`, `school_year`, `term`, `term_end`."""
    days = calendar_days.filter(pl.col("term").is_not_null())
    return days.group_by("school_id", "school_year", "term").agg(term_end=pl.col("date").max())


@once_a_calendar
def school_year_ends(calendar_days: pl.DataFrame) -> pl.DataFrame:
    """Last calendar day of every school year: `school_id`, `school_year`, `year_end`."""
    return calendar_days.group_by("school_id", "school_year").agg(year_end=pl.col("date").max())


@once_a_calendar
def last_days_of_years(calendar_days: pl.DataFrame) -> pl.DataFrame:
    """Last day of every school year in any school's calendar: `school_year`, `known_on`."""
    return calendar_days.group_by("school_year").agg(known_on=pl.col("date").max())


@once_a_calendar
def last_calendar_day(calendar_days: pl.DataFrame) -> date | None:
    """The last day of any school's calendar: only a later date lies in the future."""
    last = calendar_days["date"].max()
    return last if isinstance(last, date) else None


@once_a_calendar
def all_instructional_days(calendar_days: pl.DataFrame) -> InstructionalDays:
    """The instructional days of every school year of a calendar that has rows."""
    first, last = calendar_days.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    return _days_between(calendar_days, first - timedelta(days=1), last)


@dataclass(frozen=True, slots=True)
class InstructionalDays:
    """A school year's instructional days and their running counts, by school and date, to be looked up by position.

    What is known of a school's date stands at the school's base + the date's day number. `schools`: sorted. Dates run
    without gaps from `first`, the day before the year begins anywhere, to `last`, its last day up to the as-of date:
    move a date between them before looking it up.
    """

    schools: pl.Series
    first: date
    last: date
    counts: NDArray[np.int32]
    is_day: NDArray[np.bool_]

    def bases(self, school_ids: pl.Series) -> NDArray[np.int32]:
        """The base of each school; a school without a calendar has one too, where no day is instructional."""
        place = places_of(school_ids, self.schools)
        place[place < 0] = self.schools.len()
        return place * _width(self.first, self.last) - day_number(self.first)

    def has(self, school_ids: pl.Series, dates: pl.Series) -> NDArray[np.bool_]:
        """Whether each date is an instructional day of the school beside it; dates are not null."""
        day, (first, last) = dates.to_physical().to_numpy(), map(day_number, (self.first, self.last))
        found = self.is_day[self.bases(school_ids) + np.clip(day, first, last)]
        return found & (day > first) & (day <= last)


@once_a_calendar
def instructional_days(calendar_days: pl.DataFrame, *, school_year: int, as_of: date) -> InstructionalDays:
    """Number the instructional days of a school year, school by school, up to `as_of`."""
    year = calendar_days.filter(pl.col("school_year") == school_year, pl.col("date") <= as_of)
    begins, last = year.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    first = (begins or as_of) - timedelta(days=1)
    return _days_between(year, first, last or first)


def _days_between(days: pl.DataFrame, first: date, last: date) -> InstructionalDays:
    schools = days.get_column("school_id").unique().sort()
    is_day = np.zeros((schools.len() + 1, _width(first, last)), dtype=np.bool_)
    days = days.filter("is_instructional")
    place = places_of(days.get_column("school_id"), schools)
    is_day[place, days.get_column("date").to_physical().to_numpy() - day_number(first)] = True
    return InstructionalDays(
        schools=schools,
        first=first,
        last=last,
        counts=is_day.cumsum(axis=1, dtype=np.int32).ravel(),
        is_day=is_day.ravel(),
    )


def _width(first: date, last: date) -> int:
    return (last - first).days + 1


def day_number(day: date) -> int:
    """Days since 1970-01-01, as polars counts them."""
    return (day - date(1970, 1, 1)).days
