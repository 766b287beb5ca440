"""The kept state on the disk: what was loaded of a school year, whole at every moment.

    <store>/state/current.json                       what the state is made of; replaced in one step
    <store>/state/<piece>/<table>.arrow, done.json   a range of students, or the tables that are about none

A piece is never changed: a load writes new ones, then `current.json` names them, then the pieces that nobody names any
more are removed. Killed in between, the state is the old one or the new one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from cis_ews.errors import StorageError
from cis_ews.storage.files import disk_errors, json_bytes, make_private_folder, remove, replace_durably, sync
from cis_ews.storage.workspace import Workspace

STATE = "state"
FORMAT = 1
_CURRENT = "current.json"
_KEY = "student_id"
STALE = "stale"
"""The note of a piece from which a student was taken out: it has to be checked anew before it is used."""
DAMAGED = "remove the folder state of the store, then load the whole extract with --keep-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptState:
    """What a state is made of.

    `bounds`: the first student of each part, the empty text before all of them. `parts`, `shared`: their pieces.
    `columns`: table -> the columns that its extracts have. `torn`: table -> rows that could not be told into cells.
    `extracts`: the digest of each extract, in the order in which they were loaded. `versions`: of what checked it.
    """

    bounds: tuple[str, ...]
    parts: tuple[str, ...]
    shared: str
    columns: Mapping[str, tuple[str, ...]]
    torn: Mapping[str, int]
    extracts: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def pieces(self) -> tuple[str, ...]:
        """Everything that it needs."""
        return (*self.parts, self.shared)


def state_pieces(root: Path) -> Workspace:
    """Where the pieces of a store's state lie."""
    return Workspace(root / STATE)


def prepare_state(root: Path) -> None:
    """Make the place for a state, without what a killed load left behind; call it under the store's lock."""
    if (root / STATE).is_symlink():
        raise StorageError(f"{root / STATE} is a link", hint="remove it: a state lies in the store itself")
    current = read_state(root)
    with disk_errors(root / STATE, "prepare the kept state in"):
        make_private_folder(root / STATE)
        _clear(root, keep=() if current is None else current.pieces)


def read_state(root: Path) -> KeptState | None:
    """The state of a store; None where nothing was loaded. Raises StorageError where it is damaged."""
    path = root / STATE / _CURRENT
    with disk_errors(path, "read"):
        if not path.exists():
            return None
        content = path.read_bytes()
    try:
        said: dict[str, Any] = json.loads(content)
        if said["format"] != FORMAT:
            raise StorageError(f"{path} is of another version of cis_ews", hint=DAMAGED)
        return KeptState(
            bounds=tuple(said["bounds"]),
            parts=tuple(said["parts"]),
            shared=said["shared"],
            columns={table: tuple(names) for table, names in said["columns"].items()},
            torn=said["torn"],
            extracts=tuple(said["extracts"]),
            versions=said["versions"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StorageError(f"{path} is damaged", hint=DAMAGED) from None


def state_loaded_on(root: Path) -> date | None:
    """The day, in UTC, on which an extract was last loaded, or a student taken out; None where there is no state."""
    path = root / STATE / _CURRENT
    with disk_errors(path, "read"):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).date() if path.exists() else None


def piece_notes(root: Path, piece: str) -> dict[str, Any]:
    """What a piece of the state has noted. Raises StorageError where it is not whole."""
    notes = state_pieces(root).done(piece)
    if notes is None:
        raise StorageError(f"{root / STATE / piece} is damaged or not there", hint=DAMAGED)
    return notes


def new_piece(name: str) -> str:
    """A name for a piece that no other has."""
    return f"{name}-{secrets.token_hex(6)}"


def replace_state(root: Path, state: KeptState) -> None:
    """Let a state take the place of the one before, in one step; call it under the store's lock."""
    folder = root / STATE
    with disk_errors(folder, "write the kept state to"):
        before = read_state(root)
        for piece in set(state.pieces) - set(() if before is None else before.pieces):
            for path in (*(folder / piece).iterdir(), folder / piece):
                sync(path)
        sync(folder)
        replace_durably(folder / _CURRENT, json_bytes({"format": FORMAT, **asdict(state)}), mode=0o600)
        _clear(root, keep=state.pieces)


def clear_unused(root: Path) -> int:
    """Remove the pieces of a load that was refused or killed; how many there were."""
    current = read_state(root)
    with disk_errors(root / STATE, "clear leftovers in"):
        return _clear(root, keep=() if current is None else current.pieces)


def _clear(root: Path, *, keep: tuple[str, ...]) -> int:
    unused = [path for path in (root / STATE).glob("*") if path.name not in (*keep, _CURRENT)]
    for path in unused:
        remove(path)
    return len(unused)


def drop_state(root: Path) -> None:
    """Take the state out of the store: what it is made of first, so that it is never half there."""
    with disk_errors(root / STATE, "remove"):
        (root / STATE / _CURRENT).unlink(missing_ok=True)
        remove(root / STATE)


def forget_in_state(root: Path, student_ids: frozenset[str]) -> int:
    """Take students out of the kept state; how many rows that were. Call it under the store's lock.

    What is known of all rows of a part together no longer holds: the next load checks these parts anew.
    """
    state = read_state(root)
    if not (root / STATE).exists():
        return 0
    clear_unused(root)
    if state is None:
        return 0
    taken, parts = 0, list[str]()
    for number, piece in enumerate(state.parts):
        rows = _rows_of(root, piece, student_ids)
        taken += rows
        parts.append(_without(root, piece, student_ids, number=number) if rows else piece)
    if taken:
        replace_state(root, replace(state, parts=tuple(parts)))
    return taken


def tables_of_piece(root: Path, piece: str) -> list[str]:
    """The names of the tables of a piece."""
    return sorted(path.stem for path in (root / STATE / piece).glob("*.arrow"))


def rows_of_student(root: Path, student_id: str) -> dict[str, pl.DataFrame]:
    """What the state keeps of a student, by table of its pieces."""
    state = read_state(root)
    found = dict[str, pl.DataFrame]()
    for piece in () if state is None else state.parts:
        for table in tables_of_piece(root, piece):
            rows = state_pieces(root).table(piece, table)
            if _KEY in rows.columns and table != "ids":
                mine = rows.filter(pl.col(_KEY) == student_id)
                if mine.height:
                    found[table] = mine
    return found


def _rows_of(root: Path, piece: str, student_ids: frozenset[str]) -> int:
    tables = (state_pieces(root).table(piece, table) for table in tables_of_piece(root, piece))
    return sum(rows.filter(pl.col(_KEY).is_in(list(student_ids))).height for rows in tables if _KEY in rows.columns)


def _without(root: Path, piece: str, student_ids: frozenset[str], *, number: int) -> str:
    pieces, name = state_pieces(root), new_piece(f"part-{number:05d}")
    with pieces.piece(name) as made:
        for table in tables_of_piece(root, piece):
            rows = pieces.table(piece, table)
            if _KEY in rows.columns:
                made.write(table, rows.filter(~pl.col(_KEY).is_in(list(student_ids)).fill_null(value=False)))
        made.notes[STALE] = True
    return name
