"""Texts of at most twelve bytes, as nearly all ids and codes are: compared and looked up as the numbers that they are.

Polars holds such a text as two whole numbers, its length among them, so that a loop over numbers sees all of it. Longer
texts lie elsewhere: of a column that has any, or nulls, nothing is said here (None), and the caller goes another way.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cis_ews.compiling import compiled, inlined, read_only

LONGEST = 12
"""Bytes of the longest text that lies in its two numbers."""
AHEAD = 8
"""How many known texts after the last one found are looked at before the others are: rows mostly lie by their ids."""

Words = NDArray[np.uint64]


def words_of(texts: pl.Series) -> Words | None:
    """The texts as they lie in memory: two numbers a row, the length in the lowest 32 bits of the first."""
    if texts.dtype != pl.String or texts.null_count():
        return None
    if texts.is_empty():
        return read_only(np.empty((0, 2), dtype=np.uint64))
    if texts.str.len_bytes().max() > LONGEST:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand] - a number
        return None
    views = cast("Any", texts.rechunk()).to_arrow(compat_level=pl.CompatLevel.newest())
    words = np.frombuffer(views.buffers()[1], dtype=np.uint64).reshape(-1, 2)
    return read_only(words[views.offset : views.offset + len(texts)])


def surely_fit(texts: pl.Series) -> bool:
    """Whether every text is short, begins with a visible character of ASCII and has no character U+0000."""
    words = words_of(texts)
    return words is not None and bool(_fit(words))


def places_among(texts: pl.Series, known: pl.Series) -> NDArray[np.int32] | None:
    """The place of each text among those known, one of its places where it is there more than once; -1 where it is not
    there."""
    asked, there = words_of(texts), words_of(known)
    if asked is None or there is None:
        return None
    return _find(asked, there)


def ranked(texts: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """The place of each text among the different ones, which are sorted; of texts of any length, without nulls."""
    numbers, different = _numbered(texts)
    if different.is_sorted():
        return numbers, different
    order, ranks = different.arg_sort(), np.empty(len(different), dtype=np.int32)
    ranks[order.to_numpy()] = np.arange(len(different))
    return ranks[numbers], different.gather(order)


def _numbered(texts: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """The number of each text, and the text of each number."""
    words = words_of(texts)
    if words is not None:
        numbers, firsts = _number(words)
        return numbers, texts.gather(firsts)
    runs = texts.rle().struct.unnest()
    different = runs.get_column("value").unique()
    places = different.to_frame("value").with_row_index("number")
    found = runs.join(places, on="value", how="left", maintain_order="left")
    return np.repeat(found["number"].to_numpy().astype(np.int32), runs["len"].to_numpy()), different


@compiled
def _fit(words: Words) -> bool:
    for row in range(words.shape[0]):
        size, low, high = words[row, 0] & np.uint64(0xFFFFFFFF), words[row, 0] >> np.uint64(32), words[row, 1]
        first = low & np.uint64(0xFF)
        if first < 0x21 or first > 0x7E:
            return False
        for place in range(1, size):
            byte = low >> np.uint64(8 * place) if place < 4 else high >> np.uint64(8 * (place - 4))
            if byte & np.uint64(0xFF) == 0:
                return False
    return True


class _Table(NamedTuple):
    """A hash table of texts: each slot holds a place in `rows`, or -1; the rows are those of `words`."""

    slots: NDArray[np.int32]
    rows: NDArray[np.int64]
    words: Words


@inlined
def _is(words: Words, row: Any, text: tuple[Any, Any]) -> Any:
    return words[row, 0] == text[0] and words[row, 1] == text[1]


@compiled
def _slots(texts: int) -> NDArray[np.int32]:
    """Empty slots for so many texts, at most half of which will be taken."""
    room = 16
    while room < 2 * texts:
        room *= 2
    return np.full(room, -1, dtype=np.int32)


@inlined
def _slot(text: tuple[Any, Any], table: _Table) -> Any:
    """The slot of a text; an empty one where it is not there."""
    mixed = text[0] * np.uint64(0x9E3779B97F4A7C15) ^ text[1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(32)) & (table.slots.size - 1)
    while table.slots[slot] >= 0 and not _is(table.words, table.rows[table.slots[slot]], text):
        slot = (slot + 1) & (table.slots.size - 1)
    return slot


@compiled
def _find(asked: Words, known: Words) -> NDArray[np.int32]:
    found, every = np.full(asked.shape[0], -1, dtype=np.int32), np.arange(known.shape[0], dtype=np.int64)
    table, is_filled, at = _Table(_slots(0), every, known), False, -1
    for row in range(asked.shape[0]):
        text = (asked[row, 0], asked[row, 1])
        if row > 0 and _is(asked, row - 1, text):
            found[row] = found[row - 1]
            continue
        for ahead in range(at + 1, min(at + 1 + AHEAD, known.shape[0])):
            if _is(known, ahead, text):
                found[row] = ahead
                break
        if found[row] < 0:
            if not is_filled:
                table, is_filled = _Table(_slots(known.shape[0]), every, known), True
                for place in range(known.shape[0]):
                    table.slots[_slot((known[place, 0], known[place, 1]), table)] = place
            found[row] = table.slots[_slot(text, table)]
        if found[row] >= 0:
            at = found[row]
    return found


@compiled
def _number(words: Words) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    runs = 0
    for row in range(words.shape[0]):
        if row == 0 or not _is(words, row - 1, (words[row, 0], words[row, 1])):
            runs += 1
    numbers, different = np.empty(words.shape[0], dtype=np.int32), 0
    table = _Table(_slots(runs), np.empty(runs, dtype=np.int64), words)
    for row in range(words.shape[0]):
        text = (words[row, 0], words[row, 1])
        if row > 0 and _is(words, row - 1, text):
            numbers[row] = numbers[row - 1]
            continue
        slot = _slot(text, table)
        if table.slots[slot] < 0:
            table.slots[slot], table.rows[different] = different, row
            different += 1
        numbers[row] = table.slots[slot]
    return numbers, table.rows[:different].copy()
