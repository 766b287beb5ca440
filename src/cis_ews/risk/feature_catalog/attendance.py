"""Attendance features, one by one."""

from __future__ import annotations

from functools import partial

from cis_ews.enums import Domain
from cis_ews.risk.feature_catalog.feature import (
    Column,
    Comparison,
    DaysSince,
    Difference,
    Enough,
    Feature,
    Largest,
    Ratio,
    Shift,
    Slope,
    Term,
    Told,
)

MONTHS = (
    "august",
    "september",
    "october",
    "november",
    "december",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
)
"""In the order of a school year, which turns on August 1."""
FEW_DAYS = 10
"""A share of days says little before this many."""
LONG_AGO = 45
YTD = "year to date"
LATELY, THIS_YEAR, FALL = "absence lately", "absence this year", "absence in fall"
UNEXCUSED, LATE, RUNS = "unexcused absence", "late arrivals", "days missed in a row"
AT_RISK, CHRONIC = 0.05, 0.1
"""The published bands of absence: at risk from 5 % on, chronic from 10 % on."""
NEARLY_ALWAYS = 0.04
NOT_KNOWN = "We do not know enough about attendance this year"
HALF = "half of the grade {grade_level:text} students here"


_attendance = partial(Feature, domain=Domain.ATTENDANCE)
_rate = partial(Feature, domain=Domain.ATTENDANCE, unit="rate, 0 to 1")


def _days_missed(value: Term) -> Comparison:
    """Days that others missed of the same number of days."""
    return Comparison(
        value=value,
        fewer=f"{HALF} missed {{median}} or fewer",
        more=f"{HALF} missed {{median}} or more",
        none=f"{HALF} missed none",
    )


def share_missed(value: Term) -> Comparison:
    """Shares of their days that others missed."""
    return Comparison(
        value=value,
        fewer=f"{HALF} missed {{median:%}} or less",
        more=f"{HALF} missed {{median:%}} or more",
        none=f"{HALF} missed none",
    )


def _full_window(name: str, days: int, *, topic: str = LATELY, risk_from: float, strength: tuple[Told, ...]) -> Feature:
    """The absence rate of a window of so many days, known once the window is full."""
    words = f"the {name.replace('_', ' ')} school days"
    return _rate(
        name=f"absence_rate_{name}",
        topic=topic,
        value=Enough(Column(f"absence_rate_{name}"), days),
        window=f"the student's {name.replace('_', ' ')} days",
        definition="Days absent over days enrolled.",
        indicator=f"absence_rate_{name}",
        missing=f"fewer than {days} days enrolled",
        monotone=1,
        risk=(Told(sentence=f"Missed {{days_absent_{name}}} of {words}", at_least=risk_from),),
        strength=strength,
        unknown=NOT_KNOWN,
        comparison=_days_missed(Enough(Column(f"days_absent_{name}"), days)),
    )


RECENT = (
    _full_window(
        "last_10",
        10,
        risk_from=0.2,
        strength=(Told(sentence="Has not missed any of the last 10 school days", at_most=0),),
    ),
    _full_window(
        "last_20",
        20,
        risk_from=CHRONIC,
        strength=(
            Told(sentence="Has not missed any of the last 20 school days", at_most=0),
            Told(sentence="Missed only {days_absent_last_20} of the last 20 school days", at_most=AT_RISK),
        ),
    ),
    _full_window(
        "last_45",
        45,
        risk_from=AT_RISK,
        strength=(
            Told(sentence="Has not missed any of the last 45 school days", at_most=0),
            Told(sentence="Missed only {days_absent_last_45} of the last 45 school days", at_most=NEARLY_ALWAYS),
        ),
    ),
    _attendance(
        name="absence_trend",
        topic=LATELY,
        value=Enough(Column("absence_trend"), 40),
        window="the student's last 40 days",
        unit="difference of rates",
        definition="Absence rate of the last 20 days less that of the 20 before them.",
        indicator="absence_trend",
        missing="fewer than 40 days enrolled",
        risk=(
            Told(
                sentence="Missed {days_absent_last_20} of the last 20 school days, more than in the 20 before",
                at_least=CHRONIC,
            ),
        ),
        strength=(
            Told(
                sentence="Came to school more often in the last 20 school days than in the 20 before",
                at_most=-CHRONIC,
            ),
        ),
    ),
    _attendance(
        name="absence_change_in_year",
        topic=LATELY,
        value=Enough(Difference(Column("absence_rate_last_45"), Column("absence_rate_first_20")), 65),
        window="the first 20 and the last 45 days",
        unit="difference of rates",
        definition="Absence rate of the last 45 days less that of the first 20.",
        indicator="absence_rate_last_45",
        missing="fewer than 65 days enrolled",
        risk=(
            Told(
                sentence="Missed {days_absent_last_45} of the last 45 school days, and {days_absent_first_20} of the "
                "first 20",
                at_least=AT_RISK,
            ),
        ),
        strength=(Told(sentence="Comes to school more often than in the first 20 days of the year", at_most=-AT_RISK),),
    ),
    _attendance(
        name="days_since_last_absence",
        topic=LATELY,
        value=DaysSince(last="days_since_last_absence", count="absent_parts_ytd", most=LONG_AGO),
        window=YTD,
        unit="days",
        definition=f"School days since the last day missed in part or whole, at most {LONG_AGO}.",
        indicator="days_since_last_absence",
        missing="without an absence this year, all days enrolled",
        strength=(
            Told(
                sentence="Has not missed any of the last {days_since_last_absence:school day|school days}", at_least=20
            ),
        ),
    ),
)

THROUGH_THE_YEAR = (
    _rate(
        name="absence_rate_ytd",
        topic=THIS_YEAR,
        value=Enough(Column("absence_rate_ytd"), FEW_DAYS),
        window=YTD,
        definition="Days absent over days enrolled.",
        indicator="absence_rate_ytd",
        missing=f"fewer than {FEW_DAYS} days enrolled",
        monotone=1,
        risk=(
            Told(
                sentence="Missed {absence_rate_ytd:%} of {days_enrolled_ytd:day|days} this year",
                at_least=AT_RISK,
            ),
        ),
        strength=(
            Told(sentence="Missed none of {days_enrolled_ytd:day|days} this year", at_most=0),
            Told(
                sentence="Missed {absence_rate_ytd:%} of {days_enrolled_ytd:day|days} this year",
                at_most=NEARLY_ALWAYS,
            ),
        ),
        unknown=NOT_KNOWN,
        comparison=share_missed(Enough(Column("absence_rate_ytd"), FEW_DAYS)),
    ),
    _rate(
        name="full_day_absence_rate_ytd",
        topic=THIS_YEAR,
        value=Enough(Ratio(Column("full_days_absent_ytd"), Column("days_enrolled_ytd")), FEW_DAYS),
        window=YTD,
        definition="Days missed by half or more over days enrolled.",
        indicator="full_days_absent_ytd",
        missing=f"fewer than {FEW_DAYS} days enrolled",
        monotone=1,
        risk=(
            Told(
                sentence="Missed half a day or more on {full_days_absent_ytd} of "
                "{days_enrolled_ytd:school day|school days} this year",
                at_least=AT_RISK,
            ),
        ),
        unknown=NOT_KNOWN,
    ),
    _rate(
        name="excused_absence_rate_ytd",
        topic=THIS_YEAR,
        value=Enough(Ratio(Column("days_excused_ytd"), Column("days_enrolled_ytd")), FEW_DAYS),
        window=YTD,
        definition="Days absent with an excuse over days enrolled.",
        indicator="days_excused_ytd",
        missing=f"fewer than {FEW_DAYS} days enrolled",
        risk=(Told(sentence="Missed {days_excused_ytd:day|days} with an excuse this year", at_least=AT_RISK),),
    ),
    _attendance(
        name="absence_slope",
        topic=THIS_YEAR,
        value=Enough(
            Slope(
                parts=tuple(f"days_absent_{month}" for month in MONTHS),
                days=tuple(f"days_enrolled_{month}" for month in MONTHS),
            ),
            40,
        ),
        window="the months so far",
        unit="rate a month",
        definition="Least squares over the absence rates of the months so far, each as heavy as its days.",
        indicator="absence_rate_ytd",
        missing="fewer than 40 days enrolled, or all in one month",
        risk=(Told(sentence="Misses more school as the year goes on", at_least=0.02),),
        strength=(Told(sentence="Misses less school as the year goes on", at_most=-0.02),),
    ),
    _attendance(
        name="absence_shift",
        topic=THIS_YEAR,
        value=Enough(
            Shift(
                parts=tuple(f"days_absent_{month}" for month in MONTHS),
                days=tuple(f"days_enrolled_{month}" for month in MONTHS),
                minimum=FEW_DAYS,
            ),
            40,
        ),
        window="the months so far",
        unit="difference of rates",
        definition="Absence rate from the month on at which it moved most (least squares), less that before it; "
        f"{FEW_DAYS} days enrolled or more on either side.",
        indicator="absence_rate_ytd",
        missing=f"fewer than 40 days enrolled, or no month with {FEW_DAYS} of them before it and from it on",
        risk=(Told(sentence="Began to miss more school in the course of this year", at_least=AT_RISK),),
        strength=(Told(sentence="Began to come to school more often in the course of this year", at_most=-AT_RISK),),
    ),
    _rate(
        name="absence_rate_worst_month",
        topic=THIS_YEAR,
        value=Largest(
            tuple(Enough(Column(f"absence_rate_{month}"), FEW_DAYS, days=f"days_enrolled_{month}") for month in MONTHS)
        ),
        window="the months so far",
        definition=f"Highest absence rate of a month with {FEW_DAYS} days enrolled or more.",
        indicator="absence_rate_ytd",
        missing=f"no month with {FEW_DAYS} days enrolled",
        monotone=1,
    ),
)

KINDS_OF_ABSENCE = (
    _rate(
        name="unexcused_absence_rate_ytd",
        topic=UNEXCUSED,
        value=Enough(Ratio(Column("days_unexcused_ytd"), Column("days_enrolled_ytd")), FEW_DAYS),
        window=YTD,
        definition="Days absent without an excuse over days enrolled.",
        indicator="days_unexcused_ytd",
        missing=f"fewer than {FEW_DAYS} days enrolled",
        monotone=1,
        risk=(Told(sentence="Missed {days_unexcused_ytd:day|days} without an excuse this year", at_least=0.02),),
        strength=(Told(sentence="Has not missed a day without an excuse this year", at_most=0),),
    ),
    _rate(
        name="unexcused_absence_rate_last_45",
        topic=UNEXCUSED,
        value=Enough(Ratio(Column("days_unexcused_last_45"), Column("days_enrolled_last_45")), 45),
        window="the student's last 45 days",
        definition="Days absent without an excuse over days enrolled.",
        indicator="days_unexcused_last_45",
        missing="fewer than 45 days enrolled",
        monotone=1,
        risk=(
            Told(
                sentence="Missed {days_unexcused_last_45:day|days} without an excuse in the last 45 school days",
                at_least=0.04,
            ),
        ),
        strength=(Told(sentence="Has not missed any of the last 45 school days without an excuse", at_most=0),),
    ),
    _rate(
        name="unexcused_share",
        topic=UNEXCUSED,
        value=Ratio(Column("days_unexcused_ytd"), Column("days_absent_ytd")),
        window=YTD,
        definition="Of the days absent, the share without an excuse.",
        indicator="days_unexcused_ytd",
        missing="no absence this year",
    ),
    _rate(
        name="tardy_rate_ytd",
        topic=LATE,
        value=Enough(Ratio(Column("tardies_ytd"), Column("days_enrolled_ytd")), FEW_DAYS),
        window=YTD,
        definition="Days with a late arrival over days enrolled.",
        indicator="tardies_ytd",
        missing=f"fewer than {FEW_DAYS} days enrolled",
        risk=(
            Told(
                sentence="Was late on {tardies_ytd} of {days_enrolled_ytd:day|days} this year",
                at_least=AT_RISK,
            ),
        ),
        comparison=Comparison(
            value=Column("tardies_ytd"),
            fewer=f"{HALF} were late {{median:time|times}} or fewer",
            more=f"{HALF} were late {{median:time|times}} or more",
            none=f"{HALF} were never late",
        ),
    ),
    _attendance(
        name="longest_absence_run",
        topic=RUNS,
        value=Column("longest_absence_run"),
        window=YTD,
        unit="days",
        definition="Most days in a row, each missed by half or more.",
        indicator="longest_absence_run",
        monotone=1,
        risk=(Told(sentence="Missed {longest_absence_run:school day|school days} in a row this year", at_least=3),),
    ),
    _attendance(
        name="current_absence_run",
        topic=RUNS,
        value=Column("current_absence_run"),
        window="up to the student's last day",
        unit="days",
        definition="Days in a row up to the last one, each missed by half or more.",
        indicator="current_absence_run",
        monotone=1,
        risk=(Told(sentence="Has missed the last {current_absence_run:school day|school days} in a row", at_least=2),),
    ),
)

BEGINNINGS = (
    _full_window(
        "first_20",
        20,
        topic=FALL,
        risk_from=CHRONIC,
        strength=(Told(sentence="Did not miss any of the first 20 school days", at_most=0),),
    ),
    _rate(
        name="absence_rate_september",
        topic=FALL,
        value=Enough(Column("absence_rate_september"), FEW_DAYS, days="days_enrolled_september"),
        window="September",
        definition="Days absent over days enrolled.",
        indicator="absence_rate_september",
        missing=f"fewer than {FEW_DAYS} days enrolled in September",
        monotone=1,
        risk=(
            Told(
                sentence="Missed {days_absent_september} of {days_enrolled_september:day|days} in September",
                at_least=CHRONIC,
            ),
        ),
        strength=(
            Told(sentence="Did not miss any of {days_enrolled_september:day|days} in September", at_most=0),
            Told(
                sentence="Missed {days_absent_september} of {days_enrolled_september:day|days} in September: a good "
                "start",
                at_most=AT_RISK,
            ),
        ),
    ),
)

ATTENDANCE = (*RECENT, *THROUGH_THE_YEAR, *KINDS_OF_ABSENCE, *BEGINNINGS)
