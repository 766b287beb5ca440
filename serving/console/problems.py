"""An error as a page, for a browser; whatever else asks gets it as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from cis_ews.errors import EwsError
from serving.admission import SIGN_IN
from serving.console.context import marked
from serving.console.context import render as render_page
from serving.console.written import written_of
from serving.errors import WORDINGS, ApiError, from_exception, render
from serving.observability import log_failure

SESSION_ENDED = marked("Your session has ended, and nothing was written")
SIGN_IN_ANEW = marked("copy your text from below, sign in, and send it once more")
FOR_PROGRAMS = ("/v1/", "/metrics", "/livez", "/readyz", "/healthz", "/static/")
TOLD: Mapping[int, tuple[str, str]] = {
    401: (marked("You are not signed in"), marked("sign in, then try again")),
    403: (
        marked("This form was not sent from a page of this service"),
        marked("go back, load the page again, and send it from there"),
    ),
    404: (
        marked("There is nothing here"),
        marked("begin at the first page; what is not yours to see answers like this, too"),
    ),
    405: (
        marked("This address is not for what was asked of it"),
        marked("begin at the first page, and go on by its links and buttons"),
    ),
    409: (
        marked("This cannot be done now"),
        marked("go back, load the page again, and look at how it stands"),
    ),
    413: (
        marked("More was sent than can be taken at once"),
        marked("go back, shorten what was entered, and send it once more"),
    ),
    415: (
        marked("What was sent cannot be read as a form"),
        marked("go back, load the page again, and send its form once more"),
    ),
    422: (
        marked("What was sent cannot be taken"),
        marked("go back, look at what was entered, and send it once more"),
    ),
    429: (
        marked("There were too many requests in a short time"),
        marked("wait a minute, then try again"),
    ),
    500: (
        marked("The service failed"),
        marked("try once more; if it fails again, tell your administrator the number below"),
    ),
    503: (
        marked("The service cannot answer at the moment"),
        marked("try again in a minute"),
    ),
    504: (
        marked("The answer took too long"),
        marked("try again; if it fails again, tell your administrator the number below"),
    ),
}
"""What people are told where the wording of a status is meant for programs."""


def answer(error: ApiError, scope: Scope) -> Response:
    """The response for an error; what was asked for is not repeated in it."""
    request_id, written = str(scope["state"]["request_id"]), written_of(scope)
    elsewhere = error.headers.get("location", "") if error.status < 400 else None
    sign_in = elsewhere if elsewhere and elsewhere.startswith(SIGN_IN) and written else None
    if not _is_for_a_browser(scope) or (elsewhere is not None and sign_in is None):
        return render(error, request_id)
    if sign_in is not None:
        error = ApiError(401, SESSION_ENDED, hint=SIGN_IN_ANEW)
    message, hint = told(error)
    values = {"message": message, "hint": hint, "request_id": request_id, "written": written, "sign_in": sign_in}
    page = render_page(Request(scope), "problem.html", status_code=error.status, **values)
    page.headers.update(error.headers)
    return page


async def handle(request: Request, error: Exception) -> Response:
    """Exception handler of the mounted application; what it does not know is logged by the guard."""
    known = from_exception(error)
    if known.status >= 500 and isinstance(error, EwsError):
        log_failure(error, str(request.state.request_id))
    return answer(known, request.scope)


def told(error: ApiError) -> tuple[str, str | None]:
    """What people are told of an error, and what they can do; in English, to be translated where it is shown."""
    # Of a request that does not fit its description the message names parameters after these words.
    is_of_the_status = error.message.startswith(WORDINGS[error.status].message)
    return TOLD[error.status] if is_of_the_status and error.status in TOLD else (error.message, error.hint)


def _is_for_a_browser(scope: Scope) -> bool:
    return not scope["path"].startswith(FOR_PROGRAMS) and "text/html" in Headers(scope=scope).get("accept", "")
