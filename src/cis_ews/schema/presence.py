"""Attendance rows that are plainly right, told from those that have to be looked at one by one.

A source that records presence has nearly two hundred million rows in a state, nine in ten of which say only that a
student was there. A row is plainly right where its student was enrolled in its school on its day, the day is a school
day, its status and fraction agree, and no other row is of the same student, school and day. All rules of the contract
hold of such a row; whatever is not plainly right goes the ordinary way, in which each rule is asked by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.calendars import InstructionalDays, all_instructional_days, day_number
from cis_ews.compiling import compiled
from cis_ews.enums import AttendanceStatus
from cis_ews.schema.coverage import DatedRows, day_counts
from cis_ews.schema.links import run_begins

PAIR = ("student_id", "school_id")
STATUSES = (
    AttendanceStatus.PRESENT.value,
    AttendanceStatus.EXCUSED.value,
    AttendanceStatus.UNEXCUSED.value,
    AttendanceStatus.TARDY.value,
)
_COLUMNS = (*PAIR, "date", "status", "fraction_absent")
_PRESENT, _EXCUSED, _UNEXCUSED, _TARDY, _UNKNOWN = 0, 1, 2, 3, 255
_DOUBTFUL, _PRESENCE, _EXCEPTION = 0, 1, 2
_FAR = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What became of attendance rows: `exceptions` and the number of days `present` that are plainly right, and the
    `doubtful` rows as they came. `rows`, `last`: of those that are plainly right, the extent and, by `school_id`, the
    last day."""

    exceptions: pl.DataFrame
    doubtful: pl.DataFrame
    present: int
    rows: DatedRows
    last: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Who was enrolled where, and which days were school days, in numbers.

    `pairs`: of each student and school, where their enrollments begin (`low`) and end (`high`) in `entry` and `end`
    (days since 1970), and the `base` of the school in `taught`.
    """

    pairs: pl.DataFrame
    entry: NDArray[np.int64]
    end: NDArray[np.int64]
    taught: InstructionalDays

    @classmethod
    def of(cls, enrollments: pl.DataFrame, calendar_days: pl.DataFrame) -> Enrolled:
        """From checked tables, which stand by their keys."""
        taught = all_instructional_days(calendar_days)
        place = pl.int_range(pl.len(), dtype=pl.Int64)
        pairs = enrollments.select(*PAIR, low=place).filter(run_begins(enrollments, PAIR))
        return cls(
            pairs=pairs.with_columns(
                high=pl.col("low").shift(-1, fill_value=enrollments.height),
                base=pl.Series(taught.bases(pairs.get_column("school_id"))).cast(pl.Int64),
            ),
            entry=enrollments.get_column("entry_date").to_physical().cast(pl.Int64).to_numpy(),
            end=enrollments.get_column("exit_date").to_physical().cast(pl.Int64).fill_null(_FAR).to_numpy(),
            taught=taught,
        )


def sort_out(batches: Iterable[pl.DataFrame], enrolled: Enrolled) -> Sorted | None:
    """Sort the rows of batches, each with the columns of `attendance_events` and any others.

    None where the rows of a student do not lie together, so that rows of one day cannot be found by looking at
    neighbours: then all rows have to go the ordinary way. Columns must be typed as Parquet has them.
    """
    parts = [_sorted_batch(batch, enrolled) for batch in _whole_runs(batches)]
    if not parts:
        return None
    runs = pl.concat([part.runs for part in parts])
    if len(parts) > 1 and pl.concat([part.runs.select("student_id").unique() for part in parts]).is_duplicated().any():
        return None
    days = runs.filter(pl.col("last") > 0).with_columns(pl.col("first", "last").cast(pl.Int32).cast(pl.Date))
    exceptions = pl.concat([part.exceptions for part in parts])
    present = sum(part.present for part in parts)
    by_day = day_counts(day_number(enrolled.taught.first), np.sum([part.by_day for part in parts], axis=0))
    return Sorted(
        exceptions=exceptions,
        doubtful=pl.concat([part.doubtful for part in parts], how="vertical_relaxed"),
        present=present,
        rows=DatedRows(rows=exceptions.height + present, days=by_day),
        last=days.group_by("school_id").agg(pl.col("last").max()),
    )


def can_be_sorted(columns: Any) -> bool:
    """Whether a source's columns (name -> type) are of the types that this module reads."""
    return (
        all(columns.get(name) == pl.String for name in PAIR)
        and isinstance(columns.get("status"), pl.String | pl.Categorical | pl.Enum)
        and columns.get("date") == pl.Date
        and columns.get("fraction_absent") in (pl.Float32, pl.Float64)
    )


def _whole_runs(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows, cut between students: the last student of a batch waits for the next one."""
    waiting: pl.DataFrame | None = None
    for batch in batches:
        rows = batch if waiting is None else pl.concat([waiting, batch], how="vertical_relaxed")
        if rows.is_empty():
            continue
        ids = rows.get_column("student_id")
        cut = rows.height - int((ids.ne_missing(ids.last())).reverse().arg_max() or rows.height)
        if ids.ne_missing(ids.last()).any():
            yield rows.head(cut)
            waiting = rows.slice(cut)
        else:
            waiting = rows
    if waiting is not None and waiting.height:
        yield waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    exceptions: pl.DataFrame
    doubtful: pl.DataFrame
    present: int
    runs: pl.DataFrame
    by_day: NDArray[np.int64]


def _sorted_batch(rows: pl.DataFrame, enrolled: Enrolled) -> _Batch:
    begins = run_begins(rows, PAIR)
    # A pair whose rows lie apart could have two rows of one day: none of its rows is plainly right.
    found = rows.filter(begins).select(PAIR).with_columns(apart=pl.struct(PAIR).is_duplicated())
    found = found.join(enrolled.pairs, on=PAIR, how="left", maintain_order="left").with_columns(
        high=pl.when(pl.col("apart")).then(0).otherwise("high")
    )
    starts = np.append(begins.arg_true().to_numpy(), rows.height).astype(np.int64)
    status = pl.col("status").cast(pl.String).cast(pl.Enum(STATUSES), strict=False).to_physical()
    verdicts, spans = np.zeros(rows.height, dtype=np.uint8), np.zeros((found.height, 2), dtype=np.int64)
    given = _Rows(
        starts,
        found.select(pl.col("low", "high", "base").fill_null(0)).to_numpy(),
        rows.get_column("date").to_physical().fill_null(-_FAR).to_numpy(),
        rows.select(status.cast(pl.UInt8).fill_null(_UNKNOWN)).to_series().to_numpy(),
        rows.get_column("fraction_absent").cast(pl.Float64).fill_null(-1.0).to_numpy(),
    )
    taught = enrolled.taught
    known = _Known(enrolled.entry, enrolled.end, taught.is_day, day_number(taught.first), day_number(taught.last))
    by_day = np.zeros(known.last - known.first + 1, dtype=np.int64)
    _judge(given, known, _Verdicts(verdicts, spans, by_day))
    verdict = pl.Series(verdicts)
    return _Batch(
        exceptions=rows.select(_COLUMNS).filter(verdict == _EXCEPTION),
        doubtful=rows.filter(verdict == _DOUBTFUL),
        present=int((verdicts == _PRESENCE).sum()),
        runs=found.select(PAIR).with_columns(first=pl.Series(spans[:, 0]), last=pl.Series(spans[:, 1])),
        by_day=by_day,
    )


class _Rows(NamedTuple):
    """Rows, and the runs of rows of one student in one school: their starts, their enrollments (low, high, base)."""

    starts: NDArray[np.int64]
    runs: NDArray[np.int64]
    day: NDArray[np.int32]
    status: NDArray[np.uint8]
    fraction: NDArray[np.float64]


class _Known(NamedTuple):
    """What `Enrolled` knows, without its table; school days lie after `first` and until `last`."""

    entry: NDArray[np.int64]
    end: NDArray[np.int64]
    is_day: NDArray[np.bool_]
    first: int
    last: int


class _Verdicts(NamedTuple):
    """A verdict a row, the first and last day of each run with one that is plainly right, and how many are, by day."""

    rows: NDArray[np.uint8]
    spans: NDArray[np.int64]
    by_day: NDArray[np.int64]


@compiled
def _judge(rows: _Rows, known: _Known, verdicts: _Verdicts) -> None:
    for run in range(rows.starts.size - 1):
        begin, stop = rows.starts[run], rows.starts[run + 1]
        spell, high, base = rows.runs[run, 0], rows.runs[run, 1], rows.runs[run, 2]
        rises = spell < high
        for row in range(begin + 1, stop):
            rises = rises and rows.day[row] >= rows.day[row - 1]
        if not rises:
            continue
        earliest, latest = 0, 0
        for row in range(begin, stop):
            today, part, kind = rows.day[row], rows.fraction[row], rows.status[row]
            while spell + 1 < high and known.entry[spell + 1] <= today:
                spell += 1
            if today <= known.first or today > known.last or today < known.entry[spell] or today > known.end[spell]:
                continue
            if (row > begin and rows.day[row - 1] == today) or (row + 1 < stop and rows.day[row + 1] == today):
                continue
            agrees = part == 0.0 if kind == _PRESENT else part > 0.0 or kind == _TARDY
            if kind > _TARDY or not (0.0 <= part <= 1.0) or not agrees or not known.is_day[base + today]:
                continue
            verdicts.rows[row] = _PRESENCE if kind == _PRESENT else _EXCEPTION
            verdicts.by_day[today - known.first] += 1
            if latest == 0:
                earliest = today
            latest = today
        verdicts.spans[run, 0], verdicts.spans[run, 1] = earliest, latest
