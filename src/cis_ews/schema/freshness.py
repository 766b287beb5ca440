"""What must be said of an extract on one day: how old its calendar is, and which school days are held and reported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

import polars as pl

from cis_ews.calendars import instructional_so_far
from cis_ews.wording import counted


def notes_of_the_day(calendar_days: pl.DataFrame, as_of: date, *, schools: Collection[str]) -> list[str]:
    """Sentences for the coverage statement of a night; none for a day before the calendar begins.

    `schools`: the `schools_in_use` of that day.
    """
    first, last = calendar_days.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    if as_of < first:
        return []
    late = (as_of - last).days
    ended = [f"The calendar ended {counted(late, 'day')} before the as-of date ({last})"] if late > 0 else []
    return [*ended, *_schools_without_days(calendar_days, as_of, schools=schools)]


def schools_in_use(enrollments: pl.DataFrame, as_of: date) -> list[str]:
    """The ids of schools with a student enrolled on the day."""
    current = pl.col("entry_date").le(as_of) & pl.col("exit_date").fill_null(as_of).ge(as_of)
    return enrollments.filter(current).get_column("school_id").unique().sort().to_list()


def schools_of(schools: pl.DataFrame) -> dict[str, dict[str, str | None]]:
    """School -> its district and its name."""
    rows = schools.select("school_id", "district_id", "name").sort("school_id").iter_rows()
    return {school: {"district_id": district, "name": name} for school, district, name in rows}


def school_days_so_far(
    calendar_days: pl.DataFrame, as_of: date, *, reported: Mapping[str, date]
) -> dict[str, dict[str, int]]:
    """School -> the school days of the year up to a day (`held`), and those of them that it has reported (`reported`).

    `reported`: through which day each school says that it has reported; days of a school that does not say count as
    reported. Raises DataError where the calendar begins after the day.
    """
    through = pl.DataFrame(list(reported.items()), schema={"school_id": pl.String, "through": pl.Date}, orient="row")
    days = instructional_so_far(calendar_days, as_of).join(through, on="school_id", how="left")
    known = (pl.col("date") <= pl.col("through")).fill_null(value=True)
    counts = days.group_by("school_id").agg(held=pl.len(), reported=known.sum()).sort("school_id")
    return {school: {"held": held, "reported": known} for school, held, known in counts.iter_rows()}


def _schools_without_days(calendar_days: pl.DataFrame, as_of: date, *, schools: Collection[str]) -> list[str]:
    """Schools with students enrolled on the day and no instructional day: nobody's attendance there can be known."""
    with_days = instructional_so_far(calendar_days, as_of).get_column("school_id").unique()
    count = len(set(schools) - set(with_days))
    silent = f"{counted(count, 'school')} with students: no instructional day this school year up to the as-of date"
    return [f"calendar_days: {silent}"] if count else []
