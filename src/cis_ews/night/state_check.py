"""The kept state beside a whole extract: which rows it lacks, has too many of, or has otherwise.

And whether a state that is built of the extract alone keeps and rejects the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import StorageError
from cis_ews.night.extract import Crew
from cis_ews.night.kept_state import NO_STATE, draft_of
from cis_ews.night.state_days import as_rows
from cis_ews.night.state_pool import Kept
from cis_ews.night.state_rows import as_text, key_of, sums_of
from cis_ews.schema.rows import PLACE
from cis_ews.schema.school_data import TABLES
from cis_ews.schema.validation import EVENTS, OWNED, SHARED
from cis_ews.storage.state import KeptState, clear_unused, piece_notes, read_state, state_pieces
from cis_ews.storage.store import RunStore

_COUNTS = ("missing", "extra", "different")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDifferences:
    """`rows`: by table and school, rows that the state lacks, has too many of, or has with other cells. `checks`:
    tables of which other rows are kept or rejected than the extract alone would give."""

    rows: pl.DataFrame
    checks: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether the state is what the extract says."""
        return self.rows.is_empty() and not self.checks


def compare_state(source: Path, *, runs: RunStore, crew: Crew) -> StateDifferences:
    """Compare the state of a store with a whole extract; nothing is kept of it.

    Raises StorageError where there is no state, DataError where the extract cannot be used.
    """
    with runs.lock():
        old = read_state(runs.root)
        if old is None:
            raise StorageError(f"{runs.root} keeps no state", hint=NO_STATE)
        try:
            new = draft_of(source, None, runs=runs, crew=crew, bounds=old.bounds).state
            found = list(_differences(runs.root, old, new))
            checks = tuple(table for table in TABLES if _is_checked_otherwise(runs.root, old, new, table=table))
        finally:
            clear_unused(runs.root)
    empty = pl.DataFrame(schema={"table": pl.String, "school_id": pl.String, **dict.fromkeys(_COUNTS, pl.UInt32)})
    rows = pl.concat([empty, *found]).group_by("table", "school_id").agg(pl.col(_COUNTS).sum())
    return StateDifferences(rows=rows.sort("table", "school_id", nulls_last=True), checks=checks)


def _pairs(old: KeptState, new: KeptState) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Tables, and the pieces of both states that hold the same range of them."""
    yield SHARED, old.shared, new.shared
    for before, after in zip(old.parts, new.parts, strict=True):
        yield OWNED, before, after


def _differences(root: Path, old: KeptState, new: KeptState) -> Iterator[pl.DataFrame]:
    for tables, before, after in _pairs(old, new):
        said = [piece_notes(root, piece).get("sums", {}) for piece in (before, after)]
        for table in (table for table in tables if said[0].get(table) != said[1].get(table)):
            yield _compared(table, _rows(root, before, table), _rows(root, after, table))


def _rows(root: Path, piece: str, table: str) -> pl.DataFrame:
    """All rows of a table in a piece, as text."""
    kept = Kept(state_pieces(root), piece)
    readable = [kept.rows(table), kept.rejected(table), *([as_rows(kept.days)] if table == EVENTS else [])]
    place = [pl.lit(None, dtype=pl.String).alias("file"), pl.lit(None, dtype=pl.Int64).alias("row_number")]
    return pl.concat(
        [*(as_text(table, rows.with_columns(place)).drop(PLACE) for rows in readable), kept.unreadable(table)]
    )


def _compared(table: str, kept: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    columns, key = kept.columns, key_of(table)
    counts = [rows.group_by(columns).agg(rows=pl.len().cast(pl.Int64)) for rows in (kept, given)]
    both = counts[0].join(counts[1], on=columns, how="full", nulls_equal=True, coalesce=True, suffix="_given")
    more = pl.col("rows").fill_null(0) - pl.col("rows_given").fill_null(0)
    by_key = both.with_columns(extra=more.clip(0), missing=(-more).clip(0)).filter(more != 0)
    if "school_id" not in columns:
        by_key = by_key.with_columns(school_id=pl.lit(None, dtype=pl.String))
    where = [*key, *(["school_id"] if "school_id" not in key else [])]
    keys = by_key.group_by(where).agg(pl.col("extra", "missing").sum())
    changed = pl.min_horizontal("extra", "missing")
    counted = keys.with_columns(pl.col("extra", "missing") - changed, different=changed)
    summed = counted.group_by("school_id").agg(pl.col(_COUNTS).sum().cast(pl.UInt32))
    return summed.select(pl.lit(table).alias("table"), "school_id", *_COUNTS)


def _is_checked_otherwise(root: Path, old: KeptState, new: KeptState, *, table: str) -> bool:
    return any(
        table in tables and _outcome(root, before, table) != _outcome(root, after, table)
        for tables, before, after in _pairs(old, new)
    )


def _outcome(root: Path, piece: str, table: str) -> Any:
    """Which rows of a piece are rejected, and by which rules."""
    kept, pieces = Kept(state_pieces(root), piece), state_pieces(root)
    rejections = (pieces.table(piece, name).filter(pl.col("table") == table) for name in ("alone", "linked"))
    order = ["file", "row_number", "rule", "column"]
    return sums_of([kept.rejected(table)]), [found.sort(order).select(order).rows() for found in rejections]
