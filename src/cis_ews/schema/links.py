"""The rules between tables: every row that a row names must be there, and every day must be a day that counts.

A row is rejected by the first rule of its table that it breaks, in the order of `LINK_RULES`; rows that a table has
lost are unknown to the tables after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from cis_ews.calendars import all_instructional_days, last_calendar_day
from cis_ews.schema.spells import Spells, overlapping
from cis_ews.texts import codes_of, places_of

Tables = Mapping[str, pl.DataFrame]
ROW = "row_index"  # tells the rows of one table apart while it is checked; no column of the contract has this name


@dataclass(frozen=True, slots=True)
class LinkRule:
    """A rule between tables: `broken` returns the rows of `table` that break it.

    `others`: the tables about students, besides its own, that it looks at.
    """

    table: str
    rule: str
    columns: str
    broken: Callable[[pl.DataFrame, Tables], pl.DataFrame]
    others: tuple[str, ...] = ()


def _known(key: tuple[str, ...], *, other: str) -> Callable[[pl.DataFrame, Tables], pl.DataFrame]:
    def broken(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
        return unknown(rows, tables[other], key)

    return broken


def unknown(rows: pl.DataFrame, known: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The rows whose key no row of `known` has, in their order. No two rows of `known` have the same."""
    if len(key) > 1:
        return rows.join(known, on=list(key), how="anti", maintain_order="left")
    is_unknown = places_of(rows.get_column(key[0]), known.get_column(key[0])) < 0
    return rows.filter(is_unknown) if is_unknown.any() else rows.clear()


def _enrolled_nowhere(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Students without any enrollment."""
    _, enrolled = codes_of(tables["enrollments"].get_column("student_id"))
    return unknown(rows, enrolled.to_frame(), ["student_id"])


def _not_after_calendar(column: str) -> Callable[[pl.DataFrame, Tables], pl.DataFrame]:
    def broken(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
        return rows.filter(pl.col(column) > pl.lit(last_calendar_day(tables["calendar_days"]), dtype=pl.Date))

    return broken


def _year_after_calendar(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Summaries of a school year that lies after those of every calendar."""
    return rows.filter(pl.col("school_year") > tables["calendar_days"].select(pl.col("school_year").max()).item())


def _overlapping(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:  # noqa: ARG001  the signature of a rule
    """Enrollments that begin before an earlier one of the same student, school and school year has ended.

    An enrollment that last year left open ends with its year: schools close years without closing rows.
    """
    return rows.filter(overlapping(rows))


def _outside_enrollment(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Events on a day on which the student was not enrolled in that school; the last day enrolled is inside."""
    if rows.is_empty():
        return rows
    is_outside = ~Spells.of(tables["enrollments"]).hold(rows)
    return rows.filter(is_outside) if is_outside.any() else rows.clear()


def _not_instructional(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Events on a day that the school's calendar does not have, or has as not instructional."""
    if rows.is_empty() or tables["calendar_days"].is_empty():
        return rows
    taught = all_instructional_days(tables["calendar_days"])
    return rows.filter(~pl.Series(taught.has(rows.get_column("school_id"), rows.get_column("date"))))


def _student_known(table: str) -> LinkRule:
    return LinkRule(table, "student_known", "student_id", _known(("student_id",), other="students"), ("students",))


def _school_known(table: str) -> LinkRule:
    return LinkRule(table, "school_known", "school_id", _known(("school_id",), other="schools"))


def _within_calendar(table: str, column: str) -> LinkRule:
    return LinkRule(table, "after_last_calendar_day", column, _not_after_calendar(column))


def _inside_enrollment(table: str) -> LinkRule:
    return LinkRule(table, "inside_enrollment", "student_id, school_id, date", _outside_enrollment, ("enrollments",))


LINK_RULES: tuple[LinkRule, ...] = (
    _school_known("calendar_days"),
    _student_known("enrollments"),
    _school_known("enrollments"),
    _within_calendar("enrollments", "entry_date"),
    LinkRule("enrollments", "no_overlap", "student_id, school_id, entry_date, exit_date", _overlapping),
    LinkRule("students", "enrolled_somewhere", "student_id", _enrolled_nowhere, ("enrollments",)),
    _student_known("demographics"),
    _student_known("attendance_events"),
    _school_known("attendance_events"),
    _within_calendar("attendance_events", "date"),
    _inside_enrollment("attendance_events"),
    LinkRule("attendance_events", "instructional_day", "school_id, date", _not_instructional),
    _student_known("incidents"),
    _school_known("incidents"),
    _within_calendar("incidents", "date"),
    _inside_enrollment("incidents"),
    LinkRule(
        "discipline_actions",
        "incident_known",
        "incident_id, student_id",
        _known(("incident_id", "student_id"), other="incidents"),
        ("incidents",),
    ),
    _within_calendar("discipline_actions", "start_date"),
    _student_known("course_grades"),
    _school_known("course_grades"),
    _within_calendar("course_grades", "graded_on"),
    _school_known("reporting"),
    _within_calendar("reporting", "reported_through"),
    _student_known("supports"),
    _within_calendar("supports", "date"),
    _student_known("student_years"),
    LinkRule("student_years", "after_last_calendar_day", "school_year", _year_after_calendar),
)


def leant_on(tables: Collection[str]) -> set[str]:
    """The tables about students that the rules of these tables look at."""
    return {other for rule in LINK_RULES if rule.table in tables for other in rule.others}


def leaning_on(tables: Collection[str]) -> set[str]:
    """These tables, and those whose rules look at them, by way of others too."""
    found = set(tables)
    while more := {rule.table for rule in LINK_RULES if found & {*rule.others}} - found:
        found |= more
    return found
