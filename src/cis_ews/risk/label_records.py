"""What an extract tells of the time after an as-of date: the rest of a school year, who left and how, how far it goes.

Labels look into the future, and this is the only place that does so: nothing from here may enter a feature.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from cis_ews.enums import ExitType
from cis_ews.errors import DataError
from cis_ews.indicators import compute_indicators
from cis_ews.indicators.behavior import SUSPENSIONS
from cis_ews.indicators.coursework import is_failed
from cis_ews.schema.behavior import DisciplineActions
from cis_ews.schema.coursework import CourseGrades
from cis_ews.schema.coverage import known_grades
from cis_ews.schema.roster import CalendarDays
from cis_ews.schema.school_data import SchoolData

UNSAID = timedelta(days=14)
"""Where no school says through which day it has reported, records this close to a day are taken to reach it."""
ENDS_FOR_GOOD = (ExitType.TRANSFER, ExitType.GRADUATED, ExitType.DROPPED_OUT)


def last_school_days(calendar_days: pl.DataFrame) -> pl.DataFrame:
    """Last instructional day of every school and school year: `school_id`, `school_year`, `year_end`."""
    days = calendar_days.filter("is_instructional")
    return days.group_by("school_id", "school_year").agg(year_end=pl.col("date").max())


def summer_ends(school_year: int) -> date:
    """The last day before the next school year is taken to begin."""
    return date(school_year, 8, 31)


def known_through(school_data: SchoolData) -> date:
    """The last day of which the extract as a whole can speak: no outcome after it is known.

    The latest day through which a school has reported, or of a record (of marks only where there is nothing else); two
    weeks more (`UNSAID`) where no school says through which day it has reported; 31 August where a school year is
    complete by then. A label is known of everybody only where its `horizon_end` is not later than this day.

    Taken from the coverage statement and not from rows, so that a part of the students gives the same answer. Raises
    `DataError` where nothing is dated.
    """
    coverage = school_data.coverage
    said = [*coverage.last_reported.values(), coverage.attendance.last, coverage.behavior.last]
    # A mark without a date is dated by its term, which may be planned: it tells only where nothing else does.
    dated = [day for day in said if day is not None] or [day for day in [coverage.coursework.last] if day is not None]
    if not dated:
        raise DataError(
            "the extract has no dated record", hint="add the reporting table, or events, incidents or marks"
        )
    last = max(dated) + (timedelta() if coverage.reporting_known else UNSAID)
    complete = last_school_days(school_data.calendar_days).group_by("school_year").agg(pl.col("year_end").max())
    over = complete.filter(pl.col("year_end") <= last).get_column("school_year").to_list()
    return max([last, *map(summer_ends, over)])


def year_indicators(school_data: SchoolData, *, school_year: int, since: date, end: date) -> pl.DataFrame:
    """The indicators at the year's end, of what came after `since`: as if the school year had been empty until then.

    Days up to `since` are no school days, actions that started by then and marks known by then are not there.
    Marks dated in the summer are known on the last day.
    """
    day = pl.col("date")
    calendar = school_data.calendar_days.filter(pl.col("school_year") <= school_year)
    actions = school_data.discipline_actions.filter(pl.col("start_date") > since)
    rest = replace(
        school_data,
        calendar_days=CalendarDays.cast(calendar.with_columns(pl.col("is_instructional") & (day > since))),
        discipline_actions=DisciplineActions.cast(actions),
        course_grades=CourseGrades.cast(_marks(school_data, school_year=school_year, since=since, end=end)),
    )
    return compute_indicators(rest, end)


def _marks(school_data: SchoolData, *, school_year: int, since: date, end: date) -> pl.DataFrame:
    of_year = school_data.course_grades.filter(pl.col("school_year") == school_year)
    known_on = pl.col("graded_on").fill_null(end)
    dated = known_grades(of_year, school_data.calendar_days).with_columns(graded_on=known_on)
    inside = dated.filter(known_on > since, known_on <= summer_ends(school_year))
    return inside.with_columns(graded_on=pl.min_horizontal("graded_on", pl.lit(end)))


def first_failed(school_data: SchoolData, *, school_year: int, since: date, end: date) -> pl.DataFrame:
    """When the first failed final mark of the year became known, of what came after `since`: `student_id`, `day`."""
    marks = _marks(school_data, school_year=school_year, since=since, end=end)
    return marks.filter("is_final", is_failed()).group_by("student_id").agg(day=pl.col("graded_on").min())


def first_excluded(school_data: SchoolData, *, since: date, end: date) -> pl.DataFrame:
    """When the first suspension or expulsion started, after `since` and by `end`: `student_id`, `day`."""
    started = school_data.discipline_actions.filter(
        pl.col("start_date") > since, pl.col("start_date") <= end, pl.col("action").is_in(SUSPENSIONS)
    )
    return started.group_by("student_id").agg(day=pl.col("start_date").min())


def stays(school_data: SchoolData) -> pl.DataFrame:
    """The enrollments, each with its `year_end`, `last_day`, `until` and `is_reported`.

    `year_end`: the last school day of the school that year (of any school, where it has no calendar). `last_day`: the
    last day enrolled; of an open enrollment the year's end. `until`: a student who was there when the year ended, and
    did not leave then, is there through the summer. `is_reported`: the school has reported its absences through
    `year_end`, or does not say how far it has.
    """
    of_school = last_school_days(school_data.calendar_days)
    of_year = of_school.group_by("school_year").agg(any_end=pl.col("year_end").max())
    ended = (
        school_data.enrollments.join(of_school, on=["school_id", "school_year"], how="left")
        .join(of_year, on="school_year", how="left")
        .join(school_data.reporting, on="school_id", how="left")
        .with_columns(year_end=pl.coalesce("year_end", "any_end", "exit_date", "entry_date"))
        .with_columns(last_day=pl.max_horizontal("entry_date", pl.coalesce("exit_date", "year_end")))
    )
    reported = (pl.col("reported_through") >= pl.col("year_end")).fill_null(value=True)
    goes_on = (pl.col("last_day") >= pl.col("year_end")) & ~pl.col("exit_type").is_in(ENDS_FOR_GOOD).fill_null(
        value=False
    )
    summer = pl.date(pl.col("school_year"), 8, 31)
    until = pl.when(goes_on).then(pl.max_horizontal("last_day", summer)).otherwise("last_day")
    return ended.with_columns(until=until, is_reported=reported)


def outlook(all_stays: pl.DataFrame, horizon: pl.Expr) -> pl.DataFrame:
    """How each student stands at a horizon, a date of the row: one row a student.

    `remains`: enrolled on it or later. `has_graduated`: by then. `exit_type`, `last_day`: of the last stay that begins
    by then; of several that end on one day, the latest entry, then the lowest `school_id`. `horizon`, `is_reported`: of
    that stay.
    """
    begun = all_stays.with_columns(horizon=horizon).filter(pl.col("entry_date") <= pl.col("horizon"))
    later = all_stays.with_columns(horizon=horizon).filter(pl.col("until") >= pl.col("horizon"))
    last = begun.sort("last_day", "entry_date", "school_id", descending=[False, False, True])
    graduated = (pl.col("exit_type") == ExitType.GRADUATED) & (pl.col("last_day") <= pl.col("horizon"))
    return (
        last.group_by("student_id", maintain_order=True)
        .agg(
            pl.col("exit_type", "last_day", "horizon", "is_reported").last(),
            has_graduated=graduated.fill_null(value=False).any(),
        )
        .with_columns(remains=pl.col("student_id").is_in(later.get_column("student_id").implode()))
    )
