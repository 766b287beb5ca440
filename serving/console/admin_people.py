"""Administration of people: accounts, roles, passwords, caseloads; each within the districts of the administrator."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.enums import Role
from cis_ews.storage.access import Grant
from cis_ews.storage.database import By, NewPerson, Person
from cis_ews.support.passwords import hash_password, made_password
from cis_ews.support.permissions import LOCALES, ROLE_WORDS, WHY_NOT, May, Viewer, administered, administers, check
from cis_ews.support.permissions import checked_grant as right_grant
from serving.backend import Backend, of
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.console.paging import part_of
from serving.errors import ApiError

LIST = "/admin/people"
CHANGES = ("grant", "revoke", "password", "disable", "enable", "caseload")

PEOPLE = 100
"""People on a page."""
LONGEST_FIND = 100

routes = APIRouter(include_in_schema=False)


@routes.get(LIST)
def people(request: Request, page: str = "1", find: str = "") -> Response:
    """Everybody whom the administrator may change, a page at a time; of `find`, whose name or address holds it."""
    viewer, wanted = viewer_of(request), find.strip()[:LONGEST_FIND].casefold()
    check(viewer, May.ADMINISTER)
    every = [one for one in of(request).database.people.list() if administers(viewer, one.grants)]
    found = [one for one in every if wanted in one.name.casefold() or wanted in one.email]
    part = part_of(page, total=len(found), size=PEOPLE)
    return render(
        request,
        "admin_people.html",
        people=found[part.first : part.last],
        part=part,
        find=find.strip()[:LONGEST_FIND],
        query=urlencode({"find": wanted}) if wanted else "",
        places_to_give=places_of(of(request), viewer),
        role_words=ROLE_WORDS,
    )


@routes.post(LIST)
async def add(request: Request) -> Response:
    """Somebody new, with a first role; shows the first password this once."""
    form, viewer = await form_of(request), viewer_of(request)
    by = by_of(viewer)
    grant = _grant(viewer, form)
    password = made_password()
    hashed = await run_in_threadpool(hash_password, password)
    name, locale = form.get("name", "").strip(), form.get("locale", "en")
    if not name or len(name) > 200 or locale not in LOCALES:
        raise ApiError(422, "The person needs a name of at most 200 characters")
    new = NewPerson(
        email=form.get("email", ""), name=name, locale=locale, password_hash=hashed, password_is_temporary=True
    )
    people = of(request).database.people
    person_id = await run_in_threadpool(lambda: people.add(new, grants=[grant], by=by))
    person = await run_in_threadpool(_person, of(request), viewer, person_id)
    return _page(request, person, password=password)


@routes.get("/admin/people/{person_id}")
def person(request: Request, person_id: str) -> Response:
    """One person: roles, password, account."""
    return _page(request, _person(of(request), viewer_of(request), person_id))


@routes.post("/admin/people/{person_id}/{change}")
async def change(request: Request, person_id: str, change: str) -> Response:
    """Change a person in one of the ways of `CHANGES`."""
    if change not in CHANGES:
        raise ApiError(404)
    form, viewer = await form_of(request), viewer_of(request)
    person = await run_in_threadpool(_person, of(request), viewer, person_id)
    password = await run_in_threadpool(_change, of(request), viewer, person=person, change=change, form=form)
    if password is not None:
        return _page(request, person, password=password)
    return RedirectResponse(f"{LIST}/{person_id}", status_code=303)


def by_of(viewer: Viewer) -> By:
    """The administrator as the audit names one. Raises NotAllowedError for anybody else."""
    return By(person_id=viewer.person_id, why_allowed=check(viewer, May.ADMINISTER))


def places_of(backend: Backend, viewer: Viewer) -> Mapping[str, list[tuple[str, str]]]:
    """The districts that an administrator may give roles in, each with its schools: id and name."""
    own = administered(viewer)
    database = backend.database
    return {
        district: [(school.school_id, school.name or school.school_id) for school in database.schools_of(district)]
        for district in database.districts()
        if own is None or district in own
    }


def _page(request: Request, person: Person, *, password: str | None = None) -> Response:
    places = places_of(of(request), viewer_of(request))
    return render(
        request,
        "admin_person.html",
        person=person,
        password=password,
        places_to_give=places,
        role_words=ROLE_WORDS,
        caseload=sorted(of(request).database.people.caseload(person.person_id)),
    )


def _person(backend: Backend, viewer: Viewer, person_id: str) -> Person:
    """The person, as if there were none where the administrator may not change all of it."""
    check(viewer, May.ADMINISTER)
    found = backend.database.people.find(person_id)
    if found is None or not administers(viewer, found.grants):
        raise ApiError(404)
    return found


def _grant(viewer: Viewer, form: Mapping[str, str]) -> Grant:
    """The role of a form. `place`: a district, or a district and a school with a tab between them."""
    role = form.get("role", "")
    if role not in list(Role):
        raise ApiError(422, "The role is none of the list")
    district, _, school = form.get("place", "").partition("\t")
    grant = right_grant(Role(role), district_id=district or None, school_id=school or None)
    if not administers(viewer, [grant]):
        raise ApiError(403, WHY_NOT[May.ADMINISTER], code="not_allowed")
    return grant


def _change(backend: Backend, viewer: Viewer, *, person: Person, change: str, form: Mapping[str, str]) -> str | None:
    """Do it; returns the new password where one was made."""
    people, by = backend.database.people, by_of(viewer)
    if change in ("grant", "revoke"):
        grant = _grant(viewer, form)
        (people.grant if change == "grant" else people.revoke)(person.person_id, grant, by=by)
    elif change == "disable":
        if person.person_id == viewer.person_id:
            raise ApiError(409, "Nobody closes their own account", hint="ask another administrator")
        people.disable(person.person_id, by=by)
    elif change == "enable":
        people.enable(person.person_id, by=by)
        people.unlock(person.person_id, by=by)
    elif change == "caseload":
        _change_caseload(backend, viewer, person=person, form=form)
    else:
        password = made_password()
        people.set_password(person.person_id, hash_password(password), is_temporary=True, by=by)
        return password
    return None


def _change_caseload(backend: Backend, viewer: Viewer, *, person: Person, form: Mapping[str, str]) -> None:
    district, ref = form.get("district", ""), form.get("ref", "").strip()
    own = administered(viewer)
    if own is not None and district not in own:
        raise ApiError(403, WHY_NOT[May.ADMINISTER], code="not_allowed")
    people, by = backend.database.people, by_of(viewer)
    if form.get("do") == "remove":
        people.remove_from_caseload(person.person_id, district, ref=ref, by=by)
        return
    if backend.database.student_reasons(district, ref) is None:
        raise ApiError(422, "The district has no student with that ref today", hint="copy it from an address")
    people.add_to_caseload(person.person_id, district, ref=ref, by=by)
