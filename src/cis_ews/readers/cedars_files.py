"""The files of a CEDARS source: which is which, and their rows as text under the names of `cedars_fields`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import polars as pl

from cis_ews.errors import ReadError, SchemaError
from cis_ews.readers.base import RAGGED, TEXT_SUFFIXES, ReadOptions, columns_of, ragged_rows
from cis_ews.readers.cedars_config import CedarsConfig
from cis_ews.readers.cedars_fields import (
    COLUMNS,
    SERVES,
    TITLES,
    Headings,
    letter_by_headings,
    letter_by_name,
    name_of,
    understood,
)
from cis_ews.readers.delimited import DELIMITERS, read_delimited, read_headings
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.sources import Entry, list_files
from cis_ews.schema.school_data import SourceFile
from cis_ews.wording import counted

IDS = ("student", "ssid", "course", "incident")  # whose spaces are part of the cell, as in every id
BESIDE = ("calendar_days", "reporting")
"""Tables of the plain folder format that may lie beside the files, for what CEDARS cannot say."""
SUFFIXES = TEXT_SUFFIXES
NEEDED = ("B", "C")
EXPLAIN = ("D", "E")
"""Files that only explain the rows of others, and are rows of no table themselves."""
STUDENT = {"district": "student", "ssid": "ssid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CedarsSource:
    """The files of a source by their letter, and those of tables that lie beside."""

    files: Mapping[str, tuple[Entry, ...]]
    beside: Mapping[str, list[Entry]]


def find_files(path: Path, options: ReadOptions, *, config: CedarsConfig, ledger: Ledger) -> CedarsSource:
    """Sort out what lies in a source. Raises ReadError where a file that is needed is missing."""
    entries = list_files(path, options.limits)
    beside = {table: [entry for entry in entries if entry.suffix and entry.stem == table] for table in BESIDE}
    plain = [entry for found in beside.values() for entry in found]
    files: dict[str, list[Entry]] = {}
    passed = 0
    for entry in (each for each in entries if each not in plain):
        letter = _letter(entry, options, config=config, ledger=ledger)
        if letter is None:
            passed += _is_text(entry) or bool(entry.suffix)
        else:
            files.setdefault(letter, []).append(entry)
    ledger.note(f"{counted(passed, 'file')} of no known CEDARS file passed over", passed)
    _note_aside(files, ledger)
    _require(path.name, files, has_calendar=bool(beside["calendar_days"]))
    return CedarsSource(
        files={letter: tuple(files[letter]) for letter in COLUMNS if letter in files},
        beside={table: found for table, found in beside.items() if found},
    )


def _is_text(entry: Entry) -> bool:
    return entry.name.lower().endswith(SUFFIXES)


def _letter(entry: Entry, options: ReadOptions, *, config: CedarsConfig, ledger: Ledger) -> str | None:
    """Which file an entry is: as the configuration says, by its name, else by its headings."""
    if not _is_text(entry):
        return None
    said = (letter for letter, named in config.files.items() if any(fnmatchcase(entry.name, each) for each in named))
    name = PurePosixPath(entry.name).name
    stem = next(name[: -len(suffix)] for suffix in sorted(SUFFIXES, key=len, reverse=True) if _ends(name, suffix))
    by_name = next(said, None) or letter_by_name(stem)
    if by_name:
        return by_name
    headers = [_headings(entry, delimiter, options) for delimiter in DELIMITERS]
    found = {letter for each in headers if (letter := letter_by_headings(each, config.headings))}
    letter = found.pop() if len(found) == 1 else None
    ledger.note(f"{entry.name}: taken for file {letter} by its headings", letter is not None)
    return letter


def _ends(name: str, suffix: str) -> bool:
    return name.lower().endswith(suffix)


def _headings(entry: Entry, delimiter: str, options: ReadOptions) -> tuple[str, ...]:
    return read_headings(entry, known_columns=(), limits=options.limits, delimiter=delimiter)


def _note_aside(files: Mapping[str, Sequence[Entry]], ledger: Ledger) -> None:
    unused = [f"{letter} ({TITLES[letter]})" for letter in sorted(files) if letter not in COLUMNS]
    ledger.note(f"files left aside, as no indicator needs them: {', '.join(unused)}", len(unused))


def _require(name: str, files: Iterable[str], *, has_calendar: bool) -> None:
    missing = [letter for letter in NEEDED if letter not in files]
    if "A" not in files and not has_calendar:
        missing.insert(0, "A")
    if missing:
        raise ReadError(
            f"{name}: {counted(len(missing), 'CEDARS file')} missing: "
            + ", ".join(f"{letter} ({TITLES[letter]})" for letter in missing),
            hint="name the files by their letter (B.txt), or under [files] in a TOML: docs/cedars.md",
            files=missing,
        )


def read_letter(
    letter: str, entries: Sequence[Entry], options: ReadOptions, *, config: CedarsConfig, ledger: Ledger
) -> pl.DataFrame:
    """The rows of one file, or of several of one letter: its columns as text, with `file` and `row_number`.

    `student_id`: the id that was chosen. Raises SchemaError where a header is no header of that file.
    """
    parts = [_read(letter, entry, options, config=config, ledger=ledger) for entry in entries]
    return pl.concat(parts)


def _read(letter: str, entry: Entry, options: ReadOptions, *, config: CedarsConfig, ledger: Ledger) -> pl.DataFrame:
    headers = {each: _headings(entry, each, options) for each in DELIMITERS}
    delimiter = max(headers, key=lambda each: len(headers[each]))  # a heading holds no delimiter, a row one a column
    headings = understood(entry.name, letter, headers[delimiter], names=config.headings)
    student = STUDENT[config.student_id]
    if student in COLUMNS[letter] and student not in headings.used.values():
        raise SchemaError(
            f"{entry.name}: no column {name_of(letter, student)}, which was chosen for the students' ids",
            hint="choose the other one under student_id, or export the column",
            file=entry.name,
        )
    read = read_delimited(
        entry, known_columns=headings.used, limits=options.limits, delimiter=delimiter, takes_surplus=True
    )
    ledger.files.append(SourceFile(table=SERVES[letter], name=entry.name, sha256=read.sha256, rows=read.rows))
    for note in read.notes:
        ledger.note(note)
    _note_headings(entry.name, letter, headings, ledger=ledger)
    _tell_torn(letter, entry.name, read, ledger=ledger)
    rows = columns_of(read, entry.name, used=headings.used, columns=COLUMNS[letter])
    stripped = rows.with_columns(pl.col(each).str.strip_chars() for each in COLUMNS[letter] if each not in IDS)
    return stripped.rename({student: "student_id"} if student in COLUMNS[letter] else {})


def _tell_torn(letter: str, name: str, read: FileRead, *, ledger: Ledger) -> None:
    """Lines that could not be told into cells: rejected from each table that the file is read for, or else noted."""
    torn = len(read.ragged)
    if letter in EXPLAIN:
        ledger.note(f"{name}: {counted(torn, 'line')} cannot be told into cells; not used", torn)
        return
    for table in (SERVES[letter], "discipline_actions") if letter == "R" else (SERVES[letter],):
        ledger.reject(ragged_rows(read, name), table=table, rule=RAGGED, column=None)


def _note_headings(name: str, letter: str, headings: Headings, *, ledger: Ledger) -> None:
    count = len(headings.tolerated)
    ledger.note(f"{name}: {counted(count, 'heading')} written in another way: {', '.join(headings.tolerated)}", count)
    absent = [name_of(letter, each) for each in COLUMNS[letter] if each not in headings.used.values()]
    ledger.note(f"{name}: no column {', '.join(absent)}", len(absent))
    ledger.note(f"{name}: {counted(headings.aside, 'column')} of CEDARS not used", headings.aside)
    ledger.note(f"{name}: {counted(headings.unknown, 'column')} unknown here and kept aside", headings.unknown)
