"""Templates: sentences with the student's own numbers in them.

A template is text with fields: `{indicator}` is a number, `{indicator:day|days}` a number with its noun,
`{indicator:%}` a share of 1 and `{indicator:%%}` a share of 100 as a percentage, `{indicator:text}` a text as it
stands. Shares are rounded to tenths, but never up to a whole percent: a number never looks as if it had reached a
cut-off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from string import Formatter

import polars as pl

FACTS_FIELD = "facts"
"""Stands in a rule's sentence for the facts that made it hold."""
TENTHS_OF_A_PERCENT = 1_000
FLOAT_DUST = 1e-6


@cache
def template_fields(template: str) -> tuple[str, ...]:
    """Names of the indicators that a template speaks of."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name and name != FACTS_FIELD)


def render(template: str, schema: Mapping[str, pl.DataType] | None = None) -> pl.Expr:
    """A template as a text expression; null where a number it needs is missing.

    `schema`: the types of the columns, where they are known; whole numbers are written in a third of the time.
    """
    known = schema or {}
    return _rendered(template, frozenset(name for name in template_fields(template) if _is_whole(known.get(name))))


def _is_whole(dtype: pl.DataType | None) -> bool:
    return dtype is not None and dtype.is_integer()


@lru_cache(maxsize=4_096)
def _rendered(template: str, whole: frozenset[str]) -> pl.Expr:
    """Put together once: every part of a night renders the same few hundred templates."""
    pieces: list[pl.Expr] = [pl.lit("")]
    for text, name, style, _ in Formatter().parse(template):
        pieces.append(pl.lit(text))
        if name:
            pieces.extend(_field(name, style or "", number_text=_whole_text if name in whole else _number_text))
    return pl.concat_str(pieces)


def _field(name: str, style: str, *, number_text: Callable[[pl.Expr], pl.Expr]) -> tuple[pl.Expr, ...]:
    if style == "%":
        return _number_text(_tenths(pl.col(name) * TENTHS_OF_A_PERCENT) / 10), pl.lit(" %")
    if style == "%%":
        return number_text(pl.col(name)), pl.lit(" %")
    if style == "text":
        return (pl.col(name).cast(pl.String),)
    if not style:
        return (number_text(pl.col(name)),)
    one, many = style.split("|")
    return number_text(pl.col(name)), pl.when(pl.col(name) == 1).then(pl.lit(f" {one}")).otherwise(pl.lit(f" {many}"))


def _tenths(exact: pl.Expr) -> pl.Expr:
    rounded = exact.round()
    reaches_a_cut_off = (rounded % 10 == 0) & (rounded > exact + FLOAT_DUST)
    return pl.when(reaches_a_cut_off).then(rounded - 1).otherwise(rounded)


def _number_text(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Float64).round(2).cast(pl.String).str.strip_suffix(".0")


def _whole_text(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String)
