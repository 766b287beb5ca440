"""Texts as numbers: the place of each text of a column among others, or among those of the column itself.

Where a text is of twelve bytes or fewer, as ids and marks are, Arrow's string view of it is two whole numbers that hold
it whole: a compiled loop compares and finds those at once. Columns with longer texts take the ways of polars.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.compiling import compiled, inlined, read_only

MOST_KNOWN = 2**18
"""Different texts of a column up to which a table of them is small; of more, polars makes the codes."""
_VIEW = np.dtype(np.uint64)
_LENGTH = 0xFFFFFFFF
_INSIDE = 12
_NONE, _TOO_LONG, _TOO_MANY = -1, -2, -3
_VIEWS = pl.CompatLevel.newest()
_NO_NULL = np.zeros(0, dtype=np.bool_)


def places_of(ids: pl.Series, known: pl.Series) -> NDArray[np.int32]:
    """The place of each id among those known, the first one of those alike; -1 where it is not, and for null."""
    table, places = _Table.of(known.len()), np.empty(ids.len(), dtype=np.int32)
    is_found = not known.null_count() and _number(known, table, np.empty(known.len(), dtype=np.int32), adds=True)
    is_found = is_found and _number(ids, table, places, adds=False)
    if not is_found:
        return _joined(ids, known)
    if table.held[0] == known.len():
        return places
    return np.append(table.firsts[: table.held[0]], _NONE).astype(np.int32)[places]


def codes_of(texts: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """The place of each text among those of the column, -1 for null; and those, in the order in which they come up."""
    codes, table = np.empty(texts.len(), dtype=np.int32), _Table.of(min(texts.len(), MOST_KNOWN))
    if _number(texts, table, codes, adds=True):
        return codes, texts.gather(table.firsts[: table.held[0]])
    # Categories of their own: others could have come up before, and in another order.
    coded = texts.cast(pl.Categorical(pl.Categories.random()))
    known = coded.drop_nulls().unique(maintain_order=True).cast(pl.String)
    return coded.to_physical().cast(pl.Int32).fill_null(_NONE).to_numpy(), known


def ranked(texts: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """The place of each text among those of the column, -1 for null; and those, sorted."""
    codes, known = codes_of(texts)
    if known.is_sorted():
        return codes, known
    # One more rank, the last one: that of the code -1.
    order, ranks = known.arg_sort(), np.full(known.len() + 1, _NONE, dtype=np.int32)
    ranks[order.to_numpy()] = np.arange(known.len())
    return ranks[codes], known.gather(order)


def surely_fit(texts: pl.Series) -> bool:
    """Whether every text is short, begins with a visible character of ASCII, and has no character U+0000."""
    return not texts.null_count() and all(_fit(_words(chunk)) for chunk in texts.get_chunks())


def _joined(ids: pl.Series, known: pl.Series) -> NDArray[np.int32]:
    """As `places_of`, for texts of any length; quick where equal ids stand together."""
    runs = ids.rle().struct.unnest()
    places = known.to_frame("value").with_row_index("place").unique("value", keep="first")
    found = runs.join(places, on="value", how="left", maintain_order="left")
    place = found.select(pl.col("place").cast(pl.Int32).fill_null(_NONE)).to_series()
    return np.repeat(place.to_numpy(), runs.get_column("len").to_numpy())


class _Table(NamedTuple):
    """Texts that were added, each found by its two words. `slots`: place of a text, by its hash or where it had to go
    on; -1 if free. `firsts`: the row of each text. `held`: one number, how many there are."""

    slots: NDArray[np.int32]
    words: NDArray[np.uint64]
    firsts: NDArray[np.int64]
    held: NDArray[np.int64]

    @classmethod
    def of(cls, most: int) -> _Table:
        """An empty table for so many texts, half full with them."""
        slots = np.full(1 << max(4, (2 * most - 1).bit_length()), _NONE, dtype=np.int32)
        return cls(slots, np.empty((most, 2), np.uint64), np.empty(most, np.int64), np.zeros(1, np.int64))


def _number(texts: pl.Series, table: _Table, codes: NDArray[np.int32], *, adds: bool) -> bool:
    """The place of each text in the table, which takes those that it has not if it `adds`; False where it cannot."""
    first = 0
    for chunk in texts.get_chunks():
        words, is_null = _words(chunk), chunk.is_null().to_numpy() if chunk.null_count() else _NO_NULL
        if _walk(_Texts(words, read_only(is_null), first, adds), table, codes) < 0:
            return False
        first += words.shape[0]
    return True


def _words(chunk: pl.Series) -> NDArray[np.uint64]:
    """The string views of a chunk, two words a text."""
    views = cast("Any", chunk).to_arrow(compat_level=_VIEWS)
    if not len(views):
        return np.empty((0, 2), dtype=np.uint64)
    words = np.frombuffer(views.buffers()[1], dtype=_VIEW, count=2 * (views.offset + len(views)))
    return read_only(words.reshape(-1, 2)[views.offset :])


class _Texts(NamedTuple):
    """Texts of a chunk whose rows begin at `first`. `is_null`: empty where none is. `adds`: to the table."""

    words: NDArray[np.uint64]
    is_null: NDArray[np.bool_]
    first: int
    adds: bool


@compiled
def _walk(texts: _Texts, table: _Table, codes: NDArray[np.int32]) -> int:
    """Write the places of the texts; negative where one is too long, or one too many for the table."""
    code, last, end = _NONE, np.uint64(_LENGTH), np.uint64(0)
    for row in range(texts.words.shape[0]):
        if texts.is_null.size and texts.is_null[row]:
            codes[texts.first + row] = _NONE
            continue
        start, rest = texts.words[row, 0], texts.words[row, 1]
        if start != last or rest != end:
            if (start & np.uint64(_LENGTH)) > np.uint64(_INSIDE):
                return _TOO_LONG
            slot = _slot_of(start, rest, table)
            code = table.slots[slot]
            if code == _NONE and texts.adds:
                code = table.held[0]
                if code == table.firsts.size:
                    return _TOO_MANY
                table.slots[slot], table.firsts[code] = code, texts.first + row
                table.words[code, 0], table.words[code, 1] = start, rest
                table.held[0] += 1
            last, end = start, rest
        codes[texts.first + row] = code
    return 0


@inlined
def _slot_of(start: np.uint64, rest: np.uint64, table: _Table) -> np.int64:
    """Where the text is, or the free slot for it."""
    mask = table.slots.size - 1
    mixed = (start ^ (rest * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xC2B2AE3D27D4EB4F)
    # The last characters are in the highest bits, which a product does not bring down.
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(32)) & mask
    while True:
        code = table.slots[slot]
        if code == _NONE or (table.words[code, 0] == start and table.words[code, 1] == rest):
            return slot
        slot = (slot + 1) & mask


@compiled
def _fit(words: NDArray[np.uint64]) -> bool:
    for row in range(words.shape[0]):
        size, start, rest = words[row, 0] & np.uint64(_LENGTH), words[row, 0] >> np.uint64(32), words[row, 1]
        first = start & np.uint64(0xFF)
        if size > np.uint64(_INSIDE) or first < np.uint64(0x21) or first > np.uint64(0x7E):
            return False
        for place in range(1, np.int64(size)):
            byte = start >> np.uint64(8 * place) if place < 4 else rest >> np.uint64(8 * (place - 4))
            if byte & np.uint64(0xFF) == np.uint64(0):
                return False
    return True
