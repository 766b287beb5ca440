"""The outermost layer of ours around everything that BentoML serves.

What a request meets, in this order: a request id; is there such an address (everything of BentoML's own that is not a
health check is not reachable); does it know the method (HEAD is GET without its body, OPTIONS names the methods); is
the body small enough; has it a key that fits; then the mounted application, with a time limit. What an answer meets:
the security headers, one log line, the counters; and an exception that nothing else caught becomes a 500 in our shape.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ApiError, from_exception, render
from serving.observability import Metrics, log_failure, log_request

STATIC = "/static/..."
HEALTH = ("/livez", "/readyz", "/healthz")
SECONDS_TO_ANSWER = 30.0
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

Admit = Callable[[str, Scope, Receive], Awaitable[None]]
"""Lets a request in, by the template of its address, or raises ApiError. Of one that it lets in it reads no body."""
Render = Callable[[ApiError, Scope], Response]


def _as_json(error: ApiError, scope: Scope) -> Response:
    return render(error, scope["state"]["request_id"])


class Address(NamedTuple):
    """One address that the service knows: its template, which names it in logs, and its methods."""

    template: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


class Addresses:
    """All addresses that may be reached."""

    def __init__(self, application: Starlette) -> None:
        self._known = [*_addresses_of(application), *(_plain(path) for path in HEALTH)]

    def find(self, path: str) -> tuple[str, frozenset[str]]:
        """The template that a path matches and the methods it knows; 404 if there is none."""
        found = [address for address in self._known if address.pattern.match(path)]
        if not found:
            raise ApiError(404)
        methods = frozenset[str]({"OPTIONS"}).union(*(address.methods for address in found))
        return found[0].template, methods | _HEAD if "GET" in methods else methods


def _addresses_of(application: Starlette) -> Iterator[Address]:
    for route in application.routes:
        if isinstance(route, Route):
            yield Address(route.path, route.path_regex, frozenset(route.methods or ()))
        elif isinstance(route, Mount):
            yield Address(f"{route.path}/...", route.path_regex, frozenset({"GET"}))


def _plain(path: str) -> Address:
    return Address(path, re.compile(f"^{re.escape(path)}$"), frozenset({"GET"}))


class Guard:
    """ASGI middleware for `Service.add_asgi_middleware`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        addresses: Addresses,
        admit: Admit,
        metrics: Metrics,
        max_body: int,
        render: Render = _as_json,
        is_secure: Callable[[], bool] = lambda: False,
        seconds: float = SECONDS_TO_ANSWER,
    ) -> None:
        self.app = app
        self._addresses = addresses
        self._admit = admit
        self._metrics = metrics
        self._max_body = max_body
        self._render = render
        self._is_secure = is_secure
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put every request through the guard; lifespan passes, and web sockets are not spoken here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_secure():
            scope = {**scope, "scheme": "https"}
        answer = _Answer(scope, send, self._metrics)
        # BentoML's own addresses, its tasks among them, are reached from inside only, by way of `behind`.
        scope["state"] = {**scope.get("state", {}), "request_id": answer.request_id, "behind": self.app}
        try:
            async with asyncio.timeout(self._seconds) as limit:
                answer.on_start = lambda: limit.reschedule(None)
                await self._dispatch(scope, receive, answer)
        except TimeoutError:
            await answer.fail(self._rendered(ApiError(504), scope), scope, receive)
        except Exception as error:  # noqa: BLE001  (the last place that can keep a message with values out of the log)
            known = from_exception(error)
            if known.status >= 500 and known is not error:  # one that was raised as an answer is no failure
                log_failure(error, answer.request_id)
            await answer.fail(self._rendered(known, scope), scope, receive)

    def _rendered(self, error: ApiError, scope: Scope) -> Response:
        """The response of an error; where its page cannot be made either, one that needs nothing."""
        try:
            return self._render(error, scope)
        except Exception as failure:  # noqa: BLE001  (what nobody catches here, the server logs with its values)
            log_failure(failure, str(scope["state"]["request_id"]))
            return _as_json(ApiError(500), scope)

    async def _dispatch(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        answer.route, methods = self._addresses.find(scope["path"])
        # No id holds a NUL, and PostgreSQL refuses a statement with one, which would look like a failure of its own.
        if "\x00" in scope["path"]:
            raise ApiError(404)
        allow = {"allow": ", ".join(sorted(methods))}
        if scope["method"] not in methods:
            raise ApiError(405, headers=allow)
        if scope["method"] == "OPTIONS":
            await answer.empty(allow)
            return
        body = _Limited(receive, self._max_body)
        body.check(Headers(scope=scope))
        await self._admit(answer.route, scope, body.receive)
        if b"%00" in scope["query_string"]:
            raise ApiError(422)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self.app({**scope, "method": method}, body.receive, answer.send)


class _Limited:
    """A request body that may not grow beyond a limit, declared or not."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    def check(self, headers: Headers) -> None:
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._left:
            raise ApiError(413)

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413)  # FastAPI lets its own kind of error through while it reads a body, and no other
        return message


class _Answer:
    """The answer to one request: headers on, counted and logged once it is out."""

    def __init__(self, scope: Scope, send: Send, metrics: Metrics) -> None:
        self.request_id = uuid.uuid4().hex
        self.route = "unknown"
        self.on_start: Callable[[], None] | None = None
        self._begun = time.perf_counter()
        self._method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._secure = scope["scheme"] == "https"
        self._send = send
        self._metrics = metrics
        self._status = 0

    async def send(self, message: Message) -> None:
        """The `send` that the application gets."""
        if message["type"] == "http.response.start":
            if self.on_start is not None:
                self.on_start()
            self._status = message["status"]
            self._dress(MutableHeaders(raw=message.setdefault("headers", [])))
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._account()

    async def empty(self, headers: Mapping[str, str]) -> None:
        """Answer 204."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": 204, "headers": raw})
        await self.send({"type": "http.response.body", "body": b""})

    async def fail(self, response: Response, scope: Scope, receive: Receive) -> None:
        """Answer with an error's response, unless an answer has gone out already."""
        self.on_start = None
        if not self._status:
            await response(scope, receive, self.send)

    def _dress(self, headers: MutableHeaders) -> None:
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value
        headers["x-request-id"] = self.request_id
        headers.setdefault("cache-control", "max-age=3600" if self.route == STATIC else "no-store")
        if self._secure:
            headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"

    def _account(self) -> None:
        seconds = time.perf_counter() - self._begun
        self._metrics.request(self.route, self._method, status=self._status, seconds=seconds)
        log_request(self._method, self.route, status=self._status, seconds=seconds, request_id=self.request_id)


_HEAD = frozenset({"HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
