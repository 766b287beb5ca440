"""Many templates at once: of all their numbers, each that occurs is put into words once.

`templates` says what a template is and how its numbers look. Loops run over templates and fields, never over rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.risk.alike import NULL, Columns, Rows, kinds_of
from cis_ews.risk.templates import render

PLAIN, SHARE = STYLES = ("{number}", "{number:%}")
"""How numbers are put into words; what else a style adds stands in the text behind them."""
TEXT = "{text:text}"
_ONE = np.float64(1.0).view(np.uint64)


class Asked(NamedTuple):
    """A template, the rows for which it is written, and what stands there where one of its numbers is missing."""

    template: str
    rows: Rows
    otherwise: str | None = None


class _Field(NamedTuple):
    """A field of a template: its column, how it is put into words, and what stands behind it up to the next field:
    behind a number that is 1, and behind any other."""

    name: str
    words: str
    behind: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A template as the text before its first field, and its fields."""

    begins: str
    fields: tuple[_Field, ...]


@cache
def _pieces(template: str) -> _Pieces:
    begins, fields = "", list[_Field]()
    for text, name, style, _ in Formatter().parse(template):
        if fields:
            last = fields[-1]
            fields[-1] = last._replace(behind=(last.behind[0] + text, last.behind[1] + text))
        else:
            begins += text
        if name:
            fields.append(_field(name, style or ""))
    return _Pieces(begins, tuple(fields))


def _field(name: str, style: str) -> _Field:
    if style == "%":
        return _Field(name, SHARE, ("", ""))
    if style == "%%":
        return _Field(name, PLAIN, (" %", " %"))
    if style in ("", "text"):
        return _Field(name, TEXT if style else PLAIN, ("", ""))
    one, many = style.split("|")
    return _Field(name, PLAIN, (f" {one}", f" {many}"))


def write(columns: Columns, asked: Sequence[Asked]) -> pl.Series:
    """Sentences about rows of a frame, template after template and row after row, as `render` makes them."""
    groups: dict[int, list[int]] = {}
    for place, each in enumerate(asked):
        groups.setdefault(len(_pieces(each.template).fields), []).append(place)
    together = [_Group.of(columns, [asked[place] for place in members]) for members in groups.values()]
    texts, codes = _texts(columns, [each for group in together for each in group.numbers])
    taken, written = 0, [pl.Series("sentence", [], dtype=pl.String)]
    for group in together:
        written.append(group.written(texts, codes[taken : taken + len(group.numbers)]))
        taken += len(group.numbers)
    starts: NDArray[np.int64] = np.cumsum([0, *(each.rows.size for each in asked)])
    spans: list[NDArray[np.int64]] = [starts[:0]]
    for members in groups.values():
        spans += [np.arange(starts[place], starts[place + 1]) for place in members]
    stands_at = np.concatenate(spans)
    order = np.empty_like(stands_at)
    order[stands_at] = np.arange(stands_at.size)
    return pl.concat(written, rechunk=True)[order]


class _Numbers(NamedTuple):
    """One field of each row: the bits of its number, and its `_style`."""

    bits: NDArray[np.uint64]
    style: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Group:
    """Templates with equally many fields, one a row, and the numbers of each of their fields."""

    asked: Sequence[Asked]
    template: NDArray[np.int64]
    numbers: Sequence[_Numbers]

    @classmethod
    def of(cls, columns: Columns, asked: Sequence[Asked]) -> _Group:
        """The rows of all templates, one after the other."""
        template = np.repeat(np.arange(len(asked)), [each.rows.size for each in asked])
        numbers: list[_Numbers] = []
        for fields in zip(*(_pieces(each.template).fields for each in asked), strict=True):
            bits = [columns.bits(field.name)[each.rows] for field, each in zip(fields, asked, strict=True)]
            style = np.array([_style(columns, field) for field in fields], dtype=np.uint64)[template]
            numbers.append(_Numbers(np.concatenate(bits), style))
        return cls(asked, template, numbers)

    def written(self, texts: pl.Series, codes: Sequence[NDArray[np.int64]]) -> pl.Series:
        """The sentences; `codes`: the texts of each field."""
        every = [_pieces(each.template) for each in self.asked]
        pieces = [self._of_each("begins", [each.begins for each in every])]
        for place, (number, code) in enumerate(zip(self.numbers, codes, strict=True)):
            behind = [each.fields[place].behind for each in every]
            many = number.bits != _ONE
            both = pl.Series(f"behind_{place}", [text for pair in behind for text in pair], dtype=pl.String)
            pieces += [texts[code].alias(f"text_{place}"), both[2 * self.template + many]]
        otherwise = self._of_each("otherwise", [each.otherwise for each in self.asked])
        sentence = pl.coalesce(pl.concat_str(piece.name for piece in pieces), "otherwise")
        return pl.DataFrame([*pieces, otherwise]).select(sentence=sentence).to_series()

    def _of_each(self, name: str, said: Sequence[str | None]) -> pl.Series:
        return pl.Series(name, said, dtype=pl.String)[self.template]


def _style(columns: Columns, field: _Field) -> int:
    """How a field is put into words: the place of PLAIN or SHARE, or behind them that of the texts of a column."""
    return STYLES.index(field.words) if field.words in STYLES else len(STYLES) + list(columns.texts).index(field.name)


def _texts(columns: Columns, numbers: Sequence[_Numbers]) -> tuple[pl.Series, list[NDArray[np.int64]]]:
    """All texts of these fields, each once, the first of which is null; and the texts of each field."""
    none = np.empty(0, dtype=np.uint64)
    bits = np.concatenate([none, *(each.bits for each in numbers)])
    style = np.concatenate([none, *(each.style for each in numbers)])
    kinds, firsts = kinds_of(np.stack([bits, style]))
    value, style = bits[firsts], style[firsts]
    known = value != NULL
    text_of, said = np.zeros(firsts.size, dtype=np.int64), [pl.Series("text", [None], dtype=pl.String)]
    for number, words in enumerate([*STYLES, *columns.texts.values()]):
        where = np.flatnonzero(known & (style == number))
        some = pl.Series("number", value[where].view(np.float64))
        text_of[where] = sum(map(len, said)) + np.arange(where.size)
        if isinstance(words, str):
            said.append(some.to_frame().select(text=render(words)).to_series())
        else:
            said.append(words[some.cast(pl.UInt32)].alias("text"))
    ends = np.cumsum([each.bits.size for each in numbers])
    return pl.concat(said, rechunk=True), np.split(text_of[kinds], ends[:-1]) if numbers else []
