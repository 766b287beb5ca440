"""What the newest night of a district has to say of itself: who decided, how old it is, which schools are not in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from cis_ews.errors import EwsError
from cis_ews.storage.database import RunRow
from cis_ews.storage.runs import open_run
from cis_ews.wording import BY_RULES, DEMONSTRATION
from serving.backend import Backend
from serving.console.context import marked
from serving.missing import MissingSchools, missing_schools

OLD_DAYS = 4
"""Days after which a list is called old: over a long weekend it is not."""
_RUNS = 10
NAMED = 5
"""Schools that are named; of a failed delivery of a state there would be hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message of the catalogs with its values. `days`: values that are dates, put in words where they are shown."""

    message: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    days: Mapping[str, date] = field(default_factory=dict[str, date])


@dataclass(frozen=True, slots=True, kw_only=True)
class NightTold:
    """`decided`: who decided. `notices`: what whoever reads the list has to know, the gravest first."""

    decided: Notice
    notices: tuple[Notice, ...]


def night_told(backend: Backend, district_id: str, *, own: Collection[str], today: date) -> NightTold | None:
    """What to say of the current night of a district; None where there is none.

    `own`: the schools that whoever is looking was given one by one; they are named before the others.
    """
    runs = backend.database.runs_of(district_id, limit=_RUNS)
    current = next((run for run in runs if run.is_current), None)
    if current is None:
        return None
    decided, of_model = of_the_model(backend, current)
    notices = (
        *of_model,
        *_of_age(current, today),
        *_of_missing(missing_schools(backend, district_id, runs=runs), own),
    )
    return NightTold(decided=decided, notices=notices)


def of_the_model(backend: Backend, run: RunRow) -> tuple[Notice, tuple[Notice, ...]]:
    """What decided a night, and what whoever sees its results has to know of that."""
    model = _model(backend.store.root / run.path) or _known_of_model(run)
    return _decided(model), tuple(_of_model(model))


def _decided(model: Mapping[str, Any]) -> Notice:
    if model.get("kind") != "trained":
        return Notice(message=BY_RULES)
    label = model.get("about", {}).get("label")
    if label is None:
        text = marked("A trained model (%(version)s), with published rules beside it as a safety net")
        return Notice(message=text, values={"version": model["version"]})
    text = marked(
        "A trained model (%(version)s, which learned %(label)s), with published rules beside it as a safety net"
    )
    return Notice(message=text, values={"version": model["version"], "label": label})


def _of_model(model: Mapping[str, Any]) -> Iterator[Notice]:
    if model.get("about", {}).get("made_up"):
        yield Notice(message=DEMONSTRATION)


def _of_age(run: RunRow, today: date) -> Iterator[Notice]:
    old = (today - run.as_of).days
    if old > OLD_DAYS:
        text = marked("This list is %(days)s days old: no later night has been run.")
        yield Notice(message=text, values={"days": old})


def _of_missing(missing: MissingSchools | None, own: Collection[str]) -> Iterator[Notice]:
    if missing is None:
        return
    days = {"day": missing.had_on}
    for name in (name for school, name in missing.names.items() if school in own):
        text = marked(
            "Your school %(name)s is missing from this night: the one of %(day)s had it. Until its records come again, "
            "nobody there is listed. Ask whoever sends the records."
        )
        yield Notice(message=text, values={"name": name}, days=days)
    others = [name for school, name in missing.names.items() if school not in own]
    if others:
        text = marked(
            "Missing from this night, and in the one of %(day)s: %(names)s. Until the records come again, nobody there "
            "is listed. Ask whoever sends the records."
        )
        more = f" (+{len(others) - NAMED})" if len(others) > NAMED else ""
        yield Notice(message=text, values={"names": ", ".join(others[:NAMED]) + more}, days=days)


def _known_of_model(run: RunRow) -> dict[str, Any]:
    kind = "rules" if run.model_version.startswith("rules-") else "trained"
    return {"kind": kind, "version": run.model_version}


def _model(run: Path) -> dict[str, Any]:
    """The statement of the run's model; empty where the run was taken away by retention, or is older than it."""
    try:
        return _stated(run)
    except EwsError:
        return {}


@lru_cache(maxsize=128)
def _stated(run: Path) -> dict[str, Any]:
    return open_run(run).statement("model")
