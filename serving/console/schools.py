"""A school: its roster with filters in the address, saved views, a file for those who may, barriers in Tier 1."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import AuditAction, Domain
from cis_ews.evaluation.suppression import FEWEST
from cis_ews.exports.files import csv_bytes
from cis_ews.storage.database import Event
from cis_ews.storage.pages import SavedView, SchoolPlace
from cis_ews.support.permissions import May, Viewer, check, scope_of, why_not, why_seen
from cis_ews.support.texts import cleaned, is_seen
from serving.backend import Backend, of
from serving.console.context import marked, render, viewer_of
from serving.console.forms import form_of
from serving.console.paging import part_of
from serving.console.roster import among, barriers, chosen_of, histograms, query_of
from serving.errors import ApiError

routes = APIRouter(include_in_schema=False)
ROWS = 100
"""Students on a page."""
NAME_LENGTH = 60
TOO_MANY_VIEWS = marked("There are as many saved views of this school as one person can have")
NO_NAME = marked("The saved view has no name that could be seen")
GIVE_ONE = marked("go back, and give it a name with a letter or a digit")
FORGET_ONE = marked("forget one, then save this one again")


@routes.get("/schools")
def schools(request: Request) -> Response:
    """The schools of whoever is looking."""
    viewer = viewer_of(request)
    check(viewer, May.SEE_STUDENTS)
    found = of(request).database.pages.schools(scope_of(viewer))
    return render(request, "schools.html", schools=found)


@routes.get("/schools/{school_ref}")
def school(request: Request, school_ref: str, page: str = "1") -> Response:
    """The roster; its first page where an address names none that can be."""
    viewer, backend = viewer_of(request), of(request)
    here = school_of(backend, viewer, school_ref)
    every = backend.database.pages.roster(scope_of(viewer), here)
    chosen = chosen_of(request.url.query)
    rows = among(every, chosen)
    part = part_of(page, total=len(rows), size=ROWS)
    shown = rows[part.first : part.last]
    record_list(backend, viewer, here, what="roster", refs=[row.ref for row in shown])
    return render(
        request,
        "school.html",
        school=here,
        flagged=sum(row.tier in (2, 3) for row in every),
        histograms=histograms(every, chosen),
        rows=shown,
        part=part,
        query=query_of(chosen),
        views=backend.database.pages.views(viewer.person_id, here),
        why_no_csv=why_not(viewer, May.EXPORT, district_id=here.district_id, school_id=here.school_id),
        barriers=barriers(every),
        smallest=FEWEST,
        domains=[str(domain) for domain in Domain],
    )


@routes.get("/schools/{school_ref}/roster.csv")
def roster_file(request: Request, school_ref: str) -> Response:
    """The roster that the filters leave, as a file; that it was taken is kept in the audit."""
    viewer, backend = viewer_of(request), of(request)
    here = school_of(backend, viewer, school_ref)
    why = check(viewer, May.EXPORT, district_id=here.district_id, school_id=here.school_id)
    rows = among(backend.database.pages.roster(scope_of(viewer), here), chosen_of(request.url.query))
    frame = pl.DataFrame([[getattr(row, name) for name in _TYPES] for row in rows], schema=_TYPES, orient="row")
    record_list(backend, viewer, here, what="roster file", refs=[row.ref for row in rows], why=why)
    headers = {"content-disposition": 'attachment; filename="roster.csv"'}
    return Response(csv_bytes(frame), media_type="text/csv; charset=utf-8", headers=headers)


_TYPES: dict[str, type[pl.DataType]] = {
    "last_name": pl.String,
    "first_name": pl.String,
    "grade_level": pl.String,
    "tier": pl.Int64,
    "tier_reason": pl.String,
    "days_absent": pl.Float64,
}


@routes.post("/schools/{school_ref}/views")
async def save_view(request: Request, school_ref: str) -> Response:
    """Keep the filters under a name."""
    form, backend, viewer = await form_of(request), of(request), viewer_of(request)
    here = await run_in_threadpool(school_of, backend, viewer, school_ref)
    name = cleaned(form.get("name", ""))
    filters = query_of(chosen_of(form.get("filters", "")))
    if not is_seen(name):
        raise ApiError(422, NO_NAME, hint=GIVE_ONE)
    if len(name) > NAME_LENGTH or not filters:
        raise ApiError(422)
    view = SavedView(name=name, filters=filters)
    if not await run_in_threadpool(backend.database.pages.save_view, viewer.person_id, here, view):
        raise ApiError(422, TOO_MANY_VIEWS, hint=FORGET_ONE)
    return RedirectResponse(f"/schools/{school_ref}?{filters}", status_code=303)


@routes.post("/schools/{school_ref}/views/drop")
async def drop_view(request: Request, school_ref: str) -> Response:
    """Forget a saved view."""
    form, backend, viewer = await form_of(request), of(request), viewer_of(request)
    here = await run_in_threadpool(school_of, backend, viewer, school_ref)
    await run_in_threadpool(backend.database.pages.drop_view, viewer.person_id, here, form.get("name", ""))
    return RedirectResponse(f"/schools/{school_ref}", status_code=303)


def record_list(
    backend: Backend, viewer: Viewer, school: SchoolPlace, *, what: str, refs: Collection[str], why: str | None = None
) -> None:
    """Keep in the audit who was seen on a list with names of a school; nothing, where nobody was on it."""
    if not refs:
        return
    allowed = why or why_seen(viewer, district_id=school.district_id, school_id=school.school_id)
    backend.database.audit.record(
        Event(
            action=AuditAction.LIST_SEEN,
            why_allowed=allowed,
            district_id=school.district_id,
            person_id=viewer.person_id,
            detail={"kind": what, "school_id": school.school_id},
            refs=refs,
        )
    )


def school_of(backend: Backend, viewer: Viewer, school_ref: str) -> SchoolPlace:
    """The school of an address; 404 where there is none that the viewer may look into."""
    check(viewer, May.SEE_STUDENTS)
    found = [one for one in backend.database.pages.schools(scope_of(viewer)) if one.ref == school_ref]
    if not found:
        raise ApiError(404)
    return found[0]
