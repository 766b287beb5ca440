"""What school systems pick up: CSV files, a manifest that vouches for them, and `export.ok` when all of it is there.

A consumer waits for `export.ok`, reads `manifest.json`, and checks each file's SHA-256 against it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import polars as pl

from cis_ews.storage.files import disk_errors

TABLES = ("scores", "reasons")
MANIFEST = "manifest.json"
READY = "export.ok"
BY_SCHOOL = "by_school"
FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"
"""What a spreadsheet may take for a formula at the beginning of a cell; the wide forms too. Behind apostrophes as well:
`=1` and `'=1`, if both are ids, stay two."""


class StoredRun(Protocol):
    """What an export needs of a run; `cis_ews.storage.runs.Run` is one."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The run's manifest."""
        ...

    def table(self, table: str, /) -> pl.DataFrame:
        """One table of the run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written: file name below the folder -> rows; and how many cells got an apostrophe."""

    rows: Mapping[str, int]
    neutralized_cells: int


def export_files(run: StoredRun, out: str | Path, *, by_school: bool = False) -> ExportReport:
    """Write `scores.csv` and `reasons.csv` of a run into a folder, for all schools or one folder a school.

    RFC 4180: UTF-8, comma, quotes where needed, lines end in CRLF. A cell of text that a spreadsheet may take for a
    formula gets an apostrophe in front; the manifest counts them. An export that was there before is withdrawn first
    (`export.ok` goes), and its files that are no longer written are removed.

    Raises StorageError if the folder cannot be written.
    """
    folder = Path(out)
    tables = {name: run.table(name) for name in TABLES}
    formulas = sum(_formula_cells(frame) for frame in tables.values())
    with disk_errors(folder, "write the export to"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / READY).unlink(missing_ok=True)
        before = _files_listed(folder)
        files = _by_school(tables) if by_school else {f"{name}.csv": frame for name, frame in tables.items()}
        rows = {name: frame.height for name, frame in files.items()}
        written = {name: _write(folder / name, csv_bytes(frame)) for name, frame in files.items()}
        for name in before - written.keys():
            _remove(folder, name)
        _write(folder / MANIFEST, _manifest(run, written, rows=rows, neutralized=formulas))
        _write(folder / READY, b"")
    return ExportReport(rows=rows, neutralized_cells=formulas)


def _by_school(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Each table cut by the school that a student's score belongs to; every school has every table."""
    schools = tables["scores"].select("student_id", __school="school_id")
    files: dict[str, pl.DataFrame] = {}
    for name, frame in tables.items():
        whose = frame.join(schools, on="student_id", maintain_order="left")
        parts = whose.partition_by("__school", as_dict=True, include_key=False)
        for school in sorted(schools["__school"].unique()):
            files[f"{BY_SCHOOL}/{_safe(school)}/{name}.csv"] = parts.get((school,), frame.clear())
    return files


def _safe(school_id: str) -> str:
    """A school's id as the name of a folder: all but letters, digits, `-`, `_` as %XX, so that no path climbs out."""
    return quote(school_id, safe="").replace(".", "%2E").replace("~", "%7E")


def _texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind == pl.String]


def _formula_cells(frame: pl.DataFrame) -> int:
    counts = frame.select(pl.col(name).str.contains(FORMULA).sum() for name in _texts(frame))
    return int(counts.sum_horizontal().sum())


def neutralized(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with an apostrophe before each cell of text that a spreadsheet may take for a formula."""
    return frame.with_columns(pl.col(name).str.replace(FORMULA, "'${0}") for name in _texts(frame))


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """The table as an RFC 4180 file, safe to open in a spreadsheet."""
    return neutralized(frame).write_csv(line_terminator="\r\n").encode()


def _write(path: Path, content: bytes) -> str:
    """Write beside, see it onto the disk, rename; returns the SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return hashlib.sha256(content).hexdigest()


def _remove(folder: Path, name: str) -> None:
    """Remove a file of an earlier export, and the folders that it leaves empty."""
    (folder / name).unlink(missing_ok=True)
    for parent in list((folder / name).relative_to(folder).parents)[:-1]:
        if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
            (folder / parent).rmdir()


def _manifest(run: StoredRun, hashes: Mapping[str, str], *, rows: Mapping[str, int], neutralized: int) -> bytes:
    stated = {name: run.manifest[name] for name in ("run_id", "as_of", "model_version", "versions")}
    files = {name: {"sha256": digest, "rows": rows[name]} for name, digest in hashes.items()}
    content = {"format": 1, **stated, "files": files, "neutralized_cells": neutralized}
    return (json.dumps(content, sort_keys=True, indent=2) + "\n").encode()


def _files_listed(folder: Path) -> set[str]:
    """The files of the export that was there before, by its manifest; only those that an export can have written."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        return {name for name in listed if name.endswith(".csv") and ".." not in name and not name.startswith("/")}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
