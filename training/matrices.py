"""One matrix an as-of date of past school years: what was known then, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.calendars import school_year_at
from cis_ews.errors import DataError
from cis_ews.evaluation.comparison import Lists
from cis_ews.indicators import compute_indicators
from cis_ews.risk.cohort import Cohort, build_cohort
from cis_ews.risk.features import build_features
from cis_ews.risk.labels import make_outcomes, reached_end
from cis_ews.risk.supported import SUPPORTED_LATER, Supported, supported_students
from cis_ews.schema.school_data import SchoolData
from training.config import TrainingConfig
from training.dates import as_of_dates
from training.support import SUPPORTED, learned_rows

LABEL = "label"
WEIGHT = "weight"
KEYS = ("student_id", "school_id", "school_year", "as_of", LABEL, WEIGHT)
"""What a row of `Matrices.rows` is about, and how much it counts in learning; the columns after them are the features
of the catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixSummary:
    """One as-of date, counted: students of the cohort, of them too few days enrolled, without a label by reason.

    `horizon_end`: the last day that its labels look at.
    """

    school_year: int
    as_of: date
    horizon_end: date
    students: int
    few_days: int
    censored: dict[str, int]
    labeled: int
    positives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrices:
    """All matrices below one another, sorted by date and student.

    `rows`: KEYS and the features. `indicators`: the same rows with the indicators, for the rules and for last year's
    values. `skipped`: as-of date -> why it could not be used.
    """

    rows: pl.DataFrame
    indicators: pl.DataFrame
    summaries: tuple[MatrixSummary, ...]
    skipped: dict[date, str]

    @property
    def days(self) -> pl.Series:
        """The days enrolled of each row, as a night counts them."""
        return self.indicators["days_enrolled_ytd"].fill_null(0).cast(pl.Int64)

    def from_days(self, minimum: int) -> Matrices:
        """The rows of students enrolled for so many days at least."""
        enough = self.days >= minimum
        return replace(self, rows=self.rows.filter(enough), indicators=self.indicators.filter(enough))


def build_matrices(
    school_data: SchoolData,
    config: TrainingConfig,
    *,
    minimum_days: int,
    erased: Collection[str] = frozenset(),
    dates: Sequence[date] | None = None,
) -> Matrices:
    """The matrices of every as-of date whose outcome the extract can tell, to the end of the horizon.

    `dates`: other ones than those that `config` says for every school year of the calendar.

    `minimum_days`: students enrolled for fewer days are left out, as a night gives them no risk. `erased`: ids of
    students who are left out at a family's request. Raises DataError where no date can be used.
    """
    parts: list[tuple[pl.DataFrame, pl.DataFrame, MatrixSummary]] = []
    skipped: dict[date, str] = {}
    for as_of in _dates(school_data, config) if dates is None else dates:
        try:
            known = _known(school_data, as_of, config=config, erased=erased)
        except DataError as error:
            skipped[as_of] = error.message
            continue
        parts.append(_matrix(school_data, known, minimum_days=minimum_days))
    if not parts:
        raise DataError(
            f"No past as-of date can be used to learn {config.label}: {next(iter(skipped.values()), 'there is none')}",
            hint="bring an extract with past school years in whole, or choose other dates or another label",
        )
    rows = pl.concat([rows for rows, _, _ in parts])
    if rows.is_empty():
        days = [summary.as_of for *_, summary in parts]
        raise DataError(
            f"Of no student is it known what came of {config.label} after {min(days)} to {max(days)}",
            hint="see through which day schools reported (cis-ews check), or choose earlier dates",
        )
    return Matrices(
        rows=_weighed(rows, config.supported),
        indicators=_those_learned(pl.concat([indicators for _, indicators, _ in parts]), rows, config.supported),
        summaries=tuple(summary for *_, summary in parts),
        skipped=skipped,
    )


def _weighed(rows: pl.DataFrame, how: Supported) -> pl.DataFrame:
    """The rows that are learned from, with their weights: each school year's by whom it supported itself, so that no
    year is weighed by a later one."""
    names = [name for name in rows.columns if name not in (*KEYS, SUPPORTED)]
    parts: list[pl.DataFrame] = []
    for of_year in rows.partition_by("school_year", maintain_order=True):
        learned = learned_rows(of_year, names, how=how)
        weight = pl.lit(1.0) if learned.weights is None else pl.Series(WEIGHT, learned.weights)
        parts.append(learned.rows.with_columns(weight.alias(WEIGHT)))
    return pl.concat(parts).select(*KEYS, *names)


def _those_learned(indicators: pl.DataFrame, rows: pl.DataFrame, how: Supported) -> pl.DataFrame:
    return indicators if how == Supported.AS_RECORDED else indicators.filter(~rows[SUPPORTED])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """An as-of date, what was known of whom, and what came of it."""

    as_of: date
    horizon_end: date
    cohort: Cohort
    indicators: pl.DataFrame
    labels: pl.DataFrame
    happened_on: pl.DataFrame
    supported: Supported


def _known(school_data: SchoolData, as_of: date, *, config: TrainingConfig, erased: Collection[str]) -> _Known:
    """Raises DataError where the outcome of the date is not known, or not of its horizon as a whole."""
    end = reached_end(school_data, as_of, label=config.label)
    everyone = compute_indicators(school_data, as_of)
    cohort = build_cohort(school_data, as_of, indicators=everyone, erased=erased)
    labels, days = make_outcomes(school_data, as_of, label=config.label, cohort=cohort)
    return _Known(
        as_of=as_of,
        horizon_end=end,
        cohort=cohort,
        indicators=cohort.rows_of(everyone).sort("student_id"),
        labels=labels,
        happened_on=days,
        supported=config.supported,
    )


def _dates(school_data: SchoolData, config: TrainingConfig) -> list[date]:
    """The as-of dates of every school year of the calendar."""
    years = school_data.calendar_days["school_year"].unique().sort().to_list()
    return [day for year in years for day in as_of_dates(school_data.calendar_days, config.as_of, year)]


def _matrix(
    school_data: SchoolData, known: _Known, *, minimum_days: int
) -> tuple[pl.DataFrame, pl.DataFrame, MatrixSummary]:
    as_of, labels, how = known.as_of, known.labels, known.supported
    cohort, indicators = known.cohort, known.indicators
    # School comparisons are made of the whole cohort, as on the night itself; rows are left out after that.
    features = build_features(indicators)
    told = labels.filter(pl.col(LABEL).is_not_null()).select("student_id", LABEL)
    enough = cohort.students.filter(pl.col("days_enrolled") >= minimum_days)
    supported = supported_students(
        school_data.supports, as_of=as_of, horizon_end=known.horizon_end, happened_on=known.happened_on
    )
    kept = enough.select("student_id", "school_id").join(told, on="student_id").sort("student_id")
    school_year = school_year_at(school_data.calendar_days, as_of)
    about = kept.with_columns(
        school_year=pl.lit(school_year, dtype=pl.Int32),
        as_of=pl.lit(as_of),
        label=pl.col(LABEL).cast(pl.Int8),
        supported=pl.col("student_id").is_in(supported.implode()),
        weight=pl.lit(1.0),
    )
    learned = about if how == Supported.AS_RECORDED else about.filter(~pl.col(SUPPORTED))
    rows = about.select(*KEYS, SUPPORTED).join(features, on="student_id", maintain_order="left")
    summary = MatrixSummary(
        school_year=school_year,
        as_of=as_of,
        horizon_end=known.horizon_end,
        students=cohort.students.height,
        few_days=cohort.students.height - enough.height,
        censored={
            **_censored(labels, enough),
            **({SUPPORTED_LATER: about.height - learned.height} if learned.height < about.height else {}),
        },
        labeled=learned.height,
        positives=int(learned[LABEL].sum()),
    )
    measured = indicators.join(about.select("student_id"), on="student_id", how="semi", maintain_order="left")
    return rows, measured, summary


def _censored(labels: pl.DataFrame, students: pl.DataFrame) -> dict[str, int]:
    unknown = labels.filter(pl.col(LABEL).is_null()).join(students, on="student_id", how="semi")
    counts = unknown.group_by("censored").len().sort("len", "censored", descending=[True, False])
    return {str(reason): int(count) for reason, count in counts.iter_rows()}


def on_middle_date(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the middle one of their as-of dates."""
    days = rows["as_of"].unique().sort()
    return rows.filter(pl.col("as_of") == days[days.len() // 2])


def lists_of(rows: pl.DataFrame) -> Lists:
    """Who competes with whom: the rows of one as-of date, and of one school on it."""
    nights, schools = _codes(rows["as_of"]), _codes(rows["school_id"])
    return Lists(schools=nights * (int(schools.max()) + 1) + schools, nights=nights)


def _codes(values: pl.Series) -> NDArray[np.int64]:
    return values.rank("dense").cast(pl.Int64).to_numpy()
