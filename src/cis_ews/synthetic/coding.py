"""Words by number: long columns of few words are kept as codes, never as a text a row."""

from __future__ import annotations

import polars as pl

from cis_ews.synthetic.plan import Array


def coded(codes: Array, words: pl.Enum) -> pl.Series:
    """The words at some places of a vocabulary."""
    physical = pl.Series(dtype=words).to_physical().dtype
    return pl.Series(codes).cast(physical).cat.to(words)


def spelled_out(rows: pl.DataFrame) -> pl.DataFrame:
    """The same with every word as text."""
    return rows.with_columns(pl.col(pl.Enum).cast(pl.String))
