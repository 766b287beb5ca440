"""Delimited text: every cell as text, every row with the number that a spreadsheet shows, no row lost unseen.

A line with too many or too few cells (the last one of a file that was cut off, mostly) becomes the rejection
`ragged_row`. Arrow's reader hands each such line over with its number; polars' own either refuses the whole file or
fills the gaps with nulls.
"""

from __future__ import annotations

import csv
import importlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.readers.cells import surely_filled
from cis_ews.readers.encodings import BLOCK, FALLBACKS, Utf8Reader
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.limits import MEBIBYTE, ReadLimits
from cis_ews.readers.plain_lines import NotPlainError, read_plain
from cis_ews.readers.sources import Entry, open_entry
from cis_ews.wording import counted

DELIMITERS = (",", ";", "\t", "|")
MAX_LINES_IN_ROW = 50  # a row that runs over more lines is a quotation mark that never closes
MAX_COLUMNS = 1000
HEADER_BYTES = 2**16
NUMBER = "number"  # beside columns named by position
BLANK = " \r\n" + "".join(DELIMITERS)  # a line of these alone says nothing
_WORDS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_RUNS_OVER = f"take out or close its quotation mark; leave out a text of more than {MAX_LINES_IN_ROW} lines"
_QUOTES = "look for a quotation mark that never closes, or export it again"

# pyarrow has no type information
arrow: Any = importlib.import_module("pyarrow")
arrow_csv: Any = importlib.import_module("pyarrow.csv")


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    delimiter: str


@dataclass(slots=True)
class _Ragged:
    """Collects the lines with a wrong number of cells; their text is looked at and never kept.

    But for those of `surplus`, where it is asked for: lines that are right but for empty cells behind the last column;
    `behind`: how many these are.
    """

    delimiter: str
    takes_surplus: bool
    rows: list[int] = field(default_factory=list[int])
    blank: list[int] = field(default_factory=list[int])
    surplus: dict[int, list[str | None]] = field(default_factory=dict[int, list[str | None]])
    behind: dict[int, int] = field(default_factory=dict[int, int])
    lines_in_row: int = 0
    longest_row: int = 0

    def __call__(self, row: Any) -> str:
        cells = self._without_surplus(row) if self.takes_surplus and row.actual_columns > row.expected_columns else None
        if not row.text.strip(BLANK):
            self.blank.append(row.number)
        elif cells is None:
            self.rows.append(row.number)
        else:
            self.surplus[row.number] = cells
            self.behind[row.number] = row.actual_columns - row.expected_columns
        if (lines := row.text.count("\n")) > self.lines_in_row:
            self.lines_in_row, self.longest_row = lines, row.number
        return "skip"

    def _without_surplus(self, row: Any) -> list[str | None] | None:
        cells = next(csv.reader([row.text], delimiter=self.delimiter))
        if len(cells) != row.actual_columns or any(cell.strip() for cell in cells[row.expected_columns :]):
            return None
        return [cell or None for cell in cells[: row.expected_columns]]

    def refuse_shifted(self, lines: pl.DataFrame) -> None:
        """Take rows that a comma without quotation marks has shifted out of the surplus; `lines`: those of right width.

        Where the last columns are empty, such a row ends in empty cells too. It shows by a cell in a column that no
        other row fills, or one that begins with a blank as in no other row. Where most rows of the file end in as many
        empty cells, that is how the file is written.
        """
        habit, count = Counter(self.behind.values()).most_common(1)[0] if self.behind else (0, 0)
        is_habit = count > lines.height - 1  # the header is among them
        filled = [lines[name].count() > 1 for name in lines.columns]
        blank = [bool(lines[name].slice(1).str.starts_with(" ").any()) for name in lines.columns]
        for number, cells in list(self.surplus.items()):
            strange = any(
                cell is not None and not (filled[at] and (blank[at] or not cell.startswith(" ")))
                for at, cell in enumerate(cells)
            )
            if strange if not is_habit else self.behind[number] != habit:
                del self.surplus[number]
                self.rows.append(number)


def read_delimited(
    entry: Entry,
    *,
    known_columns: Collection[str],
    limits: ReadLimits,
    encoding: str | None = None,
    delimiter: str | None = None,
    takes_surplus: bool = False,
    types: Mapping[str, pl.Categorical] | None = None,
) -> FileRead:
    """A delimited text file: its known columns as text.

    `known_columns` are the headings that the caller looks for: without a given `delimiter`, the one of comma,
    semicolon, tab and bar that yields most of them is taken. Without a given `encoding`, a byte order mark decides,
    then UTF-8, then Windows-1252, then Latin-1. `takes_surplus`: whether a row may have empty cells behind its last
    column, unless it looks shifted. `types`: of columns whose texts repeat, by heading, to be held as categories.

    Raises ReadError where the file is empty, damaged or no text.
    """
    for each, lines_of in product((encoding,) if encoding else FALLBACKS, (_plain, _parsed)):
        with open_entry(entry, limits) as opened:
            try:
                text = Utf8Reader(opened.content, each)
                header = _header(entry.name, text.head, known_columns=known_columns, delimiter=delimiter)
                ragged = _Ragged(header.delimiter, takes_surplus)
                kinds = {str(at): (types or {}).get(name, pl.String()) for at, name in enumerate(header.names)}
                lines = lines_of(entry.name, text, ragged=ragged, types=kinds)
            except (UnicodeDecodeError, NotPlainError):
                continue
            rows = _below(entry.name, lines, header)
            return FileRead(
                frame=_named(rows, header, known_columns),
                row_numbers=rows[NUMBER],
                ragged=tuple(ragged.rows),
                unknown_columns=sum(column not in known_columns for column in header.names),
                sha256=opened.sha256(),
                notes=_notes(entry.name, text, header=header, ragged=ragged, empty=lines.height - rows.height - 1),
                is_marked=text.is_marked and text.encoding == "utf-8",
            )
    raise ReadError(f"{entry.name}: the file is not {encoding or 'text'}", hint="write it as UTF-8", file=entry.name)


def read_headings(
    entry: Entry, *, known_columns: Collection[str], limits: ReadLimits, delimiter: str | None = None
) -> tuple[str, ...]:
    """The headings of a delimited text file; without a given `delimiter`, `known_columns` find it out."""
    if entry.suffix == ".parquet":
        raise ReadError(f"{entry.name}: the file is no delimited text", hint="export it as CSV", file=entry.name)
    for each in FALLBACKS:
        with open_entry(entry, limits) as opened:
            try:
                head = Utf8Reader(opened.content, each).head
            except UnicodeDecodeError:
                continue
            return _header(entry.name, head, known_columns=known_columns, delimiter=delimiter).names
    raise ReadError(f"{entry.name}: the file is not text", hint="write it as UTF-8", file=entry.name)


def _header(name: str, head: bytes, *, known_columns: Collection[str], delimiter: str | None) -> _Header:
    line = first_line(name, head)
    candidates = [_Header(cells_of(line, each), each) for each in ([delimiter] if delimiter else DELIMITERS)]
    header = max(candidates, key=lambda each: sum(column in known_columns for column in each.names))
    if len(header.names) > MAX_COLUMNS:
        raise ReadError(f"{name}: the first line has {len(header.names):,} cells", hint="is it a table?", file=name)
    twice = sorted({column for column in known_columns if header.names.count(column) > 1})
    if twice:
        raise SchemaError(
            f"{name}: {counted(len(twice), 'column is', 'columns are')} there twice: {', '.join(twice)}",
            hint="drop one of each",
        )
    return header


def first_line(name: str, head: bytes) -> str:
    """The line of the headings. Raises ReadError where there is none."""
    lines = head.lstrip(b"\r\n")[:HEADER_BYTES].splitlines()
    if not lines or not lines[0].strip():
        raise ReadError(f"{name}: the file is empty", hint="export it again", file=name)
    return lines[0].decode("utf-8", errors="replace")


def cells_of(line: str, delimiter: str) -> tuple[str, ...]:
    """The cells of a line, without the spaces around them."""
    return tuple(cell.strip() for cell in next(csv.reader([line], delimiter=delimiter)))


def _plain(
    name: str,  # noqa: ARG001 - as _parsed
    text: Utf8Reader,
    *,
    ragged: _Ragged,
    types: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    """As `_parsed`, of text in which there is nothing to be careful about. Raises NotPlainError where there is."""
    lines = read_plain(text, delimiter=ragged.delimiter, types=types)
    return lines.with_columns(_numbers(lines.height, ragged))


def _parsed(name: str, text: Utf8Reader, *, ragged: _Ragged, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Every line of the right width, the header among them, and the number of the row.

    `types`: of the columns, named by position: headings may repeat.
    """
    columns = list(types)
    try:
        reader = arrow_csv.open_csv(
            text,
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=columns),
            parse_options=arrow_csv.ParseOptions(
                delimiter=ragged.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=ragged,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, arrow.string()), null_values=[""], strings_can_be_null=True
            ),
        )
        lines = pl.DataFrame(reader.read_all())
    except arrow.ArrowInvalid as error:
        # The message can quote cells.
        if "straddl" in str(error):
            raise _too_long(name, text) from None
        raise ReadError(f"{name}: the file is no table of text", hint=_QUOTES, file=name) from None
    _refuse_open_quotes(name, lines, ragged=ragged, quotes=text.quotes)
    if ragged.surplus:
        ragged.refuse_shifted(lines)
    numbered = lines.with_columns(_numbers(lines.height, ragged))
    if ragged.surplus:
        rows = [[*cells, number] for number, cells in ragged.surplus.items()]
        numbered = pl.concat([numbered, pl.DataFrame(rows, schema=numbered.schema, orient="row")]).sort(NUMBER)
    return numbered.cast({name: kind for name, kind in types.items() if kind != pl.String})


def _too_long(name: str, text: Utf8Reader) -> ReadError:
    """A row does not fit into a block: a cell that holds a whole file, or rows behind a mark that never closes."""
    return ReadError(
        f"{name}: a row is longer than {BLOCK // MEBIBYTE} MiB; it begins near line {text.lines + 1:,} or before",
        hint=_QUOTES if text.quotes % 2 else "shorten its longest cell and export again",
        file=name,
    )


def _numbers(height: int, ragged: _Ragged) -> pl.Series:
    """The row numbers that a spreadsheet shows: ragged and blank lines count, though they are not among the lines."""
    elsewhere = [*ragged.rows, *ragged.blank, *ragged.surplus]
    if not elsewhere:
        return pl.int_range(1, height + 1, dtype=pl.Int64, eager=True).alias(NUMBER)
    here = np.ones(height + len(elsewhere) + 1, dtype=bool)
    here[[0, *elsewhere]] = False
    return pl.Series(NUMBER, np.flatnonzero(here), dtype=pl.Int64)


def _refuse_open_quotes(name: str, lines: pl.DataFrame, *, ragged: _Ragged, quotes: int) -> None:
    """A quotation mark that never closes swallows the rows after it: no rejection could count those."""
    if quotes == 0 or lines.is_empty():
        return
    ends = lines.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))).to_series()
    most, at = int(str(ends.max())), ends.arg_max() or 0
    if not (max(most, ragged.lines_in_row) > MAX_LINES_IN_ROW or (quotes % 2 and (ends[-1] or ragged.lines_in_row))):
        return
    row = ragged.longest_row if ragged.lines_in_row > most else _numbers(lines.height, ragged)[at]
    raise ReadError(
        f"{name}, row {row:,}: a cell runs over {max(most, ragged.lines_in_row) + 1:,} lines, as where a quotation "
        "mark opens it and never closes",
        hint=_RUNS_OVER,
        file=name,
        row=row,
    )


def _below(name: str, lines: pl.DataFrame, header: _Header) -> pl.DataFrame:
    """The rows below the header that have a cell at all."""
    is_clear = surely_filled(lines["0"]) or not lines.select(_blank(pl.col("0")).any()).item()
    filled = lines if is_clear else lines.filter(~_blank(pl.exclude(NUMBER)))
    first = [(cell or "").strip() for cell in filled.head(1).drop(NUMBER).row(0)] if filled.height else []
    if tuple(first) != header.names:
        raise ReadError(f"{name}: the header line cannot be read", hint=_QUOTES, file=name)
    return filled.slice(1)


def _blank(cells: pl.Expr) -> pl.Expr:
    return pl.all_horizontal(cells.cast(pl.String).fill_null("").str.strip_chars() == "")


def _named(rows: pl.DataFrame, header: _Header, known_columns: Collection[str]) -> pl.DataFrame:
    positions = {column: str(at) for at, column in enumerate(header.names) if column in known_columns}
    return rows.select(pl.col(position).alias(column) for column, position in positions.items()).rechunk()


def _notes(name: str, text: Utf8Reader, *, header: _Header, ragged: _Ragged, empty: int) -> tuple[str, ...]:
    blank, surplus = empty + len(ragged.blank), len(ragged.surplus)
    notes = {
        f"{name}: read as {text.encoding}": text.encoding != "utf-8",
        f"{name}: cells are separated by {_WORDS.get(header.delimiter)}": header.delimiter != ",",
        f"{name}: {blank:,} empty rows were skipped": blank > 0,
        f"{name}: {counted(surplus, 'row has', 'rows have')} empty cells behind their last column": surplus > 0,
    }
    return tuple(note for note, holds in notes.items() if holds)
