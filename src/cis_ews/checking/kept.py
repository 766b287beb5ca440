"""Where the summaries of checked extracts lie: `<store>/checks/<number>-<extract>.json`, the last one with the highest.

Nothing is locked, as a night may be writing to the store: a file is put there in one step. Two checks at once may take
the same number: of one extract they leave one file, of two extracts both stay, and the hashes in their names say which
one is the last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from cis_ews.checking.summary import Summary, read_summary, summary_of_run
from cis_ews.errors import RunNotFoundError, StorageError
from cis_ews.storage.files import disk_errors, make_private_folder, remove, replace_durably
from cis_ews.storage.recipes import read_recipe
from cis_ews.storage.runs import MANIFEST, Run, open_run
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


def named(path: Path, summary: Summary) -> Beside:
    """What `--against` names: a summary, a run, or a store (as `last_kept` has it).

    Raises StorageError where it is damaged, and RunNotFoundError where it is none of these.
    """
    if path.is_file():
        return Beside(summary=read_summary(path), what=f"the summary {path.name}")
    if (path / MANIFEST).is_file():
        run = open_run(path)
        return Beside(summary=summary_of_run(run, layout=summary.layout), what=_run_words(run))
    if any((path / name).is_dir() for name in (CHECKS, "runs")):
        return last_kept(path, summary)
    raise RunNotFoundError(
        f"{path} is no kept summary, no run and no store", hint="name a file of <store>/checks, a run, or a store"
    )


def last_kept(store: Path, summary: Summary) -> Beside:
    """The extract of the same source that was kept last; where none was, that of the newest night of its schools."""
    kept, damaged = _kept(store)
    alike = [each.summary for each in kept if each.summary.is_about(summary)]
    if not alike:
        beside = _newest_night(store, summary)
    else:
        is_same = alike[-1].extract == summary.extract
        is_old = not is_same and any(each.extract == summary.extract for each in alike)
        beside = Beside(summary=alike[-1], what=_words(alike[-1], is_same=is_same), is_old=is_old)
    return replace(beside, others=len(kept) - len(alike), damaged=tuple(damaged))


def _newest_night(store: Path, summary: Summary) -> Beside:
    """The newest night of another extract that read it by the same format; runs that cannot be read are passed over."""
    runs = RunStore(store)
    for run in reversed(runs.opened().runs):
        try:
            recipe = read_recipe(runs, run.run_id)
            if recipe.state is None and Path(recipe.format).name == summary.layout:
                then = summary_of_run(run, layout=summary.layout)
                if then.is_about(summary) and then.extract != summary.extract:
                    return Beside(summary=then, what=_run_words(run))
        except StorageError:
            continue
    return Beside(summary=None, what="nothing")


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


def _run_words(run: Run) -> str:
    return f"the extract of run {run.run_id}, as of {run.as_of}"


def _words(summary: Summary, *, is_same: bool = False) -> str:
    reported = f", reported through {summary.through}" if summary.through else ""
    return f"the same extract{reported}: nothing has changed" if is_same else f"the extract before{reported}"
