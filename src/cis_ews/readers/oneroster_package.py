"""The packages of a OneRoster source: manifests honoured, the rows of deltas laid over those of the bulk.

A source is one package (a folder or a zip), or several side by side, in the order of their names: the bulk first, then
its deltas. Of each `sourcedId` the row that was modified last stands; where nothing says when, the later package's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from cis_ews.errors import EwsError, ReadError
from cis_ews.readers.base import RAGGED, ReadOptions, columns_of, ragged_rows, read_file
from cis_ews.readers.cells import moments, surely_filled, word
from cis_ews.readers.delimited import read_headings
from cis_ews.readers.file_read import FileRead
from cis_ews.readers.ledger import Ledger
from cis_ews.readers.oneroster_tables import (
    ID,
    KNOWN,
    MODIFIED,
    REQUIRED,
    SERVES,
    STATUS,
    TYPES,
    USED,
    file_of,
    understood,
)
from cis_ews.readers.sources import Entry, list_files
from cis_ews.schema.school_data import SourceFile
from cis_ews.wording import counted

BULK, DELTA, ABSENT = "bulk", "delta", "absent"
DELETED, INACTIVE = "tobedeleted", "inactive"
PACKAGE = "_package"
RESULTS = "results"
Made = TypeVar("Made")
_PLACE = ("file", "row_number")


@dataclass(frozen=True, slots=True)
class Package:
    """One package: its files, and how each is meant: `bulk` or `delta`."""

    name: str
    files: Mapping[str, Entry]
    modes: Mapping[str, str]


def read_packages(
    path: Path, options: ReadOptions, ledger: Ledger, *, meanwhile: Callable[[Mapping[str, pl.DataFrame]], Made]
) -> tuple[Made, pl.DataFrame | None]:
    """What `meanwhile` makes of every file but the results, by name of the standard, and the rows of the results.

    Rows are those that stand, as text, with `file` and `row_number`; None where there are no results, or nobody asks
    for them. The results, by far the largest file, are read beside everything else.

    Raises ReadError where a file is missing, damaged or unsafe, or a delta has no bulk to be laid over; SchemaError
    where a header is no OneRoster; and what `meanwhile` raises.
    """
    packages = _packages(path, options, ledger)
    _require(path.name, packages)
    there = [file for file in USED if any(file in package.modes for package in packages)]
    used = [file for file in there if file != RESULTS or options.asks(SERVES[file])]
    ledgers = {file: Ledger() for file in used}
    tables: dict[str, pl.DataFrame] = {}

    def read(file: str) -> pl.DataFrame:
        return _standing(file, packages, options=options, ledger=ledgers[file])

    at = used.index(RESULTS) if RESULTS in used else len(used)
    with options.progress.step("read", total=len(used)), ThreadPoolExecutor(1) as beside:
        coming = beside.submit(read, RESULTS) if RESULTS in used else None
        for number, file in enumerate(used):
            if number != at:
                with _told_before(coming if number > at else None):
                    tables[file] = read(file)
                options.progress.advance()
        with _told_before(coming):
            made = meanwhile(tables)
        results = coming.result() if coming else None
        options.progress.advance(1 if coming else 0)
    for file in used:
        ledger.take(ledgers[file])
    return made, results


@contextmanager
def _told_before(coming: Future[pl.DataFrame] | None) -> Generator[None, None, None]:
    """What is wrong with the results is told before what is wrong with what stands behind them."""
    try:
        yield
    except EwsError:
        if coming:
            coming.result()
        raise


def no_rows(file: str) -> pl.DataFrame:
    """A file that the source does not have."""
    texts = dict.fromkeys((*USED[file], "file"), pl.String())
    return pl.DataFrame(schema=texts | dict(TYPES.get(file, {})) | {"row_number": pl.Int64()})


def _packages(path: Path, options: ReadOptions, ledger: Ledger) -> list[Package]:
    entries = list_files(path, options.limits)
    folders = sorted({entry.folder for entry in entries if entry.suffix and file_of(entry.stem)})
    found = [
        _package(folder, [each for each in entries if each.folder == folder], options=options, ledger=ledger)
        for folder in folders
    ]
    passed = sum(not (entry.suffix and file_of(entry.stem)) for entry in entries)
    ledger.note(f"{counted(passed, 'file')} with the name of no OneRoster file passed over", passed)
    return found


def _package(name: str, entries: Sequence[Entry], *, options: ReadOptions, ledger: Ledger) -> Package:
    files: dict[str, Entry] = {}
    for entry in entries:
        file = file_of(entry.stem) if entry.suffix else None
        if file is None:
            continue
        if file in files:
            raise ReadError(f"{entry.name}: {file} is there twice", hint="keep one of them", file=entry.name)
        files[file] = entry
        ledger.note(f"{entry.name}: taken for {file}.csv", entry.stem != file)
    manifest = files.pop("manifest", None)
    if manifest is None:
        ledger.note(f"{name or 'the package'}: there is no manifest.csv; every file is taken for bulk")
        return Package(name, files, dict.fromkeys(files, BULK))
    return Package(name, files, _modes(manifest, files, options=options, ledger=ledger))


def _modes(manifest: Entry, files: Mapping[str, Entry], *, options: ReadOptions, ledger: Ledger) -> dict[str, str]:
    read = read_file(manifest, known_columns=("propertyName", "value"), limits=options.limits)
    if set(read.frame.columns) != {"propertyName", "value"}:
        raise ReadError(
            f"{manifest.name}: it has no columns propertyName and value", hint="export it again", file=manifest.name
        )
    ledger.files.append(SourceFile(table="manifest", name=manifest.name, sha256=read.sha256, rows=read.rows))
    _note_text(manifest.name, read, ledger)
    ledger.note(f"{manifest.name}: {counted(len(read.ragged), 'line')} cannot be read", len(read.ragged))
    said = _said(read.frame)
    modes = {file: said.get(file, ABSENT) for file in KNOWN}
    missing = [file for file, mode in modes.items() if mode in (BULK, DELTA) and file not in files and file in USED]
    if missing:
        raise ReadError(
            f"{manifest.name}: {counted(len(missing), 'file')} promised and not there: {', '.join(missing)}",
            hint="export the package again",
            file=manifest.name,
        )
    unclear = [file for file in files if file not in said or modes[file] not in (BULK, DELTA, ABSENT)]
    ledger.note(f"{manifest.name}: it does not say how {', '.join(unclear)} is meant; taken for bulk", len(unclear))
    unused = [file for file in files if file in said and modes[file] == ABSENT]
    ledger.note(f"{manifest.name}: it says that {', '.join(unused)} is absent; the file was passed over", len(unused))
    return {file: BULK if file in unclear else modes[file] for file in files if file not in unused}


def _said(frame: pl.DataFrame) -> dict[str, str]:
    """File of the standard -> what the manifest says of it, in lower case."""
    pairs = frame.drop_nulls().with_columns(pl.all().str.strip_chars()).iter_rows()
    found = {str(name): str(value).casefold() for name, value in pairs}
    named = {file_of(name.removeprefix("file.")): value for name, value in found.items() if name.startswith("file.")}
    return {file: value for file, value in named.items() if file is not None}


def _require(name: str, packages: Sequence[Package]) -> None:
    missing = [file for file in REQUIRED if not any(file in package.modes for package in packages)]
    if missing:
        raise ReadError(
            f"{name}: {counted(len(missing), 'OneRoster file')} missing: {', '.join(missing)}",
            hint="name the folder or archive that holds the package, and export rosters with it",
            tables=missing,
        )
    for file in USED:
        first = next((package for package in packages if file in package.modes), None)
        if first is not None and first.modes[file] == DELTA:
            raise ReadError(
                f"{first.name or name}: {file}.csv is a delta, and no bulk comes before it",
                hint="put the bulk package beside it, with a name that sorts first",
                file=f"{file}.csv",
            )


def _standing(file: str, packages: Sequence[Package], *, options: ReadOptions, ledger: Ledger) -> pl.DataFrame:
    """The rows of a file that stand after every package was laid over those before it."""
    parts: list[pl.DataFrame] = []
    for number, package in enumerate(packages):
        mode = package.modes.get(file)
        if mode is None:
            continue
        if mode == BULK and parts:
            _reduce(ledger, file, sum(part.height for part in parts), what="replaced by a later bulk")
            parts = []
        part = _read(file, package.files[file], options=options, ledger=ledger)
        parts.append(part.with_columns(pl.lit(number, dtype=pl.Int32).alias(PACKAGE)))
    rows = pl.concat(parts)
    if not surely_filled(rows[ID]):
        rows = ledger.keep(rows, _filled(ID), table=SERVES[file], rule="missing", column=ID)
    return _active(file, _latest(file, rows, ledger), ledger).drop(PACKAGE, MODIFIED, STATUS)


def _filled(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().fill_null("") != ""


def _read(file: str, entry: Entry, *, options: ReadOptions, ledger: Ledger) -> pl.DataFrame:
    names = read_headings(entry, known_columns=KNOWN[file], limits=options.limits)
    headings = understood(entry.name, file, names)
    types = TYPES.get(file, {})
    repeated = {heading: types[column] for heading, column in headings.used.items() if column in types}
    read = read_file(entry, known_columns=headings.used, limits=options.limits, takes_surplus=True, types=repeated)
    ledger.files.append(SourceFile(table=SERVES[file], name=entry.name, sha256=read.sha256, rows=read.rows))
    _note_text(entry.name, read, ledger)
    count = len(headings.tolerated)
    ledger.note(
        f"{entry.name}: {counted(count, 'heading')} written in another way: {', '.join(headings.tolerated)}", count
    )
    ledger.note(f"{entry.name}: {counted(headings.extensions, 'extension column')} kept aside", headings.extensions)
    ledger.note(f"{entry.name}: {counted(headings.unknown, 'column')} unknown to OneRoster", headings.unknown)
    ledger.reject(ragged_rows(read, entry.name), table=SERVES[file], rule=RAGGED, column=None)
    rows = columns_of(read, entry.name, used=headings.used, columns=USED[file], types=types)
    return rows.select(*USED[file], *_PLACE)


def _note_text(name: str, read: FileRead, ledger: Ledger) -> None:
    """How the text of a file is written, where it is not as the standard has it."""
    for note in read.notes:
        ledger.note(note)
    ledger.note(f"{name}: it begins with a byte order mark", read.is_marked)


def _latest(file: str, rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Of each id the row that stands. A repetition within a package is rejected; what a delta replaces is reduced."""
    # By hashes, several times as fast as by texts: two ids that share one are told apart below.
    if rows[ID].hash().n_unique() == rows.height:
        return rows
    modified = moments(rows[MODIFIED])
    unread = modified.null_count() - rows[MODIFIED].null_count()
    ledger.note(
        f"{file}: {MODIFIED}: {counted(unread, 'cell says', 'cells say')} "
        "no moment; these rows are taken for the oldest",
        unread,
    )
    ordered = rows.with_row_index("_at").with_columns(modified.alias(MODIFIED))
    ordered = ordered.sort(MODIFIED, PACKAGE, "_at", descending=[True, True, False], nulls_last=True)
    standing = ordered.unique(ID, keep="first", maintain_order=True)
    rest = ordered.join(standing.select("_at"), on="_at", how="anti", maintain_order="left")
    again = rest.join(standing.select(ID, PACKAGE), on=[ID, PACKAGE], how="semi", maintain_order="left")
    ledger.reject(again.sort("_at"), table=SERVES[file], rule="duplicate_row", column=ID)
    _reduce(ledger, file, rest.height - again.height, what="replaced by a row of another package")
    return rows.filter(pl.int_range(pl.len()).is_in(standing["_at"].implode()))


def _active(file: str, rows: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """The rows that are not withdrawn: `tobedeleted`, and `inactive` of OneRoster 1.0."""
    if rows[STATUS].null_count() == rows.height:
        return rows
    marked = rows.with_columns(word(STATUS).alias("_status"))
    for status in (DELETED, INACTIVE):
        _reduce(ledger, file, int((marked["_status"] == status).sum()), what=f"withdrawn ({status})")
    other = int((~marked["_status"].is_in(["", "active", DELETED, INACTIVE])).sum())
    ledger.note(f"{file}: status: {counted(other, 'cell')} with an unknown word; the rows were taken for active", other)
    return marked.filter(~pl.col("_status").fill_null("").is_in([DELETED, INACTIVE])).drop("_status")


def _reduce(ledger: Ledger, file: str, count: int, *, what: str) -> None:
    """Rows of a file that do not stand. Those of files that only explain others are noted and no row of a table."""
    ledger.note(f"{file}: {counted(count, 'row')} {what}", count)
    if file in ("orgs", "users", "enrollments", "demographics", "results"):
        ledger.reduce(SERVES[file], count)
