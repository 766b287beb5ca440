"""Lets a request in, or not, before anything else looks at it."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Scope

from cis_ews.storage.database import ApiKey
from serving.auth import KEY, OPEN, bearer, wrong_key
from serving.backend import Backend
from serving.observability import METRICS

PAGE = "/"


class Admission:
    """What the guard asks. Whatever is not open needs a key; the page takes it from the session's cookie."""

    def __init__(self, application: Starlette) -> None:
        self._application = application

    async def __call__(self, route: str, scope: Scope) -> None:
        """Put the key of the request into its state. Raises ApiError where one is missing or wrong."""
        backend: Backend = self._application.state.backend
        if route == "/readyz":
            await run_in_threadpool(backend.check)
        if route in OPEN:
            return
        headers = Headers(scope=scope)
        if route == PAGE:
            scope["state"]["key"] = await run_in_threadpool(backend.key, backend.sessions.key_id(headers))
        else:
            text = bearer(headers)
            scope["state"]["key"] = await run_in_threadpool(checked_key, backend, text, address=address_of(scope))


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
