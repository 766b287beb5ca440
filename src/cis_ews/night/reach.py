"""Which days a night can be of: those that its extract reaches, and that have come."""

from __future__ import annotations

from datetime import date, timedelta

from cis_ews.calendars import instructional_so_far, school_year_at
from cis_ews.errors import ConfigError, DataError
from cis_ews.schema.school_data import SchoolData

GRACE = timedelta(days=31)
"""How long after the last calendar day of an extract a night is still a night, and not a mistyped date."""


def check_reach(school_data: SchoolData, as_of: date) -> None:
    """Raise DataError where the calendar of the extract begins after the as-of date or ended long before it, or has no
    instructional day in the school year of that date yet."""
    days = school_data.calendar_days["date"].unique().sort().to_list()
    first, last = days[0], days[-1]
    if as_of < first:
        found = f"The calendar of the extract begins on {first}, after the as-of date {as_of}"
    elif as_of > last + GRACE:
        found = f"The calendar of the extract ended on {last}, {(as_of - last).days} days before the as-of date {as_of}"
    elif instructional_so_far(school_data.calendar_days, as_of).is_empty():
        year = school_year_at(school_data.calendar_days, as_of)
        found = f"calendar_days has no instructional day in the school year {year} up to the as-of date {as_of}"
    else:
        return
    raise DataError(found, hint="choose another as-of date, or bring a newer extract")


def check_has_come(as_of: date, today: date) -> None:
    """Raise ConfigError for a day that has not come: as the newest, its run would stay current until then.

    One day is allowed, because it is tomorrow somewhere. For whoever takes a date from outside and knows a clock.
    """
    if as_of > today + timedelta(days=1):
        raise ConfigError("The as-of date has not come yet", hint="give today or a day that is over")
