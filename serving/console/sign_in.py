"""Where everybody begins: the first address, signing in with an e-mail address and a password, and signing out."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from cis_ews.support.passwords import is_password
from serving.admission import PAGE, SIGN_IN, SIGN_OUT, address_of
from serving.backend import Backend, of
from serving.console.context import any_viewer_of, home_of, render, viewer_of
from serving.console.cookies import drop_token, set_token, token_of
from serving.console.forms import form_of
from serving.errors import ApiError

HOW = "password"
AT_ONCE = 2
"""Passwords that are checked at once: each takes 64 MB for a twentieth of a second."""
_ANY_ACCOUNT = "sign-in"

routes = APIRouter(include_in_schema=False)


@routes.get(PAGE)
def begin(request: Request) -> Response:
    """To the first page that the roles of whoever is looking open."""
    return RedirectResponse(home_of(viewer_of(request)), status_code=303)


@routes.get(SIGN_IN)
def ask(request: Request, next: str = PAGE) -> Response:  # noqa: A002 - the parameter's name in the address
    """The form."""
    if any_viewer_of(request) is not None:
        return RedirectResponse(PAGE, status_code=303)
    return page(request, next=next)


@routes.post(SIGN_IN)
async def sign_in(request: Request) -> Response:
    """Take an e-mail address and a password."""
    form = await form_of(request)
    backend, address = of(request), address_of(request.scope)
    try:
        backend.sign_ins.check(address, _ANY_ACCOUNT)
    except ApiError as error:
        return page(request, next=form.get("next", PAGE), problem="wait", status_code=error.status)
    person_id = await _checked(backend, form.get("email", ""), password=form.get("password", ""))
    if person_id is None:
        backend.sign_ins.failed(address, _ANY_ACCOUNT)
        return page(request, next=form.get("next", PAGE), problem="wrong", status_code=401)
    return await let_in(request, person_id, how=HOW, next=form.get("next", PAGE))


@routes.post(SIGN_OUT)
async def sign_out(request: Request) -> Response:
    """End the session, here and in the database."""
    await form_of(request)
    is_secure = request.url.scheme == "https"
    token = token_of(request.headers, is_secure=is_secure)
    if token is not None:
        await run_in_threadpool(of(request).database.sessions.end, token)
    answer = RedirectResponse(SIGN_IN, status_code=303)
    drop_token(answer, is_secure=is_secure)
    return answer


async def let_in(request: Request, person_id: str, *, how: str, next: str) -> Response:  # noqa: A002
    """A new session, always with a new token: one that was there before, whoever planted it, ends."""
    is_secure = request.url.scheme == "https"
    before = token_of(request.headers, is_secure=is_secure)
    sessions = of(request).database.sessions
    token = await run_in_threadpool(sessions.start, person_id, how=how, ended=before)
    answer = RedirectResponse(own_address(next), status_code=303)
    set_token(answer, token, is_secure=is_secure)
    return answer


def page(request: Request, *, next: str, problem: str | None = None, status_code: int = 200) -> Response:  # noqa: A002
    """The page with the form. `problem`: `wrong`, `wait`, `provider`, `unknown` or nothing."""
    providers = list(of(request).providers.values())
    values = {"next": own_address(next), "problem": problem, "providers": providers}
    return render(request, "sign_in.html", status_code=status_code, **values)


def own_address(text: str) -> str:
    """An address of this service to go on to; the first page where a text is none, so that no link leads elsewhere."""
    parts = urlsplit(text)
    is_own = text.startswith("/") and not text.startswith("//") and not (parts.scheme or parts.netloc)
    return text if is_own and text.isprintable() and "\\" not in text and len(text) <= 500 else PAGE


async def _checked(backend: Backend, email: str, *, password: str) -> str | None:
    return await to_thread.run_sync(_person_of, backend, email, password, limiter=_limiter())


def _person_of(backend: Backend, email: str, password: str) -> str | None:
    """Whose password it is. The steps are the same whether the account is there, closed, locked or not."""
    people = backend.database.people
    known = people.credentials(email)
    fits = is_password(password, known.password_hash if known else None)
    if known is not None and fits and known.is_open:
        return known.person_id
    people.refused(known.person_id if known else None)
    return None


@cache
def _limiter() -> CapacityLimiter:
    return CapacityLimiter(AT_ONCE)
