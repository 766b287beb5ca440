"""The guard around an application that misbehaves: what cannot be provoked on a healthy service."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope

from serving.errors import ApiError, handle
from serving.guard import Addresses, Guard
from serving.observability import LOG, Metrics
from tests.lib.loops import run_apart

MARKER = "MARKER-4711"


async def _fails(_: Request) -> Response:
    raise ValueError(MARKER)


async def _sleeps(_: Request) -> Response:
    await asyncio.sleep(60)
    return PlainTextResponse("late")


async def _fails_half_way(_: Request) -> Response:
    async def parts() -> Any:
        yield b"begun"
        raise ValueError(MARKER)

    return StreamingResponse(parts())


async def _works_on(_: Request) -> Response:
    async def later() -> None:
        await asyncio.sleep(0.3)
        done.append("done")

    from starlette.background import BackgroundTask

    return PlainTextResponse("answered", background=BackgroundTask(later))


done: list[str] = []
PATHS = {"/fails": _fails, "/sleeps": _sleeps, "/half": _fails_half_way, "/works-on": _works_on}


def _ask(path: str, *, scheme: str = "http", kind: str = "http", **given: Any) -> list[Message]:
    routes = [Route(each, endpoint) for each, endpoint in PATHS.items()]
    application = Starlette(routes=routes, exception_handlers={Exception: handle})

    async def admit(_route: str, _scope: Scope, _receive: Receive) -> None:
        """Everybody."""

    guard = Guard(
        application, addresses=Addresses(application), admit=admit, metrics=Metrics(), max_body=9, seconds=0.2, **given
    )
    sent: list[Message] = []

    bodies = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not bodies:
            await asyncio.Event().wait()
        return bodies.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "headers": [],
        "query_string": f"name={MARKER}".encode(),
        "scheme": scheme,
        "http_version": "1.1",
    }
    run_apart(guard(scope, receive, send))
    return sent


def test_an_unexpected_error_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=LOG.name):
        start, body = _ask("/fails")
    assert start["status"] == 500
    error = json.loads(body["body"])["error"]
    assert error["code"] == "internal"
    assert MARKER not in str(body) + caplog.text
    # ... but the log says where, and under which id.
    assert "ValueError at test_service_guard.py:" in caplog.text
    assert caplog.text.count(error["request_id"]) == 2


def test_an_answer_that_takes_too_long_is_a_504() -> None:
    start, body = _ask("/sleeps")
    assert start["status"] == 504
    assert json.loads(body["body"])["error"]["code"] == "timeout"


def test_work_after_the_answer_may_take_longer() -> None:
    done.clear()
    assert _ask("/works-on")[0]["status"] == 200
    assert done == ["done"]


def test_an_answer_that_breaks_off_is_not_answered_twice(caplog: pytest.LogCaptureFixture) -> None:
    messages = _ask("/half")
    assert [message["status"] for message in messages if message["type"] == "http.response.start"] == [200]
    assert MARKER not in caplog.text


def test_web_sockets_are_closed() -> None:
    assert _ask("/fails", kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_over_https_browsers_are_told_to_stay_there() -> None:
    for scheme, told in (("http", False), ("https", True)):
        headers = dict(_ask("/works-on", scheme=scheme)[0]["headers"])
        assert (b"strict-transport-security" in headers) is told


def test_where_the_page_of_an_error_cannot_be_made_either_something_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def breaks(_error: ApiError, _scope: Scope) -> Response:
        raise ValueError(MARKER)

    for path in ("/fails", "/sleeps", "/nowhere"):
        caplog.clear()
        start, body = _ask(path, render=breaks)
        assert start["status"] == 500
        assert json.loads(body["body"])["error"]["code"] == "internal"
        assert b"content-security-policy" in dict(start["headers"])
        assert MARKER not in str(body) + caplog.text
        assert "ValueError at test_service_guard.py:" in caplog.text
