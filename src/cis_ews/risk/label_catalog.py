"""The labels in words, each declared once: its period, its definition, who is not judged. Page: docs/labels.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cis_ews.enums import Domain, GradeLevel

FEWEST_DAYS = 10
"""A rate of absence is asked of this many school days or more (the federal definition of chronic absence)."""


class LooksAt(StrEnum):
    """The period that a label looks at."""

    REST_OF_YEAR = "rest of the year"
    WHOLE_YEAR = "whole year"
    TWELVE_MONTHS = "twelve months"
    ON_TIME = "until graduation is due"


class Outcome(StrEnum):
    """What a label asks; two labels of different periods may ask the same."""

    CHRONIC_ABSENCE = "chronic_absence"
    COURSE_FAILURE = "course_failure"
    EXCLUSION = "exclusion"
    OFF_TRACK = "off_track"
    DROPPED_OUT = "dropped_out"
    NOT_GRADUATED_ON_TIME = "not_graduated_on_time"


class Censored(StrEnum):
    """Why an outcome is not known."""

    TRANSFERRED = "transferred out before the end of the horizon"
    LEFT = "left before the end of the horizon, and the records do not say how"
    LEFT_ON_THE_DAY = "dropped out on the as-of date itself"
    EXTRACT_ENDS = "the extract ends before the horizon"
    YEAR_IS_OVER = "the school's year was over on the as-of date"
    NOT_REPORTED = "the school has not reported all absences of the horizon"
    FEW_DAYS = "fewer than 10 school days in the horizon"
    NO_FINAL_MARK = "no final mark in the horizon"
    NOTHING_KNOWN = "the records speak of no part of the label"
    OTHER_GRADE = "grade not covered by the label"
    WAS_DUE_BEFORE = "was due to graduate before the as-of date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """An outcome that a model learns.

    `horizon`: the period in which it happens, in words. `censoring`: who is neither a case nor a negative, in words.
    `grades`: the grades it is asked of on the as-of date; all where None. `needs`: the domains of which the extract has
    to speak, one of them at least.
    """

    name: str
    title: str
    outcome: Outcome
    looks_at: LooksAt
    horizon: str
    definition: str
    censoring: str
    source: str
    grades: tuple[GradeLevel, ...] | None = None
    needs: tuple[Domain, ...] = ()


_HORIZONS = {
    LooksAt.REST_OF_YEAR: "from the day after the as-of date to the last school day of the school year",
    LooksAt.WHOLE_YEAR: "from the first to the last school day of the school year of the as-of date",
}
_TITLES = {LooksAt.REST_OF_YEAR: "in the rest of the year", LooksAt.WHOLE_YEAR: "in the whole year"}
_LEAVERS = (
    "Students who left before the end by transfer or for a reason not known, and did not come back in this school "
    "year, whatever was seen before"
)
_UNJUDGED = {
    LooksAt.REST_OF_YEAR: f"{_LEAVERS}; those whose own school's year was over on the as-of date",
    LooksAt.WHOLE_YEAR: _LEAVERS,
}
_UNREPORTED = (
    "those of whom a school has not reported every day, or whose last school has not reported its year to the end (of "
    "those who dropped out or graduated too), whatever else was seen"
)


def _chronic_absence(looks_at: LooksAt) -> Label:
    return Label(
        name=_name(Outcome.CHRONIC_ABSENCE, looks_at),
        title=f"Chronically absent {_TITLES[looks_at]}",
        outcome=Outcome.CHRONIC_ABSENCE,
        looks_at=looks_at,
        horizon=_HORIZONS[looks_at],
        definition="Missed 10 % or more of the days enrolled in the horizon, for any reason; exactly 10 % is chronic.",
        censoring=f"{_UNJUDGED[looks_at]}; {_UNREPORTED}; those with fewer than {FEWEST_DAYS} days in the horizon.",
        source="Attendance Works; OSPI; federal EDFacts (10 days enrolled or more)",
        needs=(Domain.ATTENDANCE,),
    )


def _course_failure(looks_at: LooksAt) -> Label:
    return Label(
        name=_name(Outcome.COURSE_FAILURE, looks_at),
        title=f"Failed a course {_TITLES[looks_at]}",
        outcome=Outcome.COURSE_FAILURE,
        looks_at=looks_at,
        horizon=_HORIZONS[looks_at],
        definition="A final mark of this school year that becomes known in the horizon is failed. A mark dated after "
        "the last school day, up to 31 August, counts as known on that day.",
        censoring=f"{_UNJUDGED[looks_at]}; those without a final mark in the horizon.",
        source="EWIMS (course failures); OSPI ninth-grade course failure",
        needs=(Domain.COURSEWORK,),
    )


def _exclusion(looks_at: LooksAt) -> Label:
    return Label(
        name=_name(Outcome.EXCLUSION, looks_at),
        title=f"Suspended or expelled {_TITLES[looks_at]}",
        outcome=Outcome.EXCLUSION,
        looks_at=looks_at,
        horizon=_HORIZONS[looks_at],
        definition="A suspension (short-term or long-term) or an expulsion (emergency too) starts in the horizon.",
        censoring=f"{_UNJUDGED[looks_at]}.",
        source="WAC 392-400; Balfanz (out-of-school suspension)",
        needs=(Domain.BEHAVIOR,),
    )


def _off_track(looks_at: LooksAt) -> Label:
    return Label(
        name=_name(Outcome.OFF_TRACK, looks_at),
        title=f"Off track {_TITLES[looks_at]}",
        outcome=Outcome.OFF_TRACK,
        looks_at=looks_at,
        horizon=_HORIZONS[looks_at],
        definition="Any of chronic absence, course failure and exclusion in the horizon, or dropped out in it and not "
        "back by the end of the year. A part of which the records do not speak (no marks in kindergarten, a source "
        "without behavior, fewer than 10 days) is left out.",
        censoring=f"{_UNJUDGED[looks_at]}; {_UNREPORTED}; those of whom no part is known.",
        source="This project's own: the ABC of the early-warning rules as one outcome",
        needs=(Domain.ATTENDANCE, Domain.COURSEWORK, Domain.BEHAVIOR),
    )


def _name(outcome: Outcome, looks_at: LooksAt) -> str:
    return f"{outcome}_whole_year" if looks_at == LooksAt.WHOLE_YEAR else outcome.value


DROPPED_OUT = Label(
    name=Outcome.DROPPED_OUT.value,
    title="Dropped out within 12 months",
    outcome=Outcome.DROPPED_OUT,
    looks_at=LooksAt.TWELVE_MONTHS,
    horizon="from the day after the as-of date to the same day a year later, summer included",
    definition="An enrollment ends in dropping out in the horizon, and no enrollment follows it in the horizon. Not so "
    "where the student graduated, or is still enrolled when the horizon ends; a student who was enrolled on the last "
    "day of a school year and did not leave counts as enrolled through 31 August.",
    censoring="Students who left otherwise or for a reason not known (those who finish a school year and are not seen "
    "in the next one too) and were not enrolled when the horizon ends.",
    source="NCES (event dropout rate: grades 7 to 12)",
    grades=(GradeLevel.G7, GradeLevel.G8, GradeLevel.G9, GradeLevel.G10, GradeLevel.G11, GradeLevel.G12),
)
NOT_GRADUATED_ON_TIME = Label(
    name=Outcome.NOT_GRADUATED_ON_TIME.value,
    title="Did not graduate on time",
    outcome=Outcome.NOT_GRADUATED_ON_TIME,
    looks_at=LooksAt.ON_TIME,
    horizon="from the day after the as-of date to 31 August of the fourth school year since grade 9 began",
    definition="Not graduated by then: still enrolled, or dropped out and not back. Grade 9 began in the first school "
    "year seen in grade 9; where the extract shows none, in the year in which a student on pace would have been there.",
    censoring="Students who transferred out, or left for a reason not known, before graduation is due; those who were "
    "due before the as-of date; those who are due after the end of the extract and have not graduated.",
    source="Four-year adjusted cohort graduation rate (34 CFR 200.34)",
    grades=(GradeLevel.G9, GradeLevel.G10, GradeLevel.G11, GradeLevel.G12),
)

_OF_A_YEAR = (_chronic_absence, _course_failure, _exclusion, _off_track)
LABELS: Mapping[str, Label] = {
    label.name: label
    for label in (
        *(declare(LooksAt.REST_OF_YEAR) for declare in _OF_A_YEAR),
        DROPPED_OUT,
        NOT_GRADUATED_ON_TIME,
        *(declare(LooksAt.WHOLE_YEAR) for declare in _OF_A_YEAR),
    )
}
"""Every label by its name."""
