"""One night's scoring as files: written whole or not at all, the same bytes for the same night, never changed after.

The files and their columns: docs/runs.md. Why this format: docs/adr/0003-run-format.md.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import RunCompactedError, RunDamagedError, RunNotFoundError, StorageError
from cis_ews.schema.school_data import SourceFile
from cis_ews.storage.compacted import COMPACTED, files_away
from cis_ews.storage.files import (
    disk_errors,
    json_bytes,
    leftover_beside,
    remove,
    replace_durably,
    sha256_of,
    sync,
    write_durably,
)
from cis_ews.storage.frames import TableParts, checked, write_table
from cis_ews.storage.manifest import (
    COVERAGE,
    FORMAT,
    MANIFEST,
    TIMINGS,
    Manifest,
    counts_of,
    described_files,
    described_inputs,
    is_genuine,
    package_versions,
    run_id_for,
    sealed,
)

__all__ = [
    "Run",
    "RunContents",
    "open_run",
    "record_timings",
    "run_date",
    "run_folder",
    "run_id_for",
    "verify_run",
    "write_run",
]


_STATED = {"run_id", "as_of", "model_version", "inputs", "versions", "counts", "rows", "files", "rewritten"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContents:
    """Everything that a night hands to storage.

    `scores`, `rejections`: by the schemas of `cis_ews.schema.scores`. `tables`: `reasons` and `rules` by theirs,
    `indicators` and `contributions` (not in a night by rules) with one row a student, `student_id` and any columns;
    frames, or parts that were checked when they were made. `cohort_flow`: the counted steps, in order. `coverage`:
    `Coverage.to_dict()`. `model`: what decided, for people. `inputs`: the source files with their hashes.
    `compared_with`: which run `changes` compares with, and what was noticed; empty where there was none.
    """

    as_of: date
    model_version: str
    config_hash: str
    inputs: Sequence[SourceFile]
    scores: pl.DataFrame
    rejections: pl.DataFrame
    tables: Mapping[str, pl.DataFrame | TableParts]
    cohort_flow: Sequence[Mapping[str, object]] = ()
    coverage: Mapping[str, object] = field(default_factory=dict[str, object])
    model: Mapping[str, object] = field(default_factory=dict[str, object])
    seed: int | None = None
    compared_with: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def run_id(self) -> str:
        """The id of the run that these contents make."""
        return run_id_for(
            inputs=self.inputs, config_hash=self.config_hash, model_version=self.model_version, as_of=self.as_of
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A stored run: its folder, its manifest, and which of its files compaction took away."""

    path: Path
    manifest: Manifest
    away: frozenset[str] = frozenset()

    @property
    def run_id(self) -> str:
        """Sixteen hex digits."""
        return self.manifest["run_id"]

    @property
    def as_of(self) -> date:
        """The as-of date of its scores."""
        return date.fromisoformat(self.manifest["as_of"])

    @property
    def created_at(self) -> str:
        """When it was made, as ISO text."""
        return str(self.statement("timings")["created_at"])

    @property
    def model_version(self) -> str:
        """The version of the model, or of the rules, that scored it."""
        return self.manifest["model_version"]

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the manifest's bytes, which vouches for every file."""
        with disk_errors(self.path, "read"):
            return sha256_of(self.path / MANIFEST)

    @property
    def files(self) -> list[str]:
        """The names of its files that are there, without manifest and timings."""
        return [name for name in self.manifest["files"] if name not in self.away]

    @property
    def lost(self) -> frozenset[str]:
        """The files that compaction had taken away when a student was forgotten: they never come back."""
        return frozenset(name for entry in self.manifest["rewritten"] for name in entry.get("lost", ()))

    @property
    def tables(self) -> list[str]:
        """The names of its tables that are there."""
        return [name.removesuffix(".parquet") for name in self.files if name.endswith(".parquet")]

    def has(self, table: str) -> bool:
        """Whether the run holds the table; a night by rules has no contributions, a compacted run few tables."""
        return table in self.tables

    def table(self, table: str, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """One table, or some of its columns: scores, reasons, rules, indicators, rejections, contributions, changes."""
        with disk_errors(self.path, "read"):
            rows = self._scan(table)
            return (rows if columns is None else rows.select(columns)).collect()

    def rows_of(self, table: str, student_id: str) -> pl.DataFrame:
        """The rows of one student in a table."""
        with disk_errors(self.path, "read"):
            return self._scan(table).filter(pl.col("student_id") == student_id).collect()

    def rows_among(self, table: str, students: pl.DataFrame) -> pl.DataFrame:
        """The rows of the students of a frame, in the table's order; a table too big to be read whole."""
        with disk_errors(self.path, "read"):
            return self._scan(table).join(students.lazy(), on="student_id", how="semi", maintain_order="left").collect()

    def rows_between(self, table: str, first: str, last: str, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of the students from one id to another, both included; a table too big to be read whole."""
        with disk_errors(self.path, "read"):
            rows = self._scan(table).filter(pl.col("student_id").is_between(pl.lit(first), pl.lit(last)))
            return (rows if columns is None else rows.select(columns)).collect()

    def blocks(self, table: str, *, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        """The rows of a table in its order, so many at a time."""
        for first in range(0, self.manifest["rows"][table], rows):
            with disk_errors(self.path, "read"):
                yield self._scan(table).select(columns).slice(first, rows).collect()

    def statement(self, name: str) -> Any:
        """One JSON file of the run: cohort_flow, coverage, model, timings."""
        with disk_errors(self.path, "read"):
            content = (self.path / f"{name}.json").read_bytes()
        try:
            return json.loads(content)
        except ValueError:
            raise _damaged(self.path, [f"{name}.json"]) from None

    def _scan(self, table: str) -> pl.LazyFrame:
        if f"{table}.parquet" in _away(self.path):  # of now: this run may have been opened before it was compacted
            raise RunCompactedError(
                f"run {self.run_id} is compacted: its {table} are not kept",
                hint=f"bring them back with cis-ews replay {shlex.quote(str(self.path))} --restore",
            )
        if f"{table}.parquet" in self.lost:
            raise RunNotFoundError(
                f"run {self.run_id} has no {table} any more: it was compacted when one of its students was forgotten, "
                "and cannot be made again with that student",
                hint="move its folder away and score the night again: the student is left out",
            )
        if f"{table}.parquet" not in self.manifest["files"]:
            raise RunNotFoundError(f"run {self.run_id} has no table {table}", hint=f"it has {', '.join(self.tables)}")
        return pl.scan_parquet(self.path / f"{table}.parquet", glob=False, cache=False)


def run_folder(root: Path, as_of: date, run_id: str) -> Path:
    """Where a run lies in a store."""
    return root / "runs" / as_of.isoformat() / run_id


def run_date(folder: Path) -> date:
    """The as-of date of the run in a folder, by where it lies."""
    return date.fromisoformat(folder.parent.name)


WriteAll = Callable[[Sequence[tuple[pl.DataFrame | TableParts, Path]]], object]
"""Writes tables, each to its path, in any order."""


def write_one_by_one(tables: Sequence[tuple[pl.DataFrame | TableParts, Path]]) -> None:
    """Write tables in this process."""
    for table, path in tables:
        write_table(table, path)


def write_run(
    root: Path,
    contents: RunContents,
    *,
    timings: Mapping[str, object] | None = None,
    write_all: WriteAll = write_one_by_one,
) -> Run:
    """Write a run below `root`, or find and verify the one that is already there.

    Call it through `RunStore.write`, which holds the lock. Written into a hidden folder beside, seen onto the disk, and
    renamed last. `write_all` writes the large tables. `timings` go to `timings.json` with the time of writing: the one
    file outside the hashes.

    Raises RunDamagedError if a run is there and does not match its manifest, StorageError if it cannot be written.
    """
    if not contents.inputs:
        raise StorageError(
            "a run cannot be stored without its inputs", hint="read the school data from files, which have hashes"
        )
    folder = run_folder(root, contents.as_of, contents.run_id)
    if folder.is_dir():
        return verify_run(open_run(folder))
    tables = _checked_tables(contents)
    with disk_errors(root, "write a run to"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = leftover_beside(folder)
        try:
            _fill(beside, contents, tables, write_all=write_all)
            write_durably(beside / TIMINGS, json_bytes(_timings(timings)))
            sync(beside)
            beside.rename(folder)
        except BaseException:
            remove(beside)
            raise
        sync(folder.parent)
    return open_run(folder)


def _checked_tables(contents: RunContents) -> dict[str, pl.DataFrame | TableParts]:
    tables = {"scores": contents.scores, "rejections": contents.rejections, **contents.tables}
    return {name: table if isinstance(table, TableParts) else checked(name, table) for name, table in tables.items()}


def _fill(
    folder: Path, contents: RunContents, tables: Mapping[str, pl.DataFrame | TableParts], *, write_all: WriteAll
) -> None:
    folder.mkdir()
    files = [(table, folder / f"{name}.parquet") for name, table in tables.items()]
    write_one_by_one([file for file in files if isinstance(file[0], pl.DataFrame)])
    parts = [(table, path) for table, path in files if isinstance(table, TableParts)]
    # Those that take longest first, so that no worker is left with one of them at the end.
    parts.sort(key=lambda file: file[0].cells, reverse=True)
    write_all(parts)
    write_durably(folder / "cohort_flow.json", json_bytes(list(contents.cohort_flow)))
    write_durably(folder / COVERAGE, json_bytes(contents.coverage))
    write_durably(folder / "model.json", json_bytes(contents.model))
    manifest = {
        "format": FORMAT,
        "run_id": contents.run_id,
        "as_of": contents.as_of.isoformat(),
        "model_version": contents.model_version,
        "config_sha256": contents.config_hash,
        "seed": contents.seed,
        "compared_with": contents.compared_with,
        "inputs": described_inputs(contents.inputs),
        "versions": package_versions(),
        "counts": counts_of(contents.scores),
        "rows": {name: table.height for name, table in tables.items()},
        "files": described_files(folder),
        "rewritten": [],
    }
    write_durably(folder / MANIFEST, json_bytes(sealed(manifest)))


def _timings(stages: Mapping[str, object] | None) -> dict[str, object]:
    return {"created_at": datetime.now(UTC).isoformat(timespec="microseconds"), "stages": dict(stages or {})}


def record_timings(run: Run, timings: Mapping[str, object]) -> None:
    """Put the stages' times beside a run, once all of them are known; `created_at` stays as it is."""
    with disk_errors(run.path, "write the timings of"):
        stated = run.statement("timings")
        replace_durably(run.path / TIMINGS, json_bytes({**stated, "stages": dict(timings)}))


def open_run(path: str | Path) -> Run:
    """The run in a folder.

    Raises RunNotFoundError if there is none, RunDamagedError if its manifest cannot be read.
    """
    folder = Path(path)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        known = manifest["format"]
        whole = known != FORMAT or set(manifest) >= _STATED
    except (FileNotFoundError, NotADirectoryError):
        if folder.is_dir() and (folder / "scores.parquet").exists():
            raise _damaged(folder, [MANIFEST]) from None
        raise RunNotFoundError(f"there is no run in {folder}", hint="name a folder that holds manifest.json") from None
    except (ValueError, KeyError, TypeError):
        raise _damaged(folder, [MANIFEST]) from None
    except OSError:
        raise StorageError(f"cannot read {folder / MANIFEST}", hint="see to the permissions of the store") from None
    if known != FORMAT:
        raise StorageError(
            f"the run in {folder} is of format {known}, this version reads {FORMAT}", hint="update cis_ews"
        )
    if not whole:
        raise _damaged(folder, [MANIFEST])
    return Run(folder, manifest, away=_away(folder))


def _away(folder: Path) -> frozenset[str]:
    try:
        return files_away(folder)
    except ValueError:
        raise _damaged(folder, [COMPACTED]) from None


def verify_run(run: Run) -> Run:
    """Compare every file of a run that is there with its manifest, and the manifest with its seal and the run's id.

    Returns the run as it is on the disk now. Raises RunDamagedError, which names the files that are missing or differ.
    """
    fresh = open_run(run.path)
    with disk_errors(run.path, "read"):
        entries = fresh.manifest["files"]
        damaged = [name for name in fresh.files if not _matches(run.path / name, entries[name])]
    if not is_genuine(fresh.manifest, run.path.name):
        damaged.append(MANIFEST)
    if damaged:
        raise _damaged(run.path, damaged)
    return fresh


def _matches(path: Path, entry: Mapping[str, object]) -> bool:
    return path.is_file() and path.stat().st_size == entry["bytes"] and sha256_of(path) == entry["sha256"]


def _damaged(folder: Path, files: Sequence[str]) -> RunDamagedError:
    return RunDamagedError(
        f"the run in {folder} does not match its manifest: {', '.join(files)}",
        hint="restore the folder from a backup, or move it away and score the night again",
        files=list(files),
    )
