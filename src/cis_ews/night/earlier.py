"""The earlier night with which a night is compared: the newest run of an earlier day of the same school year that is
about its schools, and what that night was decided with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from cis_ews.errors import ModelError, StorageError
from cis_ews.risk.model import RiskModel
from cis_ews.risk.night_model import NightModel
from cis_ews.risk.tier_policy import TierPolicy
from cis_ews.schema.attendance import Reporting
from cis_ews.storage.manifest import package_versions
from cis_ews.storage.recipes import model_path, read_recipe
from cis_ews.storage.runs import Run, open_run, run_date, verify_run
from cis_ews.storage.store import RunStore

NEEDED = ("scores", "indicators", "rules")
"""The tables of a run without which causes cannot be told apart."""
COMPACTED_THEN = "it is compacted"
"""Why causes are not told beside a run that was compacted then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What decided a night besides its records. `model_file`: where the trained model lies, if one decided."""

    policy: TierPolicy
    rules: tuple[str, ...]
    model_version: str
    model_file: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier night. `decided`: None where causes cannot be told apart, and `untold` says why."""

    run: Run
    decided: Decided | None
    untold: str | None = None
    reported: Mapping[str, date] = field(default_factory=dict[str, date])

    @property
    def as_of(self) -> date:
        """Its as-of date."""
        return self.run.as_of

    @property
    def reporting(self) -> pl.DataFrame:
        """Through which day each school had reported; empty where the source did not say so."""
        rows = {"school_id": list(self.reported), "reported_through": list(self.reported.values())}
        return pl.DataFrame(rows, schema=Reporting.create_empty().schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What came of looking for an earlier night. `damaged`: ids of runs that were passed over."""

    earlier: Earlier | None
    damaged: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values for the manifest; what does not apply is left out."""
        said: dict[str, object] = {"damaged": list(self.damaged)} if self.damaged else {}
        if self.earlier is None:
            return said
        run = self.earlier.run
        said |= {"run_id": run.run_id, "as_of": run.as_of.isoformat(), "manifest_sha256": run.manifest_sha256}
        return said | ({"causes_untold": self.earlier.untold} if self.earlier.untold else {})


def find_earlier(store: RunStore, *, as_of: date, since: date, schools: Collection[str]) -> Search:
    """The newest run with an as-of date from `since` on and before `as_of` that scored students of these schools.

    Of several of one day, the one made last. A run that does not match its manifest is passed over.
    """
    damaged: list[str] = []
    days = {day for folder in store.folders() if since <= (day := run_date(folder)) < as_of}
    for day in sorted(days, reverse=True):
        found = list[Run]()
        for folder in store.folders():
            if run_date(folder) == day:
                try:
                    run = verify_run(open_run(folder))
                    scored = run.table("scores", columns=["school_id"])["school_id"].unique()
                    found += [run] * (not set(scored).isdisjoint(schools))
                except StorageError:
                    damaged.append(folder.name)
        if found:
            newest = max(found, key=lambda run: (run.created_at, run.run_id))
            return Search(earlier=_described(store, newest), damaged=tuple(damaged))
    return Search(earlier=None, damaged=tuple(damaged))


def _described(store: RunStore, run: Run) -> Earlier:
    untold = _why_untold(run)
    try:
        decided = None if untold else _decided(store, run)
    except (StorageError, ModelError) as error:
        decided, untold = None, error.message
    return Earlier(run=run, decided=decided, untold=untold, reported=_reported(run))


def _why_untold(run: Run) -> str | None:
    then, now = run.manifest["versions"]["cis_ews"], package_versions()["cis_ews"]
    if run.away:
        return COMPACTED_THEN
    missing = [table for table in NEEDED if not run.has(table)]
    if then != now:
        return f"it was made by cis_ews {then}"
    if run.manifest["rewritten"]:
        return "students of it were forgotten since"
    return f"it has no more {' and '.join(missing)}" if missing else None


def _decided(store: RunStore, run: Run) -> Decided:
    recipe = read_recipe(store, run.run_id)
    model_file = None
    if recipe.model_version is not None:
        model_file = model_path(store, recipe.model_version)
        if not model_file.exists():
            raise StorageError(f"its model {recipe.model_version} is gone from the store")
        NightModel.of(RiskModel.load(model_file))  # raises where this version makes other features
    return Decided(
        policy=TierPolicy.model_validate_json(recipe.policy),
        rules=recipe.rules,
        model_version=run.model_version,
        model_file=model_file,
    )


def _reported(run: Run) -> dict[str, date]:
    said = run.statement("coverage")
    if not said.get("reporting_known"):
        return {}
    return {school: date.fromisoformat(day) for school, day in said["last_reported"].items()}
