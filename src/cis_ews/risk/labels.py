"""Labels: the outcomes that a model learns, judged from what the records say after an as-of date.

Nothing here is a feature: a label looks into the future by design. It reads days, marks, actions and enrollments, and
never who a student is. A label that the records cannot tell is null and says why; a student who went elsewhere is no
negative, and no positive either: whether a label is known never hangs on what it says, or those who are judged would be
the ones to whom it happened. Words and sources: `label_catalog`, docs/labels.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

import polars as pl

from cis_ews.calendars import school_year_at, school_year_starts
from cis_ews.enums import Domain, ExitType, GradeLevel
from cis_ews.errors import ConfigError, DataError
from cis_ews.indicators.coverage import covers, covers_actions
from cis_ews.indicators.roster import HIGH_SCHOOL
from cis_ews.risk.cohort import Cohort, build_cohort
from cis_ews.risk.label_catalog import FEWEST_DAYS, LABELS, Censored, Label, LooksAt, Outcome
from cis_ews.risk.label_records import (
    first_excluded,
    first_failed,
    known_through,
    last_school_days,
    outlook,
    stays,
    summer_ends,
    year_indicators,
)
from cis_ews.schema.school_data import SchoolData

__all__ = [
    "LABELS",
    "Censored",
    "Label",
    "happened_on",
    "horizon_end",
    "known_through",
    "make_labels",
    "make_outcomes",
    "reached_end",
]

YEARS_TO_GRADUATE = 4
_TRANSFERRED = (pl.col("exit_type") == ExitType.TRANSFER).fill_null(value=False)
_DROPPED = (pl.col("exit_type") == ExitType.DROPPED_OUT).fill_null(value=False)


@dataclass(frozen=True, slots=True)
class _Question:
    """A label asked of an extract on a date: its school year, and the end of its horizon."""

    label: Label
    school_data: SchoolData
    as_of: date

    @property
    def school_year(self) -> int:
        return school_year_at(self.school_data.calendar_days, self.as_of)

    @property
    def since(self) -> date:
        """What happened up to this day does not count."""
        return date.min if self.label.looks_at == LooksAt.WHOLE_YEAR else self.as_of

    @property
    def end(self) -> date:
        return _ENDS[self.label.looks_at](self)


def make_labels(school_data: SchoolData, as_of: date, *, label: str = "off_track") -> pl.DataFrame:
    """One row a student of the cohort of `as_of`, sorted by `student_id`: `student_id`, `label`, `censored`.

    `label`: whether the outcome happened; null where it is not known, and then `censored` says why (one of `Censored`).
    Labels are listed in `LABELS`. Raises `ConfigError` for a name that is not there; `DataError` where the extract does
    not speak of the outcome, ends before any student's horizon, or has no school day left in it.
    """
    return _told(_judged(_Question(_label_named(label), school_data, as_of)))


def make_outcomes(
    school_data: SchoolData, as_of: date, *, label: str, cohort: Cohort
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The `make_labels` and the `happened_on` of the students of a cohort of that date, from one judgment."""
    question = _Question(_label_named(label), school_data, as_of)
    judged = _judged(question, cohort)
    return _told(judged), _dated(question, judged)


def _told(judged: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("label")
    return judged.select("student_id", value, censored=pl.when(value.is_null()).then("censored")).sort("student_id")


def _judged(question: _Question, cohort: Cohort | None = None) -> pl.DataFrame:
    _check_covered(question)
    _check_reached(question)
    asked = build_cohort(question.school_data, question.as_of) if cohort is None else cohort
    students = asked.students.select("student_id", "grade_level")
    judged = _JUDGES[question.label.looks_at](question, students)
    grades = question.label.grades
    return judged if grades is None else _restricted(judged, grades)


def happened_on(school_data: SchoolData, as_of: date, *, label: str = "off_track") -> pl.DataFrame:
    """When an outcome happened: `student_id`, `happened_on`, of those to whom it did and of whom a record dates it.

    The first suspension that started, the day on which the first failed mark became known, the last day of who dropped
    out, whichever came first. An absence rate or a graduation that did not come is judged at the end of the horizon,
    and has no day. Raises as `make_labels` does.
    """
    question = _Question(_label_named(label), school_data, as_of)
    return _dated(question, _judged(question))


def _dated(question: _Question, every: pl.DataFrame) -> pl.DataFrame:
    judged = every.filter("label").with_columns(pl.lit(None, pl.Date).alias("happened_on"))
    for dates in _DATES.get(question.label.outcome, ()):
        judged = judged.join(dates(question, judged), on="student_id", how="left").with_columns(
            happened_on=pl.min_horizontal("happened_on", "day")
        )
        judged = judged.drop("day")
    return judged.select("student_id", "happened_on").drop_nulls().sort("student_id")


def _failed_on(question: _Question, _: pl.DataFrame) -> pl.DataFrame:
    year = question.school_year
    return first_failed(question.school_data, school_year=year, since=question.since, end=question.end)


def _excluded_on(question: _Question, _: pl.DataFrame) -> pl.DataFrame:
    starts = school_year_starts(question.school_data.calendar_days, question.school_year)["starts"].min()
    since = max(question.since, starts - timedelta(days=1)) if isinstance(starts, date) else question.since
    return first_excluded(question.school_data, since=since, end=question.end)


def _dropped_on(_: _Question, judged: pl.DataFrame) -> pl.DataFrame:
    dropped = judged.filter("dropped") if "dropped" in judged.columns else judged
    return dropped.select("student_id", day="last_day")


_DATES: Mapping[Outcome, tuple[Callable[[_Question, pl.DataFrame], pl.DataFrame], ...]] = {
    Outcome.COURSE_FAILURE: (_failed_on,),
    Outcome.EXCLUSION: (_excluded_on,),
    Outcome.OFF_TRACK: (_failed_on, _excluded_on, _dropped_on),
    Outcome.DROPPED_OUT: (_dropped_on,),
}


def horizon_end(school_data: SchoolData, as_of: date, *, label: str) -> date:
    """The last day that a label looks at, of any student.

    Of a school year: the last school day of any school in the extract (marks of the year that are dated in the summer
    count as known on it). Raises `ConfigError` for an unknown label, `DataError` where the calendar begins after that
    date.
    """
    return _Question(_label_named(label), school_data, as_of).end


def reached_end(school_data: SchoolData, as_of: date, *, label: str) -> date:
    """The `horizon_end`. Raises DataError where the extract does not reach it: its horizon is not over yet."""
    end = horizon_end(school_data, as_of, label=label)
    _check_known_through(school_data, as_of, label=label, end=end)
    return end


def _label_named(name: str) -> Label:
    if name not in LABELS:
        near = get_close_matches(name, LABELS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"the labels are {', '.join(LABELS)}"
        raise ConfigError(f"there is no such label: {name}", hint=hint)
    return LABELS[name]


def _check_covered(question: _Question) -> None:
    needs = question.label.needs
    if needs and not any(_tells(question.school_data, domain) for domain in needs):
        raise DataError(
            f"the extract does not speak of {question.label.name}: it has no {_TABLES_OF[needs[0]]}"
            + (" and nothing else that tells it" if len(needs) > 1 else ""),
            hint="choose another label, or add the table to the extract",
        )


_TABLES_OF = {
    Domain.ATTENDANCE: "attendance_events",
    Domain.BEHAVIOR: "discipline_actions",
    Domain.COURSEWORK: "course_grades",
}


def _tells(school_data: SchoolData, domain: Domain) -> bool:
    return covers_actions(school_data) if domain == Domain.BEHAVIOR else covers(school_data, domain)


def _check_reached(question: _Question) -> None:
    name, as_of = question.label.name, question.as_of
    if question.end <= question.since:
        raise DataError(
            f"no school day is left after {as_of.isoformat()} for the label {name}",
            hint="choose an as-of date before the last school day of its year",
        )
    _check_known_through(question.school_data, as_of, label=name, end=_EARLIEST[question.label.looks_at](question))


def _check_known_through(school_data: SchoolData, as_of: date, *, label: str, end: date) -> None:
    known = known_through(school_data)
    if end > known:
        raise DataError(
            f"the label {label} of {as_of.isoformat()} looks as far as {end.isoformat()}; the extract is taken to "
            f"speak until {known.isoformat()}",
            hint=f"choose an earlier as-of date, or an extract that reaches {end.isoformat()}",
        )


def _year_ends(question: _Question) -> pl.Series:
    """The last school days of the schools of the year; a year without any school day ends as it begins."""
    ends = last_school_days(question.school_data.calendar_days)
    found = ends.filter(pl.col("school_year") == question.school_year).get_column("year_end")
    return found if found.len() else pl.Series([question.as_of])


def _latest_year_end(question: _Question) -> date:
    return max(_year_ends(question).to_list())


def _earliest_year_end(question: _Question) -> date:
    return min(_year_ends(question).to_list())


def _a_year_later(question: _Question) -> date:
    return pl.Series([question.as_of]).dt.offset_by("1y").to_list()[0]


def _graduation_of_grade_9(question: _Question) -> date:
    return summer_ends(question.school_year + YEARS_TO_GRADUATE - 1)


def _graduation_of_grade_12(question: _Question) -> date:
    return summer_ends(question.school_year)


_ENDS: Mapping[LooksAt, Callable[[_Question], date]] = {
    LooksAt.REST_OF_YEAR: _latest_year_end,
    LooksAt.WHOLE_YEAR: _latest_year_end,
    LooksAt.TWELVE_MONTHS: _a_year_later,
    LooksAt.ON_TIME: _graduation_of_grade_9,
}
_EARLIEST: Mapping[LooksAt, Callable[[_Question], date]] = {
    LooksAt.REST_OF_YEAR: _earliest_year_end,
    LooksAt.WHOLE_YEAR: _earliest_year_end,
    LooksAt.TWELVE_MONTHS: _a_year_later,
    LooksAt.ON_TIME: _graduation_of_grade_12,
}


def _restricted(judged: pl.DataFrame, grades: tuple[GradeLevel, ...]) -> pl.DataFrame:
    asked = pl.col("grade_level").is_in(grades).fill_null(value=False)
    return judged.with_columns(
        label=pl.when(asked).then("label"),
        censored=pl.when(asked).then("censored").otherwise(pl.lit(Censored.OTHER_GRADE.value)),
    )


def _because(reason: Censored, holds: pl.Expr) -> pl.Expr:
    return pl.when(holds).then(pl.lit(reason.value))


def _departure(*, known: date, since: date) -> pl.Expr:
    """Why what follows is not known of a student who is not there any more; null of those who are judged."""
    gone = ~pl.col("remains") & ~pl.col("has_graduated")
    return pl.coalesce(
        _because(Censored.EXTRACT_ENDS, pl.col("horizon") > known),
        _because(Censored.LEFT_ON_THE_DAY, gone & _DROPPED & (pl.col("last_day") <= since)),
        _because(Censored.TRANSFERRED, gone & _TRANSFERRED),
        _because(Censored.LEFT, gone & ~_DROPPED),
    )


def _judge_year(question: _Question, students: pl.DataFrame) -> pl.DataFrame:
    """The labels of a school year; a stay in a school whose year is over has no part in the rest of it."""
    here = stays(question.school_data).filter(
        pl.col("school_year") == question.school_year, pl.col("year_end") > question.since
    )
    known = known_through(question.school_data)
    unreported = (pl.col("days_unreported_ytd") > 0) | ~pl.col("is_reported")
    found = year_indicators(
        question.school_data, school_year=question.school_year, since=question.since, end=question.end
    )
    rows = (
        students.join(found.drop("grade_level"), on="student_id", how="left")
        .join(outlook(here, pl.col("year_end")), on="student_id", how="left")
        # The last stay decides: who went on to a school whose year is longer, and left that one, has not stayed.
        .with_columns(remains=pl.col("last_day") >= pl.col("horizon"))
        .with_columns(
            departure=pl.coalesce(
                _because(Censored.YEAR_IS_OVER, pl.col("horizon").is_null()),
                _departure(known=known, since=question.since),
            ),
            dropped=_DROPPED & (pl.col("last_day") > question.since),
            unreported=(pl.lit(covers(question.school_data, Domain.ATTENDANCE)) & unreported).fill_null(value=False),
        )
    )
    value, reason = _OUTCOMES[question.label.outcome]
    return rows.with_columns(label=value, censored=reason)


_STAYED = pl.col("departure").is_null()
_ENOUGH_DAYS = pl.col("days_enrolled_ytd") >= FEWEST_DAYS
_CHRONIC = pl.when(_STAYED & ~pl.col("unreported") & _ENOUGH_DAYS).then("chronically_absent")


def _event(count: str) -> pl.Expr:
    """Whether it happened, of those who are judged; null where the records have no count."""
    return pl.when(_STAYED).then(pl.col(count) > 0)


_FAILED, _EXCLUDED = _event("course_failures_ytd"), _event("suspensions_ytd")
_ANY = pl.any_horizontal(_CHRONIC, _FAILED, _EXCLUDED, pl.col("dropped")).fill_null(value=False)
_NONE_KNOWN = pl.all_horizontal(_CHRONIC.is_null(), _FAILED.is_null(), _EXCLUDED.is_null())
_OFF_TRACK = pl.when(_STAYED & ~pl.col("unreported") & (pl.col("dropped") | ~_NONE_KNOWN)).then(_ANY)
_NOT_REPORTED = _because(Censored.NOT_REPORTED, pl.col("unreported"))
_OUTCOMES: Mapping[Outcome, tuple[pl.Expr, pl.Expr]] = {
    Outcome.CHRONIC_ABSENCE: (
        _CHRONIC,
        pl.coalesce("departure", _NOT_REPORTED, pl.lit(Censored.FEW_DAYS.value)),
    ),
    Outcome.COURSE_FAILURE: (_FAILED, pl.coalesce("departure", pl.lit(Censored.NO_FINAL_MARK.value))),
    Outcome.EXCLUSION: (_EXCLUDED, pl.col("departure")),
    Outcome.OFF_TRACK: (
        _OFF_TRACK,
        pl.coalesce("departure", _NOT_REPORTED, pl.lit(Censored.NOTHING_KNOWN.value)),
    ),
}


def _judge_dropout(question: _Question, students: pl.DataFrame) -> pl.DataFrame:
    rows = students.join(outlook(stays(question.school_data), pl.lit(question.end)), on="student_id", how="left")
    departure = _departure(known=known_through(question.school_data), since=question.since)
    in_time = pl.col("last_day").is_between(question.as_of, question.end, closed="right")
    dropped = _DROPPED & ~pl.col("has_graduated") & in_time
    return rows.with_columns(censored=departure).with_columns(label=pl.when(pl.col("censored").is_null()).then(dropped))


def _judge_graduation(question: _Question, students: pl.DataFrame) -> pl.DataFrame:
    """Who graduates early is known at once, everybody else when graduation is due."""
    due = students.join(_graduation_due(question), on="student_id", how="left")
    theirs = stays(question.school_data).join(due.select("student_id", "due"), on="student_id")
    rows = due.join(outlook(theirs, pl.col("due")), on="student_id", how="left")
    departure = _departure(known=known_through(question.school_data), since=date.min)
    was_due = pl.col("due") < question.as_of
    graduated = pl.col("has_graduated")
    return rows.with_columns(
        censored=pl.coalesce(_because(Censored.WAS_DUE_BEFORE, was_due), pl.when(~graduated).then(departure))
    ).with_columns(label=pl.when(pl.col("censored").is_null()).then(~graduated))


def _graduation_due(question: _Question) -> pl.DataFrame:
    """When each student who was in high school by now is due: `student_id`, `due`."""
    so_far = question.school_data.enrollments.filter(
        pl.col("school_year") <= question.school_year, pl.col("grade_level").is_in(HIGH_SCHOOL)
    )
    grade, year = pl.col("grade_level"), pl.col("school_year")
    on_pace = year - grade.cast(pl.String).cast(pl.Int16) + 9
    began = pl.coalesce(year.filter(grade == GradeLevel.G9).min(), on_pace.min())
    due = pl.date(pl.col("began") + YEARS_TO_GRADUATE - 1, 8, 31)
    return so_far.group_by("student_id").agg(began=began).select("student_id", due=due)


_JUDGES: Mapping[LooksAt, Callable[[_Question, pl.DataFrame], pl.DataFrame]] = {
    LooksAt.REST_OF_YEAR: _judge_year,
    LooksAt.WHOLE_YEAR: _judge_year,
    LooksAt.TWELVE_MONTHS: _judge_dropout,
    LooksAt.ON_TIME: _judge_graduation,
}
