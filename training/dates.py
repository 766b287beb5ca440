"""As-of dates of a school year: a month and day, the n-th instructional day, or the end of each term."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import polars as pl

from cis_ews.calendars import term_ends

FIRST_MONTH = 8
TERM_ENDS = "term ends"
_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-([0-2][0-9]|3[01])", re.ASCII)
_NTH_DAY = re.compile(r"day ([1-9][0-9]{0,2})", re.ASCII)


def is_date_rule(text: str) -> bool:
    """Whether a text says a date of every school year: `02-28`, `day 20` or `term ends`. February 29 is not one."""
    if text == TERM_ENDS or _NTH_DAY.fullmatch(text):
        return True
    try:
        _on(text, 2027)
    except ValueError:
        return False
    return _MONTH_DAY.fullmatch(text) is not None


def as_of_dates(calendar_days: pl.DataFrame, asked: Sequence[str], school_year: int) -> list[date]:
    """The dates of a school year (2026 is 2025-26) on which its school has begun and not ended, in order, each once.

    Schools have calendars of their own: an n-th day and a term's end are those of the median school (of those that have
    the term). A term that ends with the year is left out: nothing of the year is left after it.
    """
    days = calendar_days.filter(pl.col("is_instructional"), pl.col("school_year") == school_year)
    if days.is_empty():
        return []
    found = {day for rule in asked for day in _dates(days, rule, school_year)}
    first, last = days.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    return sorted(day for day in found if first <= day <= last)


def _dates(days: pl.DataFrame, rule: str, school_year: int) -> list[date]:
    if rule == TERM_ENDS:
        return _term_ends(days)
    nth = _NTH_DAY.fullmatch(rule)
    if nth is None:
        return [_on(rule, school_year)]
    place = int(nth[1]) - 1
    reached = days.sort("date").group_by("school_id").agg(pl.col("date").get(place, null_on_oob=True))
    return _median(reached["date"].drop_nulls())


def _term_ends(days: pl.DataFrame) -> list[date]:
    ends = term_ends(days)
    last = ends.group_by("school_id").agg(__last=pl.col("term_end").max())
    within = ends.join(last, on="school_id").filter(pl.col("term_end") < pl.col("__last"), pl.col("term").is_not_null())
    return [day for _, of_term in within.group_by("term") for day in _median(of_term["term_end"])]


def _median(days: pl.Series) -> list[date]:
    """The middle one, the earlier of two: a day that occurs."""
    ordered = days.sort().to_list()
    return ordered[(len(ordered) - 1) // 2 :][:1]


def _on(day: str, school_year: int) -> date:
    month, number = (int(part) for part in day.split("-"))
    return date(school_year - (month >= FIRST_MONTH), month, number)
