"""An error as a page, for a browser; whatever else asks gets it as JSON."""

from __future__ import annotations

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
_ONCE_MORE = (marked("The console does not understand this request"), marked("open the page anew and try once more"))
FOR_PEOPLE = {
    WORDINGS[403].message: (
        marked("This request was sent from another site"),
        marked("open the page here, in the console"),
    ),
    WORDINGS[404].message: (
        marked("There is nothing here"),
        marked("begin at the first page; a student or school may have left, or is not among those that you see"),
    ),
    **{WORDINGS[status].message: _ONCE_MORE for status in (405, 415, 422)},
}
"""What a page says instead of what is for programs: message -> message, what to do."""


def answer(error: ApiError, scope: Scope) -> Response:
    """The response for an error; what was asked for is not repeated in it."""
    request_id = str(scope["state"]["request_id"])
    if error.status < 400 or not _is_for_a_browser(scope):
        return render(error, request_id)
    # What stands after the colon names parameters.
    told, hint = FOR_PEOPLE.get(error.message.partition(":")[0], (error.message, error.hint))
    said = {"message": told, "hint": hint, "request_id": request_id}
    page = render_page(Request(scope), "problem.html", status_code=error.status, **said)
    page.headers.update(error.headers)
    return page


async def handle(request: Request, error: Exception) -> Response:
    """Exception handler of the mounted application; what it does not know is logged by the guard."""
    known = from_exception(error)
    if known.status >= 500 and isinstance(error, EwsError):
        log_failure(error, str(request.state.request_id))
    return answer(known, request.scope)


def _is_for_a_browser(scope: Scope) -> bool:
    return not scope["path"].startswith(FOR_PROGRAMS) and "text/html" in Headers(scope=scope).get("accept", "")
