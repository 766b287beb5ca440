"""The page of one's own account: who am I here, what may I, in which language; and a new password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.errors import ConfigError
from cis_ews.storage.database import By
from cis_ews.storage.database.sessions import OWN_ACCOUNT
from cis_ews.support.passwords import hash_password, is_password
from cis_ews.support.permissions import LOCALES, ROLE_WORDS
from serving.admission import NEW_PASSWORD
from serving.backend import of
from serving.console.context import render, viewer_of
from serving.console.forms import form_of
from serving.console.sign_in import HOW, let_in
from serving.errors import ApiError

ACCOUNT = "/account"

routes = APIRouter(include_in_schema=False)


@routes.get(ACCOUNT)
def account(request: Request) -> Response:
    """Who is signed in, and what that person was given."""
    return render(request, "account.html", role_words=ROLE_WORDS, has_password=_has_password(request))


def _has_password(request: Request) -> bool:
    """Whether there is a password to change: who comes in by a provider alone has none."""
    known = of(request).database.people.credentials(viewer_of(request).email)
    return known is not None and known.password_hash is not None


@routes.post("/account/language")
async def choose_language(request: Request) -> Response:
    """The language of one's own pages."""
    locale = (await form_of(request)).get("locale")
    if locale not in LOCALES:
        raise ApiError(422)
    await run_in_threadpool(of(request).database.people.set_locale, viewer_of(request).person_id, locale)
    return RedirectResponse(ACCOUNT, status_code=303)


@routes.get(NEW_PASSWORD)
def ask_for_password(request: Request) -> Response:
    """The form for a new password. Raises ApiError: 404 for an account that has none."""
    if not _has_password(request):
        raise ApiError(404)
    return render(request, "password.html", problem=None)


@routes.post(NEW_PASSWORD)
async def change_password(request: Request) -> Response:
    """Take the present password and a new one; every session ends, and a new one begins."""
    form, backend, viewer = await form_of(request), of(request), viewer_of(request)
    known = await run_in_threadpool(backend.database.people.credentials, viewer.email)
    present = known.password_hash if known and known.is_open else None
    if not await run_in_threadpool(is_password, form.get("present", ""), present):
        await run_in_threadpool(backend.database.people.refused, viewer.person_id)
        return render(request, "password.html", problem="wrong", status_code=422)
    if form.get("new") != form.get("again"):
        return render(request, "password.html", problem="different", status_code=422)
    if form.get("new") == form.get("present"):
        return render(request, "password.html", problem="same", status_code=422)
    try:
        hashed = await run_in_threadpool(hash_password, form.get("new", ""))
    except ConfigError:
        return render(request, "password.html", problem="length", status_code=422)
    by = By(person_id=viewer.person_id, why_allowed=OWN_ACCOUNT)
    await run_in_threadpool(backend.database.people.set_password, viewer.person_id, hashed, by=by)
    return await let_in(request, viewer.person_id, how=HOW, next=ACCOUNT)
