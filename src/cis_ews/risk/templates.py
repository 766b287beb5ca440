"""Templates: sentences with the student's own numbers in them.

A template is text with fields: `{indicator}` is a number, `{indicator:day|days}` a number with its noun,
`{indicator:%}` a share of 1 and `{indicator:%%}` a share of 100 as a percentage, `{indicator:text}` a text as it
stands. Shares are rounded to tenths, but never up to a whole percent: a number never looks as if it had reached a
cut-off.
"""

from __future__ import annotations

from functools import cache
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


@cache
def render(template: str) -> pl.Expr:
    """A template as a text expression; null where a number it needs is missing."""
    pieces: list[pl.Expr] = [pl.lit("")]
    for text, name, style, _ in Formatter().parse(template):
        pieces.append(pl.lit(text))
        if name:
            pieces.extend(_field(name, style or ""))
    return pl.concat_str(pieces)


def _field(name: str, style: str) -> tuple[pl.Expr, ...]:
    if style == "%":
        return _number_text(_tenths(pl.col(name) * TENTHS_OF_A_PERCENT) / 10), pl.lit(" %")
    if style == "%%":
        return _number_text(pl.col(name)), pl.lit(" %")
    if style == "text":
        return (pl.col(name).cast(pl.String),)
    if not style:
        return (_number_text(pl.col(name)),)
    one, many = style.split("|")
    return _number_text(pl.col(name)), pl.when(pl.col(name) == 1).then(pl.lit(f" {one}")).otherwise(pl.lit(f" {many}"))


def _tenths(exact: pl.Expr) -> pl.Expr:
    rounded = exact.round()
    reaches_a_cut_off = (rounded % 10 == 0) & (rounded > exact + FLOAT_DUST)
    return pl.when(reaches_a_cut_off).then(rounded - 1).otherwise(rounded)


def _number_text(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Float64).round(2).cast(pl.String).str.strip_suffix(".0")
