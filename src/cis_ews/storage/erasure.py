"""A family's rights: everything that is held about a student, given out, or gone from every run and table.

Out of reach, and said so in docs/runs.md: exports that were made earlier, and backups (a restored one has the forgotten
students taken out again).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from cis_ews.errors import ConfigError, RunDamagedError, StorageError
from cis_ews.storage.erased import write_erased
from cis_ews.storage.files import disk_errors, json_bytes, leftover_beside, remove, sync, write_durably
from cis_ews.storage.frames import write_table
from cis_ews.storage.manifest import MANIFEST, TIMINGS, counts_of, described_files, sealed
from cis_ews.storage.passing import clear_passing
from cis_ews.storage.runs import Run, open_run, verify_run
from cis_ews.storage.state import clear_unused, forget_in_state, rows_of_student
from cis_ews.storage.store import RunStore
from cis_ews.storage.workspace import clear_work
from cis_ews.wording import counted

if TYPE_CHECKING:
    from cis_ews.storage.database import Database

_KEY = "student_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReport:
    """What was taken away: runs rewritten, rows of the database, files of corrections, rows of the kept state.

    `lost_runs`: of the runs rewritten those that were compacted: what was taken away of them never comes back.
    `known_before`: the id was on the list already. `unfinished`: what nights that did not end had left of school data,
    in folders of `work/` and `state/`; it was removed whole, whoever it was about. `similar`: where nothing was held,
    how many ids that are held differ only by leading zeros, case or spaces.
    """

    runs_rewritten: tuple[str, ...] = ()
    lost_runs: tuple[str, ...] = ()
    known_before: bool = False
    database_rows: int = 0
    corrections: int = 0
    state_rows: int = 0
    unfinished: int = 0
    similar: int = 0

    @property
    def found_nothing(self) -> bool:
        """Whether nothing was held about the id, as far as is known: nobody looks into what is unfinished."""
        return not (self.runs_rewritten or self.database_rows or self.corrections or self.state_rows)


def forget_student(store: RunStore, database: Database | None, student_id: str, *, today: date) -> ErasureReport:
    """Take a student out of every run, the corrections and the database, and let later nights leave the student out.

    Killed half-way, it is finished by doing it again. `today` is what the manifests of the touched runs will say.
    Raises ConfigError for an empty id, StorageError if the store's list was lost, and RunDamagedError, after all
    else is done, if a run could not be read or rewritten.
    """
    if not student_id.strip():
        raise ConfigError("The student's id is empty", hint="give the id that the extract uses")
    with store.lock():
        if database is not None:
            database.check_erasures(store.erased())  # a new list in place of a lost one would hide that it was lost
        erased = store.erased()
        write_erased(store.root, erased.adding(student_id))
        unfinished = clear_work(store.root) + clear_unused(store.root) + clear_passing()
        state_rows = forget_in_state(store.root, frozenset({student_id}))
        rewritten, damaged = _rewrite_all(store, database, only=student_id, today=today)
        corrections = _remove_corrections(store, student_id)
        rows = 0 if database is None else database.forget_student(student_id)
    _refuse_damaged(store, damaged)
    report = ErasureReport(
        runs_rewritten=tuple(run.run_id for run in rewritten),
        lost_runs=tuple(run.run_id for run in rewritten if run.manifest["rewritten"][-1].get("lost")),
        known_before=student_id in erased,
        database_rows=rows,
        corrections=corrections,
        state_rows=state_rows,
        unfinished=unfinished,
    )
    return replace(report, similar=_similar(store, database, student_id)) if report.found_nothing else report


def _similar(store: RunStore, database: Database | None, student_id: str) -> int:
    held = set[str]() if database is None else set(database.student_ids())
    for run in store.runs():
        held.update(run.table("scores")[_KEY])
    return sum(_bare(one) == _bare(student_id) for one in held - {student_id})


def _bare(student_id: str) -> str:
    """An id without what is most easily mistyped."""
    return "".join(student_id.split()).casefold().lstrip("0")


def reapply_erasures(store: RunStore, database: Database | None, *, today: date) -> ErasureReport:
    """Take every forgotten student out of every run again: after runs came back from a backup."""
    with store.lock():
        rewritten, damaged = _rewrite_all(store, database, only=None, today=today)
    _refuse_damaged(store, damaged)
    return ErasureReport(runs_rewritten=tuple(run.run_id for run in rewritten))


def export_student(store: RunStore, database: Database | None, student_id: str) -> dict[str, Any]:
    """Everything that is held about a student, as plain values for JSON: runs, corrections, rows of the database."""
    runs = [_exported(run, student_id) for run in store.runs()]
    return {
        "student_id": student_id,
        "runs": [run for run in runs if run["tables"]],
        "corrections": _exported_corrections(store, student_id),
        "state": {name: _plain_rows(rows) for name, rows in rows_of_student(store.root, student_id).items()},
        "database": {} if database is None else database.export_student(student_id),
    }


def _rewrite_all(
    store: RunStore, database: Database | None, *, only: str | None, today: date
) -> tuple[list[Run], list[Path]]:
    rewritten: list[Run] = []
    damaged: list[Path] = []
    for folder in store.folders():
        try:
            run = open_run(folder)
            students = _held(run, store, only=only)
            if students:
                verify_run(run)  # a new hash must not vouch for what was damaged before
        except StorageError:
            damaged.append(folder)
            continue
        if students:
            run = _rewritten(store, run, students=students, today=today)
            rewritten.append(run)
            if database is not None:
                database.record_rewritten(run)
    return rewritten, damaged


def _held(run: Run, store: RunStore, *, only: str | None) -> frozenset[str]:
    """The students to take out of which the run has a row."""
    if only is not None:
        found = any(run.rows_of(table, only).height for table in _tables_of_students(run))
        return frozenset({only}) if found else frozenset()
    erased = store.erased()
    ids = (run.table(table)[_KEY].unique() for table in _tables_of_students(run))
    return frozenset[str]().union(*(erased.among(some) for some in ids))


def _tables_of_students(run: Run) -> Iterator[str]:
    return (name for name in run.tables if name != "rejections")


def _rewritten(store: RunStore, run: Run, *, students: Collection[str], today: date) -> Run:
    """The run without the students: all files made anew beside it, then put in its place."""
    with disk_errors(run.path, "rewrite"):
        beside = leftover_beside(run.path)
        try:
            beside.mkdir()
            for name in (*run.files, TIMINGS):
                _copy(run.path / name, beside / name, without=students)
            _write_manifest(run, beside, today=today)
            sync(beside)
            return store.replace(run, beside)
        except BaseException:
            remove(beside)
            raise


def _copy(source: Path, target: Path, *, without: Collection[str]) -> None:
    if source.suffix == ".parquet":
        frame = pl.read_parquet(source, glob=False)
        if _KEY in frame.columns:
            return write_table(frame.filter(~pl.col(_KEY).is_in(list(without))), target)
    shutil.copyfile(source, target)
    return sync(target)


def _write_manifest(run: Run, folder: Path, *, today: date) -> None:
    tables = {name: pl.read_parquet(folder / f"{name}.parquet", glob=False) for name in run.tables}
    lost = {"lost": sorted(run.away)} if run.away else {}
    manifest = {
        **run.manifest,
        "counts": counts_of(tables["scores"]),
        "rows": {name: frame.height for name, frame in tables.items()},
        "files": described_files(folder),
        "rewritten": [*run.manifest["rewritten"], {"on": today.isoformat(), "why": "erasure", **lost}],
    }
    write_durably(folder / MANIFEST, json_bytes(sealed(manifest)))


def _remove_corrections(store: RunStore, student_id: str) -> int:
    folder = store.student_folder(student_id)
    with disk_errors(folder, "remove"):
        number = sum(1 for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
        remove(folder)
    return number


def _refuse_damaged(store: RunStore, damaged: list[Path]) -> None:
    if damaged:
        names = ", ".join(str(folder.relative_to(store.root)) for folder in damaged)
        raise RunDamagedError(
            f"{store.root}: {counted(len(damaged), 'damaged run was', 'damaged runs were')} left as found: {names}",
            hint="restore or delete these folders, then do it again",
            runs=[folder.name for folder in damaged],
        )


def _exported(run: Run, student_id: str) -> dict[str, Any]:
    rows = {table: run.rows_of(table, student_id) for table in _tables_of_students(run)}
    tables = {table: _plain_rows(frame) for table, frame in rows.items() if frame.height}
    return {
        "run_id": run.run_id,
        "as_of": run.manifest["as_of"],
        "model_version": run.model_version,
        "tables": tables,
        # What a compacted run does not hold, and a replay would make again.
        **({"not_kept": sorted(run.away)} if run.away else {}),
    }


def _plain_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _exported_corrections(store: RunStore, student_id: str) -> dict[str, Any]:
    folder = store.student_folder(student_id)
    with disk_errors(folder, "read"):
        return {path.name: _exported_file(path) for path in sorted(folder.glob("*")) if path.is_file()}


def _exported_file(path: Path) -> Any:
    if path.suffix == ".csv":
        return _plain_rows(pl.read_csv(path, infer_schema=False))
    if path.suffix == ".parquet":
        return _plain_rows(pl.read_parquet(path, glob=False))
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise StorageError(f"{path} is of a kind that cannot be exported", hint="look at the file by hand") from None
