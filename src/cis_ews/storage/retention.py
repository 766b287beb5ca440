"""Retention: what is older than the policy allows goes from the store and the database."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cis_ews.errors import ConfigError
from cis_ews.storage.attempts import clear_attempts
from cis_ews.storage.compaction import clear_compacted
from cis_ews.storage.corrected import clear_superseded
from cis_ews.storage.files import disk_errors, remove
from cis_ews.storage.passing import clear_passing
from cis_ews.storage.recipes import clear_recipes, recipes_of_runs
from cis_ews.storage.runs import run_date
from cis_ews.storage.state import drop_state, state_loaded_on
from cis_ews.storage.store import RunStore
from cis_ews.wording import mistakes

if TYPE_CHECKING:
    from cis_ews.storage.database import Database

MOST_DAYS = 365_000
"""A thousand years: dates go no further back."""
DEFAULTS = Path(__file__).parents[1] / "defaults" / "retention.toml"


class RetentionPolicy(BaseModel):
    """For how many days things are kept; the keys are explained in `defaults/retention.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    config_version: Literal[1]
    runs_days: int = Field(ge=1, le=MOST_DAYS)
    keep_latest: bool
    compact_after_days: int = Field(ge=0, le=MOST_DAYS)
    state_days: int = Field(ge=1, le=MOST_DAYS)
    corrections_days: int = Field(ge=1, le=MOST_DAYS)
    jobs_days: int = Field(ge=1, le=MOST_DAYS)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """The shipped policy, with the keys of a TOML file in place of its own. Raises ConfigError."""
        chosen = _read(DEFAULTS) | ({} if path is None else _read(Path(path)))
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            wrong = "; ".join(mistakes(error, names=cls.model_fields))
            place = DEFAULTS if path is None else Path(path)
            raise ConfigError(f"{place.name}: {wrong}", hint="correct the file; its keys are in docs/runs.md") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """What was deleted, or in a dry run would be: runs by folder below the store, the kept state, and two numbers.

    `damaged_recipes`: ids of runs of which the store cannot read how they were made; models and superseded corrections,
    which they may name, were kept.
    """

    runs: tuple[str, ...]
    corrections: int
    jobs: int
    state: bool
    damaged_recipes: tuple[str, ...] = ()
    dry_run: bool


def apply_retention(
    store: RunStore, policy: RetentionPolicy, *, today: date, database: Database | None = None, dry_run: bool = False
) -> RetentionReport:
    """Delete what is older than the policy allows; in a dry run only say what that would be."""
    with store.lock():
        runs = _old_runs(store, policy, today)
        corrections = _old_corrections(store, policy, today)
        loaded = state_loaded_on(store.root)
        is_old_state = loaded is not None and loaded < today - timedelta(days=policy.state_days)
        jobs, damaged = 0, recipes_of_runs(store).damaged
        if database is not None:
            before = datetime.combine(today - timedelta(days=policy.jobs_days), datetime.min.time(), UTC)
            jobs = database.drop_jobs(before=before, dry_run=dry_run)
            if not dry_run:
                database.drop_runs([folder.name for folder in runs])
                database.purge()
        if not dry_run:  # last, because the folders say what is too old: killed before, the next call does it all
            for folder in runs:
                store.remove(folder)
            _remove_all(corrections)
            if is_old_state:
                drop_state(store.root)
            clear_compacted(store)
            clear_passing()
            damaged = clear_recipes(store)
            clear_attempts(store)
            clear_superseded(store)
    names = tuple(str(folder.relative_to(store.root)) for folder in runs)
    return RetentionReport(
        runs=names,
        corrections=len(corrections),
        jobs=jobs,
        state=is_old_state,
        damaged_recipes=damaged,
        dry_run=dry_run,
    )


def _old_runs(store: RunStore, policy: RetentionPolicy, today: date) -> list[Path]:
    # By the folder's own date, so that a damaged run ages too.
    oldest = today - timedelta(days=policy.runs_days)
    folders = store.folders()
    kept = max((run_date(folder) for folder in folders), default=None) if policy.keep_latest else None
    return [folder for folder in folders if run_date(folder) < oldest and run_date(folder) != kept]


def _old_corrections(store: RunStore, policy: RetentionPolicy, today: date) -> list[Path]:
    oldest = today - timedelta(days=policy.corrections_days)
    with disk_errors(store.corrections, "read"):
        return [folder for folder in sorted(store.corrections.glob("*")) if _last_change(folder) < oldest]


def _last_change(folder: Path) -> date:
    changes = (path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    return datetime.fromtimestamp(max(changes), UTC).date()


def _remove_all(paths: list[Path]) -> None:
    for path in paths:
        with disk_errors(path, "remove"):
            remove(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"the retention policy {path} cannot be read", hint="check the path given") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(f"the retention policy {path} is not TOML", hint="see configs/retention.toml") from None
