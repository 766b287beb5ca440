"""Signing in by way of a provider: out to it, and back."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from serving.admission import PAGE
from serving.backend import Backend, of
from serving.console.cookies import read_cookie
from serving.console.providers import Identity, Provider, SignInRefusedError
from serving.console.sign_in import let_in, own_address, page
from serving.errors import ApiError
from serving.observability import log_refused_sign_in

PLAIN, SECURE = "cis_ews_flow", "__Host-cis_ews_flow"
MINUTES = 10

routes = APIRouter(include_in_schema=False)


@routes.get("/sign-in/with/{provider}")
async def leave(request: Request, provider: str, next: str = PAGE) -> Response:  # noqa: A002
    """Send the browser to the provider."""
    chosen = _chosen(of(request), provider)
    key, flow = of(request).flows.begin(chosen.name, next=own_address(next))
    try:
        address = await chosen.address(flow)
    except SignInRefusedError as error:
        return _refused(request, error)
    answer = RedirectResponse(address, status_code=303)
    is_secure = request.url.scheme == "https"
    # Lax: the way back begins at the provider.
    answer.set_cookie(
        _name(request), key, max_age=MINUTES * 60, httponly=True, samesite="lax", secure=is_secure, path="/"
    )
    return answer


@routes.get("/sign-in/with/{provider}/callback")
async def come_back(request: Request, provider: str) -> Response:
    """Take what the provider says, and let its person in who has an account here."""
    backend = of(request)
    chosen = _chosen(backend, provider)
    flow = backend.flows.end(read_cookie(request.headers, _name(request)))
    try:
        if flow is None or flow.provider != chosen.name:
            raise SignInRefusedError("no sign-in has begun in this browser")  # noqa: TRY301 - one way to refuse
        identity = await chosen.identity(flow, request.query_params)
        person_id = await run_in_threadpool(person_of, backend, identity)
    except SignInRefusedError as error:
        return _without_flow(request, _refused(request, error))
    if person_id is None:
        return _without_flow(request, page(request, next=PAGE, problem="unknown", status_code=403))
    return _without_flow(request, await let_in(request, person_id, how=f"provider {chosen.name}", next=flow.next))


def person_of(backend: Backend, identity: Identity) -> str | None:
    """The person whose account it is: by the subject, the first time by an e-mail address that may be relied on.

    An account that the provider knows by another subject is not taken over: addresses are given to new people.
    """
    people = backend.database.people
    person_id = people.identity(identity.issuer, identity.subject)
    if person_id is None and identity.email is not None:
        found = people.by_email(identity.email)
        if found is None or people.has_identity(found.person_id, issuer=identity.issuer):
            return None
        person_id = found.person_id
        people.add_identity(person_id, issuer=identity.issuer, subject=identity.subject)
    person = people.find(person_id) if person_id else None
    return person.person_id if person is not None and person.disabled_at is None else None


def _chosen(backend: Backend, name: str) -> Provider:
    provider = backend.providers.get(name)
    if provider is None:
        raise ApiError(404)
    return provider


def _refused(request: Request, error: SignInRefusedError) -> Response:
    log_refused_sign_in(str(error), str(request.state.request_id))
    return page(request, next=PAGE, problem="provider", status_code=401)


def _without_flow(request: Request, answer: Response) -> Response:
    is_secure = request.url.scheme == "https"
    answer.delete_cookie(_name(request), httponly=True, samesite="lax", secure=is_secure, path="/")
    return answer


def _name(request: Request) -> str:
    return SECURE if request.url.scheme == "https" else PLAIN
