"""An error as a page, for a browser; whatever else asks gets it as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from cis_ews.errors import EwsError
from serving.console.context import marked
from serving.console.context import render as render_page
from serving.errors import WORDINGS, ApiError, from_exception, render
from serving.observability import log_failure

FOR_PROGRAMS = ("/v1/", "/metrics", "/livez", "/readyz", "/healthz", "/static/")
TOLD: Mapping[int, tuple[str, str]] = {
    404: (
        marked("There is nothing here"),
        marked("begin at the first page; what is not yours to see answers like this, too"),
    ),
    422: (
        marked("What was sent cannot be taken"),
        marked("go back, look at what was entered, and send it once more"),
    ),
    500: (
        marked("The service failed"),
        marked("try once more; if it fails again, tell your administrator the number below"),
    ),
}
"""What people are told where the wording of a status is meant for programs."""


def answer(error: ApiError, scope: Scope) -> Response:
    """The response for an error; what was asked for is not repeated in it."""
    request_id = str(scope["state"]["request_id"])
    if error.status < 400 or not _is_for_a_browser(scope):
        return render(error, request_id)
    message, hint = _told(error)
    values = {"message": message, "hint": hint, "request_id": request_id}
    page = render_page(Request(scope), "problem.html", status_code=error.status, **values)
    page.headers.update(error.headers)
    return page


async def handle(request: Request, error: Exception) -> Response:
    """Exception handler of the mounted application; what it does not know is logged by the guard."""
    known = from_exception(error)
    if known.status >= 500 and isinstance(error, EwsError):
        log_failure(error, str(request.state.request_id))
    return answer(known, request.scope)


def _told(error: ApiError) -> tuple[str, str | None]:
    # Of a request that does not fit its description the message names parameters after these words.
    is_of_the_status = error.message.startswith(WORDINGS[error.status].message)
    return TOLD[error.status] if is_of_the_status and error.status in TOLD else (error.message, error.hint)


def _is_for_a_browser(scope: Scope) -> bool:
    return not scope["path"].startswith(FOR_PROGRAMS) and "text/html" in Headers(scope=scope).get("accept", "")
