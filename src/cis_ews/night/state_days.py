"""Days present: of a student in a school, 64 days are one whole number, a bit a day.

A row that says that a student was there carries nothing but its key; nine rows in ten of positive attendance do.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.enums import AttendanceStatus
from cis_ews.schema.coverage import DatedRows, day_counts
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import EVENTS

PAIR = ["student_id", "school_id"]
_KEY = [*PAIR, "period"]
_BITS = np.left_shift(np.uint64(1), np.arange(64, dtype=np.uint64))


def no_days() -> pl.DataFrame:
    """Nobody was there."""
    return pl.DataFrame(schema={"student_id": pl.String, "school_id": pl.String, "period": pl.Int32, "days": pl.UInt64})


def packed(days: pl.DataFrame) -> pl.DataFrame:
    """Student, school and date of each day, each once, packed and in order."""
    if days.is_empty():
        return no_days()
    number = pl.col("date").to_physical()
    placed = days.select(*PAIR, period=number // 64, bit=number % 64)
    bits = pl.Series(_BITS[placed.get_column("bit").to_numpy()])
    return _added(placed.select(_KEY).with_columns(days=bits))


def together(some: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Both, which have no day in common, in order."""
    return _added(pl.concat([some, more])) if more.height else some


def _added(rows: pl.DataFrame) -> pl.DataFrame:
    ordered = rows if _is_in_order(rows) else rows.sort(_KEY)
    begins = ordered.select(pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in _KEY))
    starts = begins.to_series().arg_true()
    days = np.add.reduceat(ordered.get_column("days").to_numpy(), starts.to_numpy())
    return ordered.select(_KEY)[starts].with_columns(days=pl.Series(days, dtype=pl.UInt64))


def _is_in_order(rows: pl.DataFrame) -> bool:
    stands_after = pl.lit(value=True)
    for name in reversed(_KEY):
        value, before = pl.col(name), pl.col(name).shift()
        stands_after = (value > before) | ((value == before) & stands_after)
    return bool(rows.select(stands_after.fill_null(value=True).all()).item())


def taken_out(kept: pl.DataFrame, days: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The days that are kept without some days; and those of these that were among them, both packed."""
    if days.is_empty() or kept.is_empty():
        return kept, no_days()
    asked = packed(days).rename({"days": "asked"})
    found = kept.join(asked, on=_KEY, how="left", maintain_order="left")
    have, ask = found.get_column("days").to_numpy(), found.get_column("asked").fill_null(0).to_numpy()
    left = kept.with_columns(days=pl.Series(have & ~ask, dtype=pl.UInt64))
    out = kept.with_columns(days=pl.Series(have & ask, dtype=pl.UInt64))
    return left.filter(pl.col("days") > 0), out.filter(pl.col("days") > 0)


def as_rows(kept: pl.DataFrame) -> pl.DataFrame:
    """The rows of `attendance_events` that packed days stand for."""
    columns = TABLES[EVENTS].columns()
    bits = np.unpackbits(kept.get_column("days").to_numpy().view(np.uint8), bitorder="little").reshape(-1, 64)
    row, bit = np.nonzero(bits)
    found = kept[pl.Series(row, dtype=pl.UInt32)]
    day = (pl.col("period") * 64 + pl.Series(bit.astype(np.int32))).cast(pl.Date)
    status = pl.lit(AttendanceStatus.PRESENT.value).cast(columns["status"].dtype)
    return found.select(*PAIR, date=day, status=status, fraction_absent=pl.lit(0.0))


def count(kept: pl.DataFrame) -> int:
    """How many days there are."""
    return int(np.bitwise_count(kept.get_column("days").to_numpy()).sum())


def extent(kept: pl.DataFrame) -> tuple[DatedRows, dict[str, date]]:
    """How many days there are, by date, and the last of each school."""
    if kept.is_empty():
        return DatedRows(), {}
    days = kept.get_column("days").to_numpy()
    highest = pl.Series(_highest_bit(days))
    dated = kept.select("school_id", last=(pl.col("period") * 64 + highest).cast(pl.Date))
    of_schools = dict(dated.group_by("school_id").agg(pl.col("last").max()).iter_rows())
    return DatedRows(rows=count(kept), days=_by_day(kept)), of_schools


def _by_day(kept: pl.DataFrame) -> dict[date, int]:
    """How often each day is among them."""
    found = dict[date, int]()
    for (period,), some in kept.select("period", "days").group_by("period"):
        bits = np.unpackbits(some.get_column("days").to_numpy().view(np.uint8), bitorder="little")
        found |= day_counts(int(str(period)) * 64, bits.reshape(-1, 64).sum(axis=0, dtype=np.int64))
    return found


def _highest_bit(days: NDArray[np.uint64]) -> NDArray[np.int32]:
    """The place of the highest bit of each number; by halves, since a float holds 53 bits exactly."""
    upper, lower = days >> np.uint64(32), days & np.uint64(2**32 - 1)
    half = np.where(upper > 0, upper, lower).astype(np.float64)
    return (np.frexp(half)[1] - 1 + np.where(upper > 0, 32, 0)).astype(np.int32)
