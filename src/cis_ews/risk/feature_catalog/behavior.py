"""Behavior features, one by one."""

from __future__ import annotations

from functools import partial

from cis_ews.enums import Domain
from cis_ews.risk.feature_catalog.feature import (
    DAYS_ENROLLED,
    Column,
    Comparison,
    DaysSince,
    Difference,
    Enough,
    Feature,
    Ratio,
    Term,
    Told,
    Total,
)

FEW_DAYS = 10
LONG_AGO = 90
PER_DAYS = 100
YTD, LAST_YEAR = "year to date", "last school year"
THIS_YEAR, LATELY, FALL = "incidents this year", "incidents lately", "incidents in fall"
EXCLUSION, PREVIOUS = "suspension", "behavior last year"
NO_DAYS = f"fewer than {FEW_DAYS} days enrolled"
NOT_LAST_YEAR = "not enrolled last year, or the extract does not reach back"
NOT_KNOWN_LAST_YEAR = "We do not know about behavior last year"
HALF = "half of the grade {grade_level:text} students here"

_behavior = partial(Feature, domain=Domain.BEHAVIOR)


def _had(value: Term) -> Comparison:
    return Comparison(
        value=value,
        fewer=f"{HALF} had {{median}} or fewer",
        more=f"{HALF} had {{median}} or more",
        none=f"{HALF} had none",
    )


def _per_100_days(column: str) -> Term:
    return Enough(Ratio(Column(column), Column(DAYS_ENROLLED), per=PER_DAYS), FEW_DAYS)


def _frequency(column: str, *, topic: str, what: str, sentence: str, strength: tuple[Told, ...] = ()) -> Feature:
    """How often something happened in 100 days: a count would grow with the year."""
    return _behavior(
        name=f"{column.removesuffix('_ytd')}_per_100_days",
        topic=topic,
        value=_per_100_days(column),
        window=YTD,
        unit="per 100 days",
        definition=f"{what} this year, in 100 days enrolled.",
        indicator=column,
        missing=NO_DAYS,
        monotone=1,
        risk=(Told(sentence=sentence, at_least=0.5),),
        strength=strength,
        comparison=_had(Column(column)) if topic != EXCLUSION else None,
    )


def _incidents(name: str, days: int) -> Term:
    return Enough(Total((f"incidents_major_{name}", f"incidents_minor_{name}")), days)


def _window(name: str, days: int, *, topic: str, strength: tuple[Told, ...] = ()) -> Feature:
    """Incidents in a window of so many days, known once the window is full."""
    words = name.replace("_", " ")
    return _behavior(
        name=f"incidents_{name}",
        topic=topic,
        value=_incidents(name, days),
        window=f"the student's {words} days",
        unit="count",
        definition="Incidents, minor and major.",
        indicator=f"incidents_{name}",
        number=_incidents(name, days),
        missing=f"fewer than {days} days enrolled",
        monotone=1,
        risk=(
            Told(sentence=f"Had 1 incident in the {words} school days", at_least=1, at_most=1),
            Told(
                sentence=f"Had {{incidents_major_{name}}} major and {{incidents_minor_{name}}} minor incidents in the "
                f"{words} school days",
                at_least=2,
            ),
        ),
        strength=strength,
    )


INCIDENTS = (
    _frequency(
        "incidents_ytd",
        topic=THIS_YEAR,
        what="Incidents, minor and major,",
        sentence="Had {incidents_ytd:incident|incidents} this year",
        strength=(Told(sentence="Has had no incident this year", at_most=0),),
    ),
    _frequency(
        "incidents_major_ytd",
        topic=THIS_YEAR,
        what="Major incidents",
        sentence="Had {incidents_major_ytd:major incident|major incidents} this year",
        strength=(Told(sentence="Has had no major incident this year", at_most=0),),
    ),
    _behavior(
        name="share_of_days_with_incident",
        topic=THIS_YEAR,
        value=Enough(Column("share_of_days_with_incident_ytd"), FEW_DAYS),
        window=YTD,
        unit="rate, 0 to 1",
        definition="School days with an incident over days enrolled.",
        indicator="share_of_days_with_incident_ytd",
        missing=NO_DAYS,
        monotone=1,
    ),
    _window("last_20", 20, topic=LATELY),
    _window(
        "last_45",
        45,
        topic=LATELY,
        strength=(Told(sentence="Has had no incident in the last 45 school days", at_most=0),),
    ),
    _behavior(
        name="major_incidents_last_45",
        topic=LATELY,
        value=Enough(Column("incidents_major_last_45"), 45),
        window="the student's last 45 days",
        unit="count",
        definition="Major incidents.",
        indicator="incidents_major_last_45",
        missing="fewer than 45 days enrolled",
        monotone=1,
        risk=(
            Told(
                sentence="Had {incidents_major_last_45:major incident|major incidents} in the last 45 school days",
                at_least=1,
            ),
        ),
    ),
    _behavior(
        name="days_since_last_incident",
        topic=LATELY,
        value=DaysSince(last="days_since_last_incident", count="incidents_ytd", most=LONG_AGO),
        window=YTD,
        unit="days",
        definition=f"School days since the last incident, at most {LONG_AGO}.",
        indicator="days_since_last_incident",
        missing="without an incident this year, all days enrolled",
        strength=(
            Told(
                sentence="Has had no incident in the last 20 school days",
                at_least=20,
            ),
        ),
    ),
    _behavior(
        name="incident_trend",
        topic=LATELY,
        value=Enough(
            Difference(
                Ratio(_incidents("last_45", 45), Column("days_enrolled_last_45"), per=PER_DAYS),
                _per_100_days("incidents_ytd"),
            ),
            65,
        ),
        window="the last 45 days beside the year to date",
        unit="per 100 days",
        definition="Incidents in 100 days: those of the last 45 days less those of the year to date.",
        indicator="incidents_ytd",
        missing="fewer than 65 days enrolled",
    ),
    _window("first_20", 20, topic=FALL),
)

EXCLUSIONS = (
    _frequency(
        "suspensions_ytd",
        topic=EXCLUSION,
        what="Suspensions and expulsions",
        sentence="Was suspended {suspensions_ytd:time|times} this year",
    ),
    _frequency(
        "in_school_suspensions_ytd",
        topic=EXCLUSION,
        what="In-school suspensions",
        sentence="Was suspended in school {in_school_suspensions_ytd:time|times} this year",
    ),
    _frequency(
        "exclusion_days_ytd",
        topic=EXCLUSION,
        what="Days imposed by disciplinary actions",
        sentence="Was kept out of class for {exclusion_days_ytd:day|days} this year",
    ),
    _behavior(
        name="exclusion_days_last_45",
        topic=EXCLUSION,
        value=Enough(Column("exclusion_days_last_45"), 45),
        window="the student's last 45 days",
        unit="days",
        definition="Days imposed by disciplinary actions that started in the window.",
        indicator="exclusion_days_last_45",
        missing="fewer than 45 days enrolled",
        monotone=1,
        risk=(
            Told(
                sentence="Was kept out of class for {exclusion_days_last_45:day|days} in the last 45 school days",
                at_least=1,
            ),
        ),
    ),
)

BEFORE = (
    _behavior(
        name="incidents_last_year",
        topic=PREVIOUS,
        value=Column("incidents_last_year"),
        window=LAST_YEAR,
        unit="count",
        definition="Incidents, minor and major.",
        indicator="incidents_last_year",
        missing=NOT_LAST_YEAR,
        monotone=1,
        risk=(Told(sentence="Had {incidents_last_year:incident|incidents} last year", at_least=1),),
        strength=(Told(sentence="Had no incident last year", at_most=0),),
        unknown=NOT_KNOWN_LAST_YEAR,
        comparison=_had(Column("incidents_last_year")),
    ),
    _behavior(
        name="suspensions_last_year",
        topic=PREVIOUS,
        value=Column("suspensions_last_year"),
        window=LAST_YEAR,
        unit="count",
        definition="Suspensions and expulsions.",
        indicator="suspensions_last_year",
        missing=NOT_LAST_YEAR,
        monotone=1,
        risk=(Told(sentence="Was suspended {suspensions_last_year:time|times} last year", at_least=1),),
        unknown=NOT_KNOWN_LAST_YEAR,
    ),
    _behavior(
        name="incident_change_from_last_year",
        topic=PREVIOUS,
        value=Difference(
            _per_100_days("incidents_ytd"),
            Enough(
                Ratio(Column("incidents_last_year"), Column("days_enrolled_last_year"), per=PER_DAYS),
                20,
                days="days_enrolled_last_year",
            ),
        ),
        window="this and the last school year",
        unit="per 100 days",
        definition="Incidents in 100 days: those of this year less those of last year.",
        indicator="incidents_ytd",
        missing="fewer than 10 days enrolled this year or 20 last year",
        risk=(
            Told(
                sentence="Had {incidents_ytd:incident|incidents} this year, and {incidents_last_year} in all of "
                "last year",
                at_least=1,
            ),
        ),
        strength=(Told(sentence="Has had fewer incidents for each school day than last year", at_most=-1),),
    ),
)

BEHAVIOR = (*INCIDENTS, *EXCLUSIONS, *BEFORE)
