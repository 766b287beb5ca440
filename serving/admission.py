"""Lets a request in, or not, before anything else looks at it."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from cis_ews.storage.database import ApiKey, SignedIn
from cis_ews.support.permissions import Viewer
from serving.auth import KEY, OPEN, bearer, wrong_key
from serving.backend import Backend
from serving.console.clock import STATE
from serving.console.cookies import limits_of, token_of
from serving.console.written import keep_written
from serving.errors import ApiError
from serving.observability import METRICS

PAGE = "/"
SHOWING_FLAGS = frozenset({"/v1/scores", "/v1/students/{ref}/reasons"})
SIGN_IN, SIGN_OUT, NEW_PASSWORD = "/sign-in", "/sign-out", "/account/password"


class Admission:
    """What the guard asks. Whatever is not open needs a key, or on a page of the console a person who has signed in.

    `pages`: the addresses of the console; those that are open know who is looking as well, where somebody is.
    """

    def __init__(self, application: Starlette, *, pages: Collection[str] = ()) -> None:
        self._application = application
        self._pages = frozenset(pages)

    async def __call__(self, route: str, scope: Scope, receive: Receive) -> None:
        """Put the viewer, or the key, into the request's state. Raises ApiError where there is none, or a wrong one;
        what somebody wrote into a form is then kept for the page that says so."""
        try:
            await self._admit(route, scope)
        except ApiError as refused:
            # A page alone can give it back; of whoever has to slow down nothing is read.
            if route in self._pages and refused.status != 429:
                await keep_written(scope, receive)
            raise

    async def _admit(self, route: str, scope: Scope) -> None:
        backend: Backend = self._application.state.backend
        if route == "/readyz":
            await run_in_threadpool(backend.check)
        if route in self._pages:
            await run_in_threadpool(_admit_person, backend, route, scope=scope)
        elif route not in OPEN:
            text = bearer(Headers(scope=scope))
            scope["state"]["key"] = await run_in_threadpool(checked_key, backend, text, address=address_of(scope))
            if route in SHOWING_FLAGS and await run_in_threadpool(backend.database.switch.state):
                raise stopped()


def _admit_person(backend: Backend, route: str, *, scope: Scope) -> None:
    headers = Headers(scope=scope)
    found = _signed_in(backend, headers, is_secure=scope["scheme"] == "https")
    viewer = None if found is None else viewer_from(found)
    scope["state"] |= {"viewer": viewer, "stop": found.stop if found else None}
    scope["state"][STATE] = backend.settings.service.zone
    backend.pace.take(viewer.person_id if viewer else address_of(scope))
    if route in OPEN:
        return
    if viewer is None:
        raise _elsewhere(f"{SIGN_IN}?{urlencode({'next': _asked_for(scope)})}", scope)
    if found and found.stop and not _is_shown_while_stopped(route):
        raise stopped()
    if viewer.has_to_change_password and route != NEW_PASSWORD:
        raise _elsewhere(NEW_PASSWORD, scope)


def _signed_in(backend: Backend, headers: Headers, *, is_secure: bool) -> SignedIn | None:
    token = token_of(headers, is_secure=is_secure)
    return backend.database.sessions.find(token, limits_of(backend.settings.service)) if token else None


def _is_shown_while_stopped(route: str) -> bool:
    """Whatever is not named here shows flags, or may: it is stopped with them."""
    return route == PAGE or route.startswith(("/account", "/admin", "/data-health", "/help"))


def stopped() -> ApiError:
    """The answer while flags are stopped."""
    return ApiError(503, "Flags have been stopped", code="stopped", hint="an administrator shows them again")


def viewer_from(found: SignedIn) -> Viewer:
    """The viewer behind a session."""
    return Viewer(
        person_id=found.person_id,
        name=found.name,
        email=found.email,
        locale=found.locale,
        grants=found.grants,
        session_id=found.session_id,
        has_to_change_password=found.has_to_change_password,
    )


def _asked_for(scope: Scope) -> str:
    """Where to go after signing in: the page that was asked for, or the first one where a form was sent."""
    return str(scope["path"]) if scope["method"] in ("GET", "HEAD") else PAGE


def _elsewhere(address: str, scope: Scope) -> ApiError:
    # htmx would follow a redirect and put the sign-in page into the middle of this one. A form is sent once more the
    # plain way (`parts.js`), and its text is given back.
    if Headers(scope=scope).get("hx-request") == "true":
        headers = {} if scope["method"] == "POST" else {"hx-redirect": address}
        return ApiError(401, "You are not signed in", headers=headers)
    return ApiError(303, headers={"location": address})


def checked_key(backend: Backend, text: str, *, address: str) -> ApiKey:
    """The key that a text is. Raises ApiError: 401 for a wrong one, 429 after too many of them."""
    shape = KEY.fullmatch(text)
    if shape is None:
        METRICS.refused_key()
        raise wrong_key()
    backend.attempts.check(address, shape["key_id"])
    key = backend.database.check_key(text)
    if key is None:
        METRICS.refused_key()
        backend.attempts.failed(address, shape["key_id"])
        raise wrong_key()
    return key


def address_of(scope: Scope) -> str:
    """Where a request came from, to count failures by; it is never logged."""
    client = scope.get("client")
    return str(client[0]) if client else ""
