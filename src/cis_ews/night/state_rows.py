"""Rows of the kept state: in the types of the contract where every cell can be read, as text where not; in one order.

Whatever a source's files look like, the same records become the same rows. Rows are told apart by the key of their
table: what an extract brings under a key takes the place of all that was kept under it. The key of a row whose key
cannot be read is its text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.schema.parsing import MASK, parse_columns
from cis_ews.schema.rows import PLACE, sorted_by
from cis_ews.schema.school_data import TABLES

_SEEDS = (1, 2)
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a table with where they came from. `readable`: in the contract's types; `unreadable`: as text."""

    readable: pl.DataFrame
    unreadable: pl.DataFrame

    @classmethod
    def of(cls, table: str, raw: pl.DataFrame) -> Rows:
        """The rows that a reader gives."""
        parsed = parse_columns(table, TABLES[table], raw)
        names = [*TABLES[table].columns(), *PLACE]
        masks = [name for name in parsed.columns if MASK in name]
        if not masks:
            return cls(readable=parsed.select(names), unreadable=as_text(table, raw.clear()))
        is_wrong = parsed.select(pl.any_horizontal(masks)).to_series()
        return cls(readable=parsed.filter(~is_wrong).select(names), unreadable=as_text(table, raw.filter(is_wrong)))

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.readable.height + self.unreadable.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys of rows. `readable`: in the contract's types; `unreadable`: as text, of rows whose key cannot be read."""

    readable: pl.DataFrame
    unreadable: pl.DataFrame

    @classmethod
    def of(cls, table: str, rows: Rows) -> Keys:
        """The keys of rows, each once."""
        key = key_of(table)
        found = split_keys(table, rows.unreadable)
        readable = pl.concat([rows.readable.select(key), found.readable]).unique()
        return cls(readable=readable, unreadable=found.unreadable)

    @classmethod
    @cache
    def none(cls, table: str) -> Keys:
        """No keys."""
        return cls.of(table, no_rows(table))

    @property
    def height(self) -> int:
        """How many keys there are."""
        return self.readable.height + self.unreadable.height

    def together(self, other: Keys) -> Keys:
        """These and others."""
        if not other.height:
            return self
        return Keys(
            readable=pl.concat([self.readable, other.readable]).unique(),
            unreadable=pl.concat([self.unreadable, other.unreadable]).unique(),
        )

    @property
    def students(self) -> pl.Series:
        """The ids in the keys."""
        return pl.concat([keys.get_column("student_id") for keys in (self.readable, self.unreadable)]).unique()


def split_keys(table: str, raw: pl.DataFrame) -> Keys:
    """The keys of rows as a reader gives them, or as text; each once."""
    key = key_of(table)
    parsed = parse_columns(table, TABLES[table], raw)
    is_readable = parsed.select(pl.all_horizontal(pl.col(key).is_not_null())).to_series()
    text = parsed.select(pl.col(key).cast(pl.String)).with_columns(
        pl.coalesce(pl.col(name), raw.get_column(name).cast(pl.String)) for name in key if name in raw.columns
    )
    return Keys(
        readable=parsed.filter(is_readable).select(key).unique(),
        unreadable=text.filter(~is_readable).unique(),
    )


def without_keys(table: str, rows: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """The rows, readable or as text, that have none of the keys; in their order."""
    key = key_of(table)
    if not keys.height or rows.is_empty():
        return rows
    if not _is_text(table, rows):
        return rows.join(keys.readable, on=key, how="anti", maintain_order="left")
    own = _key_columns(table, rows)
    readable = own.filter("is_readable").join(_as_key_text(keys.readable), on=key, how="anti", maintain_order="left")
    unreadable = own.filter(~pl.col("is_readable")).join(
        keys.unreadable, on=key, how="anti", nulls_equal=True, maintain_order="left"
    )
    return rows[pl.concat([readable, unreadable]).get_column("at").sort()]


def _key_columns(table: str, text: pl.DataFrame) -> pl.DataFrame:
    """The key of each row that is text, as text; whether it can be read; its place."""
    key = key_of(table)
    parsed = parse_columns(table, TABLES[table], text)
    return parsed.select(
        *(pl.coalesce(pl.col(name).cast(pl.String), text.get_column(name)).alias(name) for name in key),
        is_readable=pl.all_horizontal(pl.col(key).is_not_null()),
        at=pl.int_range(pl.len(), dtype=pl.UInt32),
    )


def _as_key_text(keys: pl.DataFrame) -> pl.DataFrame:
    return keys.select(pl.all().cast(pl.String))


def _is_text(table: str, rows: pl.DataFrame) -> bool:
    """Whether rows are text; every table of the contract has a column that is none."""
    return all(rows.schema[name] == pl.String for name in TABLES[table].columns())


def as_text(table: str, raw: pl.DataFrame) -> pl.DataFrame:
    """Every column of the contract as text, null where it is absent."""
    columns = TABLES[table].columns()
    cells = [
        pl.col(name).cast(pl.String) if name in raw.columns else pl.lit(None, dtype=pl.String).alias(name)
        for name in columns
    ]
    return raw.select(*cells, pl.col("file").cast(pl.String), pl.col("row_number").cast(pl.Int64))


def key_of(table: str) -> list[str]:
    """The key of a table, the student first."""
    key = list(TABLES[table].primary_key())
    return sorted(key, key=lambda name: name != "student_id")


def in_order(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in the one order of the state: by student, then the rest of the key, then all other columns."""
    key = key_of(table)
    if _stands_in_order(rows, key):
        return rows
    if not rows.select(key).null_count().sum_horizontal().item():
        ordered = sorted_by(rows, key)
        if _stands_in_order(ordered, key):
            return ordered
    return rows.sort([*key, *(name for name in TABLES[table].columns() if name not in key)], maintain_order=True)


def merged(rows: pl.DataFrame, more: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Two tables, each in the order of a key and with no key in common, as one; cheap where `more` are few.

    Only rows that share the first column of the key with some of `more` are compared; all others keep their order.
    """
    if rows.is_empty() or more.is_empty():
        return more if rows.is_empty() else rows
    first = more.get_column(key[0]).rle().struct.unnest()
    low, high = (
        rows.get_column(key[0]).search_sorted(first["value"], side=side).to_numpy().astype(np.int64) for side in _SIDES
    )
    sharing = high - low
    places: NDArray[np.int64] = low - (np.cumsum(sharing) - sharing)
    near: NDArray[np.int64] = np.repeat(places, sharing) + np.arange(int(sharing.sum()))
    block = sorted_by(pl.concat([rows[pl.Series(near, dtype=pl.UInt32)], more]), key)
    apart: NDArray[np.int64] = np.delete(np.arange(rows.height), near)
    order = np.insert(
        apart,
        np.repeat(places, sharing + first["len"].to_numpy().astype(np.int64)),
        rows.height + np.arange(block.height),
    )
    return pl.concat([rows, block])[pl.Series(order, dtype=pl.UInt32)]


def _stands_in_order(rows: pl.DataFrame, key: list[str]) -> bool:
    """Whether each row stands after the one before it and differs from it in its key."""
    stands_after = pl.lit(value=False)
    for name in reversed(key):
        value, before = pl.col(name), pl.col(name).shift()
        stands_after = (value > before) | ((value == before) & stands_after)
    is_after = rows.select(stands_after.fill_null(value=False)).to_series().slice(1)
    has_nulls = rows.select(key).null_count().sum_horizontal().item() if rows.height else 0
    return not has_nulls and bool(is_after.all())


@cache
def no_rows(table: str) -> Rows:
    """No row of a table."""
    empty = pl.DataFrame(TABLES[table].create_empty()).with_columns(
        file=pl.lit(None, dtype=pl.String), row_number=pl.lit(None, dtype=pl.Int64)
    )
    return Rows(readable=empty, unreadable=as_text(table, empty))


def sums_of(frames: Iterable[pl.DataFrame]) -> list[int]:
    """What tells a set of rows from any other, whatever their order and in how many pieces: sums of hashes of rows.

    The hashes are those of this version of polars.
    """
    given = list(frames)
    return [sum(int(frame.hash_rows(seed).sum() or 0) for frame in given if frame.height) % 2**64 for seed in _SEEDS]


def digest_of(table: str, rows: int, said: Iterable[int | str]) -> str:
    """SHA-256 of what is known of all rows of a table."""
    return hashlib.sha256(f"{table} {rows} {list(said)}".encode()).hexdigest()
