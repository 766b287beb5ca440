"""Where the summaries of checked extracts lie: `<store>/checks/<number>-<extract>.json`, the last one with the highest.

Nothing is locked, as a night may be writing to the store: a file is put there in one step, and two checks at once leave
two files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cis_ews.checking.summary import Summary, read_summary, summary_of_run
from cis_ews.errors import RunNotFoundError, StorageError
from cis_ews.storage.files import disk_errors, make_private_folder, remove, replace_durably
from cis_ews.storage.runs import MANIFEST, open_run
from cis_ews.storage.store import RunStore

CHECKS = "checks"
MOST_KEPT = 12
"""So many extracts of one source are kept."""
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{16})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A kept summary and where it lies."""

    path: Path
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an extract is held against.

    `summary`: None where there is nothing. `what`: in words. `others`: kept extracts that are of other sources.
    `damaged`: files that were passed over. `is_old`: the extract was checked before, and a newer one since.
    """

    summary: Summary | None
    what: str
    others: int = 0
    damaged: tuple[Path, ...] = ()
    is_old: bool = False


def named(path: Path, *, layout: str) -> Beside:
    """What `--against` names: a summary, a run, or a store (the last one kept there, else its newest run).

    Raises StorageError where it is damaged, and RunNotFoundError where it is none of these.
    """
    if path.is_file():
        return Beside(summary=read_summary(path), what=f"the summary {path.name}")
    if (path / MANIFEST).is_file():
        run = open_run(path)
        return Beside(summary=summary_of_run(run, layout=layout), what=f"run {run.run_id} as of {run.as_of}")
    kept, _ = _kept(path)
    if kept:
        return Beside(summary=kept[-1].summary, what=_words(kept[-1].summary))
    if (path / "runs").is_dir():
        run = RunStore(path).latest()
        return Beside(summary=summary_of_run(run, layout=layout), what=f"run {run.run_id} as of {run.as_of}")
    raise RunNotFoundError(
        f"{path} is no kept summary, no run and no store", hint="name a file of <store>/checks, a run, or a store"
    )


def last_kept(store: Path, summary: Summary) -> Beside:
    """The extract of the same source that was kept last."""
    kept, damaged = _kept(store)
    alike = [each.summary for each in kept if each.summary.is_about(summary)]
    beside = alike[-1] if alike else None
    is_same = beside is not None and beside.extract == summary.extract
    return Beside(
        summary=beside,
        what="nothing" if beside is None else _words(beside, is_same=is_same),
        others=len(kept) - len(alike),
        damaged=tuple(damaged),
        is_old=not is_same and any(each.extract == summary.extract for each in alike),
    )


def keep(store: Path, summary: Summary) -> Path:
    """Keep a summary, unless it is the last one already; of its source `MOST_KEPT` stay. Raises StorageError."""
    folder = store / CHECKS
    alike = [each for each in _kept(store)[0] if each.summary.is_about(summary)]
    if alike and alike[-1].summary == summary:
        return alike[-1].path
    with disk_errors(folder, "keep a summary in"):
        make_private_folder(store)
        make_private_folder(folder)
        numbers = [int(found[1]) for path in folder.iterdir() if (found := _NAME.fullmatch(path.name))]
        path = folder / f"{max(numbers, default=0) + 1:06d}-{summary.extract[:16]}.json"
        replace_durably(path, summary.to_bytes(), mode=0o600)
        for old in alike[: max(0, len(alike) + 1 - MOST_KEPT)]:
            remove(old.path)
    return path


def _kept(store: Path) -> tuple[list[Kept], list[Path]]:
    """The summaries of a store, the last one last; and files that cannot be read."""
    found, damaged = list[Kept](), list[Path]()
    with disk_errors(store / CHECKS, "read"):
        paths = sorted(path for path in (store / CHECKS).glob("*.json") if _NAME.fullmatch(path.name))
    for path in paths:
        try:
            found.append(Kept(path=path, summary=read_summary(path)))
        except StorageError:
            if path.exists():  # else another check has just removed it
                damaged.append(path)
    return found, damaged


def _words(summary: Summary, *, is_same: bool = False) -> str:
    reported = f", reported through {summary.through}" if summary.through else ""
    return f"the same extract{reported}: nothing has changed" if is_same else f"the extract before{reported}"
