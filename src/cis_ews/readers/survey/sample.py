"""A bounded sample of a file of delimited text: its head, and pieces spread over the rest.

The file is read to its end, and no more than `HEAD` and twice `PIECES` pieces of it are held: when there are too many,
every second one goes, and from then on half as many are taken.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cis_ews.errors import ReadError
from cis_ews.readers.delimited import DELIMITERS, MAX_COLUMNS, cells_of, first_line
from cis_ews.readers.encodings import FALLBACKS, Utf8Reader
from cis_ews.readers.limits import MEBIBYTE, ReadLimits
from cis_ews.readers.sources import Entry, open_entry
from cis_ews.readers.survey.words import speaks

HEAD = MEBIBYTE
PIECE = 2**16
PIECES = 16
OTHER_DELIMITERS = ("^", "~", ":")  # which the readers find only where a mapping names them
TELLING_LINES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was looked at of one file.

    `headings`: as they stand, stripped. `cells`: the sampled rows as text, stripped, null where empty; columns by
    position. `is_whole`: whether the sample is the file. `delimiter`: None where the readers find it out by themselves.
    `dropped`: sampled lines with another number of cells.
    """

    name: str
    headings: tuple[str, ...]
    cells: pl.DataFrame
    is_whole: bool
    delimiter: str | None
    dropped: int

    @property
    def has_headings(self) -> bool:
        """Whether the first line is one of headings, as far as anything here knows such words."""
        filled = [each for each in self.headings if each]
        return len(filled) > 1 and 2 * sum(map(speaks, filled)) >= len(filled)


@dataclass(frozen=True, slots=True)
class _Text:
    head: str
    pieces: tuple[str, ...]
    is_whole: bool


def sample_of(entry: Entry, limits: ReadLimits) -> Sample:
    """The sample of a file. Raises ReadError where it is empty, damaged or no text."""
    for encoding in FALLBACKS:
        with open_entry(entry, limits) as opened:
            try:
                text = _read(Utf8Reader(opened.content, encoding))
            except UnicodeDecodeError:
                continue
            return _parsed(entry.name, text)
    raise ReadError(f"{entry.name}: the file is not text", hint="write it as UTF-8", file=entry.name)


def _read(stream: Utf8Reader) -> _Text:
    head = _exactly(stream, HEAD)
    held, stride, at = list[bytes](), 1, 0
    while piece := _exactly(stream, PIECE):
        if at % stride == 0:
            held.append(piece)
        at += 1
        if len(held) > 2 * PIECES:
            held, stride = held[::2], stride * 2
    is_whole = at == len(held)
    if is_whole:
        return _Text(_text(head + b"".join(held)), (), is_whole=True)
    return _Text(_text(_until_line_end(head)), tuple(_text(_lines_of(each)) for each in held), is_whole=False)


def _exactly(stream: Utf8Reader, size: int) -> bytes:
    """So many bytes, fewer at the end of the file alone."""
    parts, wanted = list[bytes](), size
    while wanted and (part := stream.read(wanted)):
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)


def _until_line_end(piece: bytes) -> bytes:
    return piece[: piece.rfind(b"\n") + 1] or piece[: piece.rfind(b"\r") + 1] or piece


def _lines_of(piece: bytes) -> bytes:
    """The whole lines of a piece from the middle of a file."""
    end = b"\n" if b"\n" in piece else b"\r"
    return piece[piece.find(end) + 1 : piece.rfind(end) + 1]


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", errors="ignore").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _parsed(name: str, text: _Text) -> Sample:
    line = first_line(name, text.head.encode())
    delimiter = _delimiter(line, text.head)
    headings = cells_of(line, delimiter)
    if len(headings) > MAX_COLUMNS:
        raise ReadError(f"{name}: the first line has {len(headings):,} cells", hint="is it a table?", file=name)
    body = text.head.lstrip("\n").partition("\n")[2]
    width, lines, rows = len(headings), 0, list[Sequence[str | None]]()
    for cells in _rows((body, *text.pieces), delimiter):
        lines += 1
        if len(cells) == width:
            rows.append([cell.strip() or None for cell in cells])
    frame = pl.DataFrame(rows, schema={str(at): pl.String for at in range(width)}, orient="row")
    found_out = delimiter in DELIMITERS and delimiter == _found_out(line, headings)
    return Sample(
        name=name,
        headings=headings,
        cells=frame.filter(pl.any_horizontal(pl.all().is_not_null())) if width else frame,
        is_whole=text.is_whole,
        delimiter=None if found_out else delimiter,
        dropped=lines - len(rows),
    )


def _rows(texts: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    for text in texts:
        try:
            yield from (cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if cells)
        except csv.Error:  # a cell that is too long: a quotation mark that never closes
            continue


def _delimiter(line: str, head: str) -> str:
    """The delimiter that cuts the first line into most headings, where the lines below agree in width."""
    below = [each for each in head.lstrip("\n").split("\n", TELLING_LINES + 1)[1:-1] if each.strip()]

    def telling(delimiter: str) -> tuple[int, float, int]:
        cells = cells_of(line, delimiter)
        widths = Counter(len(row) for row in _rows(below, delimiter))
        agree = widths[len(cells)] / widths.total() if widths else 1.0
        known = sum(speaks(cell) for cell in cells)
        return (known if len(cells) > 1 else 0, round(agree, 1), len(cells))

    return max((*DELIMITERS, *OTHER_DELIMITERS), key=telling)


def _found_out(line: str, headings: Sequence[str]) -> str:
    """The delimiter that the readers take for these headings."""
    return max(DELIMITERS, key=lambda each: sum(cell in headings for cell in cells_of(line, each)))
