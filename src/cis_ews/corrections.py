"""Corrected records: what a family had put right replaces what the extract says, tonight and every night after.

    <store>/corrections/<salted hash of the student's id>/student.json, <table>.csv     (cis_ews.storage.corrected)

A table that a correction has replaces all rows of the student in that table; the others stay as the extract has them.
The files are inputs of every night that uses them: their hashes stand in its manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import ConfigError, DataError, StorageError
from cis_ews.readers.base import ReadOptions
from cis_ews.readers.folder import read_tables
from cis_ews.schema.refusals import ROWS_NAMED
from cis_ews.schema.required import require_columns
from cis_ews.schema.rows import PLACE
from cis_ews.schema.school_data import TABLES, SchoolData, SourceFile
from cis_ews.schema.scores import Rejections
from cis_ews.storage.corrected import OWNER, PRIVATE, replace_corrected
from cis_ews.storage.files import disk_errors, json_bytes, replace_durably
from cis_ews.storage.store import RunStore
from cis_ews.wording import counted

CORRECTABLE = tuple(table for table, schema in TABLES.items() if "student_id" in schema.columns())


@dataclass(frozen=True, slots=True)
class Correction:
    """One student's corrected tables, as text, each cell still unchecked."""

    student_id: str
    tables: Mapping[str, pl.DataFrame]
    files: tuple[SourceFile, ...] = ()


def read_correction(student_id: str, records: Path) -> Correction:
    """A student's corrected records from a folder in the plain format.

    Raises:
        ConfigError: the folder has no table of students, or one that is not about single students.
        SchemaError: a table lacks a required column: a wrong header alone would take all rows of the student away.
        DataError: it has torn rows or rows of somebody else, or takes every enrollment away.
    """
    read = read_tables(records, ReadOptions())
    wrong = sorted(set(read) - set(CORRECTABLE))
    if wrong or not read:
        found = f"{', '.join(wrong)} cannot be corrected for one student" if wrong else f"{records} has no table"
        raise ConfigError(found, hint=f"give one or more of {', '.join(CORRECTABLE)}")
    for name, table in read.items():
        require_columns(name, table.frame.columns)
    tables = {name: _as_text(name, table.frame) for name, table in read.items()}
    torn = [_place(row) for table in read.values() for row in table.rejections.iter_rows(named=True)]
    others = sum(table.filter(pl.col("student_id").ne_missing(student_id)).height for table in tables.values())
    if torn or others:
        named = f" ({_some(torn)})" if torn else ""
        rows = counted(len(torn), "corrected row is", "corrected rows are")
        found = f"{rows} torn{named}, {counted(others, 'is', 'are')} of another student"
        raise DataError(found, hint="give whole rows of this student alone")
    if "enrollments" in tables and tables["enrollments"].is_empty():
        raise DataError("The correction takes every enrollment away", hint="to remove a student, use student forget")
    return Correction(student_id, tables)


def check_correction(school_data: SchoolData, correction: Correction) -> None:
    """Raise DataError, with counts by rule, where a corrected row would be rejected in this extract."""
    if not _is_known(school_data, correction):
        raise DataError("The extract does not have that student", hint="check the id and the source")
    rejections = overlay(school_data, [correction]).rejections.slice(school_data.rejections.height)
    refused = rejections.filter(pl.col("file").is_not_null())
    if refused.height:
        by_rule = dict(refused.group_by("rule").len().sort("rule").iter_rows())
        places = [_place(row) for row in refused.sort("table", *PLACE, "rule").iter_rows(named=True)]
        raise DataError(
            f"{counted(refused.height, 'corrected row')} refused: {_some(places)}",
            hint="correct them first; nothing was kept",
            by_rule=by_rule,
            places=places,
        )


def _some(places: Sequence[str]) -> str:
    return "; ".join(places[:ROWS_NAMED]) + ("; ..." if len(places) > ROWS_NAMED else "")


def _place(rejection: Mapping[str, object]) -> str:
    columns = f" ({rejection['column']})" if rejection["column"] else ""
    return f"{rejection['table']} row {rejection['row_number']}: {rejection['rule']}{columns}"


def rows_replaced(school_data: SchoolData, correction: Correction) -> dict[str, tuple[int, int]]:
    """Table -> the student's rows in the extract, and in the correction."""
    return {
        name: (school_data.table(name).filter(pl.col("student_id") == correction.student_id).height, table.height)
        for name, table in correction.tables.items()
    }


def keep_correction(store: RunStore, correction: Correction) -> None:
    """Put a correction into the store; a table that was corrected before is replaced, other corrected tables stay.

    Raises DataError where the student was forgotten: nothing about that child is kept any more.
    """
    with store.lock():
        if correction.student_id in store.erased():
            raise DataError(
                "This student was forgotten at the family's request", hint="nothing about the child is kept"
            )
        folder = store.student_folder(correction.student_id)
        with disk_errors(folder, "write"):
            folder.mkdir(parents=True, exist_ok=True)
            replace_durably(folder / OWNER, json_bytes({"student_id": correction.student_id}), mode=PRIVATE)
            for name, table in correction.tables.items():
                replace_corrected(folder / f"{name}.csv", table.drop(PLACE).write_csv().encode())


def kept_corrections(store: RunStore) -> list[Correction]:
    """Every correction in the store, in the order of its folders."""
    with disk_errors(store.corrections, "read"):
        folders = sorted(path.parent for path in store.corrections.glob(f"*/{OWNER}"))
    return [_kept(folder) for folder in folders]


def apply_corrections(school_data: SchoolData, store: RunStore) -> SchoolData:
    """The school data with every correction of the store; unchanged where there is none."""
    return overlay(school_data, kept_corrections(store))


def overlay(school_data: SchoolData, corrections: Sequence[Correction]) -> SchoolData:
    """The school data with each student's corrected tables in place of the extract's.

    Corrected rows are checked like any others; one that breaks a rule becomes a rejection. Students who are neither in
    the extract nor wholly in their correction are passed over and counted.
    """
    if not corrections:
        return school_data
    usable = usable_corrections(school_data, corrections)
    notes = correction_notes(usable, passed_over=len(corrections) - len(usable))
    noted = replace(school_data, coverage=replace(school_data.coverage, notes=(*school_data.coverage.notes, *notes)))
    if not usable:
        return noted
    students = [correction.student_id for correction in usable]
    checked = SchoolData.from_frames({name: _corrected(name, school_data, usable) for name in TABLES}, tolerance=1.0)
    return replace(
        noted,
        **{name: _joined(name, school_data, checked, without=students) for name in CORRECTABLE},
        rejections=Rejections.cast(pl.concat([school_data.rejections, checked.rejections])),
        files=(*school_data.files, *(file for correction in usable for file in correction.files)),
    )


def usable_corrections(school_data: SchoolData, corrections: Sequence[Correction]) -> list[Correction]:
    """Those of students who are in the extract, or wholly in their correction."""
    return [correction for correction in corrections if _is_known(school_data, correction)]


def _kept(folder: Path) -> Correction:
    with disk_errors(folder / OWNER, "read"):
        content = (folder / OWNER).read_bytes()
    try:
        student_id = str(json.loads(content)["student_id"])
    except (ValueError, KeyError, TypeError):
        raise StorageError(f"{folder / OWNER} is damaged", hint="restore it, or correct the student again") from None
    place = f"{folder.parent.name}/{folder.name}"
    read = read_tables(folder, ReadOptions())
    files = [replace(file, name=f"{place}/{file.name}") for table in read.values() for file in table.files]
    tables = {name: _as_text(name, table.frame, place=place) for name, table in read.items()}
    return Correction(student_id, tables, tuple(files))


def _as_text(name: str, frame: pl.DataFrame, *, place: str | None = None) -> pl.DataFrame:
    """Every column of the contract as text, null where it is absent, and where each row came from."""
    known = [pl.col(column).cast(pl.String) for column in TABLES[name].columns() if column in frame.columns]
    absent = [pl.lit(None, pl.String).alias(column) for column in TABLES[name].columns() if column not in frame.columns]
    rows = frame.select(*known, *absent, *PLACE) if set(PLACE) <= set(frame.columns) else frame.select(*known, *absent)
    return rows if place is None else rows.with_columns(file=place + "/" + pl.col("file"))


def _is_known(school_data: SchoolData, correction: Correction) -> bool:
    if correction.student_id in school_data.students["student_id"]:
        return True
    return all(name in correction.tables and correction.tables[name].height for name in ("students", "enrollments"))


def correction_notes(usable: Sequence[Correction], *, passed_over: int) -> list[str]:
    """What to say in the coverage statement of corrections that were used, and of those that were not."""
    tables = sorted({name for correction in usable for name in correction.tables})
    rows = sum(table.height for correction in usable for table in correction.tables.values())
    students, passed_by = counted(len(usable), "student"), counted(passed_over, "student")
    changed = f"{counted(rows, 'row')} in {', '.join(tables)}"
    applied = f"corrected records of {students} replace what the extract says: {changed}"
    passed = f"corrected records of {passed_by} were passed over: the extract does not have these students"
    return [*([applied] if usable else []), *([passed] if passed_over else [])]


def _corrected(name: str, school_data: SchoolData, corrections: Sequence[Correction]) -> pl.DataFrame:
    """A table of the corrected students alone, or a whole table that is not about students."""
    table = school_data.table(name)
    if name not in CORRECTABLE:
        return table
    replaced = [correction.tables[name] for correction in corrections if name in correction.tables]
    kept = [correction.student_id for correction in corrections if name not in correction.tables]
    rows = table.filter(pl.col("student_id").is_in(kept)).with_columns(pl.all().cast(pl.String))
    placed = rows.with_columns(pl.lit(None, pl.String).alias("file"), pl.int_range(1, pl.len() + 1).alias("row_number"))
    return pl.concat([placed, *replaced], how="diagonal")


def _joined(name: str, school_data: SchoolData, checked: SchoolData, *, without: Sequence[str]) -> Any:
    schema = TABLES[name]
    others = school_data.table(name).filter(~pl.col("student_id").is_in(list(without)))
    return schema.cast(pl.concat([others, checked.table(name)]).sort(schema.primary_key()))
