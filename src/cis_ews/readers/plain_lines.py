"""Delimited text of the plain kind, which most exports are: no quotation mark, every line as wide as the first.

polars reads it on every core, and several times as fast as a reader that hands each line over that is not so. Whatever
is not plain is refused here (NotPlainError) and has to be read by the other one: both give the same cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

import polars as pl

from cis_ews.readers.ahead import ahead
from cis_ews.readers.encodings import BLOCK, Utf8Reader, count_of

CHUNK = 2 * BLOCK
"""Bytes that are held as text at once, besides the cells."""


class NotPlainError(Exception):
    """The text is not plain, whatever the reason."""


def read_plain(text: Utf8Reader, *, delimiter: str, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Every line as a row of cells, null where a cell is empty; the header is one of them.

    `types`: column -> String, or Categorical where its texts repeat: a chunk keeps a number a cell of it then.
    """
    columns = list(types)
    if len(columns) < 2 or not delimiter.isascii():
        raise NotPlainError  # in one column an empty line cannot be told from an empty cell
    delimiters, frames = 0, list[pl.DataFrame]()
    with closing(ahead(_whole_lines(text, delimiter.encode()))) as chunks:
        for lines, count in chunks:
            delimiters += count
            frames.append(_cells(lines, delimiter, types))
    rows = sum(frame.height for frame in frames)
    # A line that is too long is an error of polars; so, by the number of delimiters, there is none that is too short.
    if text.quotes or rows != text.lines or delimiters != rows * (len(columns) - 1):
        raise NotPlainError
    return pl.concat(frames, rechunk=False)


def _whole_lines(text: Utf8Reader, delimiter: bytes) -> Iterator[tuple[bytes, int]]:
    """The text in chunks that end with a line, each with how many delimiters were read for it, as the sum counts."""
    parts, size, count = list[bytes](), 0, 0
    while data := text.read(BLOCK):
        if text.quotes:
            raise NotPlainError
        size += len(data)
        count += count_of(delimiter, data)
        if size >= CHUNK and (end := data.rfind(b"\n") + 1):
            yield b"".join([*parts, data[:end]]), count
            parts, size, count = [data[end:]], len(data) - end, 0
        else:
            parts.append(data)
    if held := b"".join(parts):
        yield held, count


def _cells(lines: bytes, delimiter: str, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    if b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n"):
        raise NotPlainError
    try:
        cells = pl.read_csv(
            lines,
            has_header=False,
            infer_schema=False,
            separator=delimiter,
            quote_char=None,
            schema_overrides=list(types.values()),
        )
    except pl.exceptions.PolarsError:
        raise NotPlainError from None
    if cells.width != len(types) or _has_long_cell(lines, cells):
        raise NotPlainError
    return cells.rename(dict(zip(cells.columns, types, strict=True)))


def _has_long_cell(lines: bytes, cells: pl.DataFrame) -> bool:
    """Whether a cell is as long as a block. Then its line is, and leaves half a block without the end of a line."""
    half = BLOCK // 2
    if all(lines.find(b"\n", at, at + half) >= 0 for at in range(0, len(lines) - half + 1, half)):
        return False
    return bool(cells.select(pl.any_horizontal((pl.all().cast(pl.String).str.len_bytes() >= BLOCK).any())).item())
