"""Old runs are compacted: what can be made again, byte for byte, need not be kept.

old enough, whole, not the newest -> made again -> the same bytes -> its big files go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cis_ews.errors import EwsError, StorageError, StoreLockedError
from cis_ews.replaying import CHANGES, changed_versions, made_again, were_forgotten_since
from cis_ews.storage.attempts import failed_before, keep_attempt
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

    `freed`: bytes. `left_whole`: why a run stayed as it is. `not_tried`: those of them that came out otherwise before,
    with the same packages, and were not made again for nothing. `hindered`: runs that were left for the next time,
    because another process took the store.
    """

    compacted: tuple[str, ...] = ()
    freed: int = 0
    left_whole: Mapping[str, str]
    not_tried: tuple[str, ...] = ()
    hindered: tuple[str, ...] = ()
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
    held for a moment before the night is made again, and while its files go, and no file is read under it: nights go on
    meanwhile. Where another process holds it, the rest is left for the next time.
    """
    old = {str(folder.relative_to(store.root)): folder for folder in _old_runs(store, policy, today)}
    compacted, left_whole, not_tried, freed = list[str](), dict[str, str](), list[str](), 0
    hindered = tuple[str, ...]()
    hash_of = lru_cache(_FILES_REMEMBERED)(sha256_of)  # nights of one extract ask for the same files
    for at, (name, folder) in enumerate(old.items()):
        try:
            run = open_run(folder)
            if not compactable(run):
                continue
            if (why := failed_before(store, run)) is not None:
                left_whole[name] = why
                not_tried.append(name)
                continue
            if not dry_run:
                freed += _compacted(run, store, engine=engine, progress=progress, hash_of=hash_of)
            compacted.append(name)
        except StoreLockedError:
            hindered = tuple(old)[at:]
            break
        except EwsError as error:
            left_whole[name] = error.message
    return CompactionReport(
        compacted=tuple(compacted),
        freed=freed,
        left_whole=left_whole,
        not_tried=tuple(not_tried),
        hindered=hindered,
        dry_run=dry_run,
    )


def _old_runs(store: RunStore, policy: RetentionPolicy, today: date) -> list[Path]:
    folders = store.folders()
    if not policy.compact_after_days or not folders:
        return []
    oldest, newest = today - timedelta(days=policy.compact_after_days), max(run_date(folder) for folder in folders)
    return [folder for folder in folders if run_date(folder) < min(oldest, newest)]


def _compacted(
    run: Run, store: RunStore, *, engine: Engine | None, progress: Progress | None, hash_of: Callable[[Path], str]
) -> int:
    """Make a night again and, if it came out the same, take its big files away; how many bytes that frees."""
    with store.lock():  # for a moment: the work would be in vain while another night is at it
        pass
    verify_run(run)
    with made_again(run, store, engine=engine, progress=progress, hash_of=hash_of) as made:
        why = _why_otherwise(run, made, store)
    if why is not None:
        keep_attempt(store, run, why)
        raise StorageError(why, hint="install the package versions of the run's manifest")
    return compact_run(store, run)


def _why_otherwise(run: Run, made: Run, store: RunStore) -> str | None:
    entries = made.manifest["files"]
    otherwise = [
        name for name, entry in run.manifest["files"].items() if name != CHANGES and entries.get(name) != entry
    ]
    if not otherwise:
        return None
    since = [f"{package} was {then}" for package, (then, _) in changed_versions(run).items()]
    since += ["students were forgotten since"] if were_forgotten_since(run, store) else []
    return "; ".join([f"{', '.join(otherwise)} would come out otherwise", *since])
