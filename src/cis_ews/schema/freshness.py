"""What must be said of an extract on one day: how old its calendar is, and which schools had no school day yet."""

from __future__ import annotations

from datetime import date

import polars as pl

from cis_ews.calendars import instructional_so_far
from cis_ews.schema.school_data import SchoolData
from cis_ews.wording import counted


def notes_of_the_day(school_data: SchoolData, as_of: date) -> list[str]:
    """Sentences for the coverage statement of a night; none for a day before the calendar begins."""
    days = school_data.calendar_days["date"].sort().to_list()
    if as_of < days[0]:
        return []
    late = (as_of - days[-1]).days
    ended = [f"The calendar ended {counted(late, 'day')} before the as-of date ({days[-1]})"] if late > 0 else []
    return [*ended, *_schools_without_days(school_data, as_of)]


def _schools_without_days(school_data: SchoolData, as_of: date) -> list[str]:
    """Schools with students enrolled on the day and no instructional day: nobody's attendance there can be known."""
    current = pl.col("entry_date").le(as_of) & pl.col("exit_date").fill_null(as_of).ge(as_of)
    schools = school_data.enrollments.filter(current).select(pl.col("school_id").unique())
    days = instructional_so_far(school_data.calendar_days, as_of)
    count = schools.join(days, on="school_id", how="anti").height
    silent = f"{counted(count, 'school')} with students: no instructional day this school year up to the as-of date"
    return [f"calendar_days: {silent}"] if count else []
