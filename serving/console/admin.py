"""Administration: what there is, data health, the model, the off switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.calendars import days_behind, is_behind
from cis_ews.enums import Domain
from cis_ews.errors import EwsError
from cis_ews.storage.database import By, RunRow, SchoolRow
from cis_ews.storage.runs import open_run
from cis_ews.support.permissions import May, Viewer, administered, check, why_allowed
from serving.backend import Backend, of
from serving.console.clock import today
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.console.notices import Notice, of_the_model
from serving.errors import ApiError

EVERYWHERE_ONLY = "This is for administrators of everything"
DOMAINS = (Domain.ATTENDANCE, Domain.BEHAVIOR, Domain.COURSEWORK)

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Late:
    """A school that is behind."""

    school_id: str
    name: str
    reported: date | None


@dataclass(frozen=True, slots=True)
class Health:
    """How the data of a district stand."""

    district_id: str
    run: RunRow
    days_old: int
    domains: dict[str, str]
    late: list[Late]
    schools: int
    decided: Notice
    notices: tuple[Notice, ...]


@routes.get("/admin")
def overview(request: Request) -> Response:
    """The parts of administration."""
    check(viewer_of(request), May.ADMINISTER)
    return render(request, "admin.html")


@routes.get("/data-health")
def health(request: Request) -> Response:
    """What each district's data are like, without a name."""
    viewer = viewer_of(request)
    check(viewer, May.SEE_DATA_HEALTH)
    backend = of(request)
    seen = [
        district
        for district in backend.database.districts()
        if why_allowed(viewer, May.SEE_DATA_HEALTH, district_id=district)
    ]
    return render(
        request, "data_health.html", districts=[each for each in map(_health(backend, today(request)), seen) if each]
    )


@routes.get("/admin/model")
def model(request: Request) -> Response:
    """The card of the model that nights use."""
    check(viewer_of(request), May.ADMINISTER)
    return render(request, "admin_model.html", used=of(request).settings.model.use, card=_card(of(request)))


@routes.get("/admin/switch")
def switch(request: Request) -> Response:
    """Whether flags are shown, and the form that stops them."""
    _check_everything(viewer_of(request))
    return render(request, "admin_switch.html")


@routes.post("/admin/switch")
async def turn(request: Request) -> Response:
    """Stop flags for everybody, or show them again."""
    form, by, door = await form_of(request), _check_everything(viewer_of(request)), of(request).database.switch
    if form.get("do") == "off":
        await run_in_threadpool(door.turn_off, form.get("reason", ""), by=by)
    elif form.get("do") == "on":
        await run_in_threadpool(door.turn_on, by=by)
    else:
        raise ApiError(422)
    return RedirectResponse("/admin/switch", status_code=303)


def _check_everything(viewer: Viewer) -> By:
    why = check(viewer, May.ADMINISTER)
    if administered(viewer) is not None:
        raise ApiError(403, EVERYWHERE_ONLY, code="not_allowed", hint="your administrator gives roles")
    return By(person_id=viewer.person_id, why_allowed=why)


def days_old(as_of: date, today: date) -> int:
    """How many days ago a night's date was; 0 where it is still to come, as from a server in UTC in the evening."""
    return max(0, (today - as_of).days)


def _health(backend: Backend, today: date) -> Any:
    def of_district(district: str) -> Health | None:
        run = next((run for run in backend.database.runs_of(district) if run.is_current), None)
        if run is None:
            return None
        coverage = _statement(backend, run, "coverage")
        decided, notices = of_the_model(backend, run)
        schools = backend.database.schools_of(district)
        return Health(
            district_id=district,
            run=run,
            days_old=days_old(run.as_of, today),
            domains={name.value: coverage[name]["level"] for name in DOMAINS if name in coverage},
            late=late_schools(
                schools, coverage, as_of=run.as_of, school_days=backend.database.pages.school_days(district)
            ),
            schools=len(schools),
            decided=decided,
            notices=notices,
        )

    return of_district


def late_schools(
    schools: Sequence[SchoolRow], coverage: Mapping[str, Any], *, as_of: date, school_days: pl.DataFrame
) -> list[Late]:
    """The schools that are behind, or of which no reported day is known.

    `coverage`: the statement of the run. `school_days`: as `cis_ews.calendars.days_behind` has them.
    """
    reported = {school: date.fromisoformat(day) for school, day in coverage.get("last_reported", {}).items()}
    days, is_known = days_behind(school_days, reported, as_of), bool(coverage.get("reporting_known"))
    return [
        Late(school.school_id, school.name or school.school_id, reported.get(school.school_id))
        for school in schools
        if school.school_id not in days or is_behind(days[school.school_id], is_known=is_known)
    ]


def _statement(backend: Backend, run: RunRow, name: str) -> dict[str, Any]:
    try:
        return open_run(backend.store.root / run.path).statement(name)
    except EwsError:  # taken away by retention, or older than the statement
        return {}


def _card(backend: Backend) -> str | None:
    from cis_ews.risk.registry import Registry

    if not backend.settings.model.use.startswith("models:"):
        return None
    try:
        registry = Registry(backend.registry)
        champion = registry.champion()
        return None if champion is None else registry.text(champion, "model_card.md")
    except EwsError:
        return None
