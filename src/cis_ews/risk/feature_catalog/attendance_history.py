"""Attendance features that look at last year, one by one."""

from __future__ import annotations

from functools import partial

from cis_ews.enums import Domain
from cis_ews.risk.feature_catalog.attendance import AT_RISK, CHRONIC, NEARLY_ALWAYS, share_missed
from cis_ews.risk.feature_catalog.feature import Column, Difference, Enough, Feature, Told

LAST_YEAR = "last school year"
PREVIOUS, CHANGE = "absence last year", "absence beside last year"
NOT_KNOWN_LAST_YEAR = "We do not know last year's attendance"
RATE_LAST_YEAR = Enough(Column("absence_rate_last_year"), 20, days="days_enrolled_last_year")

_attendance = partial(Feature, domain=Domain.ATTENDANCE)

ATTENDANCE_BEFORE = (
    _attendance(
        name="absence_rate_last_year",
        topic=PREVIOUS,
        value=RATE_LAST_YEAR,
        window=LAST_YEAR,
        unit="rate, 0 to 1",
        definition="Days absent over days enrolled.",
        indicator="absence_rate_last_year",
        missing="fewer than 20 days enrolled last year, or the extract does not reach back",
        monotone=1,
        risk=(
            Told(
                sentence="Missed {absence_rate_last_year:%} of {days_enrolled_last_year:day|days} last year",
                at_least=CHRONIC,
            ),
        ),
        strength=(
            Told(sentence="Did not miss a day last year", at_most=0),
            Told(
                sentence="Missed {absence_rate_last_year:%} of {days_enrolled_last_year:day|days} last year",
                at_most=NEARLY_ALWAYS,
            ),
        ),
        unknown=NOT_KNOWN_LAST_YEAR,
        comparison=share_missed(RATE_LAST_YEAR),
    ),
    _attendance(
        name="absence_change_from_last_year",
        topic=CHANGE,
        value=Difference(
            Enough(Column("absence_rate_ytd"), 20),
            RATE_LAST_YEAR,
        ),
        window="this and the last school year",
        unit="difference of rates",
        definition="Absence rate of this year less that of last year.",
        indicator="absence_rate_ytd",
        missing="fewer than 20 days enrolled in one of the years",
        risk=(
            Told(
                sentence="Has missed {absence_rate_ytd:%} of this year, up from {absence_rate_last_year:%} last year",
                at_least=AT_RISK,
            ),
        ),
        strength=(
            Told(
                sentence="Misses less school than last year: {absence_rate_ytd:%}, down from "
                "{absence_rate_last_year:%}",
                at_most=-AT_RISK,
            ),
        ),
        unknown=NOT_KNOWN_LAST_YEAR,
    ),
    _attendance(
        name="absence_first_20_from_last_year",
        topic=CHANGE,
        value=Difference(
            Enough(Column("absence_rate_first_20"), 20),
            RATE_LAST_YEAR,
        ),
        window="the student's first 20 days and last school year",
        unit="difference of rates",
        definition="Absence rate of the first 20 days of this year less that of last year.",
        indicator="absence_rate_first_20",
        missing="fewer than 20 days enrolled in one of the years",
        risk=(
            Told(
                sentence="Missed {absence_rate_first_20:%} of the first 20 school days, up from "
                "{absence_rate_last_year:%} last year",
                at_least=AT_RISK,
            ),
        ),
        strength=(
            Told(
                sentence="Missed less of the first 20 school days than last year: {absence_rate_first_20:%}, down from "
                "{absence_rate_last_year:%}",
                at_most=-AT_RISK,
            ),
        ),
        unknown=NOT_KNOWN_LAST_YEAR,
    ),
)
