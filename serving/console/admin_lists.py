"""Administration of keys, the audit, and access in an emergency."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import AuditAction
from cis_ews.support.permissions import WHY_NOT, May, Viewer, administered, check
from cis_ews.support.words import AUDIT_WORDS
from serving.backend import Backend, of
from serving.console.admin_people import by_of, places_of
from serving.console.clock import zone_of
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.errors import ApiError
from serving.observability import METRICS, log_emergency

KEYS, EMERGENCY = "/admin/keys", "/admin/emergency"
SHOWN = 200

routes = APIRouter(include_in_schema=False)


@routes.get(KEYS)
def keys(request: Request) -> Response:
    """The keys of school systems."""
    return _keys_page(request)


@routes.post(KEYS)
async def change_keys(request: Request) -> Response:
    """Make a key, which is shown this once, or end one."""
    form, viewer, database = await form_of(request), viewer_of(request), of(request).database
    by = by_of(viewer)
    if form.get("do") == "revoke":
        known = {one.key_id: one for one in await run_in_threadpool(database.list_keys)}
        key = known.get(form.get("key_id", ""))
        if key is None or not _is_own(viewer, key.district_id):
            raise ApiError(404)
        await run_in_threadpool(database.revoke_key, key.key_id, by=by)
        return RedirectResponse(KEYS, status_code=303)
    district = form.get("district", "")
    if district not in await run_in_threadpool(places_of, of(request), viewer):
        raise ApiError(422, "The district is none of the list")
    _, made = await run_in_threadpool(database.create_key, district, form.get("label", "")[:200], by=by)
    return await run_in_threadpool(_keys_page, request, made=made)


@routes.get("/admin/audit")
def audit(request: Request) -> Response:
    """Entries of the audit by what the form asks for, newest first; of the administrator's districts."""
    viewer = viewer_of(request)
    check(viewer, May.ADMINISTER)
    asked = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
    people = {one.person_id: one for one in of(request).database.people.list()}
    who = next((one.person_id for one in people.values() if one.email == asked.get("person", "").lower()), "")
    rows = of(request).database.audit.search(
        district_ids=administered(viewer),
        person_id=who if "person" in asked else None,
        ref=asked.get("ref"),
        action=_action(asked.get("action")),
        since=beginning_of(asked.get("since"), zone_of(request)),
        limit=SHOWN,
    )
    return render(request, "admin_audit.html", rows=rows, people=people, asked=asked, said=AUDIT_WORDS, shown=SHOWN)


@routes.get(EMERGENCY)
def emergencies(request: Request) -> Response:
    """Access that was taken in an emergency, and the form that takes it."""
    viewer = viewer_of(request)
    check(viewer, May.BREAK_GLASS)
    people = {one.person_id: one for one in of(request).database.people.list()}
    found = [one for one in of(request).database.emergencies.list() if _is_own(viewer, one.district_id)]
    places = places_of(of(request), viewer)
    now = datetime.now(UTC)
    return render(request, "admin_emergency.html", emergencies=found, people=people, places_to_give=places, now=now)


@routes.post(EMERGENCY)
async def take_access(request: Request) -> Response:
    """An hour of access to a school, with a reason; every administrator and the operators see it."""
    form, viewer = await form_of(request), viewer_of(request)
    check(viewer, May.BREAK_GLASS)
    door, by = of(request).database.emergencies, by_of(viewer)
    if form.get("do") == "end":
        mine = [one.emergency_id for one in await run_in_threadpool(door.list) if _is_own(viewer, one.district_id)]
        if form.get("emergency") not in mine:
            raise ApiError(404)
        await run_in_threadpool(door.end, form.get("emergency", ""), by=by)
        return RedirectResponse(EMERGENCY, status_code=303)
    district, _, school = form.get("place", "").partition("\t")
    if not _is_own(viewer, district):
        raise ApiError(403, WHY_NOT[May.BREAK_GLASS], code="not_allowed")
    reason = form.get("reason", "")
    emergency_id = await run_in_threadpool(door.begin, district, school, reason=reason, by=by)
    METRICS.emergency()
    log_emergency(emergency_id)
    return RedirectResponse(EMERGENCY, status_code=303)


def _keys_page(request: Request, *, made: str | None = None) -> Response:
    viewer, backend = viewer_of(request), of(request)
    check(viewer, May.ADMINISTER)
    found = [one for one in backend.database.list_keys() if _is_own(viewer, one.district_id)]
    return render(request, "admin_keys.html", keys=found, districts=list(_districts(backend, viewer)), made=made)


def _districts(backend: Backend, viewer: Viewer) -> list[str]:
    own = administered(viewer)
    return [each for each in backend.database.districts() if own is None or each in own]


def _is_own(viewer: Viewer, district_id: str) -> bool:
    own = administered(viewer)
    return own is None or district_id in own


def _action(text: str | None) -> AuditAction | None:
    if text is not None and text not in list(AuditAction):
        raise ApiError(422)
    return None if text is None else AuditAction(text)


def beginning_of(text: str | None, zone: tzinfo) -> datetime | None:
    """Where a day that is written as YYYY-MM-DD begins, in a time zone. Raises ApiError: 422 for what is no day."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
        # East of Greenwich the first day of all begins before there is a year.
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ApiError(422) from None
