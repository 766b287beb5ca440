"""Where a night keeps its parts while it works: whole or not there, found again by the same night after a kill.

    <store>/work/<key>/plan.json, <step>-<part>/<table>.arrow, <step>-<part>/done.json

`key` is what the work hangs on; work under another key is of another night and is removed. Nothing in here outlives the
night that it belongs to, and no result is taken from here but by the night that made it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl

from cis_ews.errors import StorageError
from cis_ews.schema.coded import CodedTable
from cis_ews.storage.files import (
    LEFTOVER,
    disk_errors,
    json_bytes,
    leftover_beside,
    make_private_folder,
    remove,
    write_durably,
)
from cis_ews.storage.frames import TableParts, said_at

WORK = "work"
_DONE = "done.json"
_PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """One night's folder of work. Picklable: workers get it and write their part's tables themselves."""

    folder: Path

    @classmethod
    def opened(cls, root: Path, key: str, *, plan: Mapping[str, object]) -> Workspace:
        """The workspace of a store under this key, with what was done already if `plan` is as it was.

        Call it under the store's lock. Work of other nights, and of the same night by another plan, is removed.
        """
        if (root / WORK).is_symlink():
            raise StorageError(
                f"{root / WORK} is a link", hint="remove it: nights work in a folder of the store itself"
            )
        workspace = cls(root / WORK / key)
        with disk_errors(root, "prepare the work of a night in"):
            for other in sorted((root / WORK).glob("*")):
                if other != workspace.folder or not workspace._is_planned(plan):
                    remove(other)
            make_private_folder(workspace.folder)
            if not workspace._is_planned(plan):
                write_durably(workspace.folder / _PLAN, json_bytes(plan))
            for left in workspace.folder.glob(f"{LEFTOVER}*"):
                remove(left)
        return workspace

    def done(self, name: str) -> dict[str, Any] | None:
        """What a finished piece of work has noted; None if it is not finished, or torn by a power cut."""
        place = self.folder / name
        with disk_errors(self.folder, "read the work of a night in"):
            try:
                notes: object = json.loads((place / _DONE).read_bytes())
                sizes = {path.name: path.stat().st_size for path in place.iterdir() if path.name != _DONE}
            except (FileNotFoundError, ValueError):
                return None
        said = cast("dict[str, Any]", notes) if isinstance(notes, dict) else {}
        return said if said.get("bytes") == sizes else None

    def stamp(self, name: str) -> tuple[int, int]:
        """What tells a finished piece from another of the same name: for whoever remembers what it loaded."""
        found = (self.folder / name / _DONE).stat()
        return found.st_ino, found.st_mtime_ns

    @contextmanager
    def piece(self, name: str) -> Generator[Piece]:
        """A piece of work to fill with tables and notes; it is there when all went well, and otherwise not at all."""
        with disk_errors(self.folder, "write the work of a night to"):
            beside = leftover_beside(self.folder / name)
            beside.mkdir()
            try:
                piece = Piece(beside, notes={})
                yield piece
                # Not synced: after a power cut a table could be torn, so notes say how long each is.
                sizes = {path.name: path.stat().st_size for path in beside.iterdir()}
                (beside / _DONE).write_bytes(json_bytes({**piece.notes, "bytes": sizes}))
                remove(self.folder / name)
                beside.rename(self.folder / name)
            except BaseException:
                remove(beside)
                raise

    def keep(self, name: str, tables: Mapping[str, pl.DataFrame]) -> None:
        """A piece of these tables, unless it is there."""
        if self.done(name) is None:
            with self.piece(name) as piece:
                for table, rows in tables.items():
                    piece.write(table, rows)

    def path(self, name: str, table: str) -> Path:
        """Where a table of a finished piece lies."""
        return self.folder / name / f"{table}.arrow"

    def table(self, name: str, table: str) -> pl.DataFrame:
        """A table of a finished piece."""
        with disk_errors(self.folder, "read the work of a night in"):
            return pl.read_ipc(self.path(name, table))

    def coded(self, name: str, table: str) -> CodedTable:
        """A table of a finished piece as `Piece.keep` got it; without codes if it had none."""
        with disk_errors(self.folder, "read the work of a night in"):
            rows, path = pl.read_ipc(self.path(name, table)), self.path(name, table)
            said = {code: said_at(path, code) for code in rows.columns}
            return CodedTable(rows, {code: pl.read_ipc(at) for code, at in said.items() if at.exists()})

    def tables(self, names: Sequence[str], table: str) -> pl.DataFrame:
        """A table of several pieces, one after the other."""
        with disk_errors(self.folder, "read the work of a night in"):
            return pl.concat([pl.read_ipc(self.path(name, table)) for name in names])

    def parts(self, names: Sequence[str], tables: Sequence[str]) -> dict[str, TableParts]:
        """Tables of several pieces, one after the other, where they lie."""
        return {table: TableParts(tuple(self.path(name, table) for name in names)) for table in tables}

    def close(self) -> None:
        """Remove everything."""
        with disk_errors(self.folder, "remove the work of a night in"):
            remove(self.folder)

    def _is_planned(self, plan: Mapping[str, object]) -> bool:
        try:
            return (self.folder / _PLAN).read_bytes() == json_bytes(plan)
        except FileNotFoundError:
            return False


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of work while it is made. `notes`: plain values, which `Workspace.done` gives back."""

    folder: Path
    notes: dict[str, Any]

    def write(self, table: str, frame: pl.DataFrame, *, compressed: bool = True) -> None:
        """Keep a table. `compressed`: not worth its time where the table is read soon, or compressed inside."""
        frame.write_ipc(self.folder / f"{table}.arrow", compression="lz4" if compressed else "uncompressed")

    def keep(self, table: str, rows: pl.DataFrame | CodedTable) -> None:
        """Keep a table, coded or not, that `Workspace.parts` gives back with those of other pieces."""
        if isinstance(rows, pl.DataFrame):
            self.write(table, rows)
            return
        self.write(table, rows.rows, compressed=False)
        for code, frame in rows.said.items():
            frame.write_ipc(said_at(self.folder / f"{table}.arrow", code))


def clear_work(root: Path) -> int:
    """Remove the work of every night of a store: what is left of nights that did not end, and of how many."""
    with disk_errors(root, "remove the work of nights in"):
        nights = len(list((root / WORK).glob("*")))
        remove(root / WORK)
    return nights
