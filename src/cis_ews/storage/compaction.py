"""Take the big files of a run away, and bring them back: at every moment the run is whole or compacted.

The mark in the run's folder decides. It is written before the first file goes, and removed after the last one is back:
a process that is killed in between leaves files that no reader looks at, which `clear_compacted` removes.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from cis_ews.errors import RunDamagedError, StorageError
from cis_ews.storage.compacted import COMPACTABLE, COMPACTED, files_away, mark_compacted
from cis_ews.storage.files import disk_errors, remove, sha256_of, sync, written_beside
from cis_ews.storage.runs import Run, open_run, verify_run
from cis_ews.storage.store import RunStore


def compactable(run: Run) -> frozenset[str]:
    """The files of a run that can be away; none where they are already."""
    return frozenset(run.files).intersection(COMPACTABLE)


def compact_run(store: RunStore, run: Run) -> int:
    """Take the big files of a whole run away; how many bytes that frees.

    Every file is compared with the manifest before, without the lock: nights go on meanwhile. Raises RunDamagedError if
    one differs: what is damaged is not hidden. StorageError if the run was rewritten, compacted or restored since it
    was opened.
    """
    verify_run(run)
    with store.lock():
        now = open_run(run.path)
        if (now.manifest, now.away) != (run.manifest, run.away):
            raise StorageError(f"the run {run.run_id} was changed meanwhile", hint="do it again")
        away = compactable(now)
        freed = sum(now.manifest["files"][name]["bytes"] for name in away)
        with disk_errors(now.path, "compact"):
            mark_compacted(now.path, away | now.away)
            _clear(now.path)
    return freed


def restore_run(store: RunStore, run: Run, made: Path) -> tuple[str, ...]:
    """Bring the files of a compacted run back, from a folder in which its night was made again; their names.

    Raises RunDamagedError, and leaves the run as it is, where one of them is not the file of the manifest.
    """
    with store.lock():
        now = open_run(run.path)
        if wrong := [name for name in sorted(now.away) if _differs(made / name, now.manifest["files"][name])]:
            raise RunDamagedError(
                f"the run {run.run_id} cannot be restored from {made}: {', '.join(wrong)} differ from its manifest",
                hint="replay the run: it says what is not as it was then",
                files=wrong,
            )
        with disk_errors(now.path, "restore"):
            for name in sorted(now.away):
                with written_beside(now.path / name) as beside:
                    shutil.copyfile(made / name, beside)
            sync(now.path)
            remove(now.path / COMPACTED)
            sync(now.path)
    return tuple(sorted(now.away))


def clear_compacted(store: RunStore) -> None:
    """Remove what a killed compaction or restoration left in compacted runs; call it under the store's lock."""
    for mark in store.root.glob(f"runs/*/*/{COMPACTED}"):
        # A mark that cannot be read is told by whoever opens the run; the other runs are cleared all the same.
        with disk_errors(mark.parent, "clear leftovers in"), suppress(ValueError):
            _clear(mark.parent)


def _clear(folder: Path) -> None:
    for name in files_away(folder):
        remove(folder / name)
    sync(folder)


def _differs(path: Path, entry: dict[str, object]) -> bool:
    return not path.is_file() or sha256_of(path) != entry["sha256"]
