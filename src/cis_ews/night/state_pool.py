"""Which rows of a part of the kept state are checked anew, once an extract has brought what it says.

Whether a row of attendance keeps the rules hangs on the rows of its own key, on the student and the enrollments, and on
the tables that all share: of a student whose enrollments did not change, the rows under new keys are checked alone. Of
other tables, all rows of a student are. Rows that break a rule are checked anew whenever their part is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from cis_ews.night.state_days import as_rows, no_days, taken_out
from cis_ews.night.state_rows import Keys, Rows, in_order, key_of, no_rows, split_keys, without_keys
from cis_ews.schema.rows import PLACE
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import EVENTS, OWNED
from cis_ews.storage.workspace import Workspace

WHO = ("students", "enrollments")
"""The tables that others lean on."""


@dataclass(frozen=True)
class Kept:
    """A part as it is kept; a table is read when it is asked for."""

    pieces: Workspace
    piece: str | None

    def rows(self, table: str) -> pl.DataFrame:
        """The rows that keep the rules."""
        return self._table(table, no_rows(table).readable.drop(PLACE))

    def rejected(self, table: str) -> pl.DataFrame:
        """The rows that break one."""
        return self._table(f"rejected_{table}", no_rows(table).readable.drop(PLACE))

    def unreadable(self, table: str) -> pl.DataFrame:
        """The rows that cannot be read."""
        return self._table(f"unreadable_{table}", no_rows(table).unreadable.drop(PLACE))

    @cached_property
    def days(self) -> pl.DataFrame:
        """The days present."""
        return self._table("days", no_days())

    def _table(self, name: str, empty: pl.DataFrame) -> pl.DataFrame:
        if self.piece is None or not self.pieces.path(self.piece, name).exists():
            return empty
        return self.pieces.table(self.piece, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an extract brings to one table of a part, and which keys it withdraws."""

    rows: Rows
    keys: Keys
    withdrawn: Keys

    @property
    def all_keys(self) -> Keys:
        """Whatever was kept under these is no longer true."""
        return self.keys.together(self.withdrawn)


def change_of(table: str, raw: pl.DataFrame, withdrawn: pl.DataFrame | None, *, is_first: bool) -> Change:
    """A change, from what a reader gives. `is_first`: nothing was kept before, so that no row is replaced."""
    rows = Rows.of(table, raw)
    if is_first:
        return Change(rows=rows, keys=Keys.none(table), withdrawn=Keys.none(table))
    none = Keys.none(table) if withdrawn is None else split_keys(table, withdrawn)
    return Change(rows=rows, keys=Keys.of(table, rows), withdrawn=none)


def changes_of(
    raw: Mapping[str, pl.DataFrame], withdrawn: Mapping[str, pl.DataFrame], *, is_first: bool
) -> dict[str, Change]:
    """The changes of every table that rows or keys are given of."""
    return {
        table: change_of(table, raw.get(table, no_rows(table).readable), withdrawn.get(table), is_first=is_first)
        for table in TABLES
        if table in raw or table in withdrawn
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Rows of a table that are checked, in order, and those that stand as they are. `place`: of those in an extract."""

    checked: pl.DataFrame
    standing: pl.DataFrame
    unreadable: pl.DataFrame


def not_kept(table: str, keys: Keys, before: Kept) -> int:
    """How many keys no row has that is kept."""
    rows = pl.concat([before.rows(table), before.rejected(table)])
    readable = keys.readable.join(rows, on=key_of(table), how="anti")
    if table == EVENTS:
        _, present = taken_out(before.days, readable)
        readable = readable.join(as_rows(present), on=key_of(table), how="anti")
    text = before.unreadable(table)
    kept = split_keys(table, text)
    left = [
        readable.join(kept.readable, on=key_of(table), how="anti"),
        keys.unreadable.join(kept.unreadable, on=key_of(table), how="anti", nulls_equal=True),
    ]
    return sum(found.height for found in left)


def students_of(changes: Mapping[str, Change], tables: Sequence[str]) -> pl.Series:
    """The students of whom a change of these tables says anything."""
    found = [changes[table].all_keys.students for table in tables if table in changes]
    return pl.concat([pl.Series("student_id", [], dtype=pl.String), *found]).unique()


def touched_students(before: Kept, changes: Mapping[str, Change], tables: Collection[str]) -> pl.Series:
    """The students whose rows, apart from attendance, are checked anew."""
    others = [table for table in OWNED if table in tables and table != EVENTS]
    rejected = [before.rejected(table).get_column("student_id") for table in others]
    return pl.concat([students_of(changes, others), *rejected]).unique()


def pool_of(table: str, before: Kept, change: Change | None, *, touched: pl.Series | None) -> Pool:
    """A table but attendance. Students and enrollments are checked whole: other tables lean on them."""
    rows, rejected = before.rows(table), before.rejected(table)
    if touched is None or table in WHO:
        return pooled(table, [rows, rejected], rows.clear(), text=before.unreadable(table), change=change)
    is_touched = pl.col("student_id").is_in(touched.implode())
    return pooled(
        table,
        [rows.filter(is_touched), rejected],
        rows.filter(~is_touched),
        text=before.unreadable(table),
        change=change,
    )


def pool_of_events(before: Kept, change: Change | None, moved: pl.Series | None) -> tuple[Pool, pl.DataFrame]:
    """Attendance, and the days present that stand. `moved`: students of whom every row is checked; None is all."""
    rows, rejected, days = before.rows(EVENTS), before.rejected(EVENTS), before.days
    if moved is None:
        pool = pooled(
            EVENTS, [rows, rejected, as_rows(days)], rows.clear(), text=before.unreadable(EVENTS), change=change
        )
        return pool, no_days()
    keys = Keys.none(EVENTS) if change is None else change.all_keys
    under = pl.concat([keys.readable, rejected.select(key_of(EVENTS))]).unique()
    has_moved = pl.col("student_id").is_in(moved.implode())
    on_days = pl.col("date").is_in(under.get_column("date").unique().implode())
    numbered = rows.with_row_index("at")
    near = numbered.filter(on_days | has_moved)
    under_keys = near.join(under, on=key_of(EVENTS), how="semi")
    at = pl.concat([under_keys.get_column("at"), near.filter(has_moved).get_column("at")]).unique()
    is_checked = pl.Series("is_checked", [False]).new_from_index(0, rows.height).scatter(at, True)
    of_moved = days.filter(has_moved)
    standing, present = taken_out(days.filter(~has_moved), under)
    pool = pooled(
        EVENTS,
        [rows.filter(is_checked), rejected, as_rows(of_moved), as_rows(present)],
        rows.filter(~is_checked),
        text=before.unreadable(EVENTS),
        change=change,
    )
    return pool, standing


def pooled(
    table: str, again: Sequence[pl.DataFrame], standing: pl.DataFrame, *, text: pl.DataFrame, change: Change | None
) -> Pool:
    """Rows that are checked anew, with what an extract brings in the place of what it replaces and withdraws."""
    placed = pl.concat([rows for rows in again if rows.height] or [again[0]]).with_columns(_no_place())
    unreadable = text.with_columns(_no_place())
    if change is not None:
        keys = change.all_keys
        kept, text_kept = without_keys(table, placed, keys), without_keys(table, unreadable, keys)
        placed = change.rows.readable if kept.is_empty() else pl.concat([kept, change.rows.readable])
        unreadable = pl.concat([text_kept, change.rows.unreadable])
    order = [*key_of(table), *(name for name in TABLES[table].columns() if name not in key_of(table))]
    return Pool(
        checked=in_order(table, placed), standing=standing, unreadable=unreadable.sort(order, maintain_order=True)
    )


def _no_place() -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.String).alias("file"), pl.lit(None, dtype=pl.Int64).alias("row_number")]
