"""What is learned from and what is measured on: a later school year, strange students, another district, by chance.

Rows to learn from and rows to measure on are kept apart in three ways: no student-year is on both sides; from each
as-of date that is learned from to the first that is measured on lies more than its own horizon, so that no label looks
into what is measured; and no row is drawn by lot, but for the contrast that shows what that would have claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.errors import DataError, ModelError
from cis_ews.wording import counted
from training.matrices import LABEL, Matrices, MatrixSummary

Rows = NDArray[np.bool_]
HELD_OUT = 5
"""One student in so many is held out where strange students are asked."""
FEWEST_POSITIVES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The as-of dates to learn from and those of one later school year to measure on.

    `between`: dates of the earlier years whose horizon reaches the later one, which are not learned from.
    `learned_through`: the last day that a label which is learned from looks at. `clear_days`: from then to the first
    date that is measured on, at least 1.
    """

    school_year: int
    train: tuple[date, ...]
    test: tuple[date, ...]
    between: tuple[date, ...] = ()
    learned_through: date | None = None
    clear_days: int = 0


def leave_future_out(learned: Matrices, measured: Matrices, *, label: str) -> tuple[Split, ...]:
    """One split for each school year of `measured`, learning from those before it alone.

    Raises DataError where nothing is left to learn from.
    """
    years = sorted({summary.school_year for summary in measured.summaries})
    return tuple(_before(year, learned, measured, label=label) for year in years)


def check_both_outcomes(split: Split, learned: Matrices, measured: Matrices, *, label: str) -> None:
    """Raise ModelError where the outcome met all students or none, of those that are learned from or measured on."""
    for what, matrices, dates in (("learned from", learned, split.train), ("measured on", measured, split.test)):
        outcomes = matrices.rows.filter(pl.Series(rows_on(matrices.rows, dates)))[LABEL]
        if outcomes.n_unique() != 2:
            met = "nobody" if outcomes.sum() == 0 else "everybody"
            days = " to ".join(dict.fromkeys(str(day) for day in (min(dates), max(dates))))
            raise ModelError(
                f"The outcome {label} met {met} in the {counted(len(outcomes), 'row')} of {days} that are {what}; both "
                "outcomes have to occur",
                hint="see that the extract holds the records that the label is made of (docs/labels.md), or choose "
                "another label",
            )


def held_back_years(learned: Matrices, test_years: int) -> list[int]:
    """The last school years whose outcomes are known."""
    return sorted({summary.school_year for summary in learned.summaries})[-test_years:]


def _before(year: int, learned: Matrices, measured: Matrices, *, label: str) -> Split:
    test = [summary.as_of for summary in measured.summaries if summary.school_year == year]
    earlier = [summary for summary in learned.summaries if summary.school_year < year]
    # What a label of an earlier year sees of the held-back one would be learned, and then asked.
    train: list[MatrixSummary] = [summary for summary in earlier if summary.horizon_end < min(test)]
    if not train:
        years = len({summary.school_year for summary in learned.summaries})
        raise DataError(
            f"The extract can tell {label} in {counted(years, 'past school year')}; the year "
            f"{year - 1}-{year % 100:02} is held back to measure on, and none is left to learn from",
            hint="bring an extract with more past school years: horizons of the earlier ones end before the held-back",
        )
    learned_through = max(summary.horizon_end for summary in train)
    return Split(
        school_year=year,
        train=tuple(summary.as_of for summary in train),
        test=tuple(test),
        between=tuple(summary.as_of for summary in earlier if summary not in train),
        learned_through=learned_through,
        clear_days=(min(test) - learned_through).days,
    )


def rows_on(rows: pl.DataFrame, dates: tuple[date, ...]) -> Rows:
    """Whether each row is one of these dates."""
    return rows["as_of"].is_in(list(dates)).to_numpy()


@dataclass(frozen=True, eq=False)
class Part:
    """Rows to learn from and rows to measure on, one of the parts of a contrast."""

    train: Rows
    test: Rows


def strangers(learned: pl.DataFrame, measured: pl.DataFrame, later: Part, *, seed: int) -> list[Part]:
    """The later year again, of a fifth of the students, none of whose earlier years are learned from."""
    ids = pl.concat([learned["student_id"], measured["student_id"]]).unique().sort()
    held = ids.sample(max(len(ids) // HELD_OUT, 1), seed=seed)
    train, test = (frame["student_id"].is_in(held.implode()).to_numpy() for frame in (learned, measured))
    return [Part(later.train & ~train, later.test & test)]


def other_groups(learned: pl.Series, measured: pl.Series, later: Part, *, most: int) -> list[Part]:
    """The later year again, groups at a time (districts, schools), without anything of them having been learned from.

    More groups than `most` are dealt into so many parts. None where there is one group.
    """
    names = pl.concat([learned, measured]).unique().sort()
    if len(names) < 2:
        return []
    part_of = {name: place % most for place, name in enumerate(names.to_list())}
    of_train, of_test = (
        groups.replace_strict(part_of, return_dtype=pl.Int64).to_numpy() for groups in (learned, measured)
    )
    parts = [
        Part(later.train & (of_train != part), later.test & (of_test == part)) for part in sorted(set(part_of.values()))
    ]
    return [part for part in parts if part.train.any() and part.test.any()]
