"""The files of corrected records: those in force, and those that a later correction took the place of.

    <store>/corrections/<student>/<table>.csv            in force
    <store>/corrections/<student>/<table>.<sha256>.csv   superseded; kept while a run is there that was made with it

A night that is made again needs the corrections as they were that night.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from cis_ews.storage.files import disk_errors, remove, replace_durably, sha256_of
from cis_ews.storage.recipes import recipes_of_runs
from cis_ews.storage.store import RunStore

OWNER = "student.json"
PRIVATE = 0o600


def replace_corrected(place: Path, content: bytes) -> None:
    """Put a corrected table into force, and keep the one whose place it takes; call it under the store's lock."""
    if place.exists() and place.read_bytes() != content:
        replace_durably(_superseded(place, sha256_of(place)), place.read_bytes(), mode=PRIVATE)
    replace_durably(place, content, mode=PRIVATE)


def corrected_in_force(store: RunStore) -> dict[str, str]:
    """The corrected tables of tonight, by place below `corrections/`, with their SHA-256."""
    with disk_errors(store.corrections, "read"):
        places = sorted(place for place in store.corrections.glob("*/*.csv") if not _is_superseded(place))
        return {str(place.relative_to(store.corrections)): sha256_of(place) for place in places}


def copy_corrected(store: RunStore, target: RunStore, wanted: Mapping[str, str]) -> list[str]:
    """Put corrected tables into another store as they were; the names of those that are gone. `wanted`: as
    `corrected_in_force` gave them."""
    gone = list[str]()
    with disk_errors(store.corrections, "copy"):
        for name, sha256 in wanted.items():
            place, copied = store.corrections / name, target.corrections / name
            found = next((path for path in (place, _superseded(place, sha256)) if _is(path, sha256)), None)
            if found is None or not (place.parent / OWNER).is_file():
                gone.append(f"{store.corrections.name}/{name}")
                continue
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, copied)
            shutil.copyfile(place.parent / OWNER, copied.parent / OWNER)
    return gone


def clear_superseded(store: RunStore) -> None:
    """Remove superseded tables that no run was made with; call it under the store's lock.

    Where a run's recipe is damaged, which may name any of them, all are kept.
    """
    known = recipes_of_runs(store)
    if known.damaged:
        return
    used = {sha256 for recipe in known.recipes for sha256 in recipe.corrections.values()}
    with disk_errors(store.corrections, "clear"):
        for place in store.corrections.glob("*/*.csv"):
            if _is_superseded(place) and place.stem.rpartition(".")[2] not in used:
                remove(place)


def _superseded(place: Path, sha256: str) -> Path:
    return place.with_name(f"{place.stem}.{sha256}{place.suffix}")


def _is_superseded(place: Path) -> bool:
    return "." in place.stem


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256
