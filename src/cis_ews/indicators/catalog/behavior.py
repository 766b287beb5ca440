"""Behavior indicators, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from cis_ews.enums import Domain
from cis_ews.indicators.catalog.indicator import Indicator
from cis_ews.indicators.windows import FIRST_DAYS, LAST_DAYS

YTD = "year to date"
LAST_YEAR = "last school year"
NOT_LAST_YEAR = "not enrolled last year, or the extract has neither incidents nor a summary of last year"
NO_MINOR = "the source never has minor incidents"
WAC = "Ch. 392-400 WAC (kinds of discipline)"
WINDOWS = {
    "ytd": YTD,
    f"first_{FIRST_DAYS}": f"the student's first {FIRST_DAYS} days of the year",
    **{f"last_{days}": f"the student's last {days} days" for days in LAST_DAYS},
}


def _count(name: str, definition: str, *, window: str = YTD, null_when: str = "", source: str = "") -> Indicator:
    return Indicator(
        name=name,
        domain=Domain.BEHAVIOR,
        dtype=pl.Int32(),
        unit="count",
        window=window,
        definition=definition,
        null_when=null_when,
        source=source,
    )


def _days(name: str, definition: str, *, window: str = YTD, source: str = "") -> Indicator:
    return Indicator(
        name=name,
        domain=Domain.BEHAVIOR,
        dtype=pl.Float64(),
        unit="days",
        window=window,
        definition=definition,
        null_when="one of these actions is of unknown length",
        source=source,
    )


def _window(name: str, window: str) -> Iterator[Indicator]:
    yield _count(
        f"incidents_minor_{name}",
        "Minor incidents of the student as an offender.",
        window=window,
        null_when=NO_MINOR,
    )
    yield _count(f"incidents_major_{name}", "Major incidents of the student as an offender.", window=window)
    yield _days(
        f"exclusion_days_{name}",
        "Days imposed by disciplinary actions of any kind that started in the window.",
        window=window,
        source=WAC,
    )


YEAR_TO_DATE = (
    _count("incidents_ytd", "Incidents of the student as an offender, minor and major.", null_when=NO_MINOR),
    _count(
        "suspensions_ytd",
        "Short-term and long-term suspensions, expulsions and emergency expulsions that started this year.",
        source=WAC,
    ),
    _count("in_school_suspensions_ytd", "In-school suspensions that started this year.", source=WAC),
    _count("classroom_exclusions_ytd", "Classroom exclusions that started this year.", source=WAC),
    _count("expulsions_ytd", "Expulsions and emergency expulsions that started this year.", source=WAC),
    _days("out_of_school_days_ytd", "Days imposed by suspensions and expulsions that started this year.", source=WAC),
    Indicator(
        name="days_since_last_incident",
        domain=Domain.BEHAVIOR,
        dtype=pl.Int32(),
        unit="days",
        window=YTD,
        definition="School days of the student since the last incident; 0: on the last day or after it.",
        null_when=f"no incident this year, or {NO_MINOR}",
    ),
    _count(
        "distinct_behaviors_ytd",
        "Different kinds of behavior, in the source's own words.",
        null_when=f"incidents, and the source says the kind of none of them, or {NO_MINOR}",
    ),
    Indicator(
        name="share_of_days_with_incident_ytd",
        domain=Domain.BEHAVIOR,
        dtype=pl.Float64(),
        unit="rate, 0 to 1",
        window=YTD,
        definition="School days with an incident over the days enrolled up to the as-of date: a child can recover.",
        null_when=f"no day enrolled, or {NO_MINOR}",
        source="Panorama (share of days with incidents)",
    ),
    _count(
        "incidents_last_year",
        "Incidents, minor and major.",
        window=LAST_YEAR,
        null_when=f"{NOT_LAST_YEAR}; or {NO_MINOR}",
    ),
    _count(
        "suspensions_last_year", "Suspensions and expulsions.", window=LAST_YEAR, null_when=NOT_LAST_YEAR, source=WAC
    ),
)

BEHAVIOR = (
    *(indicator for name, window in WINDOWS.items() for indicator in _window(name, window)),
    *YEAR_TO_DATE,
)
