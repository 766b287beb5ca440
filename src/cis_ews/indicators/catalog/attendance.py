"""Attendance indicators, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from cis_ews.enums import Domain
from cis_ews.indicators.catalog.indicator import Indicator
from cis_ews.indicators.windows import DAY_PARTS, FIRST_DAYS, LAST_DAYS, MONTHS

YTD = "year to date"
NO_DAYS = "no day enrolled in the window"
NOT_LAST_YEAR = "no day enrolled last year, or the extract has neither attendance nor a summary of last year"
FULL_DAY = "A full day is missed where half of it or more was missed."
WASHINGTON = "Washington OSPI: an absence of half the scheduled day or more is a full-day absence"
TRUANCY = "Ch. 28A.225 RCW (counts of unexcused and excused absences in a month and a year)"
WINDOWS = {
    f"first_{FIRST_DAYS}": f"the student's first {FIRST_DAYS} days of the year",
    **{f"last_{days}": f"the student's last {days} days" for days in LAST_DAYS},
}


def _attendance(
    name: str, dtype: pl.DataType, *, unit: str, window: str, definition: str, null_when: str = "", source: str = ""
) -> Indicator:
    return Indicator(
        name=name,
        domain=Domain.ATTENDANCE,
        dtype=dtype,
        unit=unit,
        window=window,
        definition=definition,
        null_when=null_when,
        source=source,
    )


def _count(name: str, definition: str, *, window: str = YTD, null_when: str = "", source: str = "") -> Indicator:
    return _attendance(
        name, pl.Int32(), unit="days", window=window, definition=definition, null_when=null_when, source=source
    )


def _days(name: str, definition: str, *, window: str = YTD, null_when: str = "", source: str = "") -> Indicator:
    return _attendance(
        name, pl.Float64(), unit="days", window=window, definition=definition, null_when=null_when, source=source
    )


def _parts(name: str, window: str, *, null_when: str = "") -> Indicator:
    return _attendance(
        name,
        pl.Int64(),
        unit=f"1/{DAY_PARTS:,} of a day",
        window=window,
        definition="The days absent as a whole number, so that a cut-off at exactly 10 % is decided exactly.",
        null_when=null_when,
    )


def _rate(name: str, window: str, *, null_when: str = NO_DAYS) -> Indicator:
    return _attendance(
        name,
        pl.Float64(),
        unit="rate, 0 to 1",
        window=window,
        definition="Days absent over days enrolled.",
        null_when=null_when,
        source="Attendance Works; Washington OSPI",
    )


def _window(name: str, window: str) -> Iterator[Indicator]:
    yield _count(f"days_enrolled_{name}", "Days enrolled in the window.", window=window)
    yield _parts(f"absent_parts_{name}", window)
    yield _days(f"days_absent_{name}", "Parts of days missed, excused or not, added up.", window=window)
    if name.startswith("last_"):
        yield _days(f"days_unexcused_{name}", "Parts of days missed without excuse.", window=window)
    yield _rate(f"absence_rate_{name}", window)


def _month(name: str) -> Iterator[Indicator]:
    window = f"{name.capitalize()} of the school year"
    yield _count(f"days_enrolled_{name}", "Days enrolled in the month.", window=window)
    yield _days(
        f"days_absent_{name}",
        "Parts of days missed in the month.",
        window=window,
        source="September rule (Olson 2014)" if name == "september" else "",
    )
    yield _rate(f"absence_rate_{name}", window)


YEAR_TO_DATE = (
    _parts("absent_parts_ytd", YTD),
    _days("days_absent_ytd", "Parts of days missed, excused or not, added up. A tardy is no absence."),
    _days("days_excused_ytd", "Parts of days missed with an excuse; suspension is one (ch. 392-401 WAC)."),
    _days("days_unexcused_ytd", "Parts of days missed without excuse."),
    _rate("absence_rate_ytd", YTD),
    _count("full_days_absent_ytd", FULL_DAY, source=WASHINGTON),
    _count("full_days_excused_ytd", f"Excused. {FULL_DAY}", source=f"{WASHINGTON}; {TRUANCY}"),
    _count("full_days_unexcused_ytd", f"Unexcused. {FULL_DAY}", source=f"{WASHINGTON}; {TRUANCY}"),
    _count("tardies_ytd", "Days with a late arrival.", null_when="the source never has tardies"),
    _days(
        "days_absent_suspended_ytd",
        "Parts of days missed inside the days that a suspension or expulsion imposed: attendance and behavior overlap "
        "there by construction.",
        null_when="behavior is not covered, or a suspension is of unknown length",
        source="Ch. 392-401 WAC: suspension is an excused reason",
    ),
    _attendance(
        "chronically_absent",
        pl.Boolean(),
        unit="yes or no",
        window=YTD,
        definition="Missed 10 % of the days enrolled or more, in whole numbers: exactly 90.0 % attended is chronic.",
        null_when=NO_DAYS,
        source="Washington OSPI; Attendance Works",
    ),
    _attendance(
        "absence_band",
        pl.String(),
        unit="band",
        window=YTD,
        definition="satisfactory: less than 5 % missed; at_risk: 5 to less than 10; moderate: 10 to less than 20; "
        "severe: 20 or more.",
        null_when=NO_DAYS,
        source="EveryDay Labs; Attendance Works",
    ),
    _count(
        "days_unreported_ytd",
        "Instructional days while enrolled, up to the as-of date, that the school has not reported yet.",
    ),
)

MONTHLY_COUNTS = (
    _count("full_days_unexcused_month_max", "Most full days unexcused in any one calendar month.", source=TRUANCY),
    _count("full_days_excused_month_max", "Most full days excused in any one calendar month.", source=TRUANCY),
    _count(
        "full_days_excused_this_month",
        "Full days excused in the calendar month of the as-of date.",
        window="month of the as-of date",
        source=TRUANCY,
    ),
    _count(
        "full_days_unexcused_this_month",
        "Full days unexcused in the calendar month of the as-of date.",
        window="month of the as-of date",
        source=TRUANCY,
    ),
)

COURSE_OF_THE_YEAR = (
    _attendance(
        "absence_trend",
        pl.Float64(),
        unit="difference of rates",
        window="the student's last 40 days",
        definition="Absence rate of the last 20 days less that of the (up to 20) days before them; above zero: worse.",
        null_when="20 days enrolled or fewer",
    ),
    _count("longest_absence_run", "Most days in a row, each missed by half or more, across weekends and transfers."),
    _count("current_absence_run", "Days in a row, each missed by half or more, that end with the student's last day."),
    _count(
        "days_since_last_absence",
        "School days of the student since the last day missed in part or whole; 0: the last day.",
        null_when="no absence this year",
    ),
)

LAST_YEAR = (
    _count("days_enrolled_last_year", "Days enrolled.", window="last school year", null_when=NOT_LAST_YEAR),
    _parts("absent_parts_last_year", "last school year", null_when=NOT_LAST_YEAR),
    _days("days_absent_last_year", "Parts of days missed.", window="last school year", null_when=NOT_LAST_YEAR),
    _rate("absence_rate_last_year", "last school year", null_when=NOT_LAST_YEAR),
)

ATTENDANCE = (
    *YEAR_TO_DATE,
    *(indicator for name, window in WINDOWS.items() for indicator in _window(name, window)),
    *(indicator for name in MONTHS for indicator in _month(name)),
    *MONTHLY_COUNTS,
    *COURSE_OF_THE_YEAR,
    *LAST_YEAR,
)
