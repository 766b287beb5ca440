"""Schools of a district that the night before had and this night has not: nobody there is listed, and that is said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from cis_ews.errors import EwsError
from cis_ews.storage.database import RunRow
from cis_ews.storage.runs import open_run
from serving.backend import Backend


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSchools:
    """School -> its name, and the as-of date of the night that had students of it."""

    names: Mapping[str, str]
    had_on: date


def missing_schools(
    backend: Backend, district_id: str, *, runs: Collection[RunRow], listed: Collection[str] | None = None
) -> MissingSchools | None:
    """The schools of a district of which the newest night before the current one scored students, and it did not.

    `runs`: of the district, newest first. `listed`: schools with a student who is scored now; those of the current run
    where it is not said. None where there is nothing to say, or no night before can be read.
    """
    current = next((run for run in runs if run.is_current), None)
    before = next((run for run in runs if current is not None and run.as_of < current.as_of), None)
    if current is None or before is None:
        return None
    try:
        then, now = (_night(backend.store.root / run.path) for run in (before, current))
    except EwsError:  # taken away by retention, or damaged: `cis-ews runs verify` says which
        return None
    scored = now.scored if listed is None else listed
    schools = {
        school: str(said["name"] or school)
        for school, said in (then.schools | now.schools).items()
        if said["district_id"] == district_id and school in then.scored and school not in scored
    }
    return MissingSchools(names=dict(sorted(schools.items())), had_on=before.as_of) if schools else None


@dataclass(frozen=True, slots=True)
class _Night:
    """Of a run: the schools of its extract, and those of which it scored a student."""

    schools: dict[str, Any]
    scored: frozenset[str]


@lru_cache(maxsize=32)
def _night(folder: Path) -> _Night:
    run = open_run(folder)
    scored = run.table("scores", columns=["school_id"])["school_id"].unique()
    return _Night(run.statement("coverage").get("schools", {}), frozenset(scored))
