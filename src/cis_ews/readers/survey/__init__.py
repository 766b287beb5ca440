"""A look at an unknown folder of delimited text, and the first mapping that comes of it (docs/mapping.md).

`survey` samples every file, describes its columns, and finds out which file is which table and which heading which
column: by names, by values, by the forms of dates, by keys that join. No value of a student is in what it returns: it
tells the names of the folder and of files (all that are taken for a table, others where their words are known here, so
that no file may be named after a student), headings whose words are known here and codes of a vocabulary, and nothing
else of what stands in a source.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path, PurePosixPath

from cis_ews.errors import ReadError, SchemaError
from cis_ews.progress import SILENT, Progress
from cis_ews.readers.cedars_fields import letter_by_name
from cis_ews.readers.limits import ReadLimits
from cis_ews.readers.sources import Entry, list_entries
from cis_ews.readers.survey.drafting import reading_of
from cis_ews.readers.survey.files import Looked, SourceTable, look
from cis_ews.readers.survey.findings import Survey, TableReading
from cis_ews.readers.survey.hints import MISSING, UNTOLD
from cis_ews.readers.survey.matching import TableMatch, match_all
from cis_ews.readers.survey.words import code_of, speaks
from cis_ews.schema.school_data import DOMAIN_TABLES, REQUIRED_TABLES
from cis_ews.wording import counted

ONEROSTER = frozenset(("academicsessions", "orgs", "users", "classes", "lineitems", "results", "manifest"))
CEDARS = frozenset(("B", "C", "N"))  # files that every such export has
SEVERAL = 3
PRESENCE = 0.3
"""The share of attendance rows that are present from which on a source records presence."""


def survey(path: Path, *, limits: ReadLimits | None = None, progress: Progress = SILENT) -> Survey:
    """What the files of a folder or zip archive seem to be.

    Raises ReadError where there is no file of delimited text with headings, and SchemaError where none of them looks
    like a table of the contract.
    """
    entries = list_entries(path, limits or ReadLimits())
    looked = look(entries, limits or ReadLimits(), progress)
    if not looked.tables:
        known_as = _known_as(entries)
        raise ReadError(
            f"{path.name}: no delimited text with headings that are known here in {counted(len(entries), 'file')}",
            hint=f"it looks like {known_as}"
            if known_as
            else "export tables as CSV with a line of headings in English, and name their folder",
            passed_over=dict(looked.passed),
        )
    with progress.step("match"):
        return _survey(path, looked, entries)


def _survey(path: Path, looked: Looked, entries: Sequence[Entry]) -> Survey:
    matches, rivals = match_all(looked.tables)
    known_as = _known_as(entries)
    if not matches:
        raise SchemaError(
            f"{path.name}: none of {counted(len(looked.tables), 'table')} looks like one of the contract",
            hint=f"it looks like {known_as}" if known_as else _hint_of(looked.tables),
            passed_over=dict(looked.passed),
        )
    derived = _derived(matches)
    has_enrollments = "enrollments" in derived or "school_id" in getattr(matches.get("enrollments"), "columns", ())
    readings = tuple(
        reading_of(match, rival=rivals.get(table), sources=looked.tables, has_enrollments=has_enrollments)
        for table, match in matches.items()
    )
    used = {name for reading in readings for name in reading.files}
    others = [name for table in looked.tables for name in table.files if name not in used]
    return Survey(
        name=os.fsencode(path.resolve().name.removesuffix(".zip")).decode(errors="replace") or "source",
        tables=readings,
        missing=(missing := _missing({*matches, *derived})),
        untold={table: needed for table, needed in UNTOLD.items() if table not in matches and table not in missing},
        derived=derived,
        unmatched=tuple(name for name in others if speaks(Path(name).stem)),
        unnamed=sum(not speaks(Path(name).stem) for name in others),
        passed=looked.passed,
        known_as="the plain format: no --format at all (docs/formats.md)" if _is_plain(readings) else known_as,
    )


def _hint_of(tables: Sequence[SourceTable]) -> str:
    alike = sum(bool(table.twice) for table in tables)
    needed = "docs/formats.md says what is needed, with an example"
    return (
        f"give columns of one heading names of their own: {counted(alike, 'table has', 'tables have')} some"
        if alike
        else needed
    )


def _is_plain(readings: Sequence[TableReading]) -> bool:
    """Whether files and headings are called as those of the contract."""
    named = {reading.table for reading in readings if Path(reading.files[0]).name.split(".")[0] == reading.table}
    plain = all(each.heading == each.column for reading in readings for each in reading.columns)
    return plain and named == {reading.table for reading in readings} and set(REQUIRED_TABLES) <= named


def _derived(matches: Mapping[str, TableMatch]) -> tuple[str, ...]:
    """The tables that can be derived of attendance, where presence is on record."""
    attendance = matches.get("attendance_events")
    status = attendance.columns.get("status") if attendance else None
    missing = [table for table in (*REQUIRED_TABLES, "reporting") if table not in matches]
    if status is None or not status.profile.codes or set(missing) <= {"reporting"}:
        return ()
    rows = sum(status.profile.codes.values())
    present = sum(count for code, count in status.profile.codes.items() if code_of("status", code) == "present")
    return tuple(missing) if present >= PRESENCE * rows else ()


def _missing(given: Set[str]) -> Mapping[str, str]:
    missing = {table: MISSING[table] for table in REQUIRED_TABLES if table not in given}
    if not any(table in given for tables in DOMAIN_TABLES.values() for table in tables):
        missing["attendance_events"] = MISSING[""]
    return missing


def _known_as(entries: Sequence[Entry]) -> str | None:
    """A format that has a reader of its own, and needs no mapping."""
    stems = {entry.stem.lower() for entry in entries if entry.suffix in (".csv", ".csv.gz")}
    if len(stems & ONEROSTER) >= SEVERAL:
        return "a OneRoster package: --format oneroster (docs/oneroster.md)"
    if sum(entry.name.lower().endswith(".xml") for entry in entries) >= SEVERAL:
        return "Ed-Fi bulk XML: --format edfi (docs/edfi.md)"
    if {letter_by_name(PurePosixPath(entry.name).stem) for entry in entries} >= CEDARS:
        return "Washington's CEDARS files: --format cedars (docs/cedars.md)"
    return None
