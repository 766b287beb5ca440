"""Which old nights were made again and came out otherwise: they are tried anew once something of that is another.

<store>/recipes/tried/<run_id>.json     why the run could not be compacted, and under what circumstances
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cis_ews.storage.files import disk_errors, json_bytes, make_private_folder, remove, replace_durably
from cis_ews.storage.manifest import package_versions
from cis_ews.storage.runs import Run
from cis_ews.storage.store import RunStore

_PRIVATE = 0o600


def keep_attempt(store: RunStore, run: Run, why: str) -> None:
    """Remember that a night came out otherwise."""
    place = _place(store, run.run_id)
    with store.lock(), disk_errors(place, "write"):
        make_private_folder(place.parent)
        said = {"format": 1, "circumstances": _circumstances(store, run), "why": why}
        replace_durably(place, json_bytes(said), mode=_PRIVATE)


def failed_before(store: RunStore, run: Run) -> str | None:
    """Why a night came out otherwise the last time, if it would again: the packages, the run, and the list of forgotten
    students are the same. What cannot be read is taken for never tried."""
    place = _place(store, run.run_id)
    with disk_errors(place, "read"):
        if not place.exists():
            return None
        content = place.read_bytes()
    try:
        said = json.loads(content)
        return str(said["why"]) if said["circumstances"] == _circumstances(store, run) else None
    except (ValueError, KeyError, TypeError):
        return None


def clear_attempts(store: RunStore) -> None:
    """Forget the attempts at runs that are gone; call it under the store's lock."""
    runs = {folder.name for folder in store.folders()}
    with disk_errors(store.root, "clear"):
        for place in _place(store, "").parent.glob("*.json"):
            if place.stem not in runs:
                remove(place)


def _circumstances(store: RunStore, run: Run) -> str:
    facts = [package_versions(), run.manifest_sha256, store.erased().hash]
    return hashlib.sha256(json_bytes(facts)).hexdigest()


def _place(store: RunStore, run_id: str) -> Path:
    return store.root / "recipes" / "tried" / f"{run_id}.json"
