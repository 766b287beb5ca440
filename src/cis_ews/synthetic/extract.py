"""The tables of a block as a school system would hand them over on a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import polars as pl

from cis_ews.synthetic.attendance import attendance_table, make_days
from cis_ews.synthetic.behavior import behavior_tables, make_conduct
from cis_ews.synthetic.coding import spelled_out
from cis_ews.synthetic.coursework import coursework_table, make_coursework
from cis_ews.synthetic.districts import World
from cis_ews.synthetic.mobility import enrollments_table, make_year
from cis_ews.synthetic.outcomes import finish_year
from cis_ews.synthetic.roster import Block, BlockKey, demographics_table, make_block, students_table
from cis_ews.synthetic.summaries import summaries_table
from cis_ews.synthetic.supports import supports_table

Tables = dict[str, pl.DataFrame]


def block_tables(world: World, key: BlockKey) -> Tables:
    """Every table of one block of students, all years, as known on `through` (all of it where that is not given)."""
    block = make_block(world, key)
    once = {"students": students_table(world, block), "demographics": demographics_table(world, block)}
    yearly = [_year_tables(world, block, index) for index in range(len(world.calendars))]
    names = dict.fromkeys(table for year in yearly for table in year)
    tables = once | {table: _joined(table, yearly) for table in names}
    if not world.plan.state:
        tables["attendance_events"] = spelled_out(tables["attendance_events"])
    if world.plan.through is not None:
        tables = _known_on(tables, world.plan.through)
    return tables | {"course_grades": tables["course_grades"].drop("known_on")}


def _joined(table: str, yearly: Sequence[Tables]) -> pl.DataFrame:
    """The rows of all years that have some; a year of attendance comes in order already."""
    years = [year[table] for year in yearly if table in year]
    if table == "attendance_events" and len(years) == 1:
        return years[0]
    return pl.concat(years).sort(ORDER[table], maintain_order=True)


# Sorted by student first: who reads a part of the file reads whole students.
ORDER: Mapping[str, tuple[str, ...]] = {
    "students": ("student_id",),
    "demographics": ("student_id",),
    "enrollments": ("student_id", "entry_date", "school_id"),
    "attendance_events": ("student_id", "date", "school_id"),
    "incidents": ("student_id", "date", "incident_id"),
    "discipline_actions": ("student_id", "start_date", "incident_id"),
    "course_grades": ("student_id", "school_year", "term", "school_id", "course_id"),
    "supports": ("student_id", "date", "category"),
    "student_years": ("student_id", "school_year"),
}


def _year_tables(world: World, block: Block, index: int) -> Tables:
    year = make_year(world, block, index)
    instructional = year.instructional(world)
    conduct = make_conduct(world, block, year, instructional=instructional)
    days = make_days(world, block, year, conduct=conduct, instructional=instructional)
    coursework = make_coursework(world, block, year, days=days)
    if world.plan.is_summed_up(index):
        summaries = summaries_table(world, block, year, days=days, conduct=conduct, coursework=coursework)
        tables = {"student_years": summaries}
    else:
        tables = {
            "attendance_events": attendance_table(world, block, year, days=days),
            **behavior_tables(world, block, year, conduct=conduct),
            "course_grades": coursework_table(world, block, year, coursework=coursework),
        }
    tables["supports"] = supports_table(world, block, year, instructional=instructional)
    grade = block.grade.copy()
    finish_year(world, block, year, days=days, coursework=coursework)
    tables["enrollments"] = enrollments_table(world, block, year, grade=grade)
    return tables


def _known_on(tables: Tables, through: date) -> Tables:
    cut = {table: CUTS[table](rows, through) if table in CUTS else rows for table, rows in tables.items()}
    enrolled, kept = cut["enrollments"], cut["incidents"]
    for table in ("students", "demographics"):
        cut[table] = cut[table].join(enrolled, on="student_id", how="semi", maintain_order="left")
    actions = cut["discipline_actions"]
    cut["discipline_actions"] = actions.join(kept, on="incident_id", how="semi", maintain_order="left")
    return cut


def _open_again(enrollments: pl.DataFrame, through: date) -> pl.DataFrame:
    """On a day, nobody knows how an enrollment ends that has not ended yet."""
    ended = pl.col("exit_date") <= through
    return enrollments.filter(pl.col("entry_date") <= through).with_columns(
        exit_date=pl.when(ended).then("exit_date"), exit_type=pl.when(ended).then("exit_type")
    )


def _until(column: str) -> Callable[[pl.DataFrame, date], pl.DataFrame]:
    return lambda rows, through: rows.filter(pl.col(column) <= through)


CUTS: Mapping[str, Callable[[pl.DataFrame, date], pl.DataFrame]] = {
    "enrollments": _open_again,
    "incidents": _until("date"),
    "discipline_actions": _until("start_date"),
    "course_grades": _until("known_on"),
    "supports": _until("date"),
}
