"""Old runs are compacted: what can be made again, byte for byte, need not be kept.

old enough, whole, not the newest -> made again -> the same bytes -> its big files go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cis_ews.errors import EwsError, StorageError
from cis_ews.replaying import CHANGES, changed_versions, made_again, were_forgotten_since
from cis_ews.storage.compaction import compact_run, compactable
from cis_ews.storage.files import sha256_of
from cis_ews.storage.retention import RetentionPolicy
from cis_ews.storage.runs import Run, open_run, run_date, verify_run
from cis_ews.storage.store import RunStore

if TYPE_CHECKING:
    from cis_ews.night.engine import Engine
    from cis_ews.progress import Progress

_FILES_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionReport:
    """What was compacted, or in a dry run would be tried; runs by folder below the store.

    `freed`: bytes. `left_whole`: why a run stayed as it is.
    """

    compacted: tuple[str, ...] = ()
    freed: int = 0
    left_whole: Mapping[str, str]
    dry_run: bool


def compact_old_runs(
    store: RunStore,
    policy: RetentionPolicy,
    *,
    today: date,
    dry_run: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> CompactionReport:
    """Compact the runs that are older than the policy says, but never those of the newest as-of date.

    A run is compacted only if its night was made again just now and every file but the changes came out as it is; else
    it stays whole, and the report says why. (Changes stay in the run, and depend on another one.) The store's lock is
    held while a run is verified and while its files go, and not while its night is made again: nights go on meanwhile.
    """
    old = _old_runs(store, policy, today)
    compacted, left_whole, freed = list[str](), dict[str, str](), 0
    hash_of = lru_cache(_FILES_REMEMBERED)(sha256_of)  # nights of one extract ask for the same files
    for folder in old:
        name = str(folder.relative_to(store.root))
        try:
            run = open_run(folder)
            if not compactable(run):
                continue
            if not dry_run:
                with store.lock():  # before the work: it would be in vain while another night is at it
                    verify_run(run)
                with made_again(run, store, engine=engine, progress=progress, hash_of=hash_of) as made:
                    _check_same(run, made, store)
                freed += compact_run(store, run)
            compacted.append(name)
        except EwsError as error:
            left_whole[name] = error.message
    return CompactionReport(compacted=tuple(compacted), freed=freed, left_whole=left_whole, dry_run=dry_run)


def _old_runs(store: RunStore, policy: RetentionPolicy, today: date) -> list[Path]:
    folders = store.folders()
    if not policy.compact_after_days or not folders:
        return []
    oldest, newest = today - timedelta(days=policy.compact_after_days), max(run_date(folder) for folder in folders)
    return [folder for folder in folders if run_date(folder) < min(oldest, newest)]


def _check_same(run: Run, made: Run, store: RunStore) -> None:
    entries = made.manifest["files"]
    otherwise = [
        name for name, entry in run.manifest["files"].items() if name != CHANGES and entries.get(name) != entry
    ]
    if otherwise:
        since = [f"{package} was {then}" for package, (then, _) in changed_versions(run).items()]
        since += ["students were forgotten since"] if were_forgotten_since(run, store) else []
        found = "; ".join([f"{', '.join(otherwise)} would come out otherwise", *since])
        raise StorageError(found, hint="install the package versions of the run's manifest")
