"""Delimited text of the plain kind, which most exports are: no quotation mark, every line as wide as the first.

polars reads it on every core, and several times as fast as a reader that hands each line over that is not so. Whatever
is not plain is refused here (NotPlainError) and has to be read by the other one: both give the same cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import polars as pl

from cis_ews.readers.ahead import ahead
from cis_ews.readers.encodings import BLOCK, Utf8Reader

CHUNK = 4 * BLOCK
"""Bytes that are held as text at once, besides the cells."""


class NotPlainError(Exception):
    """The text is not plain, whatever the reason."""


def read_plain(text: Utf8Reader, *, delimiter: str, columns: list[str]) -> pl.DataFrame:
    """Every line as a row of text cells, null where a cell is empty; the header is one of them."""
    if len(columns) < 2:
        raise NotPlainError  # an empty line cannot be told from an empty cell
    delimiters, frames = 0, list[pl.DataFrame]()
    with closing(ahead(_whole_lines(text, delimiter.encode()))) as chunks:
        for lines, count in chunks:
            delimiters += count
            frames.append(_cells(lines, delimiter, columns))
    rows = sum(frame.height for frame in frames)
    # A line that is too long is an error of polars; so, by the number of delimiters, there is none that is too short.
    if text.quotes or rows != text.lines or delimiters != rows * (len(columns) - 1):
        raise NotPlainError
    return pl.concat(frames, rechunk=False)


def _whole_lines(text: Utf8Reader, delimiter: bytes) -> Iterator[tuple[bytes, int]]:
    """The text in chunks that end with a line, each with how many delimiters it has."""
    parts, size = list[bytes](), 0
    while data := text.read(BLOCK):
        if text.quotes:
            raise NotPlainError
        parts.append(data)
        size += len(data)
        if size >= CHUNK:
            held = b"".join(parts)
            end = held.rfind(b"\n") + 1
            if end:
                lines = held[:end]
                yield lines, lines.count(delimiter)
            parts, size = [held[end:]], len(held) - end
    if held := b"".join(parts):
        yield held, held.count(delimiter)


def _cells(lines: bytes, delimiter: str, columns: list[str]) -> pl.DataFrame:
    if b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n"):
        raise NotPlainError
    try:
        cells = pl.read_csv(lines, has_header=False, infer_schema=False, separator=delimiter, quote_char=None)
    except pl.exceptions.PolarsError:
        raise NotPlainError from None
    is_long = cells.select(pl.any_horizontal((pl.all().str.len_bytes() >= BLOCK).any())).item()
    if is_long or cells.width != len(columns):
        raise NotPlainError
    return cells.rename(dict(zip(cells.columns, columns, strict=True)))
